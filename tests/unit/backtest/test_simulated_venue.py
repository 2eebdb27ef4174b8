"""What the market does to what is held, and how pairs are sized, entered and left."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import (
    BASIS,
    EMPTY,
    FEES,
    FUNDING,
    LIQUIDATION_FEE,
    SLIPPAGE,
    Books,
    equity,
    fill,
    new_books,
    slot_total,
    venue_equity,
    venue_gross,
)
from backtest.simulated_venue import (
    ENTRY_MARGIN,
    LIQUIDATED,
    MARGIN,
    NOT_CLOSED,
    POLICY,
    STOP_LOSS,
    Closed,
    Offers,
    Quotes,
    Rules,
    forced_exit,
    margin_allows,
    new_closed,
    pair_quantity,
    settle,
    trade,
)
from data.types import HOUR_MS

NOW = 1000 * HOUR_MS
HOLD, ENTER_FIRST, ENTER_SECOND, EXIT_FIRST, EXIT_SECOND = 0, 1, 2, 3, 4
"""With two ranks and two slots."""
PAIRS = np.array([[0, 1], [2, 3]])
"""AAA and BBB; the even instruments are on venue 0, the odd ones on venue 1."""
FEE = np.array([0.0005, 0.0004, 0.0005, 0.0004])
CLOSE = (100.0, 100.0, 50.0, 50.0)


def rules_of(**changes: object) -> Rules:
    """Legs of 1000, no collar in the way, no rebalancing unless a test asks for it."""
    usual = Rules(
        venue_of=np.array([0, 1, 0, 1]),
        fee_rate=FEE,
        lot_step=np.array([0.01, 0.1, 0.01, 0.1]),
        min_notional=np.array([5.0, 10.0, 5.0, 10.0]),
        maintenance=np.array([0.05, 0.05]),
        slot_notional=1000.0,
        stop_loss=0.015,
        price_collar=0.03,
        rebalance_below=0.0,
        transfer_cost=1.0,
    )
    return usual._replace(**changes)


def quotes_at(*mids: float) -> Quotes:
    """A touch of 0.1 % on either side of the mids."""
    mid = np.array(mids)
    return Quotes(mid=mid, bid=mid * 0.999, ask=mid * 1.001)


def offers_of(*ranked: int, close: tuple[float, ...] = CLOSE, direction: tuple[int, int] = (1, 1)) -> Offers:
    return Offers(np.array(ranked or (0, 1)), np.array(direction), PAIRS, np.array(close))


def account(capital: float = 10_000.0, slots: int = 2) -> Books:
    return new_books(1, 2, slots, capital)


def opened(books: Books, slot: int, long: int, short: int, quantity: float, price: float, fee: float = 0.0) -> Books:
    """A position opened at mid `price` on both legs."""
    fill(books, 0, slot, 0, long, long % 2, quantity, price, price, fee, NOW - HOUR_MS)
    fill(books, 0, slot, 1, short, short % 2, -quantity, price, price, fee, NOW - HOUR_MS)
    return books


def settled_to(
    books: Books, *close: float, funding: tuple[float, ...] = (0.0,) * 4, rules: Rules | None = None
) -> Books:
    settle(books, np.array(funding), np.array(close), rules or rules_of())
    return books


def decide(
    books: Books, action: int, quotes: Quotes | None = None, offers: Offers | None = None, rules: Rules | None = None
) -> tuple[int, Closed]:
    """Trade one decision; the pair entered (or -1) and what was closed."""
    closed = new_closed(1, books.opened_at.shape[1])
    actions = np.array([action])
    entered = trade(
        books, actions, NOW, quotes or quotes_at(*CLOSE), offers or offers_of(), rules or rules_of(), closed
    )
    return int(entered[0]), closed


def bytes_of(books: Books, b: int = 0) -> list[bytes]:
    return [array[b].tobytes() for array in books]


# Settling


def test_funding_is_paid_on_what_was_held_at_the_newest_close() -> None:
    books = opened(account(), 1, 0, 1, 10.0, 100.0)
    paid = settle(books, np.array([0.001, 0.002, 0.5, 0.5]), np.array([110.0, 120.0, 50.0, 50.0]), rules_of())
    assert [[[0.0, 0.0], [-10 * 110 * 0.001, 10 * 120 * 0.002]]] == paid.tolist()
    assert [5000 - 1.1, 5000 + 2.4] == pytest.approx(books.cash[0].tolist())
    assert 1.3 == pytest.approx(books.pnl[0, FUNDING])
    assert [110.0, 120.0] == books.mark[0, 1].tolist()


def test_a_negative_rate_is_received_by_the_long_leg() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    settled_to(books, *CLOSE, funding=(-0.001, 0.0, 0.0, 0.0))
    assert 1.0 == pytest.approx(books.pnl[0, FUNDING])


def test_a_position_opened_after_the_settlement_gets_nothing_of_it() -> None:
    books = account()
    settled_to(books, *CLOSE, funding=(-0.01, 0.01, 0.0, 0.0))
    decide(books, ENTER_FIRST)
    assert 0.0 == books.pnl[0, FUNDING]


def test_in_a_gap_the_old_mark_stays_and_funding_is_paid_on_it() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 104.0, 100.0, 50.0, 50.0)
    settled_to(books, np.nan, 101.0, 50.0, 50.0, funding=(0.001, 0.0, 0.0, 0.0))
    assert [104.0, 101.0] == books.mark[0, 0].tolist()
    assert -10 * 104 * 0.001 == pytest.approx(books.pnl[0, FUNDING])


def test_the_peak_is_the_highest_equity_at_any_tick() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    peaks = [float(settled_to(books, price, *CLOSE[1:]).peak[0]) for price in (101.0, 103.0, 99.0)]
    assert [10_010.0, 10_030.0, 10_030.0] == peaks


def leveraged() -> Books:
    """Two positions on 1000 of capital: long AAA and BBB on venue 0, short on venue 1, 2000 gross on each."""
    return opened(opened(account(1000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)


def test_a_venue_below_maintenance_closes_all_its_legs_and_only_those() -> None:
    books = settled_to(leveraged(), 79.0, 79.0, 40.0, 40.0)  # venue 0: 500 - 210 - 200 = 90 of 1590 gross
    assert 90.0 == pytest.approx(venue_equity(leveraged_at(79.0, 40.0), 0, 0, rules_of().venue_of))
    assert 10 * 79 + 20 * 40 == venue_gross(leveraged_at(79.0, 40.0), 0, 0, rules_of().venue_of)

    assert 90.0 > 0.05 * 1590
    assert [[10.0, -10.0], [20.0, -20.0]] == books.quantity[0].tolist(), "still above maintenance"

    settled_to(books, 78.5, 78.5, 39.7, 39.7)  # venue 0: 500 - 215 - 206 = 79 of 1579, maintenance is 78.95
    assert [[10.0, -10.0], [20.0, -20.0]] == books.quantity[0].tolist(), "still just above maintenance"

    settled_to(books, 78.4, 78.4, 39.7, 39.7)  # venue 0: 78 of 1578, maintenance is 78.9
    assert [[0.0, -10.0], [0.0, -20.0]] == books.quantity[0].tolist()
    fees = (0.0005 + LIQUIDATION_FEE) * 1578
    assert [500 - 216 - 206 - fees, 500.0] == pytest.approx(books.cash[0].tolist())
    assert -fees == pytest.approx(books.pnl[0, FEES])
    assert 1000 - fees == pytest.approx(equity(books, 0)), "the short legs gained what the long legs lost"


def leveraged_at(first: float, second: float) -> Books:
    books = leveraged()
    books.mark[0, 0], books.mark[0, 1] = first, second
    return books


def test_at_exactly_the_maintenance_margin_nothing_is_liquidated() -> None:
    at_margin = settled_to(opened(account(1000.0), 0, 0, 1, 8.0, 100.0), 50.0, 50.0, 50.0, 50.0, rules=quarter())
    assert 8.0 == at_margin.quantity[0, 0, 0], "equity 500 - 400 is a quarter of 8 x 50"
    below = settled_to(opened(account(1000.0), 0, 0, 1, 8.0, 100.0), 49.9, 49.9, 50.0, 50.0, rules=quarter())
    assert 0.0 == below.quantity[0, 0, 0]


def quarter() -> Rules:
    return rules_of(maintenance=np.array([0.25, 0.25]))


def test_a_liquidated_position_is_closed_at_the_next_trade_and_says_why() -> None:
    books = settled_to(leveraged(), 78.4, 78.4, 39.7, 39.7)
    assert [LIQUIDATED, LIQUIDATED] == [forced_exit(books, 0, slot, rules_of()) for slot in (0, 1)]

    _, closed = decide(books, HOLD, quotes_at(80.0, 80.0, 40.0, 40.0))

    assert [LIQUIDATED, LIQUIDATED] == closed.reason[0].tolist()
    assert [78.4, 80 * 1.001, 39.7, 40 * 1.001] == pytest.approx(closed.exit.flatten().tolist())
    assert [10.0, 20.0] == closed.quantity[0].tolist()
    assert [0, 0] == books.opened_at[0].tolist()
    assert not books.quantity.any()
    # Long: 10 x (78.4 - 100), liquidated; short: 10 x (100 - 80) and the touch of 0.08 each.
    assert [-216 + 200, -10 * 0.08] == pytest.approx(closed.pnl[0, 0, [BASIS, SLIPPAGE]].tolist())


def test_a_position_liquidated_on_both_venues_leaves_with_nothing_traded() -> None:
    books = opened(account(100.0), 0, 0, 1, 10.0, 100.0)  # equity 50 of 1000 gross on each venue
    settled_to(books, 99.0, 101.0, 50.0, 50.0)
    assert [0.0, 0.0] == books.quantity[0, 0].tolist()
    cash = books.cash.copy()

    _, closed = decide(books, HOLD, quotes_at(np.nan, np.nan, 50.0, 50.0))

    assert (LIQUIDATED, 0.0) == (closed.reason[0, 0], closed.quantity[0, 0])
    assert [99.0, 101.0] == closed.exit[0, 0].tolist()
    assert (0, cash.tolist()) == (books.opened_at[0, 0], books.cash.tolist())


def lopsided() -> Books:
    """10,000 of capital, of which 2,600 are on venue 0."""
    books = account()
    books.cash[0] = 2_600.0, 7_400.0
    return books


def test_a_poor_venue_is_sent_money_that_arrives_a_tick_later() -> None:
    books, rules = lopsided(), rules_of(rebalance_below=0.6, transfer_cost=3.0)
    settled_to(books, *CLOSE, rules=rules)
    # The rich venue keeps an even share of 5,000 and pays the 3.
    assert [2_600.0, 7_400.0 - 2_397.0 - 3.0] == books.cash[0].tolist()
    assert [2_397.0, 0.0] == books.in_transit[0].tolist()
    assert 10_000.0 - 3.0 == equity(books, 0)

    settled_to(books, *CLOSE, rules=rules)
    assert [2_600.0 + 2_397.0, 5_000.0] == books.cash[0].tolist()
    assert [0.0, 0.0] == books.in_transit[0].tolist()
    assert 10_000.0 - 3.0 == equity(books, 0)


def test_a_venue_at_exactly_the_threshold_is_left_alone() -> None:
    books = lopsided()
    settled_to(books, *CLOSE, rules=rules_of(rebalance_below=0.52))
    assert [2_600.0, 7_400.0] == books.cash[0].tolist()


def test_what_the_rich_venue_needs_for_its_margin_is_not_sent_away() -> None:
    books = lopsided()
    opened(books, 0, 0, 1, 65.0, 100.0)
    settled_to(books, *CLOSE, rules=rules_of(rebalance_below=0.6, maintenance=np.array([0.1, 0.25])))
    assert 6_500.0 == ENTRY_MARGIN * 0.25 * 65 * 100
    assert 7_400.0 - 6_500.0 - 1.0 == books.in_transit[0, 0]


def test_a_transfer_that_would_cost_more_than_it_moves_is_not_made() -> None:
    books = lopsided()
    settled_to(books, *CLOSE, rules=rules_of(rebalance_below=0.6, transfer_cost=1_500.0))
    assert [2_600.0, 7_400.0] == books.cash[0].tolist()


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
    books.cash[0] = cash
    opened(books, 0, 0, 1, 1.0, 100.0)
    before = sum(cash)
    rules = rules_of(rebalance_below=below, transfer_cost=cost, maintenance=np.array([1e-6, 1e-6]))
    settled_to(books, 100 * move, 100 * move, 50.0, 50.0, rules=rules)
    sent = books.in_transit[0].sum()
    assert before - (cost if sent else 0.0) == pytest.approx(equity(books, 0))
    assert (books.cash[0] >= 0).all()


# Entering


@pytest.mark.parametrize(("direction", "long", "short"), [(1, 0, 1), (-1, 1, 0)])
def test_an_entry_buys_at_the_ask_and_sells_at_the_bid_after_the_decision(
    direction: int, long: int, short: int
) -> None:
    books = account()
    quotes = quotes_at(101.0, 102.0, 50.0, 50.0)
    entered, _ = decide(books, ENTER_FIRST, quotes, offers_of(direction=(direction, 1)))
    assert 0 == entered
    assert [long, short] == books.instrument[0, 0].tolist()
    assert [10.0, -10.0] == books.quantity[0, 0].tolist(), "sized at the closes that the decision saw"
    assert [quotes.ask[long], quotes.bid[short]] == books.entry_price[0, 0].tolist()
    assert (NOW, 10 * max(quotes.ask[long], quotes.bid[short])) == (books.opened_at[0, 0], books.notional[0, 0])
    fees = 10 * (quotes.ask[long] * FEE[long] + quotes.bid[short] * FEE[short])
    assert -fees == pytest.approx(books.pnl[0, FEES])
    assert -10 * 0.001 * (101 + 102) == pytest.approx(books.pnl[0, SLIPPAGE])
    assert 10_000 - fees - 2.03 == pytest.approx(equity(books, 0))


def test_the_rank_leads_to_the_pair() -> None:
    books = account()
    entered, _ = decide(books, ENTER_SECOND, offers=offers_of(1, 0))
    assert (0, [0, 1]) == (entered, books.instrument[0, 0].tolist())


def test_both_legs_have_the_same_number_of_the_coarser_lot() -> None:
    books = account()
    decide(books, ENTER_FIRST, quotes_at(99.0, 97.0, 50.0, 50.0), offers_of(close=(99.0, 97.0, 50.0, 50.0)))
    # 1000 / 99 = 10.101...: venue 0 could trade 10.10, venue 1 only 10.1; the dearer leg stays within the notional.
    assert [10.1, -10.1] == books.quantity[0, 0].tolist()


@pytest.mark.parametrize(("smallest", "quantity"), [(1000.0, 10.0), (1000.01, 0.0)])
def test_an_entry_below_a_venues_smallest_order_is_refused(smallest: float, quantity: float) -> None:
    books = account()
    decide(books, ENTER_FIRST, rules=rules_of(min_notional=np.array([5.0, smallest, 5.0, 10.0])))
    assert quantity == books.quantity[0, 0, 0]


@pytest.mark.parametrize("leg", [0, 1])
@pytest.mark.parametrize(("move", "entered"), [(1.028, 0), (0.972, 0), (1.032, -1), (0.968, -1)])
def test_an_entry_beyond_the_collar_is_refused(leg: int, move: float, entered: int) -> None:
    books, mids = account(), list(CLOSE)
    mids[leg] *= move
    assert entered == decide(books, ENTER_FIRST, quotes_at(*mids))[0]
    assert (entered == 0) == books.quantity.any()


@pytest.mark.parametrize("leg", [0, 1])
def test_an_entry_in_a_gap_is_refused(leg: int) -> None:
    mids, close = list(CLOSE), list(CLOSE)
    mids[leg] = close[leg] = np.nan
    assert -1 == decide(account(), ENTER_FIRST, quotes_at(*mids))[0], "no price to fill at"
    assert -1 == decide(account(), ENTER_FIRST, offers=offers_of(close=tuple(close)))[0], "no close to measure from"


def test_an_entry_without_a_free_slot_is_refused() -> None:
    books = opened(account(slots=1), 0, 2, 3, 1.0, 50.0)
    before = bytes_of(books)
    assert -1 == decide(books, ENTER_FIRST)[0]
    assert before == bytes_of(books)


@pytest.mark.parametrize(("long", "short"), [(0, 1), (1, 0)])
def test_a_pair_that_is_held_in_either_direction_is_not_entered_again(long: int, short: int) -> None:
    books = opened(account(), 0, long, short, 1.0, 100.0)
    assert -1 == decide(books, ENTER_FIRST)[0]
    assert 1 == decide(books, ENTER_SECOND)[0]


@pytest.mark.parametrize("venue", [0, 1])
def test_an_entry_that_leaves_a_venue_short_of_margin_is_refused(venue: int) -> None:
    books, needed = account(), ENTRY_MARGIN * 0.05 * 1000.0
    books.cash[0, venue] = needed
    assert margin_allows(books, 0, 0, 1, 10.0, np.array(CLOSE), rules_of())
    books.cash[0, venue] = needed - 0.01
    assert not margin_allows(books, 0, 0, 1, 10.0, np.array(CLOSE), rules_of())
    assert -1 == decide(books, ENTER_FIRST)[0]


def test_what_is_held_on_a_venue_counts_against_the_margin_of_an_entry() -> None:
    books = opened(account(400.0), 0, 0, 1, 5.0, 100.0)
    # 200 a venue carry 1000 gross at 4 x 5 %: 500 are held, so 500 more and not a lot beyond.
    close, rules = np.array(CLOSE), rules_of()
    assert [True, False] == [margin_allows(books, 0, 2, 3, lots, close, rules) for lots in (10.0, 10.1)]


def test_a_rank_that_shows_nothing_cannot_be_entered() -> None:
    books = account()
    assert -1 == decide(books, ENTER_SECOND, offers=offers_of(0, -1))[0]
    assert not books.quantity.any()


powers = st.integers(-5, 2).map(lambda exponent: float(Decimal(10) ** exponent))


@given(st.floats(0.01, 100_000), st.floats(0.8, 1.2), powers, powers, st.floats(10, 100_000))
@settings(deadline=None, max_examples=300)
def test_a_quantity_is_a_whole_number_of_the_coarser_step_and_the_most_that_the_notional_buys(
    price: float, ratio: float, one: float, other: float, notional: float
) -> None:
    close = np.array([price, price * ratio, 1.0, 1.0])
    rules = rules_of(lot_step=np.array([one, other, 1.0, 1.0]), slot_notional=notional, min_notional=np.zeros(4))
    quantity = float(pair_quantity(0, 1, close, rules))
    step, dearer = Decimal(str(max(one, other))), max(price, price * ratio)
    assert Decimal(repr(quantity)) % step == 0, "the double reads as the decimal that the venue wants"
    assert quantity * dearer <= notional * (1 + 1e-6)
    assert (quantity + float(step)) * dearer > notional * (1 - 1e-6)


# Leaving


def test_an_exit_sells_the_long_at_the_bid_and_buys_the_short_at_the_ask() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0, fee=0.001)
    settled_to(books, *CLOSE, funding=(-0.001, 0.002, 0.0, 0.0))
    quotes = quotes_at(102.0, 101.0, 50.0, 50.0)

    _, closed = decide(books, EXIT_FIRST, quotes)

    assert ([POLICY, NOT_CLOSED], NOW - HOUR_MS) == (closed.reason[0].tolist(), closed.opened_at[0, 0])
    assert ([0, 1], 10.0, 1000.0) == (closed.instrument[0, 0].tolist(), closed.quantity[0, 0], closed.notional[0, 0])
    assert [100.0, 100.0] == closed.entry[0, 0].tolist()
    assert [102 * 0.999, 101 * 1.001] == closed.exit[0, 0].tolist()
    fees = 2.0 + 10 * (102 * 0.999 * FEE[0] + 101 * 1.001 * FEE[1])
    assert [3.0, 10.0, -fees, -2.03, 0.0] == pytest.approx(closed.pnl[0, 0].tolist())
    assert 10_000 + 3.0 + 10.0 - fees - 2.03 == pytest.approx(equity(books, 0))
    assert (0, EMPTY) == (books.opened_at[0, 0], books.instrument[0, 0, 0])


@pytest.mark.parametrize("leg", [0, 1])
def test_an_exit_in_a_gap_does_nothing_and_works_once_the_price_is_back(leg: int) -> None:
    books, mids = opened(account(), 0, 0, 1, 10.0, 100.0), list(CLOSE)
    mids[leg] = np.nan
    before = bytes_of(books)

    _, closed = decide(books, EXIT_FIRST, quotes_at(*mids))
    assert (NOT_CLOSED, before) == (closed.reason[0, 0], bytes_of(books))

    _, closed = decide(books, EXIT_FIRST)
    assert (POLICY, 0.0) == (closed.reason[0, 0], books.quantity[0, 0, 0])


def test_a_forced_exit_in_a_gap_is_retried_at_every_decision() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 90.0, 100.0, 50.0, 50.0)
    _, closed = decide(books, HOLD, quotes_at(np.nan, 100.0, 50.0, 50.0))
    assert (NOT_CLOSED, 10.0) == (closed.reason[0, 0], books.quantity[0, 0, 0])
    _, closed = decide(books, HOLD, quotes_at(90.0, 100.0, 50.0, 50.0))
    assert (STOP_LOSS, 0.0) == (closed.reason[0, 0], books.quantity[0, 0, 0])


@pytest.mark.parametrize(("mark", "reason"), [(99.0, STOP_LOSS), (99.001, NOT_CLOSED)])
def test_the_stop_loss_fires_at_exactly_its_share_of_leg_notional_net_of_fees(mark: float, reason: int) -> None:
    # Fees of 2.5 a leg and 10 lost on the price are 15, which is 1.5 % of 1000.
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0, fee=0.0025), mark, *CLOSE[1:])
    if reason == STOP_LOSS:
        assert -15.0 == slot_total(books, 0, 0)
    assert reason == forced_exit(books, 0, 0, rules_of())
    assert reason == decide(books, HOLD)[1].reason[0, 0]


def test_funding_received_holds_the_stop_loss_off() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    settled_to(books, 98.0, *CLOSE[1:], funding=(-0.006, 0.0, 0.0, 0.0))
    assert -20 + 10 * 98 * 0.006 == pytest.approx(slot_total(books, 0, 0))
    assert NOT_CLOSED == forced_exit(books, 0, 0, rules_of())
    settled_to(books, 98.0, *CLOSE[1:], funding=(0.001, 0.0, 0.0, 0.0))
    assert STOP_LOSS == forced_exit(books, 0, 0, rules_of())


def short_of_margin(first: float, second: float) -> Books:
    """Two positions of 1000 a leg on 2000 of capital, marked anew on venue 0 only: it has 1000 and their P&L."""
    books = opened(opened(account(2000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)
    books.mark[0, :, 0] = first, second
    return books


def without_stop(maintenance: float) -> Rules:
    return rules_of(stop_loss=10.0, maintenance=np.array([maintenance, 1e-6]))


@pytest.mark.parametrize(("marks", "victim"), [((80.0, 45.0), 0), ((90.0, 40.0), 1)])
def test_a_venue_below_twice_its_maintenance_closes_the_pair_that_loses_most_there(
    marks: tuple[float, float], victim: int
) -> None:
    books = short_of_margin(*marks)  # 1000 - 200 - 100 = 700 of 1700 gross
    rules = without_stop(0.21)  # twice that is 714 of 1700, and less than 400 without the victim
    expected = [MARGIN if slot == victim else NOT_CLOSED for slot in (0, 1)]
    assert expected == [forced_exit(books, 0, slot, rules) for slot in (0, 1)]

    _, closed = decide(books, HOLD, quotes_at(marks[0], 100.0, marks[1], 50.0), rules=rules)

    assert expected == closed.reason[0].tolist()
    assert [slot != victim for slot in (0, 1)] == (books.quantity[0] != 0).all(axis=1).tolist()
    assert not books.quantity[0, victim].any(), "both legs together"


def test_at_exactly_twice_the_maintenance_nothing_is_closed() -> None:
    books = short_of_margin(80.0, 45.0)
    books.cash[0, 0] = 1000.0 - 700.0 + 425.0  # 425 are a quarter of 1700
    assert NOT_CLOSED == forced_exit(books, 0, 0, without_stop(0.125))
    books.cash[0, 0] -= 0.01
    assert MARGIN == forced_exit(books, 0, 0, without_stop(0.125))


def test_money_on_its_way_to_a_venue_counts_against_its_shortage() -> None:
    books, rules = short_of_margin(80.0, 45.0), without_stop(0.21)  # 14 short of 714
    books.in_transit[0] = 13.99, 100.0
    assert MARGIN == forced_exit(books, 0, 0, rules)
    books.in_transit[0] = 14.01, 0.0
    assert NOT_CLOSED == forced_exit(books, 0, 0, rules)


def test_a_venue_that_is_still_short_of_margin_closes_the_next_worst_pair() -> None:
    books = short_of_margin(80.0, 45.0)
    # Twice 45 % of the 900 that remain after the first exit is 810, more than the 700 that are left.
    _, closed = decide(books, HOLD, quotes_at(80.0, 100.0, 45.0, 50.0), rules=without_stop(0.45))
    assert [MARGIN, MARGIN] == closed.reason[0].tolist()


def test_the_stop_loss_is_named_before_the_margin() -> None:
    books = short_of_margin(80.0, 45.0)
    assert STOP_LOSS == forced_exit(books, 0, 0, without_stop(0.21)._replace(stop_loss=0.015))


def test_the_stop_loss_fires_before_the_action_which_may_use_the_slot() -> None:
    books = settled_to(opened(account(slots=1), 0, 0, 1, 10.0, 100.0), 90.0, *CLOSE[1:])
    closed, actions = new_closed(1, 1), np.array([ENTER_SECOND])
    entered = trade(books, actions, NOW, quotes_at(*CLOSE), offers_of(), rules_of(), closed)
    assert ([1], STOP_LOSS) == (entered.tolist(), closed.reason[0, 0])
    assert [2, 3] == books.instrument[0, 0].tolist()


def test_an_exit_of_a_slot_that_the_stop_loss_has_closed_keeps_the_reason() -> None:
    books = settled_to(opened(account(), 0, 0, 1, 10.0, 100.0), 90.0, *CLOSE[1:])
    assert STOP_LOSS == decide(books, EXIT_FIRST)[1].reason[0, 0]


def test_what_was_closed_is_reported_once() -> None:
    books, closed = opened(account(), 0, 0, 1, 10.0, 100.0), new_closed(1, 2)
    for expected, action in ((POLICY, EXIT_FIRST), (NOT_CLOSED, HOLD)):
        trade(books, np.array([action]), NOW, quotes_at(*CLOSE), offers_of(), rules_of(), closed)
        assert expected == closed.reason[0, 0]


@pytest.mark.parametrize("action", [HOLD, -1, EXIT_SECOND])
def test_an_action_that_cannot_be_carried_out_does_nothing(action: int) -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0)
    before = bytes_of(books)
    entered, closed = decide(books, action)
    assert (-1, [NOT_CLOSED, NOT_CLOSED]) == (entered, closed.reason[0].tolist())
    assert before == bytes_of(books)


def test_an_action_beyond_the_last_one_does_nothing_to_any_account() -> None:
    books = new_books(2, 2, 2, 10_000.0)
    for leg, instrument in enumerate((0, 1)):
        fill(books, 1, 0, leg, instrument, instrument, 10.0 - 20.0 * leg, 100.0, 100.0, 0.0, NOW - HOUR_MS)
    before = [bytes_of(books, b) for b in (0, 1)]
    trade(books, np.array([EXIT_SECOND + 1, HOLD]), NOW, quotes_at(*CLOSE), offers_of(), rules_of(), new_closed(2, 2))
    assert before == [bytes_of(books, b) for b in (0, 1)]


# Side by side


@given(st.lists(st.lists(st.integers(0, 4), min_size=12, max_size=12), min_size=2, max_size=4), st.integers(0, 2**32))
@settings(deadline=None, max_examples=30)
def test_accounts_side_by_side_trade_bit_for_bit_as_each_on_its_own(scripts: list[list[int]], seed: int) -> None:
    together, closed = new_books(len(scripts), 2, 2, 3000.0), new_closed(len(scripts), 2)
    alone = [account(3000.0) for _ in scripts]
    rules = rules_of(rebalance_below=0.9)
    market = np.random.default_rng(seed)
    close = np.array(CLOSE)
    for turn in range(12):
        offers, quotes = offers_of(close=tuple(close)), quotes_at(*(close * market.normal(1, 0.002, 4)))
        actions = np.array([script[turn] for script in scripts])
        entered = trade(together, actions, NOW, quotes, offers, rules, closed)
        singly = [
            decide(books, int(action), quotes, offers, rules) for books, action in zip(alone, actions, strict=True)
        ]
        assert [pair for pair, _ in singly] == entered.tolist()
        for b, (_, one) in enumerate(singly):
            was_closed = closed.reason[b] != NOT_CLOSED
            assert one.reason[0].tolist() == closed.reason[b].tolist()
            assert one.pnl[0, was_closed].tolist() == closed.pnl[b, was_closed].tolist()
        close = close * market.normal(1, 0.01, 4)
        funding = market.normal(0, 0.001, 4)
        paid = settle(together, funding, close, rules)
        for b, books in enumerate(alone):
            assert settle(books, funding, close, rules)[0].tobytes() == paid[b].tobytes()
            assert bytes_of(books) == bytes_of(together, b)
