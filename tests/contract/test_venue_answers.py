"""The gateway against six venues' answers as their documentation has them: one suite that each of them passes.

The answers lie in `tests/contract/answers`, by ccxt's name of the venue, and page as the venue does.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import numpy as np
import pytest

from data.errors import VenueError, VenueRefused, VenueThrottled, VenueUnreachable
from data.exchange import Venue
from data.profile import PriceKind
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Settlements
from data.venues import VENUES
from tests.fakes.answered_market import Contract
from tests.fakes.answers_server import AnswersServer, Asked

Result = TypeVar("Result")
NOW_MS = int(datetime(2026, 11, 20, 10, 25, tzinfo=UTC).timestamp() * 1000)
NAMES = ("gate", "kucoin", "bitget", "kraken", "htx", "mexc")
KINDS: tuple[PriceKind, ...] = ("last", "mark", "index")
every_venue = pytest.mark.parametrize("name", NAMES)


@dataclass(frozen=True)
class Told:
    """Which contracts a venue had to tell of, and what it was asked."""

    contracts: tuple[Contract, ...]
    gone: str
    asked: list[Asked]


def told(
    name: str, read: Callable[[Venue, Told], Awaitable[Result]], failing: str | None = None
) -> tuple[Result, Told]:
    """What `read` gives on a venue of written answers, where it is `NOW_MS`; fails if anything was asked that nothing
    is written down for."""

    async def talk() -> tuple[Result, Told]:
        server = AnswersServer(VENUES[name].ccxt_id, NOW_MS)
        server.failing = failing
        seen = Told(tuple(server.contracts.values()), server.gone, server.asked)
        async with server.listening() as url:
            settings = VenueSettings(base_url=url, patience_s=0.001)
            async with Venue(name, settings, timeout_s=5, concurrency=4, backoff_s=0.001) as venue:
                venue._client.milliseconds, venue._client.seconds = (lambda: NOW_MS), (lambda: NOW_MS // 1000)
                result = await read(venue, seen)
        assert [] == server.unexpected
        return result, seen

    return asyncio.run(talk())


def by_symbol(told: Told, value: Callable[[Contract], Result]) -> dict[str, Result]:
    return {contract.symbol: value(contract) for contract in told.contracts}


@every_venue
def test_instruments_are_the_contracts_that_trade_in_units_of_the_asset(name: str) -> None:
    instruments, seen = told(name, lambda venue, _: venue.instruments())
    shown = {
        one.symbol: (one.asset, one.lot_step, one.tick_size, one.contract_size, one.interval_hours)
        for one in instruments
    }
    expected = by_symbol(
        seen, lambda one: (Asset.parse(one.base), one.lot_step, one.tick_size, one.contract_size, one.interval_hours)
    )
    assert expected == shown


@every_venue
def test_the_smallest_order_is_one_lot(name: str) -> None:
    instruments, seen = told(name, lambda venue, _: venue.instruments())
    assert by_symbol(seen, lambda _: 0.0) == {one.symbol: one.min_quantity for one in instruments}


@every_venue
def test_funding_now_tells_the_rate_the_next_settlement_and_the_interval(name: str) -> None:
    funding, seen = told(name, lambda venue, _: venue.funding_now())
    assert by_symbol(seen, lambda one: (pytest.approx(one.rate_now), one.settles_next(NOW_MS), one.interval_hours)) == {
        symbol: (now.rate, now.next_ms, now.interval_hours) for symbol, now in funding.items()
    }


@every_venue
def test_what_funds_now_is_asked_for_at_once_where_the_venue_tells_all(name: str) -> None:
    async def read(venue: Venue, seen: Told) -> int:
        await venue.instruments()
        before = len(seen.asked)
        await venue.funding_now()
        return len(seen.asked) - before

    requests, seen = told(name, read)
    assert requests == {"htx": len(seen.contracts)}.get(name, 1)


@every_venue
def test_next_settlements_are_those_that_the_venue_announces(name: str) -> None:
    following, seen = told(name, lambda venue, _: venue.next_settlements())
    assert by_symbol(seen, lambda one: one.settles_next(NOW_MS)) == following


def settlements_of(contract: Contract, first_ms: int, last_ms: int) -> Settlements:
    rows = contract.settlements(first_ms, last_ms)
    stamps = np.array([row["ms"] for row in rows], dtype=np.int64)
    offsets = np.full(len(rows), contract.offset_ms, dtype=np.int64)
    return Settlements(stamps - offsets, offsets, np.array([row["rate"] for row in rows]))


def assert_same_settlements(expected: Settlements, shown: Settlements) -> None:
    assert expected.time.tolist() == shown.time.tolist()
    assert expected.offset_ms.tolist() == shown.offset_ms.tolist()
    assert expected.rate.tolist() == shown.rate.tolist()


@every_venue
def test_settled_funding_is_complete_over_several_pages(name: str) -> None:
    days = 175

    async def read(venue: Venue, seen: Told) -> Settlements:
        return await venue.settlements(seen.contracts[1].symbol, NOW_MS - days * 24 * HOUR_MS)

    shown, seen = told(name, read)
    assert_same_settlements(settlements_of(seen.contracts[1], NOW_MS - days * 24 * HOUR_MS, NOW_MS), shown)
    pages = math.ceil(len(shown) / VENUES[name].funding_page)
    assert pages <= sum("fund" in one.path for one in seen.asked) <= pages + 1


@every_venue
def test_settled_funding_ends_at_the_time_that_is_asked_for(name: str) -> None:
    async def read(venue: Venue, seen: Told) -> Settlements:
        begin = NOW_MS - 90 * 24 * HOUR_MS
        return await venue.settlements(seen.contracts[0].symbol, begin, begin + 50 * 24 * HOUR_MS)

    shown, seen = told(name, read)
    begin = NOW_MS - 90 * 24 * HOUR_MS
    assert_same_settlements(settlements_of(seen.contracts[0], begin, begin + 50 * 24 * HOUR_MS), shown)


@every_venue
def test_more_funding_history_than_the_venue_has_gives_what_it_has(name: str) -> None:
    async def read(venue: Venue, seen: Told) -> Settlements:
        return await venue.settlements(seen.contracts[0].symbol, NOW_MS - 600 * 24 * HOUR_MS)

    shown, seen = told(name, read)
    assert_same_settlements(settlements_of(seen.contracts[0], int(shown.stamp[0]), NOW_MS), shown)
    kept_days = {"gate": 179}.get(name, 370)
    assert (NOW_MS - shown.stamp[0]) / (24 * HOUR_MS) > kept_days - 1


def bars_of(contract: Contract, kind: PriceKind, first_ms: int, last_ms: int) -> Bars:
    rows = contract.candles(kind, first_ms, last_ms)
    prices = (np.array([row[price] for row in rows]) for price in ("open", "high", "low", "close"))
    volume = [row["base"] if kind == "last" else 0.0 for row in rows]
    return Bars(np.array([row["ms"] for row in rows], dtype=np.int64), *prices, np.array(volume))


def assert_same_bars(expected: Bars, shown: Bars) -> None:
    assert expected.open_time.tolist() == shown.open_time.tolist()
    for column in ("open", "high", "low", "close", "volume"):
        np.testing.assert_allclose(getattr(shown, column), getattr(expected, column), rtol=1e-12, err_msg=column)


@every_venue
def test_candles_are_closed_and_complete_over_several_pages_with_volume_in_units_of_the_asset(name: str) -> None:
    hours = 2300

    async def read(venue: Venue, seen: Told) -> Bars:
        begin, end = NOW_MS - hours * HOUR_MS, NOW_MS + 5 * HOUR_MS
        return await venue.candles(seen.contracts[1].symbol, begin, end)

    shown, seen = told(name, read)
    assert_same_bars(bars_of(seen.contracts[1], "last", NOW_MS - hours * HOUR_MS, NOW_MS - HOUR_MS), shown)
    pages = math.ceil(len(shown) / VENUES[name].candle_page)
    assert pages == sum("candle" in one.path or "kline" in one.path or "charts" in one.path for one in seen.asked)


@every_venue
@pytest.mark.parametrize("kind", ["mark", "index"])
def test_candles_of_the_other_prices_are_read_where_the_venue_has_them(name: str, kind: PriceKind) -> None:
    hours = 1600

    async def read(venue: Venue, seen: Told) -> Bars:
        return await venue.candles(seen.contracts[0].symbol, NOW_MS - hours * HOUR_MS, NOW_MS, kind)

    if VENUES[name].page_of(kind) is None:
        with pytest.raises(VenueRefused, match=f"{name} has no candles of {kind} prices"):
            told(name, read)
        return
    shown, seen = told(name, read)
    assert_same_bars(bars_of(seen.contracts[0], kind, NOW_MS - hours * HOUR_MS, NOW_MS - HOUR_MS), shown)


@every_venue
def test_a_book_is_told_in_units_of_the_asset_best_first(name: str) -> None:
    async def read(venue: Venue, seen: Told) -> dict[str, tuple[object, ...]]:
        books = {one.symbol: await venue.book(one.symbol, 2) for one in seen.contracts}
        assert all(len(book.bids) == len(book.asks) == 2 for book in books.values())
        assert all(book.bids[0][0] > book.bids[1][0] and book.asks[0][0] < book.asks[1][0] for book in books.values())
        return {symbol: (book.bids[0], book.asks[0]) for symbol, book in books.items()}

    shown, seen = told(name, read)
    assert by_symbol(seen, lambda one: (pytest.approx(one.best_bid), pytest.approx(one.best_ask))) == shown


@every_venue
def test_quotes_are_the_best_prices_of_every_contract(name: str) -> None:
    quotes, seen = told(name, lambda venue, _: venue.quotes())
    assert by_symbol(seen, lambda one: (one.best_bid[0], one.best_ask[0])) == {
        symbol: (quote.bid, quote.ask) for symbol, quote in quotes.items()
    }
    assert {NOW_MS} == {quote.time_ms for quote in quotes.values()}


@every_venue
def test_open_interest_is_that_of_one_side_in_units_of_the_asset(name: str) -> None:
    interest, seen = told(name, lambda venue, _: venue.open_interest())
    assert by_symbol(seen, lambda one: pytest.approx(one.open_interest)) == interest


@every_venue
def test_volumes_are_told_in_the_quote_currency(name: str) -> None:
    volumes, seen = told(name, lambda venue, _: venue.volumes())
    assert by_symbol(seen, lambda one: pytest.approx(one.turnover)) == volumes


@every_venue
def test_the_clock_is_the_venues(name: str) -> None:
    assert NOW_MS == told(name, lambda venue, _: venue.time_ms())[0]


@every_venue
@pytest.mark.parametrize(("failing", "kind"), [("throttled", VenueThrottled), ("maintenance", VenueUnreachable)])
def test_a_failure_in_the_venues_own_words_is_understood(name: str, failing: str, kind: type[VenueError]) -> None:
    async def read(venue: Venue, _: Told) -> type[VenueError]:
        with pytest.raises(VenueError, match=f"^{name} ") as raised:
            await venue.instruments()
        return raised.type

    assert kind is told(name, read, failing)[0]


@every_venue
def test_a_contract_that_is_gone_is_refused(name: str) -> None:
    async def read(venue: Venue, seen: Told) -> None:
        with pytest.raises(VenueRefused, match=f"^{name} refused"):
            await venue.settlements(seen.gone, NOW_MS - 24 * HOUR_MS)

    told(name, read)
