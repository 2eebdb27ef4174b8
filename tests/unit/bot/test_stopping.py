"""The bot that holds a folder is found by the number in its lock, and ended whatever state it is in."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.instance import LOCK, holder, is_running, single_instance
from bot.stopping import stop_bot
from data.errors import StateError

HOLD = """\
import signal, sys, time
from pathlib import Path
from bot.instance import single_instance
if sys.argv[2] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with single_instance(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator:
    """Starts a process that holds the folder; ends it in the end."""
    held = []

    def start(manner: str = "") -> subprocess.Popen:
        path = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])}
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, tmp_path, manner], stdout=subprocess.PIPE, text=True, env=path
        )
        held.append(process)
        assert process.stdout is not None
        assert "held\n" == process.stdout.readline()
        return process

    yield start
    for process in held:
        process.kill()
        process.wait()
        process.stdout.close()


def test_who_holds_a_folder_is_told_as_long_as_it_is_held(tmp_path: Path) -> None:
    assert (None, False) == (holder(tmp_path), is_running(tmp_path))
    with single_instance(tmp_path):
        assert (os.getpid(), True) == (holder(tmp_path), is_running(tmp_path))
    assert (None, False) == (holder(tmp_path), is_running(tmp_path))


def test_a_bot_that_listens_is_asked_to_end(tmp_path: Path, hold) -> None:
    process = hold()
    assert f"the bot (process {process.pid}) was ended by SIGTERM" == stop_bot(tmp_path, 5.0)
    assert -signal.SIGTERM == process.wait(5)


@pytest.mark.parametrize("state", ["deaf", "stopped"])
def test_a_bot_that_does_not_listen_is_ended_by_force(tmp_path: Path, hold, state: str) -> None:
    process = hold(state)
    if state == "stopped":
        process.send_signal(signal.SIGSTOP)
        while " T " not in Path(f"/proc/{process.pid}/stat").read_text():
            time.sleep(0.01)
    began = time.monotonic()
    assert f"the bot (process {process.pid}) was ended by SIGKILL" == stop_bot(tmp_path, 0.3)
    assert time.monotonic() - began < 5.0
    assert -signal.SIGKILL == process.wait(5)


def test_where_no_bot_runs_nothing_is_ended(tmp_path: Path) -> None:
    assert "no bot was running" == stop_bot(tmp_path, 0.1)
    (tmp_path / LOCK).write_text(str(os.getpid()))  # left behind by one that has ended
    assert "no bot was running" == stop_bot(tmp_path, 0.1)


def test_a_holder_that_left_no_number_is_named_for_a_hand_to_end(tmp_path: Path) -> None:
    with single_instance(tmp_path):
        (tmp_path / LOCK).write_text("")
        with pytest.raises(StateError, match="end that bot by hand"):
            stop_bot(tmp_path, 0.1)
