"""An entry into one pair beside the account and the market that it is reviewed with, for tests of the risk gate.

Venue 0 is Binance in USDT, venue 1 Hyperliquid in USDC, each with 5,000 of cash, five hours of one price behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from backtest.accounting import LONG, SHORT, Books, new_books
from backtest.events import Fill, apply
from backtest.rules import Rules
from backtest.settings import EnvironmentSettings
from backtest.tape import make_rules
from bot.latch import LatchFile
from bot.orders import LegOrder, Proposal
from bot.risk import ApprovedOrder, Denied, RiskGate
from bot.risk.history import NoHistory
from bot.risk_settings import RiskSettings
from data.panel import Panel, build_panel
from data.quotes import Quote
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements

TICK = 24 * 41_667 * HOUR_MS + 10 * HOUR_MS
"""10:00 UTC of some day."""
MIDNIGHT = TICK - 10 * HOUR_MS
MINUTE_MS = 60_000
PRICE = 100.0
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
VENUES = {"binance": VenueSettings(), "hyperliquid": VenueSettings()}


@dataclass
class Past(NoHistory):
    """A past as it is told."""

    opened_with: float | None = None
    failures: Sequence[tuple[InstrumentKey, InstrumentKey]] = ()
    orders: Sequence[str] = ()
    asked: list[tuple[str, int]] = field(default_factory=list)

    def day_open(self, midnight_ms: int) -> float | None:
        self.asked.append(("day_open", midnight_ms))
        return self.opened_with

    def unwound(self, since_ms: int) -> Sequence[tuple[InstrumentKey, InstrumentKey]]:
        self.asked.append(("unwound", since_ms))
        return self.failures

    def ordered(self, tick: int) -> Sequence[str]:
        self.asked.append(("ordered", tick))
        return self.orders


def rules_of(legs: Sequence[Instrument] = LEGS, venues: dict[str, VenueSettings] = VENUES) -> Rules:
    return make_rules(legs, venues, EnvironmentSettings())


def market(
    hours_with_prices: int = 5,
    *,
    legs: Sequence[Instrument] = LEGS,
    prices: Sequence[float] = (),
    rates: Sequence[float] = (),
) -> Panel:
    """Five hours up to the tick, the first of which have prices; `rates` settle every hour."""
    times = TICK + np.arange(-5, -5 + hours_with_prices) * HOUR_MS
    bars, paid = {}, {}
    for number, leg in enumerate(legs):
        flat = np.full(len(times), prices[number] if prices else PRICE)
        bars[leg.key] = Bars(times, flat, flat, flat, flat, flat)
        if rates:
            stamps = TICK + np.arange(-8, 1) * HOUR_MS
            paid[leg.key] = Settlements(stamps, np.zeros_like(stamps), np.full(len(stamps), rates[number]))
    return build_panel(legs, bars, paid, TICK - 4 * HOUR_MS, TICK, 60)


def proposal(quantity: float = 30.0, *, entry: bool = True, slot: int = 0, **changes: Any) -> Proposal:
    """Long the first leg, short the second; `changes` to every leg, or `legs`: the instruments."""
    instruments = changes.pop("legs", LEGS)
    legs = tuple(
        replace(LegOrder(leg, instruments[leg], leg, leg, sign * quantity, PRICE, 0.03), **changes)
        for leg, sign in ((LONG, 1), (SHORT, -1))
    )
    return Proposal(entry, slot, TICK, 0, legs, (0, 1))


def turned(wanted: Proposal) -> Proposal:
    """The same pair the other way round."""
    long, short = wanted.legs
    legs = (replace(short, leg=LONG, quantity=long.quantity), replace(long, leg=SHORT, quantity=short.quantity))
    return replace(wanted, legs=legs, columns=(1, 0))


def account(first: float = 5_000.0, second: float = 5_000.0, peak: float | None = None) -> Books:
    """A flat account with so much cash on the two venues."""
    books = new_books(2, 3, first + second)
    books.cash[:] = first, second
    books.peak = first + second if peak is None else peak
    return books


def holding(quantity: float, books: Books | None = None) -> Books:
    """The pair in slot 1, as it was bought at the price of now."""
    held = account() if books is None else books
    for leg, sign in ((LONG, 1), (SHORT, -1)):
        held = apply(held, Fill(1, leg, leg, leg, sign * quantity, PRICE, PRICE, 0.0, 0.0, TICK))
    return held


@dataclass(frozen=True)
class Case:
    """Everything that a review depends on; the defaults are approved."""

    limits: dict[str, float] = field(default_factory=dict)
    wanted: Proposal = field(default_factory=proposal)
    books: Books = field(default_factory=account)
    panel: Panel = field(default_factory=market)
    quotes: tuple[Quote, ...] = ()
    rules: Rules = field(default_factory=rules_of)
    past: Past = field(default_factory=Past)
    latch: LatchFile | None = None

    def gate(self) -> RiskGate:
        return RiskGate(RiskSettings(**self.limits), self.rules, 7, self.latch, self.past)

    def review(self) -> ApprovedOrder | Denied:
        return self.gate().review(self.wanted, self.books, self.panel, self.quotes, TICK + MINUTE_MS)
