"""The troubleshooting page says what the program says: every message, command, option and setting in it is there."""

import ast
import re
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from bot.cli.main import app
from bot.mistakes import _way
from bot.settings import Settings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/troubleshooting.md").read_text()
MESSAGES = sorted(
    {" ".join(one.split()) for one in re.findall(r'"([^"]+)"', PAGE)} - {"User or API Wallet … does not exist"}
)
COMMANDS = sorted(set(re.findall(r"^(bot .+)$", PAGE, re.MULTILINE)))
SETTINGS = sorted(set(re.findall(r"`((?:[a-z_]+\.)+[a-z_]+)`", PAGE)) - {"funding.parquet", "paper.yaml", "live.yaml"})
CASES = ("slow", "alike", "does not match training", "Out of memory", "not found")
"""Of the documentation that the product was ordered from, in its order."""


def said() -> str:
    """Every text in the program, whole where the source breaks it over lines."""
    trees = (ast.parse(path.read_text()) for floor in ("data", "backtest", "pbt_online", "bot")
             for path in (ROOT / floor).rglob("*.py"))  # fmt: skip
    texts = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return "\n".join(node.value for node in texts if isinstance(node.value, str))


@pytest.fixture(scope="module")
def program() -> str:
    return said()


@pytest.mark.parametrize("message", MESSAGES)
def test_what_the_page_cites_is_what_the_program_says(program: str, message: str) -> None:
    parts = [part for part in message.split("…") if len(part.strip()) > 3]
    assert [] == [part for part in parts if part.strip() not in program]
    assert [] != parts


@pytest.mark.parametrize("command", COMMANDS)
def test_what_the_page_has_one_type_is_a_command_with_these_options(command: str) -> None:
    told, words = typer.main.get_command(app), command.split()[1:]
    while hasattr(told, "commands"):
        told = told.commands[words.pop(0)]
    options = {name for parameter in told.params for name in parameter.opts}
    assert set() == {word for word in words if word.startswith("--")} - options


@pytest.mark.parametrize("setting", SETTINGS)
def test_what_the_page_has_one_set_is_a_setting(setting: str) -> None:
    steps, holders = _way(Settings, setting.split("."))
    assert any(steps[-1] in holder.model_fields for holder in holders if issubclass(holder, BaseModel))


def test_the_cases_of_the_reference_are_there_in_order() -> None:
    headings = re.findall(r"^### (\d)\. (.+)$", PAGE, re.MULTILINE)
    assert [str(number) for number in range(1, len(CASES) + 1)] == [number for number, _ in headings][: len(CASES)]
    assert all(case in heading for case, (_, heading) in zip(CASES, headings, strict=False))


def test_every_case_says_what_to_do() -> None:
    cases = PAGE.split("\n### ")[1:]
    assert [] == [case.splitlines()[0] for case in cases if "**Do:**" not in case]
