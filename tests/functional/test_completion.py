"""The shell completes commands and options, and the help reads as a manual page does."""

import os
import pty
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.cli.commands_page import commands
from bot.cli.manual import ENVIRONMENT, EXAMPLES, FILES
from data.errors import ExitCode
from tests.functional.commands import BOT, bot
from tests.functional.documented import ROOT, blocks_of, typing_in

COMPLETED = """\
source <(_BOT_COMPLETE=source_bash bot)
COMP_WORDS=({words}) COMP_CWORD={place}
_bot_completion bot
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
PROMPT = """\
PS1='ready> '
show() { print -r -- "[$BUFFER]" }
zle -N show
bindkey '^X' show
"""
"""Of a zsh that prints the line as it stands, in brackets, at Control-X."""
PATIENCE_S = 60


def there(shell: str) -> str:
    """The shell; skips the test, saying so, where it is absent."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}: nothing was completed in it (apt install {shell})")
    return shell


def completed(words: str, place: int) -> list[str]:
    """What bash offers for the word at `place`."""
    told = dict(os.environ) | {"PATH": f"{BOT.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-c", COMPLETED.format(words=words, place=place)]
    return subprocess.run(command, env=told, capture_output=True, text=True, check=True).stdout.split()


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Somebody who has typed what docs/installing.md has for completion, with `bot` on the path."""
    with typing_in(home) as typist:
        os.environ.update(HOME=str(home), TERM="dumb")
        for name in ("ZDOTDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"):
            os.environ.pop(name, None)
        for block in blocks_of(ROOT / "docs" / "installing.md"):
            if "_BOT_COMPLETE" in block.text:
                for command in block.commands:
                    typist.type(command)
        yield


def in_zsh(typed: str) -> str:
    """The line of an interactive zsh after these keys."""
    screen, terminal = pty.openpty()
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with subprocess.Popen(["zsh", "-i"], **streams, start_new_session=True) as zsh:
        os.close(terminal)
        try:
            _read_to(screen, "ready> ")
            os.write(screen, f"{typed}\x18".encode())
            return _read_to(screen, "]").partition("]")[0].rpartition("[")[2]
        finally:
            zsh.kill()
            os.close(screen)


def _read_to(screen: int, last: str) -> str:
    shown, deadline = "", time.monotonic() + PATIENCE_S
    while last not in shown:
        assert select.select([screen], [], [], max(0.0, deadline - time.monotonic()))[0], shown
        shown += os.read(screen, 4096).decode(errors="replace")
    return shown


def in_fish(line: str, *, first: str = "") -> list[str]:
    """What fish offers for the end of the line, after a first command."""
    command = ["fish", "-c", f"{first}\ncomplete --do-complete '{line}'"]
    offered = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return sorted(row.split("\t")[0] for row in offered)


def test_bash_completes_commands_and_options() -> None:
    assert ["doctor", "data", "db"] == completed("bot d", 1)
    assert ["--hours"] == completed("bot run --ho", 2)


def test_zsh_completes_at_the_first_tab_by_what_the_docs_have_one_keep(tmp_path: Path) -> None:
    there("zsh")
    (tmp_path / ".zshrc").write_text(f"autoload -Uz compinit; compinit\nsource ~/bot.zsh\n{PROMPT}")
    with at_home(tmp_path):
        assert ("bot doctor ", "bot run --hours ") == (in_zsh("bot doct\t"), in_zsh("bot run --ho\t"))


def test_zsh_completes_once_it_is_installed(tmp_path: Path) -> None:
    """The first Tab of a shell loads what the second completes by."""
    there("zsh")
    with at_home(tmp_path):
        subprocess.run(["zsh", "-c", "bot --install-completion; true"], check=True, capture_output=True)
        with (tmp_path / ".zshrc").open("a") as start:
            start.write(PROMPT)
        assert "bot doctor " == in_zsh("bot doct\t\t")


@pytest.mark.parametrize("installed", [True, False])
def test_fish_completes_commands_and_options(tmp_path: Path, installed: bool) -> None:
    there("fish")
    with at_home(tmp_path):
        if installed:
            subprocess.run(["fish", "-c", "bot --install-completion; true"], check=True, capture_output=True)
        first = "" if installed else "source ~/bot.fish"
        assert ["data", "db", "doctor"] == in_fish("bot d", first=first)
        assert ["--hours"] == in_fish("bot run --ho", first=first)


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
