"""A flat hand-made market, and stock ccxt clients with keys in front of its sandbox: for tests of signed accounts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt
import numpy as np

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Force, Ticket
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World, fingerprint
from data.market import Market, lot_step, tick_size
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements
from data.venues import venue_profile

START_MS = 1_735_689_600_000
HOURS = 1500
NOON = START_MS + 300 * HOUR_MS
"""Three hundred hours into the market, between two settlements."""
BTC, DOGE = "BTC/USDT:USDT", "DOGE/USDT:USDT"
MID = 95_000.0
BID, ASK = 94_995.0, 95_005.0
"""The touch as every hour opens; each level holds 0.2631 coins and lies 5 from the last."""
LEVEL = 0.2631
RATE = 0.0001
"""Settles every eight hours, on even hours of it from longs to shorts, else from shorts to longs."""
SHOWN = VenueSettings(half_spread_bps=0.5, levels=10)


@dataclass(frozen=True)
class Dialect:
    """How one venue is spoken to by way of ccxt."""

    venue: str
    options: Mapping[str, Any]
    finding: Mapping[str, Any]
    """What fetch_order is told besides the client's id."""
    id_name: str
    """Of the client's id where an order is found or cancelled."""
    paid_sign: int
    """Of a funding payment that was paid."""
    codes: Mapping[str, str]
    """What is refused -> the code."""

    def named(self, name: str) -> dict[str, Any]:
        """Parameters that name an order by the client's id."""
        return {self.id_name: name}


@dataclass
class Session:
    """One client of one venue in a served world."""

    client: Any
    url: str
    world: World
    accounts: Accounts
    dialect: Dialect

    async def order(self, side: str, units: float, limit: float | None = None, symbol: str = BTC, **more: Any) -> Any:
        """Send an order for `units` of the asset: IOC at a limit unless told otherwise, at market without one."""
        kind = "market" if limit is None else "limit"
        force = {} if limit is None or "postOnly" in more else {"timeInForce": "IOC"}
        name = more.pop("name", None)
        named = {} if name is None else {"clientOrderId": name}
        amount = float(f"{units / self.client.market(symbol)['contractSize']:.9g}")
        return await self.client.create_order(symbol, kind, side, amount, limit, force | named | more)

    async def find(self, name: str, symbol: str = BTC) -> Any:
        """The order of this client id."""
        return await self.client.fetch_order("", symbol, dict(self.dialect.finding) | self.dialect.named(name))

    def units(self, amount: float, symbol: str = BTC) -> float:
        """An amount of the client's in units of the asset."""
        return round(amount * self.client.market(symbol)["contractSize"], 9)

    async def positions(self) -> dict[str, float]:
        """Signed units by symbol."""
        sign = {"long": 1, "short": -1}
        rows = await self.client.fetch_positions()
        return {row["symbol"]: sign[row["side"]] * self.units(row["contracts"], row["symbol"]) for row in rows}

    async def truth(self) -> dict[str, Any]:
        """The account as the sandbox knows it."""
        return (await true_accounts(self.url))[self.dialect.venue]

    async def happen(self, kind: str, **event: Any) -> dict[str, Any]:
        """Make something happen to the account."""
        return await happen(self.url, self.dialect.venue, kind, **event)

    def trade_often(self, times: int) -> None:
        """So many trades at the touch, to and fro, without the way over HTTP."""
        with self.accounts.at(self.dialect.venue) as account:
            for number in range(times):
                price, quantity = (ASK, "0.01") if number % 2 == 0 else (BID, "-0.01")
                place(account, Ticket(BTC, Decimal(quantity), Decimal(price), Force.IOC, client_id=f"o{number}"))

    def pass_to(self, when_ms: int) -> None:
        """Market time goes on to then."""
        self.world.clock.advance_to(when_ms)


Play = Callable[..., Any]


def playing(dialect: Dialect) -> Play:
    """`play(script, at=..., **settings)` gives what `script(session)` gives at a market time, in a sandbox with these
    settings."""

    def play(script: Callable[[Session], Awaitable[Any]], *, at: int = NOON, **settings: Any) -> Any:
        async def talk() -> Any:
            async with session_at(dialect, at, **settings) as session:
                return await script(session)

        return asyncio.run(talk())

    return play


@asynccontextmanager
async def session_at(dialect: Dialect, now_ms: int, **settings: Any) -> AsyncIterator[Session]:
    """A session whose markets are loaded."""
    with TemporaryDirectory() as folder:
        world, told = world_at(dialect.venue, now_ms, Path(folder)), SandboxSettings(**settings)
        accounts = Accounts(world, told.accounts)
        async with listening(world, network=Network(world, told), accounts=accounts) as url:
            client = client_at(url, dialect, told.accounts)
            try:
                await client.load_markets()
                yield Session(client, url, world, accounts, dialect)
            finally:
                await client.close()


def client_at(url: str, dialect: Dialect, keys: AccountSettings) -> Any:
    """The stock client, its hosts replaced and no more."""
    client = getattr(ccxt, venue_profile(dialect.venue).ccxt_id)(
        {
            "enableRateLimit": False,
            "timeout": 2000,
            "timeout_on_exit": 1,
            "verify": False,  # reading the system's certificates costs more than a test
            "apiKey": keys.key,
            "secret": keys.secret,
            "password": keys.passphrase,
            "options": dict(dialect.options),
        }
    )
    paths = {api: urlsplit(address).path for api, address in client.urls["api"].items()}
    client.urls["api"] = {api: f"{url}/{dialect.venue}{path}" for api, path in paths.items()}
    return client


def world_at(venue: str, now_ms: int, folder: Path) -> World:
    """A stepped world with one venue."""
    market = flat_market(venue)
    identity = WorldIdentity(fingerprint(market, now_ms), "flat")
    clock = MarketClock(folder / "clock.json", identity, begin_ms=now_ms, end_ms=market.end_ms)
    return World(market, clock, {venue: SHOWN})


def flat_market(venue: str) -> Market:
    """Each hour opens and closes at the same price; in between it falls and then rises by one percent."""
    coins = {BTC: MID, DOGE: 0.3}
    instruments = tuple(_instrument(venue, symbol, price) for symbol, price in coins.items())
    bars = {i.key: _bars(coins[i.symbol]) for i in instruments}
    return Market(instruments, bars, {i.key: _settlements() for i in instruments})


def _instrument(venue: str, symbol: str, price: float) -> Instrument:
    asset = Asset.parse(symbol.partition("/")[0])
    return Instrument(venue, symbol, asset, "USDT", lot_step(price, 4), tick_size(price), 5.0, 8)


def _bars(price: float) -> Bars:
    opened, flat = START_MS + np.arange(HOURS) * HOUR_MS, np.full(HOURS, price)
    return Bars(opened, flat, flat * 1.01, flat * 0.99, flat.copy(), np.full(HOURS, 1e6 / price))


def _settlements() -> Settlements:
    hours = np.arange(0, HOURS, 8)
    rate = np.where(hours % 16 == 0, RATE, -RATE)
    return Settlements(START_MS + hours * HOUR_MS, np.zeros_like(hours), rate)
