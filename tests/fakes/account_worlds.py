"""Small worlds for tests of the sandbox's accounts: one coin at 100, two if told, whose prices go where a test says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Force, Order, Ticket
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.world import World, fingerprint
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

HOURS = 200
BEGIN_MS = 24 * HOUR_MS
"""Worlds begin a day into their market."""
RATE = 0.001
STAMP_MS = 250
"""Settlements are stamped so much later than their hour: the fourth of the world, the twelfth, ..."""
AAA, BBB = "AAA/USDT:USDT", "BBB/USDT:USDT"
SHOWN = VenueSettings(half_spread_bps=10.0, level_quote=1000.0, levels=5, taker_fee_bps=5.0, maker_fee_bps=2.0)
"""At a price of 100: bids 99.9, 99.8, ..., asks 100.1, 100.2, ..., ten units or a little less on each."""
MAINTENANCE = Decimal("0.05")


def hour_ms(hour: int, minutes: float = 0) -> int:
    """The time so many hours after the world began."""
    return BEGIN_MS + hour * HOUR_MS + round(minutes * 60_000)


def coin(symbol: str, venue: str = "binance") -> Instrument:
    """Lots of 0.001, ticks of 0.01, orders from 5."""
    code, _, rest = symbol.partition("/")
    return Instrument(venue, symbol, Asset(code), rest.partition(":")[0], 0.001, 0.01, 5.0, 8)


def small_world(
    folder: Path,
    closes: Mapping[int, float] | None = None,
    symbols: Sequence[str] = (AAA,),
    *,
    rate: float = RATE,
    hours: int = HOURS,
    venue: str = "binance",
    maintenance: Decimal = MAINTENANCE,
) -> World:
    """A stepped world, whose clock is in `folder`. From hour h on, counted from its beginning, the first coin's price
    is closes[h]; it moves there within the hour before. All others stay at 100."""
    coins = tuple(coin(symbol, venue) for symbol in symbols)
    bars = {one.key: _bars(closes if one.symbol == symbols[0] else None, hours) for one in coins}
    stamps = np.arange(4, hours, 8, dtype=np.int64) * HOUR_MS
    settled = Settlements(stamps, np.full(len(stamps), STAMP_MS), np.full(len(stamps), rate))
    market = Market(coins, bars, {one.key: settled for one in coins})
    identity = WorldIdentity(fingerprint(market, BEGIN_MS), "small")
    clock = MarketClock(folder / "clock.json", identity, begin_ms=BEGIN_MS, end_ms=market.end_ms)
    shown = SHOWN.model_copy(update={"maintenance_margin": float(maintenance)})
    return World(market, clock, {venue: shown})


def _bars(closes: Mapping[int, float] | None, hours: int) -> Bars:
    price, first, last = 100.0, np.empty(hours), np.empty(hours)
    for hour in range(hours):
        first[hour] = price
        price = (closes or {}).get(hour + 1 - BEGIN_MS // HOUR_MS, price)
        last[hour] = price
    opened = np.arange(hours, dtype=np.int64) * HOUR_MS
    return Bars(opened, first, np.maximum(first, last), np.minimum(first, last), last, np.full(hours, 1e4))


def without_bars(world: World, symbol: str, first_hour: int) -> World:
    """The same world, in which a coin has no bars from an hour on: it is delisted there."""
    key = (world.venues[0], symbol)
    bars = world.market.bars[key]
    kept = Bars(*(column[bars.open_time < hour_ms(first_hour)] for column in vars(bars).values()))
    market = replace(world.market, bars={**world.market.bars, key: kept})
    return World(market, world.clock, world.shown)


class Desk:
    """An account in a world of its own, and short words for what tests do with it."""

    def __init__(self, world: World, *, balance: float = 10_000.0, file: Path | None = None) -> None:
        """`file` keeps it; in memory without."""
        self.world = world
        self.wall_s = 1_000_000.0
        self.accounts = Accounts(world, AccountSettings(balance=balance), file, lambda: self.wall_s)

    def account(self) -> Account:
        """The account, moved to now."""
        with self.accounts.at(self.world.venues[0]) as account:
            return account

    def go(self, hour: int, minutes: float = 0) -> Account:
        """Move the clock; gives the account then."""
        self.world.clock.advance_to(hour_ms(hour, minutes))
        return self.account()

    def order(self, quantity: str, limit: str | None = None, force: Force = Force.IOC, **told: Any) -> Order:
        """Place an order of the first coin, unless `symbol` says another."""
        told = {"symbol": AAA, "quantity": Decimal(quantity), "force": force} | told
        with self.accounts.at(self.world.venues[0]) as account:
            return place(account, Ticket(**told, limit=None if limit is None else Decimal(limit)))
