"""Orders that rest on paper, by hand: looked at side by side, hedged as far as the other order book goes."""

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from backtest.accounting import LONG, SHORT
from backtest.resting import Patience
from backtest.settings import EnvironmentSettings
from backtest.settlement import POLICY
from backtest.tape import make_rules
from bot.execution.paper import PaperExecutor
from bot.execution.paper_maker import PaperMaker
from bot.orders import Executed, LegOrder, Outcome, Proposal
from bot.risk import RiskGate
from bot.risk_settings import RiskSettings
from data.errors import VenueUnreachable
from data.exchange import OrderBook
from data.settings import VenueSettings
from data.types import Asset, Instrument

VENUES = {
    "binance": VenueSettings(taker_fee_bps=5.0, maker_fee_bps=2.0),
    "hyperliquid": VenueSettings(taker_fee_bps=4.0, maker_fee_bps=1.5),
}
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
RULES = make_rules(LEGS, VENUES, EnvironmentSettings())
MINUTE_MS = 60_000


@dataclass
class Clock:
    ms: int = 0

    async def now_ms(self) -> int:
        return self.ms

    async def sleep_until(self, target_ms: int) -> None:
        self.ms = max(self.ms, target_ms)


@dataclass
class Moving:
    """A venue whose order book is a function of the minute."""

    clock: Clock
    shown: Callable[[int], OrderBook]

    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        return self.shown(self.clock.ms // MINUTE_MS)


def around(price: float, half: float, units: float = 1e6) -> OrderBook:
    return OrderBook(bids=((price - half, units),), asks=((price + half, units),))


def left(binance: Callable[[int], OrderBook], hyperliquid: Callable[[int], OrderBook], looks: int = 6) -> Outcome:
    """What comes of leaving a position of 30, long on Binance, whose order is re-priced every other minute."""
    clock = Clock()
    venues = {"binance": Moving(clock, binance), "hyperliquid": Moving(clock, hyperliquid)}
    taker = PaperExecutor(venues, RULES, {}, 24)  # type: ignore[arg-type]
    patience = Patience(0, MINUTE_MS, looks, 2)
    maker = PaperMaker(taker, venues, RULES, clock, patience, leaves=True)  # type: ignore[arg-type]
    legs = (
        LegOrder(LONG, LEGS[0], 0, 0, -30.0, 100.0, math.inf),
        LegOrder(SHORT, LEGS[1], 1, 1, 30.0, 100.0, math.inf),
    )
    proposal = Proposal(entry=False, slot=0, tick=0, reason=POLICY, legs=legs, columns=(0, 1))
    order = RiskGate(RiskSettings(), RULES, 1).review(proposal, None, None)  # type: ignore[arg-type] # exits always pass
    (outcome,) = asyncio.run(maker.rest([order]))  # type: ignore[list-item]
    return outcome


def fills(outcome: Outcome) -> list[tuple[int, float, float, float]]:
    assert isinstance(outcome, Executed)
    return [(fill.leg, fill.quantity, fill.price, fill.fee_rate) for fill in outcome.fills]


def wide(price: float) -> OrderBook:
    return around(price, 0.1)


def narrow(price: float, units: float = 1e6) -> OrderBook:
    return around(price, 0.05, units)


def test_the_wider_leg_rests_and_the_other_is_taken_at_the_look_that_finds_it_filled() -> None:
    # Offered at 100.1; bid for at 99.9, 99.95, then 100.11.
    outcome = left(lambda minute: wide((100.0, 100.05)[minute] if minute < 2 else 100.21), lambda _: narrow(100.0))
    assert [(LONG, -30.0, 100.1, 2e-4), (SHORT, 30.0, 100.05, 4e-4)] == fills(outcome)
    assert isinstance(outcome, Executed)
    # At that look the bid was 100.11: the price was worse, the fee lower.
    saved = -30 * (100.11 - 100.1) + 30 * (100.11 * 5e-4 - 100.1 * 2e-4)
    assert pytest.approx(saved) == outcome.fills[0].saved


def test_an_order_follows_the_touch_only_when_it_is_repriced() -> None:
    # It falls to 99 at once; at minute 2 the order moves to 99.1, and is filled when the bid is 99.2.
    outcome = left(lambda minute: wide((100.0, 99.0, 99.0, 99.3)[min(minute, 3)]), lambda _: narrow(99.0))
    assert pytest.approx(99.1) == fills(outcome)[0][2]


def test_a_bid_at_the_price_of_the_order_does_not_fill_it() -> None:
    outcome = left(lambda minute: OrderBook(((100.1 if minute else 99.9, 1e6),), ((100.1 + bool(minute), 1e6),)),
                   lambda _: narrow(100.0), looks=1)  # fmt: skip
    assert [5e-4, 4e-4] == [fill[3] for fill in fills(outcome)]


def test_what_the_other_order_book_lacks_when_it_is_needed_stays_open() -> None:
    outcome = left(
        lambda minute: wide(100.3 if minute else 100.0), lambda minute: narrow(100.0, 12.0 if minute else 1e6)
    )
    assert [(LONG, -30.0), (SHORT, 12.0)] == [fill[:2] for fill in fills(outcome)]


def test_a_venue_that_cannot_show_its_book_hedges_nothing() -> None:
    def broken(minute: int) -> OrderBook:
        if minute:
            raise VenueUnreachable("no answer: try again")
        return narrow(100.0)

    outcome = left(lambda minute: wide(100.3 if minute else 100.0), broken)
    assert [(LONG, -30.0)] == [fill[:2] for fill in fills(outcome)]


def test_an_exit_that_is_not_filled_in_time_takes() -> None:
    outcome = left(lambda _: wide(100.0), lambda _: narrow(100.0))
    assert [(LONG, -30.0, 99.9, 5e-4), (SHORT, 30.0, 100.05, 4e-4)] == fills(outcome)
