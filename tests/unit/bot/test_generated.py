"""The generated files are what the code generates today."""

from pathlib import Path

import pytest
import yaml

from bot.cli.generated import generated
from bot.configuration import load_settings
from bot.settings import Settings, paper_settings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("path", sorted(generated()))
def test_the_file_is_up_to_date(path: str) -> None:
    assert generated()[path] == (ROOT / path).read_text(), "run `make config`"


def test_the_shipped_configurations_are_the_defaults() -> None:
    assert Settings() == load_settings(ROOT / "config/sandbox.yaml")
    assert paper_settings() == load_settings(ROOT / "config/paper.yaml") == load_settings(Path("paper"))


def test_the_paper_configuration_names_no_address_of_its_own() -> None:
    content = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    assert {None} == {venue["base_url"] for venue in content["data"]["venues"].values()}
