"""The gateway against real HTTP: servers that answer wrongly, and the sandbox in pages of a few rows."""

import asyncio
import socket
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiohttp import web

import data.exchange
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.server import application
from backtest.sandbox.world import World
from data.errors import ConfigurationError, VenueError, VenueRefused, VenueUnreachable
from data.exchange import OrderBook, Venue
from data.market import Market, lot_step, tick_size, touch
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

VENUES = ("binance", "hyperliquid")
START = 1_736_121_600_000
DAYS = 45
HOURS = DAYS * 24
NOW = START + (HOURS - 10) * HOUR_MS + 60_000
SINCE = START + 4 * 24 * HOUR_MS
GAP = range(500, 507)
PRICE = 20.0
HALF_SPREAD_BPS = {"binance": 0.5, "hyperliquid": 1.5}
QUOTES = {"binance": "USDT", "hyperliquid": "USDC"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Read = Callable[[Venue], Awaitable[Any]]


def instrument(venue: str, code: str, interval: int) -> Instrument:
    quote = QUOTES[venue]
    decimals, least = {"binance": (3, 5.0), "hyperliquid": (5, 10.0)}[venue]
    rules = lot_step(PRICE, decimals), tick_size(PRICE), least
    return Instrument(venue, f"{code}/{quote}:{quote}", Asset.parse(code), quote, *rules, interval)


INSTRUMENTS = (
    instrument("binance", "BTC", 8),
    instrument("binance", "INJ", 1),
    instrument("hyperliquid", "BTC", 1),
    instrument("hyperliquid", "INJ", 1),
)
BTC = {one.venue: one for one in INSTRUMENTS if one.asset == Asset("BTC")}


def make_market() -> Market:
    """45 days of random prices and rates; INJ has a gap of seven candles."""
    random = np.random.default_rng(3)
    bars, settlements = {}, {}
    for one in INSTRUMENTS:
        hours = np.array([hour for hour in range(HOURS) if hour not in GAP or one.asset != Asset("INJ")])
        price = PRICE * (1 + 0.02 * random.standard_normal((len(hours), 4)))
        columns = price[:, 0], price.max(axis=1), price.min(axis=1), price[:, 1], random.uniform(1, 50, len(hours))
        bars[one.key] = Bars(START + hours * HOUR_MS, *columns)
        due = START + np.arange(0, HOURS + 1, one.interval_hours) * HOUR_MS
        offsets = random.integers(0, 500, len(due))
        settlements[one.key] = Settlements(due, offsets, random.normal(0, 1e-4, len(due)))
    return Market(INSTRUMENTS, bars, settlements)


MARKET = make_market()


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.exchange, "BACKOFF_S", 0.001)


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def gateway(name: str, url: str, timeout_s: float = 5.0) -> Venue:
    return Venue(name, VenueSettings(base_url=url), timeout_s=timeout_s, concurrency=4)


def answers(*replies: tuple[int, str]) -> tuple[Handler, list[str]]:
    """A handler that gives (status, body) in turn, the last one for ever, and the paths that it was asked for."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        status, body = replies[min(len(asked), len(replies) - 1)]
        asked.append(request.path)
        return web.Response(status=status, text=body, content_type="application/json")

    return handle, asked


def ask(venue: str, handle: Handler, read: Read = Venue.time_ms, timeout_s: float = 5.0) -> Any:
    """What `read` gives on a venue whose server answers everything by `handle`."""

    async def talk() -> Any:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        async with serving(app) as url, gateway(venue, url, timeout_s) as client:
            return await read(client)

    return asyncio.run(talk())


def failure(kind: type[VenueError], venue: str, handle: Handler, **options: Any) -> VenueError:
    """The error that asking ends with: exactly of `kind`, and naming the venue."""
    with pytest.raises(VenueError) as caught:
        ask(venue, handle, **options)
    assert kind is type(caught.value)
    assert str(caught.value).startswith(venue)
    return caught.value


@pytest.mark.parametrize("venue", VENUES)
def test_a_connection_that_is_cut_is_unreachable(venue: str) -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    failure(VenueUnreachable, venue, cut)


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("read", [Venue.time_ms, Venue.instruments], ids=["time", "instruments"])
@pytest.mark.parametrize("body", ["<html>maintenance</html>", "", '{"serverTime": 17'])
def test_an_answer_that_is_not_one_is_a_failure_of_the_venue(venue: str, read: Read, body: str) -> None:
    handle, asked = answers((200, body))

    failure(VenueUnreachable, venue, handle, read=read)
    assert len(asked) >= 3


def test_an_error_is_one_line_for_people() -> None:
    handle, _ = answers((503, "first line\nsecond line " + "x" * 5000))
    text = str(failure(VenueUnreachable, "binance", handle))

    assert "\n" not in text and len(text) < 400
    assert "Traceback" not in text and "ccxt" not in text


# The sandbox, well and unwell


class Sandbox:
    """The sandbox's servers over the market at NOW, answering by `trouble` instead where that is set."""

    def __init__(self, folder: Path) -> None:
        identity = WorldIdentity("hand-made", "hand-made")
        clock = MarketClock(folder / "clock.json", identity, begin_ms=NOW, end_ms=MARKET.end_ms)
        self.trouble: tuple[int, str] | None = None
        self.asked: list[str] = []
        shown = {venue: VenueSettings(half_spread_bps=half) for venue, half in HALF_SPREAD_BPS.items()}
        self.app = application(World(MARKET, clock, shown))
        self.app.middlewares.append(self._middleware())

    def _middleware(self) -> Any:
        @web.middleware
        async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append(request.path)
            if self.trouble is None:
                return await handler(request)
            status, body = self.trouble
            return web.Response(status=status, text=body, content_type="application/json")

        return answer


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    return Sandbox(tmp_path)


def on(sandbox: Sandbox, venue: str, read: Read, **profile: int) -> Any:
    """What `read` gives on a venue of the sandbox, whose profile is changed first."""

    async def talk() -> Any:
        async with serving(sandbox.app) as url, gateway(venue, f"{url}/{venue}") as client:
            client.profile = replace(client.profile, **profile)  # type: ignore[arg-type]
            return await read(client)

    return asyncio.run(talk())


READS: dict[str, Callable[[Venue], Awaitable[Any]]] = {
    "settlements": lambda client: client.settlements(BTC[client.name].symbol, SINCE),
    "candles": lambda client: client.candles(BTC[client.name].symbol, SINCE, NOW),
    "book": lambda client: client.book(BTC[client.name].symbol),
    "next settlements": lambda client: client.next_settlements(),
}


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("name", READS)
def test_every_read_of_a_venue_that_goes_down_is_unreachable_and_works_again_afterwards(
    sandbox: Sandbox, venue: str, name: str
) -> None:
    async def down_and_up(client: Venue) -> Any:
        await client.instruments()
        sandbox.trouble = 503, "maintenance"
        with pytest.raises(VenueUnreachable, match=f"^{venue} cannot be reached"):
            await READS[name](client)
        sandbox.trouble = None
        return await READS[name](client)

    assert on(sandbox, venue, down_and_up) is not None


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("name", READS)
def test_a_page_of_html_is_never_read_as_nothing_new(sandbox: Sandbox, venue: str, name: str) -> None:
    async def garbled(client: Venue) -> None:
        await client.instruments()
        sandbox.trouble = 200, "<html>maintenance</html>"
        with pytest.raises(VenueError, match=f"^{venue}"):
            await READS[name](client)

    on(sandbox, venue, garbled)


@pytest.mark.parametrize("venue", VENUES)
def test_a_symbol_that_the_venue_does_not_have_is_refused(sandbox: Sandbox, venue: str) -> None:
    async def ask_for_nothing(client: Venue) -> None:
        await client.instruments()
        await client.settlements("NOPE/USDT:USDT", SINCE)

    with pytest.raises(VenueRefused, match=f"^{venue} refused a request"):
        on(sandbox, venue, ask_for_nothing)


@pytest.mark.parametrize("venue", VENUES)
def test_instruments_carry_the_rules_of_the_venue(sandbox: Sandbox, venue: str) -> None:
    listed = on(sandbox, venue, Venue.instruments)

    assert {one for one in INSTRUMENTS if one.venue == venue} == set(listed)


def test_a_contract_whose_announced_interval_is_none_is_not_listed(sandbox: Sandbox) -> None:
    async def zero_for_bitcoin() -> dict[str, Any]:
        return {BTC["binance"].symbol: {"interval": "0h"}, "INJ/USDT:USDT": {"interval": "4h"}}

    async def listed(client: Venue) -> list[tuple[str, int]]:
        client._client.fetch_funding_intervals = zero_for_bitcoin
        return [(one.symbol, one.interval_hours) for one in await client.instruments()]

    assert [("INJ/USDT:USDT", 4)] == on(sandbox, "binance", listed)


@pytest.mark.parametrize("venue", VENUES)
def test_the_next_settlement_is_named_for_every_instrument(sandbox: Sandbox, venue: str) -> None:
    async def after_listing(client: Venue) -> dict[str, int]:
        await client.instruments()
        return await client.next_settlements()

    expected = {one.symbol: (NOW // HOUR_MS + 1) * HOUR_MS for one in INSTRUMENTS if one.venue == venue}
    if venue == "binance":
        expected[BTC[venue].symbol] = (NOW // (8 * HOUR_MS) + 1) * 8 * HOUR_MS
    assert expected == on(sandbox, venue, after_listing)


@pytest.mark.parametrize("one", INSTRUMENTS, ids=lambda one: " ".join(one.key))
@pytest.mark.parametrize("page", [500, 7])
def test_paged_settlements_are_the_venue_s_with_not_a_row_lost_or_doubled(
    sandbox: Sandbox, one: Instrument, page: int
) -> None:
    rows = on(sandbox, one.venue, lambda client: client.settlements(one.symbol, SINCE), funding_page=page)

    settled = MARKET.settlements[one.key]
    kept = (settled.stamp >= SINCE) & (settled.stamp <= NOW)
    assert kept.sum() > 110
    for name, values in vars(settled).items():
        np.testing.assert_array_equal(values[kept], getattr(rows, name))


@pytest.mark.parametrize("one", INSTRUMENTS, ids=lambda one: " ".join(one.key))
@pytest.mark.parametrize("page", [1000, 11])
def test_paged_candles_are_the_venue_s_with_not_a_row_lost_or_doubled(
    sandbox: Sandbox, one: Instrument, page: int
) -> None:
    rows = on(sandbox, one.venue, lambda client: client.candles(one.symbol, SINCE, NOW), candle_page=page)

    bars = MARKET.bars[one.key]
    kept = (bars.open_time >= SINCE) & (bars.open_time + HOUR_MS <= NOW)
    assert kept.sum() > 900
    for name, values in vars(bars).items():
        np.testing.assert_array_equal(values[kept], getattr(rows, name))


@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("rows", [7, 14])
def test_a_history_of_exactly_some_full_pages_ends(sandbox: Sandbox, venue: str, rows: int) -> None:
    one = next(i for i in INSTRUMENTS if i.venue == venue and i.interval_hours == 1)
    since = NOW // HOUR_MS * HOUR_MS - (rows - 1) * HOUR_MS
    settled = on(sandbox, venue, lambda client: client.settlements(one.symbol, since), funding_page=7)

    assert rows == len(settled)


@pytest.mark.parametrize("venue", VENUES)
def test_a_candle_that_has_not_closed_is_left_out(sandbox: Sandbox, venue: str) -> None:
    one, hour = BTC[venue], NOW // HOUR_MS * HOUR_MS
    untils = (hour - 1, hour, NOW, hour + HOUR_MS - 1)

    async def newest(client: Venue) -> list[int]:
        await client.instruments()
        read = [await client.candles(one.symbol, SINCE, until) for until in untils]
        return [int(rows.open_time[-1]) for rows in read]

    assert [hour - 2 * HOUR_MS, *[hour - HOUR_MS] * 3] == on(sandbox, venue, newest)


@pytest.mark.parametrize("venue", VENUES)
def test_nothing_new_is_an_empty_answer_of_the_right_kind(sandbox: Sandbox, venue: str) -> None:
    async def nothing(client: Venue) -> tuple[Bars, Bars, Settlements]:
        symbol, hour = BTC[venue].symbol, NOW // HOUR_MS * HOUR_MS
        return (
            await client.candles(symbol, hour, NOW),
            await client.candles(symbol, NOW, NOW),
            await client.settlements(symbol, NOW),
        )

    forming, none, settled = on(sandbox, venue, nothing)
    assert (0, 0, 0) == (len(forming), len(none), len(settled))
    assert np.int64 == forming.open_time.dtype == none.open_time.dtype == settled.time.dtype


@pytest.mark.parametrize("venue", VENUES)
def test_a_book_has_the_best_levels_first_and_a_mid(sandbox: Sandbox, venue: str) -> None:
    one = BTC[venue]
    book = on(sandbox, venue, lambda client: client.book(one.symbol))
    bid, ask = touch(MARKET.mid(one.key, NOW), HALF_SPREAD_BPS[venue], one.tick_size)

    assert (float(bid), float(ask)) == (book.bids[0][0], book.asks[0][0])
    assert sorted(book.bids, reverse=True) == list(book.bids) and sorted(book.asks) == list(book.asks)
    assert (float(bid) + float(ask)) / 2 == book.mid


def test_a_one_sided_book_has_no_mid() -> None:
    for book in (OrderBook((), ((1.0, 1.0),)), OrderBook(((1.0, 1.0),), ()), OrderBook((), ())):
        assert np.isnan(book.mid)


@pytest.mark.parametrize("venue", VENUES)
def test_no_other_machine_is_ever_connected_to(sandbox: Sandbox, venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts: set[str] = set()
    connect = BaseSelectorEventLoop.sock_connect

    async def noted(loop: Any, one: socket.socket, address: tuple[str, int]) -> None:
        hosts.add(address[0])
        await connect(loop, one, address)

    async def everything(client: Venue) -> None:
        await client.instruments()
        for read in READS.values():
            await read(client)

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", noted)
    on(sandbox, venue, everything)

    assert {"127.0.0.1"} == hosts
    assert len(sandbox.asked) > len(READS)


def test_a_venue_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(
        ConfigurationError, match="unknown venue 'mtgox': choose from binance, binance_spot, bitget, bybit"
    ):
        Venue("mtgox", VenueSettings(), timeout_s=1.0, concurrency=1)
