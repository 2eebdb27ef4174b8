"""The collector's snapshots with streamed prices: the same market, whatever becomes of the stream."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.client import SandboxClock
from backtest.sandbox.world import World
from data.exchange import Quote, Venue
from data.feed import PriceFeed
from data.ingest import Collected, Collector
from data.lake import ALWAYS, Lake
from data.market import Market
from data.panel import tradable
from data.settings import VenueSettings
from data.snapshots import snapshot_rows
from data.stream import QuoteStream
from data.types import HOUR_MS
from tests.contract.conftest import START_MS
from tests.contract.streamed import SYMBOLS, eventually, sandbox, world_of

FIRST = START_MS + 400 * HOUR_MS
TICKS = range(FIRST, FIRST + 3 * HOUR_MS, HOUR_MS)
DELAY_MS = 60_000
BID, ASK = 4, 5
"""Columns of a snapshot."""
HISTORY_H = 24


@pytest.fixture
def world(sandbox_market: Market, tmp_path: Path) -> World:
    return world_of(sandbox_market, tmp_path, FIRST - HOUR_MS)


def venue_at(url: str, name: str, kind: type[Venue] = Venue) -> Venue:
    return kind(name, VenueSettings(base_url=f"{url}/{name}"), timeout_s=5, concurrency=8, backoff_s=0.01)


class Told(QuoteStream):
    """Says what it is told to, and notes since when it is asked."""

    def __init__(self, venue: Venue, quotes: Mapping[str, Quote]) -> None:
        super().__init__(venue, quotes, stale_s=1)
        self.since: list[int] = []
        self._told = dict(quotes)

    async def quotes(self, since_ms: int = 0) -> dict[str, Quote]:
        self.since.append(since_ms)
        return self._told


def test_a_snapshot_has_the_streamed_prices_of_after_its_tick_and_the_books_where_there_are_none(world: World) -> None:
    async def talk() -> None:
        bitcoin, doge, _ = symbols = SYMBOLS["binance"]
        async with sandbox(world) as url, venue_at(url, "binance") as venue:
            stream = Told(venue, {bitcoin: Quote(1.5, 2.5, FIRST + 5)})
            plain = await snapshot_rows(venue, symbols, FIRST)
            rows = await snapshot_rows(venue, symbols, FIRST, stream)
            assert (1.5, 2.5) == (rows[bitcoin][BID][0], rows[bitcoin][ASK][0])
            assert plain[doge] == rows[doge]
            others = [column for column in range(len(plain[bitcoin])) if column not in (BID, ASK)]
            assert [plain[bitcoin][one] for one in others] == [rows[bitcoin][one] for one in others]
            assert [FIRST] == stream.since

    asyncio.run(talk())


def collected(world: World, lake: Lake, *faults: dict[str, Any], streamed: bool) -> list[Collected]:
    """The reports of a few hours of two venues."""
    instruments = tradable([one for one in world.market.listed(FIRST) if one.venue in ("binance", "hyperliquid")])

    async def talk() -> list[Collected]:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(sandbox(world, *faults))
            clock = await stack.enter_async_context(SandboxClock(url))
            venues, streams = {}, {}
            for name in ("binance", "hyperliquid"):
                venue = venues[name] = await stack.enter_async_context(venue_at(url, name))
                listed = {one.symbol for one in await venue.instruments()}
                mine = [one.symbol for one in instruments if one.venue == name and one.symbol in listed]
                stream = QuoteStream(venue, mine, stale_s=30, backoff_s=0.05)
                if streamed:
                    streams[name] = await stack.enter_async_context(stream)
            if streamed and not faults:
                await eventually(lambda: all(h.streamed for one in streams.values() for h in one.health.values()))
            collector = Collector(venues, lake, instruments, HISTORY_H, snapshots=True, streams=streams)
            reports = []
            for tick in TICKS:
                await clock.sleep_until(tick + DELAY_MS)
                reports.append(await collector.collect(tick))
            return reports

    return asyncio.run(talk())


@pytest.mark.parametrize(
    ("faults", "troubled"),
    [
        ((), False),
        (({"kind": "stale", "times": 2},), False),
        (({"kind": "status", "status": 503, "request": "*ws*"},), True),
    ],
    ids=["streamed", "stale", "refused"],
)
def test_the_lake_is_the_same_with_streams_and_without(
    sandbox_market: Market, tmp_path: Path, faults: tuple[dict[str, Any], ...], troubled: bool
) -> None:
    lakes, reports = {}, {}
    for streamed in (False, True):
        (folder := tmp_path / str(streamed)).mkdir()
        world = world_of(sandbox_market, folder, FIRST - HOUR_MS)
        lakes[streamed] = Lake(folder / "lake")
        reports[streamed] = collected(world, lakes[streamed], *faults, streamed=streamed)

    kept = [lake.rows("snapshots", venue, *ALWAYS) for lake in lakes.values() for venue in ("binance", "hyperliquid")]
    assert [len(TICKS)] * 6 == [len(rows[0]) for rows in kept[0].values()]
    assert lakes[False].digest() == lakes[True].digest()
    assert [False] * len(TICKS) == [bool(report.troubles) for report in reports[False]]
    assert troubled == any("they are asked for instead" in text for r in reports[True] for text in r.troubles)


class Defective(Venue):
    """Its streams have a defect."""

    async def feed(self, symbols: Any) -> PriceFeed:
        raise KeyError("something unheard of")


def test_a_defect_in_a_stream_leaves_the_prices_to_be_asked_for(world: World) -> None:
    async def talk() -> None:
        async with (
            sandbox(world) as url,
            venue_at(url, "binance", Defective) as venue,
            QuoteStream(venue, SYMBOLS["binance"], stale_s=30, backoff_s=0.01) as stream,
        ):
            await eventually(lambda: all(health.reconnects > 2 for health in stream.health.values()))
            assert set(SYMBOLS["binance"]) == set(await stream.quotes())
            (trouble,) = stream.troubles
            assert "something unheard of" in trouble

    asyncio.run(talk())
