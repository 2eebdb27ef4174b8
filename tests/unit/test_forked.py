"""The workers that `make test` forks: every test is run once and told, whatever becomes of the one that ran it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "test_whole.py": """
import os
PIDS = set()
def test_one(tmp_path): PIDS.add(os.getpid())
def test_other(capfd):
    print("heard")
    assert ("heard\\n", {os.getpid()}) == (capfd.readouterr().out, PIDS)
""",
    "test_broken.py": """
import os, pytest
def test_passes(): pass
def test_dies(): os.kill(os.getpid(), 9)
def test_fails(): assert 1 == 2
@pytest.mark.skip(reason="not now")
def test_skipped(): pass
def test_after(): pass
""",
    "test_slow.py": """
import time
def test_hangs(): time.sleep(60)
def test_afterwards(): pass
""",
}
HANGING = ["-o", "faulthandler_timeout=3", "-o", "faulthandler_exit_on_timeout=true"]


def test_what_fails_and_what_dies_is_told_and_nothing_is_left_out(tmp_path: Path) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-p", "tests.forked", "--workers", "2", "-c", "pyproject.toml"]
    done = subprocess.run([*command, *HANGING, tmp_path], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 1 == done.returncode, done.stdout + done.stderr
    assert "3 failed, 5 passed, 1 skipped" in done.stdout
    assert "test_dies - the worker that ran this ended with -9" in done.stdout
    assert "test_fails - assert 1 == 2" in done.stdout
    assert "test_hangs - the worker that ran this ended with 1" in done.stdout
    assert 'test_slow.py", line 3 in test_hangs' in done.stderr
