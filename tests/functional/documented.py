"""The commands that the documentation has one type: found page by page, and run as typed, in order, in one folder.

Comments in a page, which no reader sees, say what typing takes: `not run`, `with`, `until it is ended`, `left running`,
`ends with`, `in a checkout`. YAML that begins with a file's name is that file.
"""

import os
import pty
import re
import select
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import yaml

from tests.functional.commands import BOT, eventually
from tests.functional.surroundings import Surroundings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"(?P<marks>(?:^<!-- [^>]+? -->\n\n?)*)^```(?P<kind>sh|yaml)\n(?P<text>.*?)^```$", re.M | re.S)
MARK = re.compile(r"<!-- ([^>]+?) -->")
FENCED = re.compile(r"^ *```.*?^ *```$", re.M | re.S)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FILE = re.compile(r"\A# (\S+\.yaml)\n")
IN_A_CHECKOUT = "<!-- in a checkout -->"
PATIENCE_S = 1800
ENOUGH_S = 60
"""For a command that runs until it is ended: from Ctrl-C to its end."""
MARKED = "FOLDER_OF_WHO_TYPES"
"""In the environment of everything that is started here."""
SHELL = ("bash", "-euo", "pipefail", "-c")
ASKED_WITHOUT_ECHO = re.compile(r"bot secrets set\b")
ENDED = (0, 130, -signal.SIGINT)


@dataclass(frozen=True)
class Block:
    """Lines to be typed one after the other, or a file."""

    page: str
    heading: str
    text: str
    file: str | None = None
    """The YAML that it is."""
    why_not: str | None = None
    """Why no test runs it; None where one does."""
    needs: str | None = None
    """What it is not run without."""
    served: bool = False
    """Whether its commands run until they are ended."""
    left_running: bool = False
    """Whether they are ended only when the page is."""
    exit_code: int = 0

    @property
    def commands(self) -> list[str]:
        """One a line, those that go on over several lines put together."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]

    @property
    def is_run(self) -> bool:
        """Whether it is run here and now."""
        return self.why_not is None and (self.needs is None or missing(self.needs) is None)


def blocks_of(page: Path) -> list[Block]:
    """Every `sh` block of a page, and every file, from the top."""
    text, found = page.read_text(), []
    prose = FENCED.sub(lambda code: " " * len(code[0]), text)
    for match in BLOCK.finditer(text):
        named = FILE.search(match["text"]) if match["kind"] == "yaml" else None
        if match["kind"] == "sh" or named:
            marks = MARK.findall(match["marks"])
            told = {mark.partition(": ")[0]: mark.partition(": ")[2] for mark in marks if ": " in mark}
            needs = next((mark.removeprefix("with ") for mark in marks if mark.startswith("with ")), None)
            code = next((int(mark.split()[-1]) for mark in marks if mark.startswith("ends with ")), 0)
            found.append(
                Block(
                    page=str(page.relative_to(ROOT)),
                    heading=(HEADING.findall(prose, 0, match.start()) or [""])[-1],
                    text=match["text"],
                    file=named and named[1],
                    why_not=told.get("not run"),
                    needs=needs,
                    served="until it is ended" in marks or "left running" in marks,
                    left_running="left running" in marks,
                    exit_code=code,
                )
            )
    return found


@cache
def missing(need: str) -> str | None:
    """Why what a block needs is not there; None where it is."""
    return f"{need} is not set" if need.isupper() and need not in os.environ else NEEDS[need]()


def _package_index() -> str | None:
    asked = ["pip", "index", "versions", "--quiet", "setuptools"]
    there = subprocess.run([BOT.parent / "python", "-m", *asked], capture_output=True, check=False, timeout=120)
    return None if there.returncode == 0 else "no package index answers"


def _modules(*names: str) -> str | None:
    absent = [name for name in names if find_spec(name) is None]
    return f"{', '.join(absent)} is not installed" if absent else None


def _soak() -> str | None:
    return None if os.environ.get("SOAK") else "make soak runs it"


def _always() -> None:
    return None


NEEDS: Mapping[str, Callable[[], str | None]] = {
    "RECORDED_MARKET": _always,
    "LEDGER_POSTGRES": lambda: _modules("psycopg", "moto", "s3fs"),
    "Ray": lambda: _modules("ray"),
    "TensorBoard": lambda: _modules("tensorboard"),
    "a package index": lambda: _soak() or _package_index(),
}
"""What pages ask for by `with`."""


@contextmanager
def typing_in(folder: Path, *, checkout: bool = False) -> Iterator["Typist"]:
    """Somebody at a shell in `folder`, or in a checkout there; what they left running is ended."""
    before, environment = Path.cwd(), dict(os.environ)
    with Surroundings(folder, ROOT) as around:
        try:
            os.environ.update(around.environment())
            os.environ["PATH"] = f"{BOT.parent}{os.pathsep}{environment['PATH']}"
            os.chdir(around.checkout() if checkout else folder)
            typist = Typist(around)
            try:
                yield typist
            finally:
                try:
                    typist.leave()
                finally:
                    _end_marked(folder)
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)


class Typist:
    """Types commands into a shell, whose folder and variables stay from one to the next. Each must end as its page
    says; one that runs until it is ended must stand, and end by Ctrl-C."""

    def __init__(self, around: Surroundings) -> None:
        self.around = around
        self._running: list[_Running] = []
        self._count = 0

    def type_block(self, block: Block) -> None:
        """All of it."""
        if block.file:
            Path(block.file).write_text(self.around.filled(block.text))
            self.around.stand_in(Path.cwd())
            return
        before = len(self._running)
        for command in block.commands:
            if block.served:
                self._begin(command)
            else:
                self.type(command, block.exit_code)
        if block.served:
            for running in self._running[before:]:
                running.stands()
            if not block.left_running:
                self._end(before)

    def type(self, command: str, exit_code: int = 0) -> str:
        """Run it to its end and give what it said; raises AssertionError with that where it ends otherwise. With `&` it
        goes on."""
        if command.endswith("&"):
            self._begin(command.removesuffix("&"))
            self._running[-1].stands()
            return ""
        state = self.around.folder / "shell"
        script = f"{self.around.filled(command)}\n{{ pwd; env -0; }} > {shlex.quote(str(state))}"
        answer = self.around.answer(command)
        if ASKED_WITHOUT_ECHO.match(command):
            code, said = _at_a_terminal([*SHELL, script], answer, self._marked)
            assert answer.strip() not in said, f"`{command}` shows what was typed: {said!r}"
        else:
            code, said = _by_pipes([*SHELL, script], answer, self._marked)
        assert code == exit_code, f"`{command}` ended with {code}:\n{said[-3000:]}"
        if code == 0:
            self._go_on_from(state)
        self.around.stand_in(Path.cwd())
        return said

    def leave(self) -> None:
        """End what runs until it is ended."""
        self._end(0)

    def _begin(self, command: str) -> None:
        self._count += 1
        log = self.around.folder / f"said-{self._count}.txt"
        answer = self.around.answer(command)
        self._running.append(_Running(command, self.around.filled(command), answer, log, self._marked))

    @property
    def _marked(self) -> dict[str, str]:
        return dict(os.environ) | {MARKED: str(self.around.folder)}

    def _end(self, first: int) -> None:
        running, self._running = self._running[first:], self._running[:first]
        for one in reversed(running):
            one.end()

    def _go_on_from(self, state: Path) -> None:
        folder, _, variables = state.read_text().partition("\n")
        os.chdir(folder)
        told = dict(pair.split("=", 1) for pair in variables.split("\0") if pair)
        del told[MARKED]
        for gone in os.environ.keys() - told.keys():
            del os.environ[gone]
        os.environ.update(told)


class _Running:
    """A command that runs until it is ended."""

    def __init__(self, typed: str, command: str, answer: str, log: Path, environment: Mapping[str, str]) -> None:
        self._typed, self._command, self._log = typed, command, log
        self._words = shlex.split(command, comments=True)
        self._starts = self._starts_told()
        with log.open("w") as said:
            self._process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], stdin=subprocess.PIPE, stdout=said, stderr=subprocess.STDOUT,
                text=True, start_new_session=True, env=environment,
            )  # fmt: skip
        assert self._process.stdin is not None
        with suppress(BrokenPipeError), self._process.stdin as typing:
            typing.write(answer)

    def stands(self) -> None:
        """Return once it does what it was started for: a bot trades, anything else says so."""
        if self._trades:
            told = [f"{name} {value}" for name in ("--config", "--var") if (value := self._option(name))]
            eventually(lambda: self._goes_on() and self._starts_told() > self._starts, PATIENCE_S)
            eventually(lambda: self._goes_on() and _ends_well(f"{self._words[0]} status {' '.join(told)}"), PATIENCE_S)
        else:
            eventually(lambda: self._goes_on() and "\n" in self._log.read_text(), PATIENCE_S)

    @property
    def _trades(self) -> bool:
        return "run" in self._words[:2]

    def _option(self, name: str) -> str | None:
        return self._words[self._words.index(name) + 1] if name in self._words else None

    def _starts_told(self) -> int:
        """How often a trader's log says that it began or went on."""
        if not self._trades:
            return 0
        config = self._option("--config")
        content = yaml.safe_load(Path(config).read_text()) if config else {}
        log = Path(self._option("--var") or content.get("var", "var")) / "logs" / "bot.jsonl"
        said = log.read_text() if log.exists() else ""
        return said.count('"kind": "started"') + said.count('"kind": "resumed"')

    def end(self) -> None:
        """By Ctrl-C."""
        self._goes_on()
        os.killpg(self._process.pid, signal.SIGINT)
        try:
            code = self._process.wait(ENOUGH_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"`{self._typed}` goes on after Ctrl-C: {self._said()}") from None
        assert code in ENDED, f"`{self._typed}` ended with {code} by Ctrl-C: {self._said()}"

    def _goes_on(self) -> bool:
        code = self._process.poll()
        assert code is None, f"`{self._typed}` ended with {code}: {self._said()}"
        return True

    def _said(self) -> str:
        return self._log.read_text()[-3000:]


def _by_pipes(shell: list[str], answer: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """The exit code and what was said."""
    try:
        ended = subprocess.run(
            shell, input=answer, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE_S,
            check=False, env=environment,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        raise AssertionError(f"not ended after {PATIENCE_S} s: {(late.stdout or b'')[-3000:]!r}") from None
    return ended.returncode, ended.stdout


def _at_a_terminal(shell: list[str], answer: str, environment: Mapping[str, str]) -> tuple[int, str]:
    """The same where a secret is asked for, which is typed once the terminal shows the question."""
    ours, theirs = pty.openpty()
    said, typed = b"", answer.encode()
    with subprocess.Popen(
        ["setsid", "--ctty", "--wait", *shell], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        with suppress(OSError):  # Linux's end of a terminal
            while select.select([ours], [], [], ENOUGH_S)[0] and (shown := os.read(ours, 4096)):
                said += shown
                if typed and said.endswith(b": "):
                    os.write(ours, typed)
                    typed = b""
        os.close(ours)
    return process.returncode, said.decode(errors="replace")


def _ends_well(command: str) -> bool:
    return subprocess.run(["bash", "-c", command], capture_output=True, check=False).returncode == 0


def _end_marked(folder: Path) -> None:
    """What the commands of a page have left behind, by what its environment says."""
    mark = f"{MARKED}={folder}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0") and int(process.name) != os.getpid():
                os.kill(int(process.name), signal.SIGKILL)
