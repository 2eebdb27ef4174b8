"""The commands that the documentation has one type: found page by page, and run as typed, in order, in one folder."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.functional.commands import BOT, bot, started

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: ([^>]+?) -->\n\n?\Z")
NONE_RUN = re.compile(r"^<!-- none is run: ([^>]+?) -->$", re.MULTILINE)
"""The same for a whole page."""
SERVED = re.compile(r"<!-- until it is ended -->\n\n?\Z")
"""Before a block whose commands run until somebody ends them."""
WITH = re.compile(r"<!-- with ([A-Z_]+) -->\n\n?\Z")
"""Before a block that needs what the environment may name."""
SHELL = re.compile(r"[|<>;$`(]|&&")
"""What only a shell understands."""
PATIENCE_S = 600


@dataclass(frozen=True)
class Block:
    """Lines to be typed one after the other."""

    page: str
    text: str
    why_not: str | None
    """Why no test runs it; None where one does."""
    served: bool = False
    """Whether its commands run until they are ended."""

    @property
    def commands(self) -> list[str]:
        """One a line, those that go on over several lines put together."""
        lines = [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]
        return [f"{line} &" for line in lines] if self.served else lines


def blocks_of(page: Path) -> list[Block]:
    """Every `sh` block of a page, from the top."""
    text, name = page.read_text(), str(page.relative_to(ROOT))
    whole = NONE_RUN.search(text)
    found = []
    for block in BLOCK.finditer(text):
        single = NOT_RUN.search(text, 0, block.start())
        why = single or whole
        served = SERVED.search(text, 0, block.start()) is not None
        wanted = WITH.search(text, 0, block.start())
        absent = f"{wanted.group(1)} is not set" if wanted and wanted.group(1) not in os.environ else None
        found.append(Block(name, block.group(1), why.group(1) if why else absent, served))
    return found


@contextmanager
def typing_in(folder: Path) -> Iterator["Typist"]:
    """Somebody at a shell in `folder`; what they left running in the background is ended."""
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ["PATH"] = f"{BOT.parent}{os.pathsep}{environment['PATH']}"
    typist = Typist()
    try:
        yield typist
    finally:
        typist.leave()
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


class Typist:
    """Types commands; each must end with 0, or, with `&`, say its first line."""

    def __init__(self) -> None:
        self._running: list[subprocess.Popen[str]] = []

    def type(self, command: str) -> None:
        """Run it to its end; raises AssertionError with what it said where it fails."""
        words = shlex.split(command, comments=True)
        if words[0] == "export":
            os.environ.update(word.split("=", 1) for word in words[1:])
        elif words[0].endswith("bot") and words[-1] == "&":
            self._running.append(started(*words[1:-1]))
            assert self._running[-1].stdout.readline(), f"`{command}` says nothing"  # type: ignore[union-attr]
        elif words[0].endswith("bot") and not SHELL.search(command.partition(" #")[0]):
            _told(command, bot(*words[1:], cwd=Path.cwd(), timeout_s=PATIENCE_S))
        else:
            shell = ["bash", "-euo", "pipefail", "-c", command]
            _told(command, subprocess.run(shell, capture_output=True, text=True, timeout=PATIENCE_S, check=False))

    def leave(self) -> None:
        """End what runs in the background."""
        for process in self._running:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)


def _told(command: str, ended: subprocess.CompletedProcess[str]) -> None:
    assert ended.returncode == 0, f"`{command}` ended with {ended.returncode}:\n{ended.stdout[-2000:]}{ended.stderr}"
