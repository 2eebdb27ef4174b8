"""Training beside trading: what goes wrong before a cycle's process begins ends nothing, and holds nobody up."""

import asyncio
import logging
from errno import ENOSPC
from pathlib import Path

import pytest

from bot.pulse import Pulse
from bot.retraining import ATTEMPTS, Plan, Retraining
from bot.settings import Settings
from data.types import HOUR_MS

PATIENCE_S = 5
"""Nothing is started that could take long."""


@pytest.mark.parametrize("refused", ["job", "log"])
def test_a_disk_that_refuses_a_job_ends_neither_retraining_nor_a_simulated_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, refused: str
) -> None:
    settings, pulse, asked = Settings(var=tmp_path), Pulse(), list[object]()
    schedule = settings.learning.schedule
    (tmp_path / "logs").mkdir()
    monkeypatch.setattr(logging.getLogger("bot"), "propagate", True)

    def full(place: object, *_: object) -> None:
        asked.append(place)
        raise OSError(ENOSPC, "No space left on device")

    async def lived() -> None:
        plan = Plan(tmp_path / "pop", tmp_path / "registry", str(tmp_path / "lake"), {}, 0, waits=True)
        retraining = Retraining(settings, plan, pulse)
        try:
            retraining.begin(0, "rule")
            assert await asyncio.wait_for(retraining.at(schedule.promotion_lead_hours * HOUR_MS), PATIENCE_S) is None
            assert ATTEMPTS == len(asked)
            assert pulse.training is None
            retraining.begin(schedule.cycle_hours * HOUR_MS, "rule")
            due = (schedule.cycle_hours + schedule.promotion_lead_hours) * HOUR_MS
            assert await asyncio.wait_for(retraining.at(due), PATIENCE_S) is None
            assert 2 * ATTEMPTS == len(asked)
        finally:
            await asyncio.wait_for(retraining.close(), PATIENCE_S)

    monkeypatch.setattr(f"bot.retraining.{'write_whole' if refused == 'job' else 'appended_log'}", full)
    with caplog.at_level(logging.WARNING, logger="bot"):
        asyncio.run(lived())
    told = {id(record): record.getMessage() for record in caplog.records}  # seen twice where loggers were set up
    assert 2 * ATTEMPTS == len([text for text in told.values() if "No space left on device" in text])
