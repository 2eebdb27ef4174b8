"""The collector against the sandbox's HTTP: late settlements, changing intervals, failing venues, few requests."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

import data.exchange
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.server import application
from backtest.sandbox.world import World
from data.errors import VenueThrottled, VenueUnreachable
from data.exchange import Venue
from data.ingest import Collector
from data.lake import Lake
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
HOURS = 200
FIRST = 96
"""The hour of the first collection."""
HISTORY_H = 48
DELAY_MS = 60_000
QUOTES = {"binance": "USDT", "hyperliquid": "USDC"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def hour(number: int) -> int:
    return START + number * HOUR_MS


def coin(venue: str, code: str = "BTC") -> Instrument:
    quote = QUOTES[venue]
    interval = {"binance": 8, "hyperliquid": 1}[venue]
    return Instrument(venue, f"{code}/{quote}:{quote}", Asset(code), quote, 0.01, 0.001, 5.0, interval)


COINS = tuple(coin(venue, code) for venue in QUOTES for code in ("BTC", "SOL"))
BINANCE_BTC, HYPERLIQUID_BTC = coin("binance"), coin("hyperliquid")


def schedule(every: int, late_ms: Mapping[int, int] = {}, shorter_from: int = HOURS, shorter: int = 1) -> Settlements:
    """Settlements every `every` hours, and every `shorter` from an hour on; stamped late at the hours of `late_ms`."""
    due = [n for n in range(HOURS + 1) if n % (every if n <= shorter_from else shorter) == 0]
    stamps = np.array([late_ms.get(number, 47) for number in due], dtype=np.int64)
    return Settlements(START + np.array(due, dtype=np.int64) * HOUR_MS, stamps, np.array(due) * 1e-7 + 1e-5)


def market(settlements: Mapping[Instrument, Settlements] = {}) -> Market:
    """Four coins at random prices, settled on time but for what `settlements` says."""
    random = np.random.default_rng(5)
    opened = START + np.arange(HOURS, dtype=np.int64) * HOUR_MS
    bars = {}
    for one in COINS:
        price = 50 * (1 + 0.01 * random.standard_normal((HOURS, 4)))
        columns = price[:, 0], price.max(axis=1), price.min(axis=1), price[:, 1], random.uniform(1, 9, HOURS)
        bars[one.key] = Bars(opened, *columns)
    usual = {one: schedule(one.interval_hours) for one in COINS}
    return Market(COINS, bars, {one.key: rows for one, rows in (usual | dict(settlements)).items()})


class Exchanges:
    """The sandbox over a market: counts what is asked, fails where `down` says, misleads where `announced` says."""

    def __init__(self, shown: Market, folder: Path) -> None:
        identity = WorldIdentity("hand-made", "hand-made")
        self.clock = MarketClock(folder / "clock.json", identity, begin_ms=hour(FIRST), end_ms=shown.end_ms)
        self.asked: Counter[str] = Counter()
        self.down: dict[str, int] = {}
        """Status by venue."""
        self.announced: int | None = None
        """What Binance says is its next settlement, whatever is true."""
        venues = {venue: VenueSettings(half_spread_bps=0.5) for venue in QUOTES}
        self.app = application(World(shown, self.clock, venues))
        self.app.middlewares.append(self._middleware())

    def _middleware(self) -> Any:
        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            venue = request.path.split("/")[1]
            kind = request.path.rpartition("/")[2]
            self.asked[json.loads(await request.read())["type"] if kind == "info" else kind] += 1
            if venue in self.down:
                return web.Response(status=self.down[venue], text="down")
            response = await handler(request)
            if kind == "premiumIndex" and self.announced is not None:
                assert isinstance(response, web.Response) and isinstance(response.body, bytes)
                rows = [row | {"nextFundingTime": self.announced} for row in json.loads(response.body)]
                return web.json_response(rows)
            return response

        return answer

    @asynccontextmanager
    async def venues(self) -> AsyncIterator[dict[str, Venue]]:
        async with AsyncExitStack() as stack:
            runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            told = {name: VenueSettings(base_url=f"{url}/{name}", patience_s=0.02) for name in QUOTES}
            opened = {
                name: await stack.enter_async_context(Venue(name, settings, timeout_s=5, concurrency=8))
                for name, settings in told.items()
            }
            for venue in opened.values():
                await venue.instruments()
            yield opened


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.exchange, "BACKOFF_S", 0.001)


async def collect(exchanges: Exchanges, collector: Collector, *hours: int) -> list[int]:
    """Collect a minute after each hour; gives the number of new rows of each."""
    reports = []
    for number in hours:
        exchanges.clock.advance_to(hour(number) + DELAY_MS)
        reports.append((await collector.collect(hour(number))).rows.new)
    return reports


def run(exchanges: Exchanges, lake: Lake, *hours: int) -> None:
    """Collect at those hours with a new collector."""

    async def once() -> None:
        async with exchanges.venues() as venues:
            await collect(exchanges, Collector(venues, lake, COINS, HISTORY_H), *hours)

    asyncio.run(once())


def settled_hours(lake: Lake, one: Instrument, first: int = FIRST) -> list[int]:
    rows = lake.settlements([one], hour(first), hour(HOURS)).get(one.key)
    return [] if rows is None else ((rows.time - START) // HOUR_MS).tolist()


def assert_complete(lake: Lake, shown: Market, last: int) -> None:
    """The lake holds what the market had shown a minute after hour `last`, exactly, back to the history's start."""
    first, now = hour(FIRST - HISTORY_H), hour(last) + DELAY_MS
    for one in COINS:
        for table, rows, known in (
            (lake.bars, shown.bars[one.key], shown.bars[one.key].open_time + HOUR_MS <= hour(last)),
            (lake.settlements, shown.settlements[one.key], shown.settlements[one.key].stamp <= now),
        ):
            when = rows.open_time if isinstance(rows, Bars) else rows.time
            kept = known & (when >= first)
            for name, values in vars(rows).items():
                np.testing.assert_array_equal(
                    values[kept], getattr(table([one], first, hour(last))[one.key], name), err_msg=f"{one.key} {name}"
                )


def test_after_many_hours_the_lake_is_the_market_to_the_last_row(tmp_path: Path) -> None:
    shown, lake = market(), Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, *range(FIRST, FIRST + 26))

    assert_complete(lake, shown, FIRST + 25)


def test_an_hour_s_rows_arrive_in_that_hour(tmp_path: Path) -> None:
    async def hourly() -> list[int]:
        exchanges = Exchanges(market(), tmp_path)
        async with exchanges.venues() as venues:
            collector = Collector(venues, Lake(tmp_path / "lake"), COINS, HISTORY_H)
            return await collect(exchanges, collector, *range(FIRST, FIRST + 9))

    candles, hourly_settlements, eight_hourly = 4, 2, 2
    usual = candles + hourly_settlements
    assert [usual] * 7 + [usual + eight_hourly] == asyncio.run(hourly())[1:]


def test_a_new_collector_goes_on_where_the_lake_ends_and_fetches_no_history_again(tmp_path: Path) -> None:
    async def with_restart() -> list[Counter[str]]:
        exchanges, asked = Exchanges(market(), tmp_path), []
        async with exchanges.venues() as venues:
            lake = Lake(tmp_path / "lake")
            collector = Collector(venues, lake, COINS, HISTORY_H)
            await collect(exchanges, collector, FIRST, FIRST + 1)
            for again in (False, True):
                if again:
                    lake.close()
                    collector = Collector(venues, Lake(tmp_path / "lake"), COINS, HISTORY_H)
                exchanges.asked.clear()
                number = FIRST + 2 + len(asked)
                assert [4 + 2] == await collect(exchanges, collector, number)
                asked.append(Counter(exchanges.asked))
        assert_complete(lake, market(), FIRST + 3)
        return asked

    going_on, restarted = asyncio.run(with_restart())
    # A new collector knows no announcement yet, so it asks once for the two instruments that are not due; and it looks
    # up the market rules of the day.
    rules = Counter(exchangeInfo=1, fundingInfo=1, metaAndAssetCtxs=1)
    assert Counter(fundingRate=2) + rules == restarted - going_on
    assert Counter() == going_on - restarted


def test_an_hour_costs_one_request_a_candle_and_one_a_settlement_that_is_due(tmp_path: Path) -> None:
    async def asked(number: int) -> Counter[str]:
        exchanges = Exchanges(market(), tmp_path)
        async with exchanges.venues() as venues:
            collector = Collector(venues, Lake(tmp_path / "lake"), COINS, HISTORY_H)
            await collect(exchanges, collector, *range(FIRST, number))
            exchanges.asked.clear()
            await collect(exchanges, collector, number)
            return exchanges.asked

    between = asyncio.run(asked(FIRST + 3))
    assert (2, 2, 0, 2) == tuple(
        between[kind] for kind in ("klines", "candleSnapshot", "fundingRate", "fundingHistory")
    )


def test_after_a_long_sleep_everything_in_between_arrives(tmp_path: Path) -> None:
    shown, lake = market(), Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, FIRST, FIRST + 1, FIRST + 40)

    assert_complete(lake, shown, FIRST + 40)


def test_a_lake_that_begins_too_late_is_filled_from_the_start(tmp_path: Path) -> None:
    shown, lake = market(), Lake(tmp_path / "lake")
    rows = shown.bars[BINANCE_BTC.key]
    lake.append_bars("binance", {BINANCE_BTC.symbol: Bars(*(values[80:90] for values in vars(rows).values()))})
    run(Exchanges(shown, tmp_path), lake, FIRST)

    assert_complete(lake, shown, FIRST)


LATE_MS = DELAY_MS + 30_000


@pytest.mark.parametrize("one", [BINANCE_BTC, HYPERLIQUID_BTC], ids=["every 8 h", "every hour"])
def test_a_settlement_that_comes_after_its_collection_arrives_with_the_next(tmp_path: Path, one: Instrument) -> None:
    shown = market({one: schedule(one.interval_hours, {FIRST + 8: LATE_MS})})
    lake = Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, *range(FIRST, FIRST + 9))
    assert FIRST + 8 not in settled_hours(lake, one)

    run(Exchanges(shown, tmp_path), lake, FIRST + 9)
    assert FIRST + 8 in settled_hours(lake, one)


@pytest.mark.parametrize("one", [BINANCE_BTC, HYPERLIQUID_BTC], ids=["every 8 h", "every hour"])
@pytest.mark.parametrize("late", [(FIRST,), (FIRST + 8, FIRST + 16), (FIRST + 3, FIRST + 4, FIRST + 5)])
def test_late_settlements_are_never_lost_not_even_the_first_nor_several(
    tmp_path: Path, one: Instrument, late: tuple[int, ...]
) -> None:
    shown = market({one: schedule(one.interval_hours, dict.fromkeys(late, LATE_MS))})
    lake = Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, *range(FIRST, FIRST + 19))

    assert_complete(lake, shown, FIRST + 18)


def test_a_settlement_that_comes_twenty_four_minutes_late_keeps_its_hour(tmp_path: Path) -> None:
    shown = market({BINANCE_BTC: schedule(8, {FIRST + 8: 24 * 60_000})})
    lake = Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, *range(FIRST, FIRST + 10))

    rows = lake.settlements([BINANCE_BTC], hour(FIRST + 8), hour(FIRST + 8))[BINANCE_BTC.key]
    assert ([hour(FIRST + 8)], [24 * 60_000]) == (rows.time.tolist(), rows.offset_ms.tolist())


@pytest.mark.parametrize("shorter", [4, 1])
def test_an_interval_that_shortens_while_it_runs_is_noticed_at_once(tmp_path: Path, shorter: int) -> None:
    async def hourly() -> None:
        shown, lake = (
            market({BINANCE_BTC: schedule(8, shorter_from=FIRST + 8, shorter=shorter)}),
            Lake(tmp_path / "lake"),
        )
        exchanges = Exchanges(shown, tmp_path)
        async with exchanges.venues() as venues:
            collector = Collector(venues, lake, COINS, HISTORY_H)
            for number in range(FIRST, FIRST + 20):
                await collect(exchanges, collector, number)
                assert_complete(lake, shown, number)

    asyncio.run(hourly())


def test_settlements_before_the_announced_one_are_not_lost(tmp_path: Path) -> None:
    shown = market({BINANCE_BTC: schedule(8, shorter_from=FIRST + 8, shorter=1)})
    exchanges, lake = Exchanges(shown, tmp_path), Lake(tmp_path / "lake")
    exchanges.announced = hour(FIRST + 16)
    run(exchanges, lake, *range(FIRST + 8, FIRST + 17))

    assert list(range(FIRST + 8, FIRST + 17)) == settled_hours(lake, BINANCE_BTC, FIRST + 8)


@pytest.mark.parametrize(("status", "kind"), [(503, VenueUnreachable), (429, VenueThrottled)])
def test_a_venue_that_fails_is_an_error_and_what_arrived_before_stays(
    tmp_path: Path, status: int, kind: type[Exception]
) -> None:
    async def fail_and_recover() -> None:
        shown, lake = market(), Lake(tmp_path / "lake")
        exchanges = Exchanges(shown, tmp_path)
        async with exchanges.venues() as venues:
            collector = Collector(venues, lake, COINS, HISTORY_H)
            await collect(exchanges, collector, FIRST, FIRST + 1)
            exchanges.down = {"binance": status}
            with pytest.raises(kind, match="^binance"):
                await collect(exchanges, collector, FIRST + 8)
            assert (
                hour(FIRST + 1)
                == lake.settlements([HYPERLIQUID_BTC], hour(FIRST), hour(FIRST + 1))[HYPERLIQUID_BTC.key].time.max()
            )
            exchanges.down = {}
            await collect(exchanges, collector, FIRST + 8)
        assert_complete(lake, shown, FIRST + 8)

    asyncio.run(fail_and_recover())


def test_a_start_without_a_venue_is_an_error_and_the_next_start_is_complete(tmp_path: Path) -> None:
    async def fail_and_recover() -> None:
        shown, lake = market(), Lake(tmp_path / "lake")
        exchanges = Exchanges(shown, tmp_path)
        async with exchanges.venues() as venues:
            exchanges.down = {"hyperliquid": 503}
            collector = Collector(venues, lake, COINS, HISTORY_H)
            with pytest.raises(VenueUnreachable, match="^hyperliquid"):
                await collect(exchanges, collector, FIRST)
            exchanges.down = {}
            await collect(exchanges, collector, FIRST)
        assert_complete(lake, shown, FIRST)

    asyncio.run(fail_and_recover())


def test_a_late_settlement_of_a_shortened_interval_comes_with_the_next_hour(tmp_path: Path) -> None:
    """The account was opened when the contract settled every 8 h; now it is every 4 h, and one is 2 minutes late."""
    late = next(number for number in range(FIRST + 9, FIRST + 24) if number % 8 == 4)
    shown = market({BINANCE_BTC: schedule(8, {late: 120_000}, shorter_from=FIRST, shorter=4)})
    lake = Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, *range(FIRST, late + 2))

    assert late == settled_hours(lake, BINANCE_BTC)[-1]


def test_a_month_that_was_moved_away_is_collected_again_once_the_reach_is_forgotten(tmp_path: Path) -> None:
    shown, lake = market(), Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), lake, FIRST)
    lake.compact()
    before = lake.digest()
    lake.close()
    next((tmp_path / "lake" / "bars" / "venue=binance").rglob("rows.parquet")).unlink()
    (tmp_path / "lake" / ".reach" / "binance.json").unlink()
    again = Lake(tmp_path / "lake")
    run(Exchanges(shown, tmp_path), again, FIRST)

    assert before == again.digest()


def test_the_same_hour_again_looks_at_no_market_twice(tmp_path: Path) -> None:
    lake, exchanges = Lake(tmp_path / "lake"), Exchanges(market(), tmp_path)

    async def twice() -> list[int]:
        async with exchanges.venues() as venues:
            collector = Collector(venues, lake, COINS, HISTORY_H, snapshots=True)
            await collect(exchanges, collector, FIRST)
            asked = exchanges.asked["depth"]
            await collect(exchanges, collector, FIRST)
            return [asked, exchanges.asked["depth"]]

    assert [2, 2] == asyncio.run(twice())
    assert 0 == sum(len(lake.quarantined("snapshots", venue)) for venue in QUOTES)


def test_what_looks_wrong_is_told_once_a_day_and_stays(tmp_path: Path) -> None:
    slipped = schedule(1)
    slipped.rate[:] *= 1e4  # beyond what any venue allows
    shown, lake = market({HYPERLIQUID_BTC: slipped}), Lake(tmp_path / "lake")

    async def told() -> dict[int, int]:
        exchanges = Exchanges(shown, tmp_path)
        async with exchanges.venues() as venues:
            collector, found = Collector(venues, lake, COINS, HISTORY_H), {}
            for number in range(FIRST, FIRST + 26):
                exchanges.clock.advance_to(hour(number) + DELAY_MS)
                found[number] = len((await collector.collect(hour(number))).troubles)
            return found

    midnights = {number for number in range(FIRST, FIRST + 26) if hour(number) % (24 * HOUR_MS) == 0}
    assert midnights == {number for number, troubles in asyncio.run(told()).items() if troubles}
    assert_complete(lake, shown, FIRST + 25)
