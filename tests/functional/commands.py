"""The `bot` command as a user runs it: a subprocess with its own folder for run-time files."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.functional.warm import WarmPopen

BOT = Path(sys.executable).parent / "bot"
soak = pytest.mark.skipif(not os.environ.get("SOAK"), reason="takes long: make soak runs it")
"""For what smaller tests cover too."""
SMALL = """\
data:
  assets: [BTC, INJ, XRP]
learning:
  schedule: {enabled: false}
"""
"""Three assets and nobody who learns: a market hour takes a fraction of the default's time."""


def bot(
    *arguments: object, timeout_s: float = 300, cwd: Path | None = None, typed: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run to the end, whatever the exit code; `typed` is its standard input, empty where none is given."""
    with _popen(arguments, cwd, None if typed is None else subprocess.PIPE) as process:
        try:
            out, err = process.communicate(typed, timeout=timeout_s)
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def started(*arguments: object) -> subprocess.Popen[str]:
    """Start in the background."""
    return _popen(arguments, session=True)


def _popen(
    arguments: Sequence[object], cwd: Path | None = None, stdin: int | None = None, *, session: bool = False
) -> subprocess.Popen[str]:
    return WarmPopen(
        [BOT, *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        start_new_session=session,
    )


def said(process: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a successful command printed."""
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def eventually(
    condition: Callable[[], Any], timeout_s: float = 300, *, process: subprocess.Popen[str] | None = None
) -> Any:
    """The first true value of `condition`; a failure after the deadline, with what the awaited process said."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"not true within {timeout_s} s: {condition}{_last_words(process)}")


def _last_words(process: subprocess.Popen[str] | None) -> str:
    """How a process stands, and, once it is killed, what it had written."""
    if process is None:
        return ""
    exit_code = process.poll()
    process.kill()
    out, err = process.communicate()
    return f"\nexit code {exit_code}\n{out[-2000:]}\n{err[-2000:]}"


def newest_tick(var: Path) -> int | None:
    """The last complete tick, straight from the file: starting a command would take longer than many hours traded."""
    if not (var / "ledger.sqlite").exists():
        return None
    with closing(sqlite3.connect(var / "ledger.sqlite", timeout=10)) as ledger:
        try:
            row = ledger.execute("SELECT tick FROM snapshots").fetchone()
        except sqlite3.OperationalError:  # no tables yet
            return None
    return None if row is None else row[0]


def small_config(folder: Path) -> Path:
    """A configuration file for quick runs."""
    path = folder / "small.yaml"
    path.write_text(SMALL)
    return path


def quiet_config(folder: Path) -> Path:
    """A configuration file that leaves everything as it is, but for the population: nobody trains."""
    path = folder / "quiet.yaml"
    path.write_text("learning: {schedule: {enabled: false}}\n")
    return path


def recorded_market() -> Path:
    """The folder of recorded files; skips the test, saying so, where there is none."""
    folder = os.environ.get("RECORDED_MARKET")
    if not folder:
        pytest.skip("RECORDED_MARKET is not set: no recorded market to replay")
    return Path(folder)
