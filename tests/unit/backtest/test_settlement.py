"""What the market does to what is held, and which positions must be closed after it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import (
    EMPTY,
    FEES,
    FUNDING,
    LIQUIDATION_FEE,
    OPEN,
    TRANSFERS,
    Books,
    equity,
    fill,
    free_cash,
    leg_unrealised,
    slot_total,
    venue_equity,
    venue_gross,
)
from backtest.rules import ENTRY_MARGIN, Rules
from backtest.settlement import (
    DELISTED,
    KILLED,
    LIQUIDATED,
    LOST,
    MARGIN,
    POLICY,
    REASONS,
    STOP_LOSS,
    UNWOUND,
    mark_forced_exits,
    settle,
)
from data.types import HOUR_MS
from tests.unit.backtest.venues import CLOSE, FEE, NOW, account, hours_of, opened, rules_of, settled_to


def marked(books: Books, rules: Rules | None = None) -> list[int]:
    """What `closing` says of each slot once forced exits are marked."""
    mark_forced_exits(books, rules or rules_of())
    return books.closing.tolist()


def test_every_reason_has_its_name() -> None:
    named = dict(zip(REASONS, range(len(REASONS)), strict=True))
    expected = {"policy": POLICY, "stop_loss": STOP_LOSS, "liquidated": LIQUIDATED, "margin": MARGIN}
    expected |= {"delisted": DELISTED, "unwound": UNWOUND, "killed": KILLED, "lost": LOST}
    assert expected == named


# Funding and marks


def test_funding_is_paid_on_what_was_held_at_the_newest_close() -> None:
    books = opened(account(), 1, 0, 1, 10.0, 100.0)
    settled_to(books, 110.0, 120.0, settled={0: 0.001, 1: 0.002, 2: 0.5, 3: 0.5})
    assert [[0.0, 0.0], [-10 * 110 * 0.001, 10 * 120 * 0.002], [0.0, 0.0]] == books.paid.tolist()
    assert [5000 - 1.1, 5000 + 2.4] == pytest.approx(books.cash.tolist())
    assert 1.3 == pytest.approx(books.pnl[FUNDING])
    assert [110.0, 120.0] == books.mark[1].tolist()


def test_a_negative_rate_is_received_by_the_long_leg() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), settled={0: -0.001})
    assert 1.0 == pytest.approx(books.pnl[FUNDING])


def test_what_was_paid_is_that_of_the_last_settlement_only() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), settled={0: -0.001})
    settled_to(books)
    assert not books.paid.any()
    assert 1.0 == pytest.approx(books.pnl[FUNDING])


def test_in_a_gap_the_old_mark_stays_and_funding_is_paid_on_it() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 104.0, 100.0)
    settled_to(books, np.nan, 101.0, settled={0: 0.001})
    assert [104.0, 101.0] == books.mark[0].tolist()
    assert -10 * 104 * 0.001 == pytest.approx(books.pnl[FUNDING])


def test_each_leg_is_paid_at_its_own_venues_interval() -> None:
    """Every eight hours on one venue, every hour on the other: 3 are paid, and 24 times 0.2 received."""
    books, hours = opened(account(), 0, 0, 1, 10.0, 100.0), np.repeat(hours_of(), 24, axis=0)
    hours["settled"][::8, 0] = 0.001
    hours["settled"][:, 1] = 0.0002
    received = []
    for row in range(24):
        settle(books, NOW + row * HOUR_MS, hours, row, rules_of())
        received.append(books.paid[0].tolist())
    assert [[-1.0 if row % 8 == 0 else 0.0, 0.2] for row in range(24)] == [pytest.approx(paid) for paid in received]
    assert -3.0 + 24 * 0.2 == pytest.approx(books.pnl[FUNDING])


def test_the_peak_is_the_highest_equity_at_any_tick() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    peaks = [float(settled_to(books, price).peak) for price in (101.0, 103.0, 99.0)]
    assert [10_010.0, 10_030.0, 10_030.0] == peaks


# Liquidation under cross margin


def leveraged() -> Books:
    """Two positions on 1000 of capital: long AAA and BBB on venue 0, short on venue 1, 2000 gross on each."""
    return opened(opened(account(1000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)


def test_a_venue_below_maintenance_closes_all_its_legs_and_only_those() -> None:
    books = settled_to(leveraged(), 79.0, 79.0, 40.0, 40.0)  # venue 0: 500 - 210 - 200 = 90 of 1590 gross
    assert 90.0 == pytest.approx(venue_equity(books, 0))
    assert 10 * 79 + 20 * 40 == venue_gross(books, 0)
    assert 90.0 > 0.05 * 1590
    assert [[10.0, -10.0], [20.0, -20.0]] == books.quantity[:2].tolist(), "still above maintenance"

    settled_to(books, 78.5, 78.5, 39.7, 39.7)  # venue 0: 500 - 215 - 206 = 79 of 1579, maintenance is 78.95
    assert [[10.0, -10.0], [20.0, -20.0]] == books.quantity[:2].tolist(), "still just above maintenance"

    settled_to(books, 78.4, 78.4, 39.7, 39.7)  # venue 0: 78 of 1578, maintenance is 78.9
    assert [[0.0, -10.0], [0.0, -20.0]] == books.quantity[:2].tolist()
    fees = (FEE[0] + LIQUIDATION_FEE) * 1578
    assert [500 - 216 - 206 - fees, 500.0] == pytest.approx(books.cash.tolist())
    assert -fees == pytest.approx(books.pnl[FEES])
    assert 1000 - fees == pytest.approx(equity(books)), "the short legs gained what the long legs lost"
    assert [LIQUIDATED, LIQUIDATED, OPEN] == books.closing.tolist()


def test_at_exactly_the_maintenance_margin_nothing_is_liquidated() -> None:
    quarter = rules_of(maintenance=0.25)
    at_margin = settled_to(opened(account(1000.0), 0, 0, 1, 8.0, 100.0), 50.0, 50.0, rules=quarter)
    assert 8.0 == at_margin.quantity[0, 0], "equity 500 - 400 is a quarter of 8 x 50"
    below = settled_to(opened(account(1000.0), 0, 0, 1, 8.0, 100.0), 49.9, 49.9, rules=quarter)
    assert 0.0 == below.quantity[0, 0]


def test_funding_can_tip_a_venue_into_liquidation() -> None:
    quarter = rules_of(maintenance=0.25)
    books = settled_to(opened(account(1000.0), 0, 0, 1, 8.0, 100.0), 50.0, 50.0, settled={0: 1e-6}, rules=quarter)
    assert [0.0, -8.0] == books.quantity[0].tolist()


@given(
    st.lists(st.floats(0.05, 5.0), min_size=4, max_size=4),
    st.lists(st.booleans(), min_size=2, max_size=2),
    st.floats(60.0, 3000.0),
    st.floats(0.001, 0.5),
)
@settings(deadline=None, max_examples=200)
def test_a_venue_under_cross_margin_never_ends_a_liquidation_with_less_than_nothing(
    moves: list[float], turned: list[bool], capital: float, maintenance: float
) -> None:
    """Two positions, either way around, and any prices: what the market took beyond the money there is the venue's."""
    books = account(capital)
    for slot, (other_way, price) in enumerate(zip(turned, (100.0, 50.0), strict=True)):
        legs = (2 * slot + 1, 2 * slot) if other_way else (2 * slot, 2 * slot + 1)
        opened(books, slot, *legs, 1000.0 / price, price)
    before = books.copy()

    close = [price * move for price, move in zip(CLOSE, moves, strict=False)]
    settled_to(books, *close, rules=rules_of(maintenance=maintenance, transfer_cost=1e9))

    before.mark[:2] = np.where(before.instrument[:2] >= 0, np.take([*close], before.instrument[:2]), 0.0)
    for venue in range(2):
        worth, gross = venue_equity(before, venue), venue_gross(before, venue)
        if worth < maintenance * gross * (1 - 1e-12):
            assert 0.0 == venue_gross(books, venue)
            fees = (FEE[venue] + LIQUIDATION_FEE) * gross
            assert max(worth - fees, 0.0) == pytest.approx(float(books.cash[venue]), abs=1e-9 * (capital + gross))
        elif worth > maintenance * gross * (1 + 1e-12):
            assert capital / 2 == float(books.cash[venue]), "the other venue's liquidation is not paid from here"
    lost = equity(books) - capital
    assert lost == pytest.approx(sum(slot_total(books, slot) for slot in range(3)), abs=1e-9 * (capital + 20_000))


def test_a_position_liquidated_on_both_venues_is_closed_with_nothing_left() -> None:
    books = settled_to(opened(account(100.0), 0, 0, 1, 10.0, 100.0), 99.0, 101.0)
    assert ([0.0, 0.0], LIQUIDATED) == (books.quantity[0].tolist(), books.closing[0])
    assert [99.0, 101.0] == books.exit_price[0].tolist()
    assert [10.0, 10.0] == books.closed_quantity[0].tolist()


# Liquidation under isolated margin

ISOLATED = rules_of(leverage=4.0, stop_loss=10.0)
"""A margin of 250 on 1000."""


def test_an_isolated_leg_is_liquidated_by_itself() -> None:
    books = opened(opened(account(), 0, 0, 1, 10.0, 100.0, rules=ISOLATED), 1, 2, 3, 20.0, 50.0, rules=ISOLATED)
    settled_to(books, 79.0, 100.0, rules=ISOLATED)  # 250 - 210 = 40 of 790: maintenance is 39.5
    assert [10.0, -10.0] == books.quantity[0].tolist()
    settled_to(books, 78.9, 100.0, rules=ISOLATED)  # 39 of 789: maintenance is 39.45
    assert [[0.0, -10.0], [20.0, -20.0]] == books.quantity[:2].tolist(), "though the venue has thousands"
    assert [LIQUIDATED, OPEN, OPEN] == books.closing.tolist()
    assert [0.0, 250.0] == books.margin[0].tolist()
    fee = (FEE[0] + LIQUIDATION_FEE) * 789
    assert [5000 - 211 - fee, 5000.0] == pytest.approx(books.cash.tolist())


def test_at_exactly_its_maintenance_margin_an_isolated_leg_is_not_liquidated() -> None:
    rules = rules_of(leverage=2.0, maintenance=0.375)
    for price, quantity in ((80.0, 8.0), (79.9, 0.0)):  # 400 - 160 = 240 are 0.375 of 640
        books = settled_to(opened(account(), 0, 0, 1, 8.0, 100.0, rules=rules), price, rules=rules)
        assert quantity == books.quantity[0, 0]


@pytest.mark.parametrize(("price", "leg"), [(1.0, 0), (60.0, 0), (140.0, 1), (2000.0, 1)])
def test_a_jump_beyond_its_margin_costs_an_isolated_leg_its_margin_and_no_more(price: float, leg: int) -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0, rules=ISOLATED), price, price, rules=ISOLATED)
    assert 0.0 == books.quantity[0, leg]
    assert 5000.0 - 250.0 == pytest.approx(float(books.cash[leg]))
    assert 5000.0 == books.cash[1 - leg]


@given(st.lists(st.floats(0.01, 20.0), min_size=4, max_size=4), st.floats(1.5, 8.0), st.floats(-0.02, 0.02))
@settings(deadline=None, max_examples=200)
def test_isolated_legs_lose_no_more_than_their_margins_and_funding(
    moves: list[float], leverage: float, rate: float
) -> None:
    rules = rules_of(leverage=leverage, stop_loss=10.0)
    books = opened(opened(account(), 0, 0, 1, 10.0, 100.0, rules=rules), 1, 2, 3, 20.0, 50.0, rules=rules)
    margin = books.margin.copy()
    close = [price * move for price, move in zip(CLOSE, moves, strict=False)]

    settled_to(books, *close, settled=dict.fromkeys(range(4), rate), rules=rules)

    for venue in range(2):
        gone = books.quantity[:2, venue] == 0.0
        kept = 5000.0 - math.fsum(margin[:2, venue][gone]) + math.fsum(books.paid[:, venue])
        assert books.cash[venue] >= kept - 1e-7
        assert [0.0, 0.0] == books.margin[:2, venue][gone].tolist() + [0.0] * int(2 - gone.sum())
        for slot in np.flatnonzero(~gone):
            notional = venue_notional(books, slot, venue)
            assert books.margin[slot, venue] + leg_unrealised(books, slot, venue) >= 0.05 * notional - 1e-9


def venue_notional(books: Books, slot: int, leg: int) -> float:
    return abs(float(books.quantity[slot, leg] * books.mark[slot, leg]))


@pytest.mark.parametrize("price", [150.0, 50.0, 1.0, 1e-6])
def test_what_is_held_on_a_spot_venue_is_fully_paid_and_never_liquidated(price: float) -> None:
    rules = rules_of(maintenance=[0.0, 0.05], leverage=[1.0, 0.0], stop_loss=10.0)
    books = opened(account(2010.0), 0, 0, 1, 10.0, 100.0, rules=rules)

    settled_to(books, price, price, rules=rules)

    assert [10.0, -10.0] == books.quantity[0].tolist()
    assert [OPEN] * 3 == marked(books, rules)
    assert (1000.0, 5.0) == (books.margin[0, 0], free_cash(books, 0)), "it has no say in what it cost"
    assert 2010.0 == pytest.approx(venue_equity(books, 0) + venue_equity(books, 1)), "the other leg gained as much"


# Delisting


def test_a_delisted_position_settles_at_the_last_price_on_both_legs() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 103.0, 104.0)
    settled_to(books, np.nan, np.nan, gone=(0, 1))
    assert ([0.0, 0.0], DELISTED) == (books.quantity[0].tolist(), books.closing[0])
    assert [103.0, 104.0] == books.exit_price[0].tolist()
    fees = 10 * (103 * FEE[0] + 104 * FEE[1])
    assert [5000 + 30 - 10 * 103 * FEE[0], 5000 - 40 - 10 * 104 * FEE[1]] == pytest.approx(books.cash.tolist())
    assert -fees == pytest.approx(books.pnl[FEES])


@pytest.mark.parametrize("leg", [0, 1])
def test_where_one_venue_delists_the_other_leg_is_marked_to_be_closed(leg: int) -> None:
    books = opened(opened(account(), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)
    settled_to(books, gone=(leg,))
    assert (0.0, 10.0) == (abs(books.quantity[0, leg]), abs(books.quantity[0, 1 - leg]))
    assert [DELISTED, OPEN, OPEN] == books.closing.tolist()
    assert [20.0, -20.0] == books.quantity[1].tolist(), "others stay"
    assert mark_forced_exits(books, rules_of())


def test_the_margin_of_a_delisted_leg_is_free_again() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0, rules=ISOLATED), gone=(0, 1), rules=ISOLATED)
    assert [5000 - 1000 * fee for fee in FEE] == pytest.approx([free_cash(books, venue) for venue in range(2)])


def test_what_a_delisted_leg_has_freed_counts_before_the_rest_of_its_venue_is_liquidated() -> None:
    """Both long legs together are below the maintenance margin, the one that is left is not."""
    books = settled_to(leveraged(), 78.4, 78.4, 39.7, 39.7, gone=(0, 1))
    assert [[0.0, 0.0], [20.0, -20.0]] == books.quantity[:2].tolist()
    assert [DELISTED, OPEN, OPEN] == books.closing.tolist()


def test_what_is_delisted_and_not_held_changes_nothing() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    assert settled_to(books.copy()).tobytes() == settled_to(books, gone=(2, 3)).tobytes()


# Transfers between venues


def lopsided() -> Books:
    """10,000 of capital, of which 2,600 are on venue 0."""
    books = account()
    books.cash[:] = 2_600.0, 7_400.0
    return books


@pytest.mark.parametrize("hours", [1, 5])
def test_a_poor_venue_is_sent_money_that_arrives_after_its_hours(hours: int) -> None:
    books, rules = lopsided(), rules_of(rebalance_below=0.9, transfer_cost=3.0, transfer_ms=hours * HOUR_MS)
    for hour in range(hours):
        settled_to(books, rules=rules, tick=NOW + hour * HOUR_MS)
        # The rich venue keeps an even share of 5,000 and pays the 3; there is one transfer, however long it takes.
        assert [2_600.0, 7_400.0 - 2_397.0 - 3.0] == books.cash.tolist()
        assert [2_397.0, 0.0] == books.in_transit.tolist()
        assert [NOW + hours * HOUR_MS, 0] == books.arrives_at.tolist()
        assert 10_000.0 - 3.0 == equity(books)

    settled_to(books, rules=rules, tick=NOW + hours * HOUR_MS)
    assert [2_600.0 + 2_397.0, 5_000.0] == books.cash.tolist()
    assert ([0.0, 0.0], [0, 0]) == (books.in_transit.tolist(), books.arrives_at.tolist())
    assert (10_000.0 - 3.0, -3.0) == (equity(books), books.pnl[TRANSFERS])


def test_money_that_has_arrived_counts_before_more_is_sent() -> None:
    """The transfer that is due at a tick and the next one that is needed meet at that tick."""
    books, rules = lopsided(), rules_of(rebalance_below=0.6, transfer_ms=HOUR_MS)
    settled_to(books, rules=rules, tick=NOW)
    settled_to(books, rules=rules, tick=NOW + HOUR_MS)
    assert [0.0, 0.0] == books.in_transit.tolist()


def test_a_venue_at_exactly_the_threshold_is_left_alone() -> None:
    books = settled_to(lopsided(), rules=rules_of(rebalance_below=0.52))
    assert [2_600.0, 7_400.0] == books.cash.tolist()


def test_what_the_rich_venue_needs_for_its_margin_is_not_sent_away() -> None:
    books = opened(lopsided(), 0, 0, 1, 65.0, 100.0)
    settled_to(books, rules=rules_of(rebalance_below=0.6, maintenance=[0.1, 0.25]))
    assert 6_500.0 == ENTRY_MARGIN * 0.25 * 65 * 100
    assert 7_400.0 - 6_500.0 - 1.0 == books.in_transit[0]


def test_what_is_set_aside_for_isolated_legs_is_not_sent_away() -> None:
    rules = rules_of(rebalance_below=0.6, leverage=[0.0, 1.0])
    books = settled_to(opened(lopsided(), 0, 0, 1, 65.0, 100.0, rules=rules), rules=rules)
    assert 7_400.0 - 6_500.0 - 1.0 == books.in_transit[0]


def test_a_transfer_that_would_cost_more_than_it_moves_is_not_made() -> None:
    books = settled_to(lopsided(), rules=rules_of(rebalance_below=0.6, transfer_cost=1_500.0))
    assert [2_600.0, 7_400.0] == books.cash.tolist()


@given(
    st.lists(st.floats(100, 10_000), min_size=2, max_size=2),
    st.floats(0.5, 1.5),  # a loss of 50 at most, so nothing is liquidated
    st.floats(0, 0.99),
    st.floats(0, 20),
)
@settings(deadline=None, max_examples=100)
def test_rebalancing_conserves_equity_but_for_its_cost(
    cash: list[float], move: float, below: float, cost: float
) -> None:
    books = account()
    books.cash[:] = cash
    opened(books, 0, 0, 1, 1.0, 100.0)
    rules = rules_of(rebalance_below=below, transfer_cost=cost, maintenance=1e-6)
    settled_to(books, 100 * move, 100 * move, rules=rules)
    sent = books.in_transit.sum()
    assert sum(cash) - (cost if sent else 0.0) == pytest.approx(equity(books))
    assert (books.cash >= 0).all()


# Which positions must be closed


@pytest.mark.parametrize(("mark", "reason"), [(99.0, STOP_LOSS), (99.001, OPEN)])
def test_the_stop_loss_fires_at_exactly_its_share_of_leg_notional_net_of_fees(mark: float, reason: int) -> None:
    # Fees of 2.5 a leg and 10 lost on the price are 15, which is 1.5 % of 1000.
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0, fee=0.0025), mark)
    if reason == STOP_LOSS:
        assert -15.0 == slot_total(books, 0)
    assert [reason, OPEN, OPEN] == marked(books)


def test_funding_received_holds_the_stop_loss_off() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    settled_to(books, 98.0, settled={0: -0.006})
    assert -20 + 10 * 98 * 0.006 == pytest.approx(slot_total(books, 0))
    assert not mark_forced_exits(books, rules_of())
    settled_to(books, 98.0, settled={0: 0.001})
    assert mark_forced_exits(books, rules_of())
    assert STOP_LOSS == books.closing[0]


def test_a_stop_loss_that_was_reached_once_stays_whatever_the_price_does_then() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 90.0)
    assert [STOP_LOSS, OPEN, OPEN] == marked(books)
    settled_to(books, 120.0)
    assert slot_total(books, 0) > 0.0
    assert mark_forced_exits(books, rules_of()), "it is still to be closed"
    assert STOP_LOSS == books.closing[0]


def test_flat_books_have_nothing_to_close() -> None:
    books = settled_to(account())
    assert not mark_forced_exits(books, rules_of())
    assert [OPEN] * 3 == books.closing.tolist()


def short_of_margin(first: float, second: float) -> Books:
    """Two positions of 1000 a leg on 2000 of capital, marked anew on venue 0 only: it has 1000 and their P&L."""
    books = opened(opened(account(2000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)
    return settled_to(books, first, 100.0, second, 50.0, rules=without_stop(1e-6))


def without_stop(maintenance: float) -> Rules:
    return rules_of(stop_loss=10.0, maintenance=[maintenance, 1e-6])


@pytest.mark.parametrize(("marks", "victim"), [((80.0, 45.0), 0), ((90.0, 40.0), 1)])
def test_a_venue_below_twice_its_maintenance_closes_the_pair_that_loses_most_there(
    marks: tuple[float, float], victim: int
) -> None:
    books = short_of_margin(*marks)  # 1000 - 200 - 100 = 700 of 1700 gross
    # Twice 21 % is 714 of 1700, and less than 400 without the victim.
    expected = [MARGIN if slot == victim else OPEN for slot in range(3)]
    assert expected == marked(books, without_stop(0.21))


def test_at_exactly_twice_the_maintenance_nothing_is_closed() -> None:
    books = short_of_margin(80.0, 45.0)
    books.cash[0] = 1000.0 - 700.0 + 425.0  # 425 are a quarter of 1700
    settled_to(books, 80.0, 100.0, 45.0, 50.0, rules=without_stop(1e-6))
    assert [OPEN] * 3 == marked(books, without_stop(0.125))
    books.cash[0] -= 0.01
    settled_to(books, 80.0, 100.0, 45.0, 50.0, rules=without_stop(1e-6))
    assert [MARGIN, OPEN, OPEN] == marked(books, without_stop(0.125))


def test_money_on_its_way_to_a_venue_counts_against_its_shortage() -> None:
    books, rules = short_of_margin(80.0, 45.0), without_stop(0.21)  # 14 short of 714
    books.in_transit[:] = 14.01, 0.0
    assert [OPEN] * 3 == marked(books, rules)
    books.in_transit[:] = 13.99, 100.0
    assert [MARGIN, OPEN, OPEN] == marked(books, rules)


def test_a_venue_that_is_still_short_of_margin_closes_the_next_worst_pair() -> None:
    # Twice 45 % of the 900 that remain after the first exit is 810, more than the 700 that are left.
    assert [MARGIN, MARGIN, OPEN] == marked(short_of_margin(80.0, 45.0), without_stop(0.45))


def test_what_is_being_closed_for_another_reason_counts_as_closed() -> None:
    books = short_of_margin(80.0, 45.0)
    books.closing[0] = POLICY
    assert [POLICY, OPEN, OPEN] == marked(books, without_stop(0.21))


def test_the_stop_loss_is_named_before_the_margin() -> None:
    rules = without_stop(0.21)._replace(stop_loss=0.015)
    assert [STOP_LOSS, STOP_LOSS, OPEN] == marked(short_of_margin(80.0, 45.0), rules)


def test_an_isolated_leg_below_twice_its_maintenance_closes_its_pair_and_no_other() -> None:
    books = opened(opened(account(), 0, 0, 1, 10.0, 100.0, rules=ISOLATED), 1, 2, 3, 20.0, 50.0, rules=ISOLATED)
    settled_to(books, 84.0, 100.0, rules=ISOLATED)  # 250 - 160 = 90 of 840: twice the maintenance is 84
    assert [OPEN] * 3 == marked(books, ISOLATED)
    settled_to(books, 83.0, 100.0, rules=ISOLATED)  # 80 of 830: twice the maintenance is 83
    assert [MARGIN, OPEN, OPEN] == marked(books, ISOLATED)


def test_every_isolated_leg_that_is_short_is_marked_at_once() -> None:
    books = opened(opened(account(), 0, 0, 1, 10.0, 100.0, rules=ISOLATED), 1, 2, 3, 20.0, 50.0, rules=ISOLATED)
    settled_to(books, 83.0, 100.0, 50.0, 58.0, rules=ISOLATED)  # 80 of 830, and 90 of 1160
    assert [MARGIN, MARGIN, OPEN] == marked(books, ISOLATED)


@given(
    st.permutations(range(3)),
    st.lists(st.floats(0.75, 1.25), min_size=6, max_size=6, unique=True),
    st.lists(st.booleans(), min_size=3, max_size=3),
    st.sampled_from([0.0, 2.0, 5.0]),
    st.floats(0.01, 0.4),
    st.floats(300.0, 8000.0),
)
@settings(deadline=None, max_examples=300)
def test_which_positions_are_closed_does_not_depend_on_their_slots(
    slots: list[int], moves: list[float], turned: list[bool], leverage: float, maintenance: float, capital: float
) -> None:
    """Three positions of different sizes in the first, second and third slot, or in any other order."""
    rules = rules_of(leverage=leverage, maintenance=maintenance, stop_loss=0.2)
    close = [price * move for price, move in zip(CLOSE, moves, strict=False)]

    def closed(order: list[int]) -> dict[int, int]:
        books = account(capital)
        for slot, pair in enumerate(order):
            legs = (2 * pair + 1, 2 * pair) if turned[pair] else (2 * pair, 2 * pair + 1)
            opened(books, slot, *legs, (900.0 + 10 * pair) / CLOSE[2 * pair], CLOSE[2 * pair], rules=rules)
        settled_to(books, *close, rules=rules)
        mark_forced_exits(books, rules)
        return {pair: int(books.closing[slot]) for slot, pair in enumerate(order)}

    assert closed([0, 1, 2]) == closed(slots)


def test_a_leg_that_is_gone_does_not_stand_for_its_venue_any_more() -> None:
    """After one leg was settled the venue of that leg has no position, and needs no margin."""
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    fill(books, 0, 0, 0, 0, -10.0, 100.0, 100.0, 0.0, 0.0, NOW)
    assert (0.0, 1000.0) == tuple(venue_gross(books, venue) for venue in range(2))
    assert EMPTY != books.venue[0, 0], "though the slot remembers where it was"
