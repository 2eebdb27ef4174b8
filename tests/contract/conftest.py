"""What contract tests share: places for ledgers; a hand-made market, worlds over it, and stock ccxt clients."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt
import numpy as np
import pytest

from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.server import listening
from backtest.sandbox.world import World, fingerprint
from bot.ledger.database import Place
from bot.ledger.store import Ledger
from data.market import Market, lot_step, tick_size
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import venue_profile
from tests.fakes.ledger_places import DATABASES, ledger_place

pytest.register_assert_rewrite("tests.contract.live_account_contract", "tests.contract.live_account_trouble")

START_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
HOURS = 1300
GAP = range(700, 703)
"""Hours without candles in DOGE."""
GAP_PRICE = 0.33
SHOWN = {
    "binance": VenueSettings(half_spread_bps=0.5, levels=10),
    "bybit": VenueSettings(half_spread_bps=0.8, levels=10),
    "hyperliquid": VenueSettings(half_spread_bps=1.5, levels=10),
    "okx": VenueSettings(half_spread_bps=0.5, levels=10),
}
"""The venues as the worlds show them."""
LISTINGS = (
    # base code per venue, price, Binance's interval, first and last hour
    (("BTC", "BTC"), 95_000.0, 8, 0, HOURS),
    (("INJ", "INJ"), 21.0, 1, 0, HOURS),
    (("DOGE", "DOGE"), GAP_PRICE, 4, 0, HOURS),
    (("1000PEPE", "KPEPE"), 0.018, 8, 0, HOURS),
    (("SOL", "SOL"), 190.0, 8, 100, HOURS),
    (("TON", "TON"), 5.5, 8, 0, 900),
)

WorldAt = Callable[[int], World]
Served = Callable[..., AbstractAsyncContextManager[Any]]
Ask = Callable[..., Any]
Asking = Callable[..., Ask]


def _instrument(venue: str, code: str, price: float, interval_hours: int) -> Instrument:
    quote, decimals, least = {"binance": ("USDT", 3, 5.0), "hyperliquid": ("USDC", 5, 10.0)}[venue]
    return Instrument(
        venue=venue,
        symbol=f"{code}/{quote}:{quote}",
        asset=Asset.parse(code),
        quote=quote,
        lot_step=lot_step(price, decimals),
        tick_size=tick_size(price),
        min_notional=least,
        interval_hours=interval_hours,
    )


def _bars(random: np.random.Generator, price: float, first: int, last: int) -> Bars:
    hours = np.array([hour for hour in range(first, last) if hour not in GAP or price != GAP_PRICE])
    turns = price * (1 + 0.02 * random.standard_normal((len(hours), 4)))
    volume = random.uniform(1, 50_000, len(hours)) / price
    return Bars(START_MS + hours * HOUR_MS, turns[:, 0], turns.max(axis=1), turns.min(axis=1), turns[:, 1], volume)


def _settlements(random: np.random.Generator, interval_hours: int, first: int, last: int) -> Settlements:
    hours = np.arange(-(-first // interval_hours) * interval_hours, last + 1, interval_hours)
    rate = random.standard_normal(len(hours)) * 10.0 ** random.uniform(-9, -3, len(hours))
    return Settlements(START_MS + hours * HOUR_MS, random.integers(0, 500, len(hours)), rate)


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where no ledger lies yet, in every database that one can lie in."""
    with ledger_place(request.param, tmp_path) as one:
        yield one


@pytest.fixture
def ledger(place: Place) -> Iterator[Ledger]:
    """A new one."""
    one = Ledger(place)
    yield one
    one.close()


@pytest.fixture(scope="session")
def sandbox_market() -> Market:
    """Six coins on two venues: full-precision prices and rates, a gap in DOGE, SOL listed late, TON delisted early."""
    random = np.random.default_rng(11)
    instruments: list[Instrument] = []
    bars: dict[InstrumentKey, Bars] = {}
    settlements: dict[InstrumentKey, Settlements] = {}
    for codes, price, interval, first, last in LISTINGS:
        for venue, code, hours in zip(("binance", "hyperliquid"), codes, (interval, 1), strict=True):
            instrument = _instrument(venue, code, price, hours)
            instruments.append(instrument)
            bars[instrument.key] = _bars(random, price, first, last)
            settlements[instrument.key] = _settlements(random, hours, first, last)
    return Market(tuple(instruments), bars, settlements, "nothing unusual")


@pytest.fixture
def world_at(sandbox_market: Market, tmp_path: Path) -> WorldAt:
    """A stepped world over the market, at a time."""

    def make(now_ms: int) -> World:
        identity = WorldIdentity(fingerprint(sandbox_market, now_ms), "hand-made")
        clock = MarketClock(tmp_path / f"{now_ms}.json", identity, begin_ms=now_ms, end_ms=sandbox_market.end_ms)
        return World(sandbox_market, clock, SHOWN)

    return make


@pytest.fixture
def served() -> Served:
    """`async with served(world, venue) as client`: the stock ccxt client of a venue, its hosts replaced and no more."""
    return _served


@pytest.fixture
def asking(world_at: WorldAt, served: Served) -> Asking:
    """`asking(venue, **usual)` makes `ask(now_ms, call, options)`: what `call(client)` gives at a market time, by a
    stock client with these options, or the usual ones."""

    def of(venue: str, **usual: Any) -> Ask:
        def ask(now_ms: int, call: Callable[[Any], Awaitable[Any]], options: Mapping[str, Any] = usual) -> Any:
            async def talk() -> Any:
                async with served(world_at(now_ms), venue, **options) as client:
                    return await call(client)

            return asyncio.run(talk())

        return ask

    return of


@asynccontextmanager
async def _served(world: World, venue: str, **options: Any) -> AsyncIterator[Any]:
    client = getattr(ccxt, venue_profile(venue).ccxt_id)({"enableRateLimit": False, "options": options})
    async with listening(world) as url:
        paths = {api: urlsplit(address).path for api, address in client.urls["api"].items()}
        client.urls["api"] = {api: f"{url}/{venue}{path}" for api, path in paths.items()}
        try:
            yield client
        finally:
            await client.close()
