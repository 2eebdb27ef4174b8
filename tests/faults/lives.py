"""The bot as a process of its own, whose words are in a file: what the faults happen to."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.functional.commands import BOT
from tests.functional.warm import WarmPopen


class Life:
    """One run of the `bot` command: `arguments` as typed, `said` on stdin, `environment` beside what is inherited, on a
    clock that is `off_s` ahead."""

    def __init__(
        self, arguments: Sequence[object], said: str, environment: Mapping[str, str], folder: Path, off_s: float
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number, name = tempfile.mkstemp(prefix="life-", suffix=".txt", dir=folder)
        os.close(number)
        self._output = Path(name)
        with tempfile.TemporaryFile("w+") as typed, self._output.open("a") as heard:
            typed.write(said)
            typed.seek(0)
            self._process = WarmPopen(
                [BOT, *map(str, arguments)],
                stdin=typed,
                stdout=heard,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | environment,
                start_new_session=True,
                ahead_s=off_s,
            )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """What it wrote to stdout and stderr so far."""
        return self._output.read_text()

    def send(self, number: signal.Signals) -> None:
        """A signal."""
        os.kill(self.pid, number)

    def end(self, timeout_s: float) -> int:
        """Its exit code, once it has ended; killed, and a failure, where it does not in time."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the bot did not end within {timeout_s:g} s: {self.output[-3000:]}") from None

    def kill(self) -> None:
        """kill -9, whatever it is at."""
        self._process.kill()
        self._process.wait(30)

    def until(self, condition: Callable[[], object], timeout_s: float) -> None:
        """Wait for a condition, with the bot alive all the while."""
        deadline = time.monotonic() + timeout_s
        while not condition():  # asked no more once it was true: it may be so for a moment
            late = f"not so within {timeout_s:g} s; alive: {self.alive}; it said: {self.output[-3000:]}"
            assert self.alive and time.monotonic() < deadline, late
            time.sleep(0.05)
