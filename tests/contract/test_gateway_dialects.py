"""The gateway before venues that page backward, count in contracts and keep little: Bybit's and OKX's dialects."""

import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from data.errors import VenueRefused
from data.exchange import FundingNow, OrderBook, Quote, Venue, depth
from data.types import HOUR_MS, Asset, Instrument
from tests.contract.dialects import NOW, OPENED, SETTLED, START, Bybit, Okx, rate
from tests.contract.loopback import read_from

Result = TypeVar("Result")
SYMBOL = "BTC/USDT:USDT"
VENUES = {"bybit": Bybit, "okx": Okx}
both = pytest.mark.parametrize("name", VENUES)


def told(name: str, read: Callable[[Venue], Awaitable[Result]]) -> Result:
    return read_from(name, VENUES[name]().answer, read)


def test_what_is_counted_in_contracts_is_listed_in_units_of_the_asset() -> None:
    rules = {"venue": "okx", "symbol": SYMBOL, "asset": Asset("BTC"), "quote": "USDT", "tick_size": 0.1}
    expected = Instrument(
        **rules, lot_step=0.001, min_notional=0.0, interval_hours=2, contract_size=0.01, min_quantity=0.005
    )  # type: ignore[arg-type]

    assert (expected,) == told("okx", Venue.instruments)


def test_a_smallest_order_of_several_lots_and_the_interval_of_the_rate_are_told() -> None:
    [one] = told("bybit", Venue.instruments)

    assert (0.001, 0.005, 5.0, 1, 1.0) == (
        one.lot_step, one.min_quantity, one.min_notional, one.interval_hours, one.contract_size
    )  # fmt: skip


@both
@pytest.mark.parametrize("until", [None, START + 1100 * HOUR_MS], ids=["now", "then"])
def test_settlements_come_whole_and_in_order_from_a_venue_that_pages_backward(name: str, until: int | None) -> None:
    since = START + 320 * HOUR_MS
    rows = told(name, lambda venue: venue.settlements(SYMBOL, since, until))

    expected = [stamp for stamp in SETTLED if since <= stamp <= (until or NOW)]
    assert expected == rows.stamp.tolist()
    assert [float(rate(stamp)) for stamp in expected] == rows.rate.tolist()


def test_a_limited_history_simply_ends() -> None:
    rows = told("okx", lambda venue: venue.settlements(SYMBOL, START))

    assert [stamp for stamp in SETTLED if stamp >= Okx.oldest] == rows.stamp.tolist()


@both
@pytest.mark.parametrize("kind", ["last", "mark"])
def test_candles_come_whole_over_gaps_and_never_unfinished(name: str, kind: str) -> None:
    since = START + 10 * HOUR_MS + 1
    rows = told(name, lambda venue: venue.candles(SYMBOL, since, NOW + 9 * HOUR_MS, kind))  # type: ignore[arg-type]

    assert [opened for opened in OPENED if since <= opened and opened + HOUR_MS <= NOW] == rows.open_time.tolist()
    assert {7.0 if kind == "last" else 0.0} == set(rows.volume.tolist())
    assert {(100.0, 101.0, 99.0, 100.5)} == set(zip(rows.open, rows.high, rows.low, rows.close, strict=True))


def test_a_price_that_a_venue_has_no_candles_of_is_refused_before_it_is_asked() -> None:
    venue = Bybit()

    with pytest.raises(VenueRefused, match="hyperliquid has no candles of mark prices"):
        read_from("hyperliquid", venue.answer, lambda client: client.candles(SYMBOL, START, NOW, "mark"))
    assert [] == venue.asked


@both
def test_what_funds_now_names_the_rate_the_time_and_the_interval_in_force(name: str) -> None:
    expected = {
        "bybit": FundingNow(0.0002, START + 1501 * HOUR_MS, 1),
        "okx": FundingNow(0.0003, START + 1502 * HOUR_MS, 2),
    }
    assert {SYMBOL: expected[name]} == told(name, Venue.funding_now)
    assert {SYMBOL: expected[name].next_ms} == told(name, Venue.next_settlements)


@both
def test_the_market_now_is_in_units_of_the_asset(name: str) -> None:
    async def read(venue: Venue) -> tuple[object, ...]:
        return (
            await venue.book(SYMBOL, 1),
            await venue.quotes(),
            await venue.open_interest([SYMBOL]),
            await venue.volumes(),
        )

    book, quotes, interest, volumes = told(name, read)
    assert OrderBook(((99.0, 3.0),), ((101.0, 2.0),), NOW) == book
    assert {SYMBOL: Quote(99.0, 101.0, NOW)} == quotes
    assert ({"bybit": 50.0, "okx": 3.0}[name], {"bybit": 123_456.0, "okx": 200_000.0}[name]) == (
        interest[SYMBOL], volumes[SYMBOL]  # type: ignore[index]
    )  # fmt: skip


def test_depth_is_what_rests_near_the_mid() -> None:
    book = OrderBook(((99.0, 3.0), (98.0, 4.0), (90.0, 50.0)), ((101.0, 2.0), (102.0, 5.0)))

    assert (0.0, 0.0) == depth(book, 50)
    assert (3.0, 2.0) == depth(book, 100)
    assert (7.0, 7.0) == depth(book, 200)
    assert (0.0, 0.0) == depth(OrderBook((), ((1.0, 1.0),)), 1000)
    assert math.isnan(OrderBook((), ((1.0, 1.0),)).mid)


def test_every_request_for_settlements_is_told_how_many_rows_and_where_to_end() -> None:
    venue = Bybit()
    read_from("bybit", venue.answer, lambda client: client.settlements(SYMBOL, START))

    asked = [query for kind, query in venue.asked if kind == "funding/history"]
    assert {"200"} == {query["limit"] for query in asked}
    assert all("startTime" not in query for query in asked)
    assert ["endTime" in query for query in asked] == [False, *[True] * (len(asked) - 1)]
