"""The schema that editors are given takes what the bot takes, and refuses what it refuses."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from bot.cli.answers import Answers, configuration_text
from bot.settings import Settings
from bot.settings_schema import schema_address, schema_text
from bot.settings_yaml import to_yaml
from bot.yaml_text import read_yaml

CHECK = Draft202012Validator(json.loads(schema_text()))


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(schema_text()))


@pytest.mark.parametrize(
    "text",
    [
        to_yaml(Settings(), "", ""),
        configuration_text(Answers("live", ("binance", "okx"), 700.0, Path("var"))),
        "risk:\ndata:\n",
        "# nothing set",
    ],
    ids=["whole", "brief", "empty sections", "empty"],
)
def test_it_takes_what_the_bot_takes(text: str) -> None:
    assert [] == [error.message for error in CHECK.iter_errors(read_yaml(text.encode()).content)]


@pytest.mark.parametrize("text", ["sed: 1", "seed: -1", "profile: real", "risk: {max_leg: 1}", "data: {assets: BTC}"])
def test_it_refuses_what_the_bot_refuses(text: str) -> None:
    assert 1 == len(list(CHECK.iter_errors(read_yaml(text.encode()).content)))


def test_the_file_that_configurations_name_is_there() -> None:
    assert Path(schema_address().removeprefix("file://")).is_file()
