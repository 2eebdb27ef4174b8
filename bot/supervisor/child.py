"""One process of the service: started with its job, heard by its pulse, ended. Used by its keeper."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.alerts import appended_log

LAST_LINES = 5
PACKAGES = Path(__file__).resolve().parents[2]


class Child:
    """A process, from `start` to its exit code. One event loop."""

    def __init__(self, name: str, log: Path) -> None:
        """Nothing is started yet; what it says goes to `log`."""
        self.name = name
        self.pulse: dict[str, Any] = {}
        """What it told last (`bot.pulse`); nothing before its first beat."""
        self.heard_s = time.monotonic()
        """When it was heard last, by the clock of this process."""
        self._log = log
        self._log_begins = 0
        self._rest = b""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Of the process; None before it is started."""
        return None if self._process is None else self._process.pid

    async def start(self, command: Sequence[str], job: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        """Start it: `job`, and the pipe for its pulse, are the first line of its stdin, which stays open for as long as
        this process lives. Raises OSError."""
        listening, told = os.pipe()
        os.set_blocking(listening, False)
        try:
            with appended_log(self._log) as log:
                self._log_begins = log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                    pass_fds=(told,), env=dict(environment),
                )  # fmt: skip
        except BaseException:
            os.close(listening)
            raise
        finally:
            os.close(told)
        self.heard_s = time.monotonic()
        asyncio.get_running_loop().add_reader(listening, self._hear, listening)
        assert self._process.stdin is not None
        with suppress(ConnectionError):  # it has ended already: its exit code says why
            self._process.stdin.write(json.dumps({**job, "pipe": told}).encode() + b"\n")
            await self._process.stdin.drain()

    async def ended(self) -> int:
        """Its exit code, once it has one: negative for a signal."""
        assert self._process is not None
        return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        """A signal, unless it has ended."""
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                # Popen's own way looks for the exit code first, and would take it away from the event loop.
                os.kill(self._process.pid, number)

    def last_words(self) -> str:
        """The last lines that it wrote, for people; secrets are hidden by itself."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(self._log_begins)
            lines = [line.strip() for line in log.read().decode(errors="replace").splitlines()]
            return " | ".join([line for line in lines if line][-LAST_LINES:])
        return ""

    def _hear(self, pipe: int) -> None:
        """Take in what the pipe holds; the last whole line counts."""
        with suppress(BlockingIOError):
            content = os.read(pipe, 1 << 16)
            if not content:
                asyncio.get_running_loop().remove_reader(pipe)
                os.close(pipe)
                return
            self.heard_s = time.monotonic()
            *lines, self._rest = (self._rest + content).split(b"\n")
            if lines:
                self.pulse = json.loads(lines[-1])


def python(module: str) -> list[str]:
    """The command that runs one of our modules."""
    # -P: folders of the user's working directory must not be taken for our packages.
    return [sys.executable, "-P", "-m", module]


def environment(without: Sequence[str] = ()) -> dict[str, str]:
    """Ours, with the folder of our packages on the path, and `without` those variables."""
    inherited = os.environ.get("PYTHONPATH")
    path = os.pathsep.join([str(PACKAGES), inherited] if inherited else [str(PACKAGES)])
    return {name: value for name, value in os.environ.items() if name not in without} | {"PYTHONPATH": path}
