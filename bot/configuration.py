"""Reads the configuration from YAML, and tells all that is wrong with it by line."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from bot.mistakes import mistakes_of
from bot.settings import Settings
from bot.yaml_text import Mistake, NotYaml, read_yaml
from data.errors import ConfigurationError


def load_settings(path: Path) -> Settings:
    """Settings from a YAML file; raises ConfigurationError with a line for everything that is wrong,
    `file:line: key: what`.

    A plain name (`paper`) stands for the configuration of that name that is shipped with the program. A section that is
    there and empty is as the models say.
    """
    shipped = files("config") / f"{path}.yaml"
    named = path.name == str(path) and shipped.is_file()
    try:
        document = read_yaml((shipped if named else path).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; `bot init` writes a new one") from error
    except NotYaml as error:
        raise _refused(path, error.mistakes) from error
    try:
        settings = Settings.model_validate(document.content)
    except ValidationError as error:
        raise _refused(path, [*document.doubles, *mistakes_of(error, document, Settings)]) from error
    if document.doubles:
        raise _refused(path, document.doubles)
    return settings


def _refused(path: Path, mistakes: Sequence[Mistake]) -> ConfigurationError:
    ordered = sorted(mistakes, key=lambda mistake: (mistake.line or 0, mistake.key))
    return ConfigurationError("\n".join(mistake.told(path) for mistake in ordered))
