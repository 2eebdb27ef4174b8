"""`bot doctor` as a user runs it: a table, JSON, an exit code, and a memory."""

import time
from pathlib import Path

import pytest

from bot.doctor.record import require_passed
from bot.latch import LATCH, LatchFile
from tests.fakes.rehearsal import rehearsed
from tests.functional.commands import bot, said


def test_it_says_what_it_found_and_remembers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rehearsed(tmp_path, monkeypatch, speed=1.0) as rehearsal:
        assert said(bot("doctor", "--config", rehearsal.config, "--json"))["passed"]
        require_passed(rehearsal.settings, time.time())
        LatchFile(rehearsal.var / LATCH).kill("a test")
        ill = bot("doctor", "--config", rehearsal.config)
    assert 2 == ill.returncode
    assert "not fit to trade" in ill.stdout
    assert "find the cause, then" in " ".join(ill.stdout.split())
