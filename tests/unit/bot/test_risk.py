"""The risk gate: every limit denies an entry that breaks it, passes one just within it, and never denies an exit."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backtest.accounting import SHORT, Books
from backtest.events import Fill, apply
from bot.latch import LatchFile
from bot.risk import ApprovedOrder, Denial, Denied
from bot.risk_settings import RiskSettings
from data.panel import Panel
from data.quotes import Quote
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset
from tests.fakes.pair_entry import (
    LEGS,
    MIDNIGHT,
    PRICE,
    TICK,
    VENUES,
    Case,
    Past,
    account,
    holding,
    market,
    proposal,
    rules_of,
    turned,
)

NAN = float("nan")
READ_MS = TICK + 59_000
"""A second before the review."""
GOOD = Quote(99.99, 100.01, READ_MS)
PAIR = (LEGS[0].key, LEGS[1].key)
SIX = tuple(
    replace(leg, symbol=leg.symbol.replace("X", code), asset=Asset(code)) for code in ("X", "Y", "Z") for leg in LEGS
)
"""Three assets quoted in both currencies."""


def listed(**changes: float) -> Case:
    """A case in which the short leg's instrument is another one."""
    legs = (LEGS[0], replace(LEGS[1], **changes))
    return Case(wanted=proposal(legs=legs), panel=market(legs=legs), rules=rules_of(legs))


def quoted(dollar: float, **limits: float) -> Case:
    """A case in which a USDC is worth so many USDT."""
    wanted = proposal(legs=SIX)
    legs = (wanted.legs[0], replace(wanted.legs[1], reference=PRICE / dollar))
    panel = market(legs=SIX, prices=[PRICE, PRICE / dollar] * 3)
    return Case(limits, replace(wanted, legs=legs), panel=panel, rules=rules_of(SIX))


def paying(ratio: float) -> Case:
    """A case in which four hours of funding are 1.6 % and a round trip costs 0.2 %, so that 7 costs are left."""
    venues = {name: VenueSettings(taker_fee_bps=4.0, half_spread_bps=1.0) for name in ("binance", "hyperliquid")}
    limits = {"min_edge_ratio": ratio, "edge_hours": 4}
    return Case(limits, panel=market(rates=(-1e-3, 3e-3)), rules=rules_of(venues=venues))


def priced(second: float, **limits: float) -> Case:
    """A case in which the second venue's price is another one."""
    wanted = proposal()
    legs = (wanted.legs[0], replace(wanted.legs[1], reference=second))
    return Case(limits, replace(wanted, legs=legs), panel=market(prices=(PRICE, second)))


def worthless() -> Panel:
    """A market whose second price is zero: nothing that is collected looks like this."""
    panel = market()
    panel.close[-1, 1] = 0.0
    return panel


LIMITS = {
    Denial.LOT_STEP: (Case(wanted=proposal(30.5)), Case(wanted=proposal(31.0))),
    Denial.STALE_DATA: (
        Case({"max_quote_age_s": 0.999}, quotes=(GOOD, GOOD)),
        Case({"max_quote_age_s": 1.0}, quotes=(GOOD, GOOD)),
    ),
    Denial.UNSOUND_BOOK: (
        Case(quotes=(GOOD, Quote(100, 100, READ_MS))),
        Case(quotes=(GOOD, Quote(100, 100.01, READ_MS))),
    ),
    Denial.PRICE_COLLAR: (Case({"max_price_collar_pct": 2.99}), Case({"max_price_collar_pct": 3.0})),
    Denial.VENUES_APART: (priced(104.0, max_venue_gap_pct=3.99), priced(104.0, max_venue_gap_pct=4.01)),
    Denial.QUOTE_GAP: (quoted(1.01, max_quote_gap_pct=0.99), quoted(1.01, max_quote_gap_pct=1.01)),
    Denial.BELOW_MINIMUM: (listed(min_notional=3_000.01), listed(min_notional=3_000.0)),
    Denial.LEG_NOTIONAL: (Case({"max_leg_notional": 2_999.99}), Case({"max_leg_notional": 3_000.0})),
    Denial.GROSS_NOTIONAL: (
        Case({"max_gross_notional": 7_999.99}, books=holding(10.0)),
        Case({"max_gross_notional": 8_000.0}, books=holding(10.0)),
    ),
    Denial.ASSET_NOTIONAL: (
        Case({"max_asset_notional": 7_999.99}, books=holding(10.0)),
        Case({"max_asset_notional": 8_000.0}, books=holding(10.0)),
    ),
    Denial.VENUE_NOTIONAL: (
        Case({"max_venue_notional": 3_999.99}, books=holding(10.0)),
        Case({"max_venue_notional": 4_000.0}, books=holding(10.0)),
    ),
    # Four times the maintenance margin of 5 % of 3,000 is 600.
    Denial.MARGIN: (Case(books=account(599.99, 9_000.0)), Case(books=account(600.0, 9_000.0))),
    Denial.LEVERAGE: (
        Case({"max_venue_leverage": 0.79}, books=holding(10.0)),
        Case({"max_venue_leverage": 0.8}, books=holding(10.0)),
    ),
    # 1,000 less 5 % of 3,000 is 850; a rise by d costs 3,000 d and demands 150 d more: d = 850 / 3,150 = 26.98 %.
    Denial.LIQUIDATION_DISTANCE: (
        Case({"min_liquidation_distance_pct": 26.99}, books=account(5_000.0, 1_000.0)),
        Case({"min_liquidation_distance_pct": 26.98}, books=account(5_000.0, 1_000.0)),
    ),
    Denial.DRAWDOWN: (
        Case({"max_drawdown_pct": 9.99}, books=account(4_500.0, 4_500.0, peak=10_000.0)),
        Case({"max_drawdown_pct": 10.0}, books=account(4_500.0, 4_500.0, peak=10_000.0)),
    ),
    Denial.DAILY_LOSS: (
        Case({"max_daily_loss_pct": 1.99}, books=account(4_900.0, 4_900.0), past=Past(10_000.0)),
        Case({"max_daily_loss_pct": 2.01}, books=account(4_900.0, 4_900.0), past=Past(10_000.0)),
    ),
    Denial.MESSAGE_RATE: (
        Case({"max_orders_per_minute": 3}, past=Past(orders=["a", "b"])),
        Case({"max_orders_per_minute": 4}, past=Past(orders=["a", "b"])),
    ),
    Denial.REPEATED_FAILURE: (
        Case({"max_failed_entries": 2}, past=Past(failures=[PAIR, PAIR])),
        Case({"max_failed_entries": 3}, past=Past(failures=[PAIR, PAIR])),
    ),
    Denial.NO_EDGE: (paying(7.01), paying(6.99)),
}
"""By denial: a case that is just denied, and the same just within the limit."""
BROKEN = {
    "a quantity that is no number": (Denial.NOT_FINITE, Case(wanted=proposal(NAN))),
    "an endless quantity": (Denial.NOT_FINITE, Case(wanted=proposal(np.inf))),
    "no quantity": (Denial.NOT_FINITE, Case(wanted=proposal(0.0))),
    "a price of zero": (Denial.NOT_FINITE, Case(wanted=proposal(reference=0.0))),
    "no price at the newest hour": (Denial.NOT_FINITE, Case(panel=market(4))),
    "a market at zero": (Denial.NOT_FINITE, Case(panel=worthless())),
    "a thousandfold quantity": (Denial.LEG_NOTIONAL, Case(wanted=proposal(30_000.0))),
    "prices of three hours ago": (Denial.STALE_DATA, Case(panel=market(2))),
    "a panel of two hours ago": (Denial.STALE_DATA, Case(wanted=replace(proposal(), tick=TICK + 2 * HOUR_MS))),
    "an order book of tomorrow": (Denial.STALE_DATA, Case(quotes=(GOOD, replace(GOOD, time_ms=TICK + 24 * HOUR_MS)))),
    "the order book of one leg only": (Denial.UNSOUND_BOOK, Case(quotes=(GOOD,))),
    "an order book without bids": (Denial.UNSOUND_BOOK, Case(quotes=(GOOD, Quote(NAN, 100.01, READ_MS)))),
    "a crossed order book": (Denial.UNSOUND_BOOK, Case(quotes=(Quote(100.01, 99.99, READ_MS), GOOD))),
    "an order book far from the close": (Denial.PRICE_COLLAR, Case(quotes=(GOOD, Quote(105.9, 106.1, READ_MS)))),
    "order books 5 % apart": (
        Denial.VENUES_APART,
        Case(quotes=(Quote(97.39, 97.41, READ_MS), Quote(102.59, 102.61, READ_MS))),
    ),
    "a tenfold price on one venue": (Denial.VENUES_APART, priced(10 * PRICE)),
    "a reference of another market": (Denial.PRICE_COLLAR, Case(wanted=proposal(reference=10 * PRICE))),
    "an order at any price": (Denial.PRICE_COLLAR, Case(wanted=proposal(collar=np.inf))),
    "a collar that is no number": (Denial.PRICE_COLLAR, Case(wanted=proposal(collar=NAN))),
    "fewer coins than a venue takes": (Denial.BELOW_MINIMUM, listed(min_quantity=31.0)),
    "equity that is no number": (Denial.DRAWDOWN, Case({"max_venue_leverage": 9e9}, books=account(peak=NAN))),
    "funding that nobody knows": (Denial.NO_EDGE, Case({"min_edge_ratio": 0.1, "edge_hours": 4})),
}


@pytest.mark.parametrize("denial", LIMITS)
def test_a_limit_denies_what_is_just_beyond_it_and_passes_what_is_just_within(denial: Denial) -> None:
    beyond, within = LIMITS[denial]
    verdict = beyond.review()
    assert isinstance(verdict, Denied)
    assert denial == verdict.denial
    assert isinstance(within.review(), ApprovedOrder)
    leaving = replace(beyond, wanted=replace(beyond.wanted, entry=False))
    assert isinstance(leaving.review(), ApprovedOrder), "what blocks an entry never blocks an exit"


@pytest.mark.parametrize("name", BROKEN)
def test_an_entry_on_impossible_numbers_is_denied_and_the_exit_is_not(name: str) -> None:
    denial, case = BROKEN[name]
    verdict = case.review()
    assert isinstance(verdict, Denied)
    assert denial == verdict.denial
    assert isinstance(replace(case, wanted=replace(case.wanted, entry=False)).review(), ApprovedOrder)


def other_asset() -> Case:
    legs = (LEGS[0], replace(LEGS[1], asset=Asset("X", 1000)))
    return Case(wanted=proposal(legs=legs), panel=market(legs=legs), rules=rules_of(legs))


def of_contracts() -> Case:
    """The order counts in contracts of ten coins, the panel in coins."""
    return Case(wanted=proposal(legs=(LEGS[0], replace(LEGS[1], contract_size=10.0))))


def unequal() -> Case:
    long, short = proposal().legs
    return Case(wanted=replace(proposal(), legs=(long, replace(short, quantity=-29.0))))


def one_leg() -> Case:
    return Case(wanted=replace(proposal(), legs=proposal().legs[:1]))


def sells_twice() -> Case:
    long, short = proposal().legs
    return Case(wanted=replace(proposal(), legs=(replace(long, quantity=-30.0), replace(short, quantity=30.0))))


def one_venue() -> Case:
    legs = (LEGS[0], replace(LEGS[1], venue="binance"))
    wanted = proposal(legs=legs)
    on_it = replace(wanted, legs=(wanted.legs[0], replace(wanted.legs[1], venue=0)))
    return Case(wanted=on_it, panel=market(legs=legs), rules=rules_of(legs))


def sold_spot() -> Case:
    legs = (LEGS[0], replace(LEGS[1], spot=True))
    return Case(wanted=proposal(legs=legs), panel=market(legs=legs), rules=rules_of(legs))


def elsewhere() -> Case:
    return Case(wanted=proposal(column=7))


@pytest.mark.parametrize(
    "case", [other_asset, of_contracts, unequal, one_leg, sells_twice, one_venue, sold_spot, elsewhere]
)
def test_two_legs_that_do_not_hedge_each_other_are_denied(case: Callable[[], Case]) -> None:
    verdict = case().review()
    assert isinstance(verdict, Denied)
    assert Denial.UNMATCHED_LEGS == verdict.denial


@pytest.mark.parametrize(
    ("content", "denial"),
    [
        ('{"state": "paused", "since": "", "reason": ""}', Denial.PAUSED),
        ('{"state": "killed", "since": "", "reason": ""}', Denial.KILLED),
        ('{"state": "kil', Denial.LATCH_UNREADABLE),
        ("", Denial.LATCH_UNREADABLE),
    ],
)
def test_the_latch_denies_entries_until_it_is_lifted_and_never_exits(
    tmp_path: Path, content: str, denial: Denial
) -> None:
    latch = LatchFile(tmp_path / "kill.json")
    gate = Case(latch=latch).gate()
    wanted, books, panel = proposal(), account(), market()
    assert isinstance(gate.review(wanted, books, panel), ApprovedOrder)
    latch.path.write_text(content)
    verdict = gate.review(wanted, books, panel)
    assert isinstance(verdict, Denied)
    assert denial == verdict.denial
    assert isinstance(gate.review(proposal(entry=False), books, panel), ApprovedOrder)
    latch.path.unlink()
    assert isinstance(gate.review(wanted, books, panel), ApprovedOrder)


def test_every_denial_is_tested() -> None:
    latched = {Denial.PAUSED, Denial.KILLED, Denial.LATCH_UNREADABLE}
    elsewhere = {Denial.BANNED}  # test_bans
    alone = {*latched, *elsewhere, Denial.UNMATCHED_LEGS}
    assert set(Denial) == {*LIMITS, *(denial for denial, _ in BROKEN.values()), *alone}


def test_every_limit_is_said_by_a_denial() -> None:
    said = " ".join(Denial)
    unsaid = {name for name in RiskSettings.model_fields if name not in said}
    assert {"edge_hours"} == unsaid


def test_the_quote_currencies_are_compared_only_where_enough_assets_tell() -> None:
    few = tuple(SIX[:4])
    told = quoted(1.04, max_quote_gap_pct=1.0)
    assert isinstance(told.review(), Denied)
    panel = market(legs=few, prices=[PRICE, PRICE / 1.04] * 2)
    assert isinstance(replace(told, panel=panel, rules=rules_of(few)).review(), ApprovedOrder)


def test_a_venue_counts_every_leg_that_it_holds_towards_liquidation() -> None:
    # 1,000 less 5 % of 4,000 is 800; both slots hold the same coin, so that 4,000 move together: 800 / 4,200 = 19.05 %.
    books = holding(10.0, account(5_000.0, 1_000.0))
    assert isinstance(Case({"min_liquidation_distance_pct": 19.04}, books=books).review(), ApprovedOrder)
    verdict = Case({"min_liquidation_distance_pct": 19.05}, books=books).review()
    assert isinstance(verdict, Denied)
    assert Denial.LIQUIDATION_DISTANCE == verdict.denial


@pytest.mark.parametrize(("least", "approved"), [(26.9, True), (27.0, False)])
def test_under_isolated_margin_only_its_own_margin_stands_behind_a_leg(least: float, approved: bool) -> None:
    # A third less 5 % is 28.33 %, of 1.05: 26.98 %.
    rules = rules_of(venues=VENUES | {"hyperliquid": VenueSettings(margin_mode="isolated", leverage=3.0)})
    verdict = Case({"min_liquidation_distance_pct": least}, rules=rules).review()
    assert approved == isinstance(verdict, ApprovedOrder)


@pytest.mark.parametrize(("free", "approved"), [(1_002.0, False), (1_003.0, True)])
def test_under_isolated_margin_an_entry_needs_free_cash_for_its_margin_and_both_fees(
    free: float, approved: bool
) -> None:
    isolated = VenueSettings(margin_mode="isolated", leverage=3.0, taker_fee_bps=4.5)
    rules = rules_of(venues=VENUES | {"hyperliquid": isolated})
    held: Books = apply(account(), Fill(1, SHORT, 1, 1, -30.0, PRICE, PRICE, 0.0, 3.0, TICK))
    # 30 at 100 is 1,000 of margin and 2.70 of fees; another 1,000 stands behind the leg that is held.
    held.cash[1] = 1_000.0 + free
    verdict = Case({"max_drawdown_pct": 100.0}, books=held, rules=rules).review()
    assert approved == isinstance(verdict, ApprovedOrder)


def test_orders_count_within_their_tick_and_the_same_order_counts_once() -> None:
    gate = Case({"max_orders_per_minute": 4}).gate()
    books, panel = account(), market()
    slots = [gate.review(proposal(slot=slot), books, panel) for slot in (0, 0, 1, 2)]
    assert [True, True, True, False] == [isinstance(verdict, ApprovedOrder) for verdict in slots]
    later = replace(proposal(slot=2), tick=TICK + HOUR_MS)
    assert isinstance(gate.review(later, books, panel), ApprovedOrder)


def test_exits_count_as_orders_and_are_not_held_back_by_them() -> None:
    gate = Case({"max_orders_per_minute": 2}).gate()
    books, panel = account(), market()
    assert isinstance(gate.review(proposal(), books, panel), ApprovedOrder)
    assert all(
        isinstance(gate.review(proposal(slot=slot, entry=False), books, panel), ApprovedOrder) for slot in range(3)
    )


def test_a_pair_that_was_unwound_too_often_is_left_alone_the_other_way_round_too() -> None:
    verdict = Case({"max_failed_entries": 1}, wanted=turned(proposal()), past=Past(failures=[PAIR])).review()
    assert isinstance(verdict, Denied)
    assert Denial.REPEATED_FAILURE == verdict.denial


def test_the_past_is_asked_once_a_tick_from_the_midnight_before_it_and_never_for_an_exit() -> None:
    case = Case({"failed_entries_hours": 6})
    gate, books, panel = case.gate(), account(), market()
    gate.review(proposal(entry=False), books, panel)
    assert [] == case.past.asked
    for slot in range(3):
        gate.review(proposal(slot=slot), books, panel)
    assert [("day_open", MIDNIGHT), ("unwound", TICK - 6 * HOUR_MS), ("ordered", TICK)] == case.past.asked


def test_at_midnight_the_day_begins_with_the_equity_of_now() -> None:
    lost = Case({}, books=account(4_500.0, 4_500.0, peak=9_000.0), past=Past(10_000.0))
    assert isinstance(lost.review(), Denied)
    panel = replace(lost.panel, ticks=lost.panel.ticks - 10 * HOUR_MS)
    at_midnight = replace(lost, wanted=replace(proposal(), tick=MIDNIGHT), panel=panel)
    assert isinstance(at_midnight.review(), ApprovedOrder)


def test_nobody_else_can_make_an_approved_order() -> None:
    with pytest.raises(TypeError):
        ApprovedOrder(proposal(), ("a", "b"), object())
    approved = Case().review()
    assert isinstance(approved, ApprovedOrder)
    with pytest.raises(TypeError):
        replace(approved, proposal=proposal(1e9))


def test_client_ids_are_the_same_for_the_same_order_and_differ_between_orders() -> None:
    def ids(case: Case) -> tuple[str, ...]:
        order = case.review()
        assert isinstance(order, ApprovedOrder)
        return order.client_ids

    assert ("7-1000018-0-0x1-in-0", "7-1000018-0-0x1-in-1") == ids(Case())
    assert ids(Case()) == ids(Case())
    others = [proposal(), proposal(entry=False), proposal(slot=1), turned(proposal())]
    assert 4 == len({ids(Case(wanted=wanted)) for wanted in others})
