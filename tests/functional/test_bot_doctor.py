"""`bot doctor` as a user runs it: a table, JSON, an exit code, and a memory."""

import time
from pathlib import Path

import pytest

from bot.doctor.record import require_passed
from tests.fakes.rehearsal import rehearsed
from tests.functional.commands import bot, said


def test_it_says_what_it_found_and_remembers_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with rehearsed(tmp_path, monkeypatch, speed=1.0) as rehearsal:
        assert said(bot("doctor", "--config", rehearsal.config, "--json"))["passed"]
    require_passed(rehearsal.settings, time.time())


def test_real_money_is_not_traded_without_it(tmp_path: Path) -> None:
    config = tmp_path / "live.yaml"
    config.write_text("profile: live\nenvironment: {rebalance_below: 0}\n")
    typed = "trade real money on binance and hyperliquid\n"
    refused = bot("run", "--live", "--config", config, "--var", tmp_path / "var", typed=typed, timeout_s=60)
    assert 5 == refused.returncode
    assert "the doctor has not looked at this folder yet: run `bot doctor`" in refused.stderr
