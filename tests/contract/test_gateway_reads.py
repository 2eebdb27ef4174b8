"""What the gateway reads of the sandbox's venues now: announced funding, quotes, turnover, books of a given depth."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from backtest.sandbox.server import listening
from data.exchange import FundingNow, Quote, Venue
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Instrument
from tests.contract.conftest import START_MS, WorldAt

Result = TypeVar("Result")
NOW = START_MS + 500 * HOUR_MS + 60_000
venues = pytest.mark.parametrize("name", ["binance", "hyperliquid"])


def read(world_at: WorldAt, name: str, ask: Callable[[Venue], Awaitable[Result]]) -> Result:
    async def talk() -> Result:
        async with listening(world_at(NOW)) as url:
            told = VenueSettings(base_url=f"{url}/{name}")
            async with Venue(name, told, timeout_s=5, concurrency=4) as venue:
                return await ask(venue)

    return asyncio.run(talk())


def traded(market: Market, name: str) -> list[Instrument]:
    return [one for one in market.listed(NOW) if one.venue == name]


@venues
def test_every_contract_says_what_it_settles_next_when_and_how_often(
    world_at: WorldAt, sandbox_market: Market, name: str
) -> None:
    shown = read(world_at, name, Venue.funding_now)

    intervals = {one.symbol: one.interval_hours for one in traded(sandbox_market, name)}
    assert intervals == {symbol: now.interval_hours for symbol, now in shown.items()}
    for symbol, now in shown.items():
        step = intervals[symbol] * HOUR_MS
        assert (NOW // step + 1) * step == now.next_ms and abs(now.rate) < 0.01


@venues
def test_only_the_contracts_that_are_asked_for_are_given(world_at: WorldAt, name: str) -> None:
    async def ask(venue: Venue) -> tuple[dict[str, FundingNow], dict[str, Quote]]:
        symbol = next(one.symbol for one in await venue.instruments() if one.asset.base == "BTC")
        return await venue.funding_now([symbol]), await venue.quotes([symbol])

    funding, quotes = read(world_at, name, ask)
    assert ["BTC"] == [symbol.partition("/")[0] for symbol in funding] == [s.partition("/")[0] for s in quotes]


@venues
def test_a_quote_is_the_top_of_the_book_and_has_the_venue_s_time(
    world_at: WorldAt, sandbox_market: Market, name: str
) -> None:
    async def ask(venue: Venue) -> tuple[dict[str, Quote], dict[str, tuple[float, float]]]:
        quotes = await venue.quotes()
        books = {symbol: await venue.book(symbol, 3) for symbol in quotes}
        assert {3} == {len(side) for book in books.values() for side in (book.bids, book.asks)}
        return quotes, {symbol: (book.bids[0][0], book.asks[0][0]) for symbol, book in books.items()}

    quotes, tops = read(world_at, name, ask)
    assert {one.symbol for one in traded(sandbox_market, name)} == set(quotes)
    assert tops == {symbol: (quote.bid, quote.ask) for symbol, quote in quotes.items()}
    assert {NOW} == {quote.time_ms for quote in quotes.values()}


@venues
def test_the_turnover_of_a_day_is_told_in_the_quote_currency(
    world_at: WorldAt, sandbox_market: Market, name: str
) -> None:
    volumes = read(world_at, name, Venue.volumes)

    for one in traded(sandbox_market, name):
        bars = sandbox_market.bars[one.key]
        day = (bars.open_time + HOUR_MS > NOW - 25 * HOUR_MS) & (bars.open_time < NOW)
        typical = float((bars.volume * bars.close)[day].mean()) * 24
        assert 0.6 * typical < volumes[one.symbol] < 1.6 * typical
