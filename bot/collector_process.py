"""The process in which a service collects: `python -m bot.collector_process`, started by `bot.supervisor`.

It fills a lake of its own, broader than the trader's: all assets, all prices, snapshots. Both write alone, so that a
collector that hangs stops no trader. What is due is read from that lake: an hour that passed while nobody collected is
collected at the next start, but for the snapshot of that hour, which nobody can take any more.
"""

import asyncio
from contextlib import AsyncExitStack, closing
from dataclasses import replace

from backtest.sandbox.client import SandboxClock
from bot.alerts import LOG, start_logging
from bot.child_process import (
    ASKED,
    begin,
    end_on_signals,
    end_with_parent,
    exit_with,
    give_back_memory,
    read_job,
)
from bot.identity import Bounds
from bot.pulse import Pulse, beating
from bot.settings import Settings
from bot.status import iso
from bot.worlds import World, listed, make_collector, open_streams, open_world
from data.cancelling import cancel
from data.collection import Collected
from data.errors import MissingData
from data.ingest import Collector
from data.lake import Lake
from data.panel import tradable
from data.types import HOUR_MS

DAY_MS = 24 * HOUR_MS


async def collect(settings: Settings, pulse: Pulse) -> None:
    """Hour after hour until cancelled; every day what the venues list is looked at anew, and the lake is put in order.
    Raises VenueError where no venue can be asked at the start."""
    async with open_world(settings, Bounds(), fresh=False) as world:
        if isinstance(world.clock, SandboxClock) and await world.clock.speed() == 0:
            LOG.info("the sandbox's clock waits for the trader: nothing is collected beside it")
            return
        while True:
            with closing(Lake(world.lake)) as lake:  # months that are over do not stay in its memory
                async with AsyncExitStack() as today:  # what streams for a day ends with it
                    collector = await _collector(settings, replace(world, closing=today), lake)
                    await _day(settings, world, collector, pulse)
                lake.compact()
            give_back_memory()


async def _collector(settings: Settings, world: World, lake: Lake) -> Collector:
    """Of everything that two venues list now."""
    found, absent = await listed(world, lake)
    for failure in absent:
        LOG.warning("%s", failure)
    try:
        instruments = tradable(found, settings.data.assets)
    except MissingData:
        if absent:
            raise absent[0] from None
        raise
    streams = await open_streams(settings, world, instruments)
    return make_collector(settings, world.venues, lake, instruments, settings.data.history_hours, streams=streams)


async def _day(settings: Settings, world: World, collector: Collector, pulse: Pulse) -> None:
    """Every hour until the day is over, the one that has begun first."""
    tick = await world.clock.now_ms() // HOUR_MS * HOUR_MS
    day = tick // DAY_MS
    while tick // DAY_MS == day:
        await world.clock.sleep_until(tick + settings.data.decision_delay_s * 1000)
        collected = await collector.collect_all(tick)
        _tell(tick, collected)
        pulse.up, pulse.tick, pulse.text = True, tick, f"{collected.rows.new} rows"
        # Hours that passed meanwhile are in what is collected next: none is made up for by itself.
        tick = max(tick + HOUR_MS, await world.clock.now_ms() // HOUR_MS * HOUR_MS)


def _tell(tick: int, collected: Collected) -> None:
    rows = collected.rows
    LOG.info(
        "%s: %d new rows, %d conflicting, %d rejected", iso(tick), rows.new, rows.conflicting, rows.rejected,
        extra={"kind": "data", "market_ms": tick},
    )  # fmt: skip
    for trouble in (*collected.troubles, *collected.failures):
        LOG.warning("%s", trouble)


async def _until_asked(settings: Settings, pipe: int) -> int:
    stop, pulse = asyncio.Event(), Pulse()
    end_on_signals(stop)
    async with beating(pulse, pipe):
        work, asked = asyncio.ensure_future(collect(settings, pulse)), asyncio.ensure_future(stop.wait())
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        await cancel([work, asked])
        try:
            work.result()
        except asyncio.CancelledError:
            return ASKED
    return 0


def main() -> int:
    """From the job to the exit code."""
    job = read_job()
    end_with_parent()
    settings = Settings.model_validate(job["settings"])
    start_logging(settings.var / "logs", "collector")
    return asyncio.run(_until_asked(settings, job["pipe"]))


if __name__ == "__main__":
    begin()
    exit_with(main)
