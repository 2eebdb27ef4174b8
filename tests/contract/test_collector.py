"""The collector over real HTTP: the lake ends as the market was, across restarts, and one bad symbol stops no other."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from backtest.sandbox.server import listening
from backtest.sandbox.world import World
from data.collection import Collected
from data.errors import VenueUnreachable
from data.exchange import Venue
from data.ingest import Collector
from data.lake import Lake
from data.market import Market
from data.panel import tradable
from data.settings import VenueSettings
from data.types import HOUR_MS, Instrument
from tests.contract.conftest import START_MS, WorldAt

FIRST = START_MS + 400 * HOUR_MS
HISTORY_H = 200
DELAY_MS = 60_000


async def collected(
    world: World, url: str, lake: Lake, instruments: Sequence[Instrument], ticks: Sequence[int]
) -> list[Collected]:
    """Collect at those ticks, a minute after the hour, with a collector that knows only the lake."""
    told = {name: VenueSettings(base_url=f"{url}/{name}") for name in ("binance", "hyperliquid")}
    venues = {name: Venue(name, settings, timeout_s=5, concurrency=8) for name, settings in told.items()}
    try:
        for venue in venues.values():
            await venue.instruments()
        collector = Collector(venues, lake, instruments, HISTORY_H)
        reports = []
        for tick in ticks:
            world.clock.advance_to(tick + DELAY_MS)
            reports.append(await collector.collect(tick))
        return reports
    finally:
        for venue in venues.values():
            await venue.__aexit__(None, None, None)


def is_whole(lake: Lake, market: Market, instruments: Sequence[Instrument], last: int) -> None:
    """The lake's rows are the market's, to the bit."""
    first = FIRST - HISTORY_H * HOUR_MS
    bars = lake.bars(instruments, first, last)
    settlements = lake.settlements(instruments, first, last)
    for one in instruments:
        told, paid = market.bars[one.key], market.settlements[one.key]
        closed = (told.open_time >= first) & (told.open_time + HOUR_MS <= last)
        np.testing.assert_array_equal(told.open_time[closed], bars[one.key].open_time)
        np.testing.assert_array_equal(told.close[closed], bars[one.key].close)
        due = (paid.time >= first) & (paid.stamp <= last + DELAY_MS)
        np.testing.assert_array_equal(paid.time[due], settlements[one.key].time)
        np.testing.assert_array_equal(paid.rate[due], settlements[one.key].rate)


def hours(first: int, last: int) -> list[int]:
    return [FIRST + hour * HOUR_MS for hour in range(first, last + 1)]


def test_hour_by_hour_and_over_a_restart_the_lake_is_the_market(
    world_at: WorldAt, sandbox_market: Market, tmp_path: Path
) -> None:
    async def collect() -> None:
        world = world_at(FIRST)
        instruments = tradable(sandbox_market.listed(FIRST))
        async with listening(world) as url:
            await collected(world, url, Lake(tmp_path), instruments, hours(0, 20))
            reports = await collected(world, url, Lake(tmp_path), instruments, hours(30, 40))
        assert 0 == sum(report.rows.conflicting + report.rows.rejected for report in reports)
        is_whole(Lake(tmp_path), sandbox_market, instruments, FIRST + 40 * HOUR_MS)

    asyncio.run(collect())


def test_the_same_hour_again_adds_nothing(world_at: WorldAt, sandbox_market: Market, tmp_path: Path) -> None:
    async def collect() -> list[Collected]:
        world = world_at(FIRST)
        instruments = tradable(sandbox_market.listed(FIRST))
        async with listening(world) as url:
            await collected(world, url, Lake(tmp_path), instruments, hours(0, 0))
            return await collected(world, url, Lake(tmp_path), instruments, hours(0, 0))

    assert [0] == [report.rows.new for report in asyncio.run(collect())]


def test_a_delisted_symbol_is_reported_and_the_others_are_collected(
    world_at: WorldAt, sandbox_market: Market, tmp_path: Path
) -> None:
    async def collect() -> None:
        before_the_end_of_ton = START_MS + 890 * HOUR_MS
        world = world_at(before_the_end_of_ton)
        instruments = tradable(sandbox_market.listed(before_the_end_of_ton))
        ticks = [before_the_end_of_ton + hour * HOUR_MS for hour in range(20)]
        async with listening(world) as url:
            reports = await collected(world, url, Lake(tmp_path), instruments, ticks)
        refusals = [[told for told in report.troubles if "refused" in told] for report in reports]
        assert [] == refusals[0]
        assert ["binance"] == [told.partition(" ")[0] for told in refusals[-1]]
        bitcoin = next(one for one in instruments if one.symbol == "BTC/USDT:USDT")
        newest = Lake(tmp_path).bars([bitcoin], ticks[0], ticks[-1])[bitcoin.key].open_time[-1]
        assert ticks[-1] - HOUR_MS == newest

    asyncio.run(collect())


def test_a_clock_of_ours_that_is_ahead_of_the_venue_collects_nothing(
    world_at: WorldAt, sandbox_market: Market, tmp_path: Path
) -> None:
    async def collect() -> None:
        world = world_at(FIRST)
        instruments = tradable(sandbox_market.listed(FIRST))
        async with listening(world) as url:
            told = {name: VenueSettings(base_url=f"{url}/{name}") for name in ("binance", "hyperliquid")}
            async with (
                Venue("binance", told["binance"], timeout_s=5, concurrency=8) as one,
                Venue("hyperliquid", told["hyperliquid"], timeout_s=5, concurrency=8) as other,
            ):
                collector = Collector({"binance": one, "hyperliquid": other}, Lake(tmp_path), instruments, HISTORY_H)
                with pytest.raises(VenueUnreachable, match="clock"):
                    await collector.collect(FIRST + 24 * HOUR_MS)
        assert [] == list(tmp_path.rglob("*.parquet"))

    asyncio.run(collect())
