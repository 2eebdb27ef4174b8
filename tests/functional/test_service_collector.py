"""The collector of a service: broad, beside the trader, into a lake of its own, and without gaps over its death."""

import asyncio
from pathlib import Path
from typing import Any

from bot.collector_process import collect
from bot.pulse import Pulse
from bot.settings import Settings
from bot.supervisor.service import collector_settings
from bot.worlds import lake_place
from data.lake import Lake
from data.types import HOUR_MS
from tests.faults.harness import Stage, staged
from tests.faults.market import BEGIN_MS, PRICES

PATIENCE_S = 120.0
ONE_ASSET = {"assets": ["BTC"]}
WEEK = {"collect_days": 8}


def lake_of(settings: Settings) -> Lake:
    return Lake(lake_place(settings))


async def collected(stage: Stage, settings: Settings, *hours: int) -> None:
    """Collect as the market comes to those hours, and end in the midst of waiting for the next one."""
    pulse = Pulse()
    task = asyncio.ensure_future(collect(settings, pulse))
    for hour in hours:
        await asyncio.to_thread(stage.advance_to, hour + 61 / 3600)
        async with asyncio.timeout(PATIENCE_S):
            while pulse.tick != BEGIN_MS + hour * HOUR_MS:
                assert not task.done(), task.exception()
                await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def times(lake: Lake, table: str, venue: str) -> dict[str, list[int]]:
    """Hours after the beginning of which there are rows, by symbol."""
    rows: dict[str, Any] = lake.rows(table, venue, BEGIN_MS - 48 * HOUR_MS, BEGIN_MS + 1000 * HOUR_MS)
    return {symbol: [(ms - BEGIN_MS) // HOUR_MS for ms in columns[0].tolist()] for symbol, columns in rows.items()}


def test_it_collects_all_that_two_venues_share_and_misses_no_candle_over_its_death(tmp_path: Path) -> None:
    with staged(tmp_path, by_hand=True, data=ONE_ASSET, service=WEEK) as stage:
        settings = collector_settings(stage.settings)
        asyncio.run(collected(stage, settings, 0, 1))
        asyncio.run(collected(stage, settings, 4))
        lake = lake_of(settings)
        for venue in stage.venues:
            bars, snapshots = times(lake, "bars", venue), times(lake, "snapshots", venue)
            assert len(PRICES) == len(bars) == len(snapshots)
            assert all(list(range(-48, 4)) == hours for hours in bars.values())
            assert all([0, 1, 4] == hours for hours in snapshots.values())
        assert len(PRICES) == len(times(lake, "marks", "binance"))
        assert [] == lake_of(stage.settings).venues("bars")


def test_it_leaves_a_clock_alone_that_waits_for_the_trader(tmp_path: Path) -> None:
    with staged(tmp_path, service=WEEK) as stage:
        pulse = Pulse()
        asyncio.run(asyncio.wait_for(collect(collector_settings(stage.settings), pulse), PATIENCE_S))
        assert (None, {}) == (pulse.tick, stage.asked("binance"))
