"""The bot's token: read from the environment, put into requests at the last moment, shown to nobody. Used by `api`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from data.errors import ConfigurationError

VARIABLE = "TELEGRAM_BOT_TOKEN"
_SHAPE = re.compile(r"\d+:[A-Za-z0-9_-]{20,}")


@dataclass(frozen=True, repr=False)
class Token:
    """A token of BotFather's."""

    value: str

    def __repr__(self) -> str:
        return "Token(hidden)"


def read_token(environment: Mapping[str, str]) -> Token:
    """The token; raises ConfigurationError, which does not show it, where it is missing or malformed."""
    value = environment.get(VARIABLE, "").strip()
    if not value:
        raise ConfigurationError(
            f"the token of the Telegram bot is missing: set {VARIABLE} in the environment, or telegram.enabled to false"
        )
    if not _SHAPE.fullmatch(value):
        raise ConfigurationError(f"{VARIABLE} is not of the form digits:letters that BotFather gives: copy it anew")
    return Token(value)
