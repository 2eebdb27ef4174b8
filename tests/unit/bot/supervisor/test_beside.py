"""What runs beside the processes of a service never ends it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from bot.alerts import LOG
from bot.latch import Latches
from bot.service_settings import ServiceSettings
from bot.settings import Settings
from bot.supervisor.beside import Beside, kept
from bot.supervisor.condition import Condition
from data.errors import ConfigurationError

SETTINGS = Settings(service=ServiceSettings(restart_s=0.01))


def beside(failures: list[Exception]) -> tuple[Callable[[], Awaitable[None]], list[int]]:
    """One that fails so, each time it is run, and then goes on until it is cancelled; how often it was run."""
    runs: list[int] = []

    async def run(settings: Settings, condition: Condition) -> None:
        runs.append(len(runs))
        if failures:
            raise failures.pop(0)
        await asyncio.Event().wait()

    one = Beside("example", lambda settings: True, run)
    return lambda: kept(one, SETTINGS, Condition({}, Latches(()), 1.0)), runs


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(LOG, "propagate", True)
    caplog.set_level(logging.INFO, "bot")
    return caplog


def test_one_that_fails_is_told_and_begun_again(told: pytest.LogCaptureFixture) -> None:
    run, runs = beside([OSError("the port is taken"), ZeroDivisionError("a defect")])

    async def for_a_while() -> None:
        task = asyncio.ensure_future(run())
        while len(runs) < 3:
            await asyncio.sleep(0.01)
        task.cancel()

    asyncio.run(asyncio.wait_for(for_a_while(), 10))
    assert ["example failed (the port is taken); it begins again in 0.01 s",
            "example failed (a defect); it begins again in 0.02 s"] == told.messages  # fmt: skip


def test_one_that_is_not_set_up_rightly_is_left_out(told: pytest.LogCaptureFixture) -> None:
    run, runs = beside([ConfigurationError("the token is missing: set TELEGRAM_BOT_TOKEN")])
    asyncio.run(asyncio.wait_for(run(), 10))
    assert ([0], ["example does not run: the token is missing: set TELEGRAM_BOT_TOKEN"]) == (runs, told.messages)
