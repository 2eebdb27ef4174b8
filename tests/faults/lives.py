"""The bot as a process of its own, forked from one that has loaded its modules: a life then costs what it does, and not
what starting Python does.
"""

import io
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.functional.commands import eventually

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["bot.cli.main", "bot.cli.run", "bot.cli.live", "bot.cli.kill", "bot.cli.doctor", "bot.access", "bot.runtime"]
)


class Life:
    """One run of the `bot` command: `arguments` as typed, `said` on stdin, `environment` beside what is inherited."""

    def __init__(self, arguments: Sequence[object], said: str, environment: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix="life-", suffix=".txt", dir=folder)
        os.close(number)
        self._output = Path(name)
        target = (list(map(str, arguments)), said, dict(environment), name)
        self._process = _CONTEXT.Process(target=_live, args=target, daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.is_alive()

    @property
    def output(self) -> str:
        """What it wrote to stdout and stderr so far."""
        return self._output.read_text()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def end(self, timeout_s: float) -> int:
        """Its exit code, once it has ended; killed, and a failure, where it does not in time."""
        self._process.join(timeout_s)
        if self._process.is_alive():
            self.kill()
            raise AssertionError(f"the bot did not end within {timeout_s:g} s: {self.output[-3000:]}")
        code = self._process.exitcode
        assert code is not None
        return code

    def kill(self) -> None:
        """kill -9, whatever it is at."""
        self._process.kill()
        self._process.join(30)

    def until(self, condition: object, timeout_s: float = 60.0) -> None:
        """Wait for a condition, with the bot alive all the while."""
        assert callable(condition)
        deadline = time.monotonic() + timeout_s
        eventually(lambda: condition() or not self.alive or time.monotonic() > deadline, timeout_s + 30)
        assert condition(), f"not so after {timeout_s:g} s; alive: {self.alive}; it said: {self.output[-3000:]}"


def _live(arguments: Sequence[str], said: str, environment: Mapping[str, str], output: str) -> None:
    """In the new process: become the command."""
    file: IO[str] = open(output, "a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the process ends
    os.dup2(file.fileno(), 1)
    os.dup2(file.fileno(), 2)
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(said), file, file
    os.environ.update(environment)
    os.setsid()
    sys.argv = ["bot", *arguments]
    from bot.cli.main import main

    main()
