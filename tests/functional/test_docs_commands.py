"""What README and docs have one type works as it stands there."""

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bot.cli.main import app
from tests.functional.commands import bot, soak
from tests.functional.documented import FENCED, IN_A_CHECKOUT, PAGES, ROOT, blocks_of, missing, typing_in
from tests.functional.troubles import TROUBLES

OF_EVERY_CHANGE = ("README.md",)
"""The pages that are tried at every change; the others take long: `make soak` runs them."""
NEVER_RUN = {"CONTRIBUTING.md": 1, "README.md": 1, "docs/installing.md": 1}
"""How many blocks of which page no test runs, whatever is there."""
BLOCKS = {str(page.relative_to(ROOT)): blocks_of(page) for page in PAGES}
TYPED = {page: [block for block in blocks if block.file is None] for page, blocks in BLOCKS.items()}
LEFT = [block for blocks in TYPED.values() for block in blocks if block.why_not is not None]
NOT_SURE = [block for blocks in TYPED.values() for block in blocks if block.why_not or block.needs]
BOTS = re.compile(r"(?:\S+/)?bot\b")
LATER = sorted(page for page, blocks in TYPED.items() if page not in OF_EVERY_CHANGE and set(blocks) - set(LEFT))
COMMAND = re.compile(r"^ {4,}(?:bot|curl|docker|export|git|make|pip) .*$", re.MULTILINE)


def type_all(page: str, folder: Path) -> None:
    """All that can be run here, each symptom brought about before what helps against it."""
    with typing_in(folder, checkout=IN_A_CHECKOUT in (ROOT / page).read_text()) as typist:
        heading = ""
        for block in BLOCKS[page]:
            if not block.is_run:
                continue
            if page == "docs/troubleshooting.md" and block.heading != heading:
                heading = block.heading
                typist.around.is_down(None)
                TROUBLES[heading](typist)
            typist.type_block(block)


@pytest.mark.parametrize("page", OF_EVERY_CHANGE)
def test_the_commands_of_the_first_pages_work_in_order(page: str, tmp_path: Path) -> None:
    assert [block for block in BLOCKS[page] if block.is_run]
    type_all(page, tmp_path)


def test_the_summary_that_the_readme_shows_is_the_one_that_is_printed(tmp_path: Path) -> None:
    """By the backtest, which takes seconds and ends as the run does."""
    (table,) = re.findall(r"^```text\n(.*?P&L by.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    printed = bot("backtest", "--policy", "rule", "--hours", 240, cwd=tmp_path).stdout
    there = [line.split() for line in printed.splitlines()]
    assert [] == [line for line in table.splitlines() if line.split() not in there]


@soak
@pytest.mark.parametrize("page", LATER)
def test_the_commands_of_a_page_work_in_order(page: str, tmp_path: Path) -> None:
    type_all(page, tmp_path)


def test_every_block_is_run_but_three(capsys: pytest.CaptureFixture[str]) -> None:
    every = [block for blocks in TYPED.values() for block in blocks]
    absent = {block: missing(block.needs) for block in every if block.needs and missing(block.needs)}
    tried = [block for block in every if block.is_run and (block.page in OF_EVERY_CHANGE or os.environ.get("SOAK"))]
    with capsys.disabled():
        print(f"\ncommand blocks of the documentation: {len(tried)} of {len(every)} are executed in this run", end="")
        print(f", {len(every) - len(LEFT)} by `make soak` where all that they need is there")
        for page, why in sorted({(block.page, block.why_not or absent[block]) for block in [*LEFT, *absent]}):
            print(f"not run: {page}: {why}")
    assert NEVER_RUN == Counter(block.page for block in LEFT)
    assert [] == [block for block in LEFT if len((block.why_not or "").split()) < 2]


def test_every_symptom_with_a_command_is_brought_about() -> None:
    assert {block.heading for block in TYPED["docs/troubleshooting.md"]} == set(TROUBLES)


@pytest.mark.parametrize("command", sorted({one for block in NOT_SURE for one in block.commands if BOTS.search(one)}))
def test_what_is_perhaps_not_run_is_understood(command: str) -> None:
    for typed in re.split(r"[&|]", command.partition(" #")[0]):
        words = typed.split()
        if words and BOTS.match(words[0]):
            told: Any = typer.main.get_command(app)
            rest = words[1:]
            while hasattr(told, "commands") and not rest[0].startswith("-"):
                told = told.commands[rest.pop(0)]
            if not hasattr(told, "commands"):
                told.make_context("bot", rest)  # raises what is wrong with it


def test_commands_stand_in_blocks_that_are_found() -> None:
    indented = {page.name: COMMAND.findall(FENCED.sub("", page.read_text())) for page in PAGES}
    assert {} == {name: found for name, found in indented.items() if found}
    other = {
        page.name: re.findall(r"^ *```(?:bash|shell|console|zsh)", page.read_text(), re.MULTILINE) for page in PAGES
    }
    assert {} == {name: found for name, found in other.items() if found}
    hidden = {page.name: len(re.findall(r"^ *```sh\b", page.read_text(), re.MULTILINE)) for page in PAGES}
    assert hidden == {page.name: len(TYPED[str(page.relative_to(ROOT))]) for page in PAGES}


def test_a_command_that_fails_fails_the_page(tmp_path: Path) -> None:
    with typing_in(tmp_path) as typist, pytest.raises(AssertionError, match="ended with 2"):
        typist.type("bot status --config nowhere.yaml")
    with typing_in(tmp_path) as typist, pytest.raises(AssertionError, match="ended with 1"):
        typist.type("false | cat")
    assert Path.cwd() != tmp_path
