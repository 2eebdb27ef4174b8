"""A sandbox with one venue and an account at it, for the contract that every venue's account keeps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.fault_client import script_faults
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.text import multiple
from backtest.sandbox.world import World, fingerprint
from bot.execution.live.account import LiveAccount
from bot.venue_orders import Style, VenueOrder
from data.credentials import VARIABLES, credentials
from data.market import Market, lot_step, tick_size, touch
from data.readings import instrument as read_instrument
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import venue_profile

START_MS = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1000)
HOURS = 500
NOW_MS = START_MS + 240 * HOUR_MS + 120_000
"""Two minutes past an hour at which every venue settles funding."""
PRICES = {"BTC": 95_000.0, "DOGE": 0.33}
SWING = 0.01
"""The price falls by this in each hour, and rises by twice that."""
SHOWN = VenueSettings(half_spread_bps=1.0, levels=10, taker_fee_bps=5.0, maker_fee_bps=2.0)
BALANCE = 100_000.0
SETTINGS = AccountSettings(balance=BALANCE)
_HELD_BY = {
    "apiKey": SETTINGS.key,
    "secret": SETTINGS.secret,
    "password": SETTINGS.passphrase,
    "walletAddress": SETTINGS.wallet,
    "privateKey": SETTINGS.private_key,
}


def keys(venue: str) -> dict[str, str]:
    """The environment of a process that may trade there."""
    return {variable: _HELD_BY[part] for part, variable in VARIABLES[venue].items()}


@dataclass
class Desk:
    """An account, and the world that it trades in."""

    venue: str
    account: LiveAccount
    world: World
    url: str
    btc: Instrument
    doge: Instrument
    _numbers: Any = field(default_factory=count)

    def touch(self, instrument: Instrument) -> tuple[float, float]:
        """The best bid and ask."""
        mid = self.world.market.mid((self.venue, instrument.symbol), self.world.now_ms())
        bid, ask = touch(mid, SHOWN.half_spread_bps, instrument.tick_size)
        return float(bid), float(ask)

    def order(self, lots: float, *, past: float = 0.01, of: Instrument | None = None, **told: Any) -> VenueOrder:
        """An order of so many times 500 of quote currency, at a limit so far beyond the touch on the other side."""
        instrument = of or self.btc
        bid, ask = self.touch(instrument)
        quantity = multiple(round(lots * round(500 / ask / instrument.lot_step)), instrument.lot_step)
        limit = ask * (1 + past) if lots > 0 else bid * (1 - past)
        return VenueOrder(f"run1t{next(self._numbers)}s0c1l0a0", instrument, quantity, limit, **told)

    def resting(self, lots: float, *, away: float = 0.005, **told: Any) -> VenueOrder:
        """One that rests so far from the touch on its own side."""
        return self.order(lots, past=-away, style=Style.MAKE, **told)

    async def truth(self) -> dict[str, Any]:
        """The account as the venue has it."""
        told: dict[str, Any] = (await true_accounts(self.url))[self.venue]
        return told

    async def happen(self, kind: str, **event: Any) -> None:
        """Make something happen to it."""
        await happen(self.url, self.venue, kind, **event)

    async def fault(self, *faults: dict[str, Any]) -> None:
        """Let these go wrong and nothing else."""
        await script_faults(self.url, *faults)

    def advance(self, hours: float) -> int:
        """Let market time pass; gives the new time."""
        self.world.clock.advance_to(self.world.now_ms() + round(hours * HOUR_MS))
        return self.world.now_ms()

    async def sent(self, orders: int) -> None:
        """Raises AssertionError unless the venue has so many orders of ours."""
        held = [order for order in (await self.truth())["orders"] if order["origin"] == "api"]
        assert orders == len(held)


@asynccontextmanager
async def desk_at(venue: str, folder: Path, *, environment: dict[str, str] | None = None) -> AsyncIterator[Desk]:
    """A desk in a new world."""
    market = _market(venue)
    identity = WorldIdentity(fingerprint(market, NOW_MS), "hand-made")
    clock = MarketClock(folder / "clock.json", identity, begin_ms=NOW_MS, end_ms=market.end_ms)
    world = World(market, clock, {venue: SHOWN})
    accounts = Accounts(world, SETTINGS)
    async with listening(world, network=Network(world, SandboxSettings()), accounts=accounts) as url:
        settings = VenueSettings(base_url=f"{url}/{venue}")
        held = credentials(venue, keys(venue) if environment is None else environment)
        async with LiveAccount(venue, settings, held, timeout_s=0.5, backoff_s=0.001, loopback=True) as account:
            account._client.timeout_on_exit = 0  # ms; ccxt waits for encrypted connections
            profile, listed = venue_profile(venue), account._client.markets
            btc, doge = (read_instrument(listed[code + profile.symbol_suffix], profile, 8) for code in PRICES)
            yield Desk(venue, account, world, url, btc, doge)


def at_desk(venue: str, folder: Path, call: Callable[[Desk], Awaitable[Any]], **told: Any) -> Any:
    """What `call` gives at a new desk."""

    async def talk() -> Any:
        async with desk_at(venue, folder, **told) as desk:
            return await call(desk)

    return asyncio.run(talk())


def _market(venue: str) -> Market:
    """Coins that open and close every hour at the same price, with a swing between, and funding of turning sign."""
    profile, hours = venue_profile(venue), np.arange(HOURS)
    instruments: list[Instrument] = []
    bars: dict[InstrumentKey, Bars] = {}
    settlements: dict[InstrumentKey, Settlements] = {}
    for code, price in PRICES.items():
        instrument = Instrument(
            venue=venue,
            symbol=code + profile.symbol_suffix,
            asset=Asset(code),
            quote=profile.quote,
            lot_step=lot_step(price, profile.max_lot_decimals),
            tick_size=tick_size(price),
            min_notional=profile.min_notional,
            interval_hours=profile.default_interval_hours,
        )
        still = np.full(HOURS, price)
        instruments.append(instrument)
        low, high = still * (1 - SWING), still * (1 + 2 * SWING)
        bars[instrument.key] = Bars(START_MS + hours * HOUR_MS, still, high, low, still, np.full(HOURS, 100.0))
        settled = hours[:: profile.default_interval_hours]
        rate = np.where(settled // profile.default_interval_hours % 2, -0.0003, 0.0002)
        settlements[instrument.key] = Settlements(START_MS + settled * HOUR_MS, np.zeros_like(settled), rate)
    return Market(tuple(instruments), bars, settlements)
