"""The shell completes commands and options, and the help reads as a manual page does."""

import os
import subprocess
from pathlib import Path

import pytest

from bot.cli.commands_page import commands
from bot.cli.manual import ENVIRONMENT, EXAMPLES, FILES
from data.errors import ExitCode
from tests.functional.commands import BOT, bot
from tests.functional.documented import typing_in

COMPLETED = """\
source <(_BOT_COMPLETE=source_bash bot)
COMP_WORDS=({words}) COMP_CWORD={place}
_bot_completion bot
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(words: str, place: int) -> list[str]:
    """What bash offers for the word at `place`."""
    told = dict(os.environ) | {"PATH": f"{BOT.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", COMPLETED.format(words=words, place=place)]
    return subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout.split()


def test_bash_completes_commands_and_options() -> None:
    assert ["doctor", "data", "db"] == completed("bot d", 1)
    assert ["--hours"] == completed("bot run --ho", 2)


@pytest.mark.parametrize("shell", ["zsh", "fish", "powershell"])
def test_other_shells_are_given_a_script_of_theirs(shell: str) -> None:
    told = dict(os.environ) | {"_BOT_COMPLETE": f"source_{shell}"}
    script = subprocess.run([BOT], env=told, capture_output=True, text=True, check=True).stdout
    assert f"complete_{shell}" in script


def test_completion_is_installed_into_the_start_of_the_shell(tmp_path: Path) -> None:
    with typing_in(tmp_path) as typist:
        os.environ["HOME"] = str(tmp_path)
        typist.type("bash -c 'bot --install-completion; true'")
    installed = [path for path in tmp_path.rglob("*") if path.is_file() and "complete" in path.read_text()]
    assert [] != installed


def test_the_help_has_the_sections_of_a_manual_page() -> None:
    lines = [line.strip() for line in bot("--help").stdout.splitlines()]
    for title, rows in {"Examples:": EXAMPLES, "Environment:": ENVIRONMENT, "Files:": FILES}.items():
        begun = lines.index(title) + 1
        assert list(rows) == [name for name, line in zip(rows, lines[begun:], strict=False) if line.startswith(name)]
    codes = lines[lines.index("Exit codes:") + 1 :][: len(ExitCode)]
    assert [str(code.value) for code in ExitCode] == [line.split()[0] for line in codes]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_the_help_is_understood(example: str) -> None:
    words = example.split()
    options = {name for one in dict(commands())[" ".join(words[:2])].params for name in one.opts}
    assert set() == {word for word in words if word.startswith("--")} - options
