"""The risk gate: every limit denies an entry that breaks it, and none denies an exit."""

from dataclasses import replace

import numpy as np
import pytest

from backtest.accounting import LONG, SHORT, Books, new_books
from backtest.events import Fill, apply
from backtest.settings import EnvironmentSettings
from backtest.tape import make_rules
from bot.orders import LegOrder, Proposal
from bot.risk import ApprovedOrder, Denial, Denied, RiskGate
from bot.settings import RiskSettings
from data.panel import Panel, build_panel
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument

TICK = 1_000_000 * HOUR_MS
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
VENUES = {"binance": VenueSettings(), "hyperliquid": VenueSettings()}
RULES = make_rules(LEGS, VENUES, EnvironmentSettings())
PRICE = 100.0


def market(hours_with_prices: int = 5) -> Panel:
    """Five hours up to the tick, the first of which have prices."""
    times = TICK + np.arange(-5, -5 + hours_with_prices) * HOUR_MS
    flat = np.full(len(times), PRICE)
    bars = {leg.key: Bars(times, flat, flat, flat, flat, flat) for leg in LEGS}
    return build_panel(LEGS, bars, {}, TICK - 4 * HOUR_MS, TICK, 60)


def books(capital: float = 10_000.0) -> Books:
    return new_books(2, 3, capital)


def proposal(quantity: float = 30.0, *, entry: bool = True, slot: int = 0, price: float = PRICE) -> Proposal:
    legs = tuple(
        LegOrder(leg, LEGS[leg], leg, leg, sign * quantity, price, 0.03) for leg, sign in ((LONG, 1), (SHORT, -1))
    )
    return Proposal(entry, slot, TICK, 0, legs, (0, 1))


def gate(**limits: float) -> RiskGate:
    return RiskGate(RiskSettings(**limits), RULES, run=7)


def test_an_entry_within_the_limits_is_approved() -> None:
    order = gate().review(proposal(), books(), market())
    assert isinstance(order, ApprovedOrder)
    assert ("7-1000000-0-0x1-in-0", "7-1000000-0-0x1-in-1") == order.client_ids


def losing() -> Books:
    """Equity of 9,000 after a peak of 10,000."""
    lost = books()
    lost.cash[0] -= 1_000
    return lost


def poor() -> Books:
    """A venue with too little money for another 3,000 of notional."""
    short = books()
    short.cash[:] = 500, 9_500
    return short


def crowded() -> Books:
    """A pair of 12,000 a leg."""
    held = books(100_000)
    for leg, sign in ((LONG, 1), (SHORT, -1)):
        held = apply(held, Fill(1, leg, leg, leg, sign * 120.0, PRICE, PRICE, 0.0, 0.0, TICK))
    return held


@pytest.mark.parametrize(
    ("denial", "wanted", "held", "seen"),
    [
        (Denial.LEG_NOTIONAL, proposal(51), books(), market()),
        (Denial.GROSS_NOTIONAL, proposal(31), crowded(), market()),
        (Denial.DRAWDOWN, proposal(), losing(), market()),
        (Denial.STALE_DATA, proposal(), books(), market(2)),
        (Denial.MARGIN, proposal(), poor(), market()),
        (Denial.NOT_FINITE, proposal(np.nan), books(), market()),
        (Denial.NOT_FINITE, proposal(np.inf), books(), market()),
        (Denial.NOT_FINITE, proposal(price=0.0), books(), market()),
        (Denial.NOT_FINITE, proposal(0.0), books(), market()),
    ],
)
def test_an_entry_that_breaks_a_limit_is_denied(denial: Denial, wanted: Proposal, held: Books, seen: Panel) -> None:
    verdict = gate().review(wanted, held, seen)
    assert isinstance(verdict, Denied)
    assert denial == verdict.denial
    exit_ = replace(wanted, entry=False)
    assert isinstance(gate().review(exit_, held, seen), ApprovedOrder), "what blocks an entry never blocks an exit"


@pytest.mark.parametrize(("free", "approved"), [(1_002.0, False), (1_003.0, True)])
def test_under_isolated_margin_an_entry_needs_free_cash_for_its_margin_and_both_fees(
    free: float, approved: bool
) -> None:
    isolated = VenueSettings(margin_mode="isolated", leverage=3.0, taker_fee_bps=4.5)
    rules = make_rules(LEGS, {"binance": VenueSettings(), "hyperliquid": isolated}, EnvironmentSettings())
    held = apply(books(), Fill(1, SHORT, 1, 1, -30.0, PRICE, PRICE, 0.0, 3.0, TICK))
    # 30 at 100 is 1,000 of margin and 2.70 of fees; another 1,000 stands behind the leg that is held.
    held.cash[1] = 1_000.0 + free
    verdict = RiskGate(RiskSettings(max_drawdown_pct=100.0), rules, run=7).review(proposal(), held, market())
    assert approved == isinstance(verdict, ApprovedOrder)


def test_every_denial_is_tested() -> None:
    tested = {case[0] for case in test_an_entry_that_breaks_a_limit_is_denied.pytestmark[0].args[1]}
    assert set(Denial) == tested


def test_nobody_else_can_make_an_approved_order() -> None:
    with pytest.raises(TypeError):
        ApprovedOrder(proposal(), ("a", "b"), object())
    approved = gate().review(proposal(), books(), market())
    assert isinstance(approved, ApprovedOrder)
    with pytest.raises(TypeError):
        replace(approved, proposal=proposal(1e9))


def test_client_ids_are_the_same_for_the_same_order_and_differ_between_orders() -> None:
    def ids(wanted: Proposal) -> tuple[str, ...]:
        order = gate().review(wanted, books(), market())
        assert isinstance(order, ApprovedOrder)
        return order.client_ids

    assert ids(proposal()) == ids(proposal())
    turned = replace(proposal(), columns=(1, 0))
    others = {ids(wanted) for wanted in (proposal(), proposal(entry=False), proposal(slot=1), turned)}
    assert 4 == len(others)


def test_an_entry_on_a_leg_without_a_newest_price_passes_no_limit() -> None:
    verdict = gate().review(proposal(1e9), books(), market(4))
    assert isinstance(verdict, Denied)
