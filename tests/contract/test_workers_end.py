"""No worker process outlives the one that started it, however that ends."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.functional.commands import eventually


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program with a busy pool of two, in a process group of its own as a shell would put it."""
    command = [sys.executable, "-m", "tests.fakes.busy_parent", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert "submitted\n" == process.stdout.readline()
            yield process
        finally:
            process.kill()


def workers(folder: Path) -> list[Path]:
    return list(folder.glob("*.worker"))


def none_lives(folder: Path) -> bool:
    return all(_is_free(worker) for worker in folder.iterdir())


def _is_free(worker: Path) -> bool:
    with worker.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def test_ctrl_c_while_workers_work_ends_them_and_says_nothing(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    assert parent.stdout is not None and "busy\n" == parent.stdout.readline()
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=60)
    assert (0, "interrupted False False True True\n", "") == (parent.returncode, out, err)
    assert none_lives(tmp_path)


def test_ctrl_c_while_workers_start_ends_them_and_says_nothing(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    os.killpg(parent.pid, signal.SIGINT)
    out, err = parent.communicate(timeout=60)
    assert (0, "interrupted True True True True\n", "") == (parent.returncode, out, err)
    assert none_lives(tmp_path)


def test_workers_end_with_a_parent_that_is_killed(parent: subprocess.Popen[str], tmp_path: Path) -> None:
    eventually(lambda: len(workers(tmp_path)) == 2)
    parent.kill()
    parent.wait()
    eventually(lambda: none_lives(tmp_path))
