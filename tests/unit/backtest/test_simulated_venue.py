"""How pairs are entered and left, and how a plan for every pair is carried out."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import (
    BASIS,
    EMPTY,
    FEES,
    LONG,
    OPEN,
    SHORT,
    SLIPPAGE,
    Books,
    equity,
    free_cash,
    new_accounts,
    slot_total,
)
from backtest.order_book import depth, walk
from backtest.rules import ENTRY_MARGIN, Rules
from backtest.settlement import DELISTED, LIQUIDATED, MARGIN, POLICY, STOP_LOSS, UNWOUND, settle
from backtest.simulated_venue import (
    FLAT,
    IN,
    KEEP,
    Closings,
    Frames,
    closings_layout,
    free_slot,
    holds,
    is_flat,
    pair_held,
    trade,
    write_plan,
)
from backtest.trades import closed_trades
from data.types import HOUR_MS
from tests.unit.backtest.markets import coin
from tests.unit.backtest.venues import (
    CLOSE,
    FEE,
    NOW,
    ROOM,
    account,
    decide,
    frames_of,
    new_closings,
    opened,
    plan_of,
    reasons,
    rules_of,
    settled_to,
)

GAP = np.nan


def held(books: Books) -> list[list[float]]:
    """Quantities of the slots that are not free."""
    return books.quantity[books.opened_at != 0].tolist()


# Entering


@pytest.mark.parametrize(("direction", "long", "short"), [(1, 0, 1), (-1, 1, 0)])
def test_an_entry_buys_at_the_ask_and_sells_at_the_bid_after_the_decision(
    direction: int, long: int, short: int
) -> None:
    books, frames = account(), frames_of((101.0, 102.0), direction=(direction, 1, 1, 1))
    ask, bid = frames.now["ask"][0, long], frames.now["bid"][0, short]

    assert [] == reasons(decide(books, {0: IN}, frames))

    assert [long, short] == books.instrument[0].tolist()
    assert [long % 2, short % 2] == books.venue[0].tolist()
    assert [10.0, -10.0] == books.quantity[0].tolist(), "sized at the closes that the decision saw"
    assert [ask, bid] == books.entry_price[0].tolist()
    assert (NOW, 10 * max(ask, bid), OPEN) == (books.opened_at[0], books.notional[0], books.closing[0])
    fees = 10 * (ask * FEE[long] + bid * FEE[short])
    assert -fees == pytest.approx(books.pnl[FEES])
    assert -10 * 0.001 * (101 + 102) == pytest.approx(books.pnl[SLIPPAGE])
    assert 10_000 - fees - 2.03 == pytest.approx(equity(books))


@pytest.mark.parametrize("leg", [0, 1])
@pytest.mark.parametrize(("move", "entered"), [(1.028, True), (0.972, True), (1.032, False), (0.968, False)])
def test_an_entry_beyond_the_collar_is_refused(leg: int, move: float, entered: bool) -> None:
    books, mids = account(), [100.0, 100.0]
    mids[leg] *= move
    decide(books, {0: IN}, frames_of(mids))
    assert entered != is_flat(books)
    assert entered == books.quantity.any()


def test_the_collar_is_that_of_the_average_price_of_the_whole_size() -> None:
    """The touch is 10 bps away; ten coins at one a level, levels 10 bps apart, cost 55 bps on the average."""
    for collar, entered in ((0.0054, False), (0.0056, True)):
        books, rules = account(), rules_of(level_quote=101.5, levels=20, lot_step=0.1, price_collar=collar)
        decide(books, {0: IN}, frames_of(rules=rules), rules)
        assert entered != is_flat(books)


@pytest.mark.parametrize("leg", [0, 1])
def test_an_entry_in_a_gap_is_refused(leg: int) -> None:
    mids = [100.0, 100.0]
    mids[leg] = GAP
    for frames in (frames_of(mids), frames_of(close=mids)):
        books = account()
        decide(books, {0: IN}, frames)
        assert account().tobytes() == books.tobytes(), "no price to fill at, or no close to measure from"


@pytest.mark.parametrize(("long", "short"), [(0, 1), (1, 0)])
def test_a_pair_that_is_held_in_either_direction_is_not_entered_again(long: int, short: int) -> None:
    books = opened(account(), 0, long, short, 1.0, 100.0)
    decide(books, {0: IN})
    assert [[1.0, -1.0]] == held(books)
    assert holds(books, 0, 1) and holds(books, 1, 0)
    decide(books, {1: IN})
    assert [[1.0, -1.0], [20.0, -20.0]] == held(books)


@pytest.mark.parametrize("venue", [0, 1])
@pytest.mark.parametrize("leverage", [0.0, 5.0])
def test_an_entry_that_a_venue_could_not_bear_is_refused(venue: int, leverage: float) -> None:
    books, rules = account(), rules_of(leverage=leverage)
    needed = 1000.0 * (1 / leverage + 2 * FEE[venue]) if leverage else ENTRY_MARGIN * 0.05 * 1000.0
    books.cash[venue] = needed - 0.01
    decide(books, {0: IN}, rules=rules)
    assert is_flat(books)
    books.cash[venue] = needed + 0.01
    decide(books, {0: IN}, rules=rules)
    assert not is_flat(books)


def test_an_isolated_entry_sets_its_margin_aside() -> None:
    books, rules = account(), rules_of(leverage=[4.0, 0.0])
    decide(books, {0: IN}, rules=rules)
    assert [10 * 100.1 / 4, 0.0] == pytest.approx(books.margin[0].tolist())
    assert books.cash[0] - 250.25 == pytest.approx(free_cash(books, 0))


# Orders that the book fills in part


@pytest.mark.parametrize("thin_leg", [0, 1])
def test_an_entry_that_the_book_fills_in_part_has_equal_legs(thin_leg: int) -> None:
    level_quote = [1e9] * 8
    level_quote[thin_leg] = 440.0  # 4.39 coins at the ask of 100.1, 4.4 at the bid of 99.9, in lots of 0.01 and 0.1
    books, rules = account(), rules_of(level_quote=level_quote, levels=1)
    decide(books, {0: IN}, frames_of(rules=rules), rules)
    size = 4.3 if thin_leg == 0 else 4.4
    assert [[size, -size]] == held(books), "in whole lots of the coarser step"
    assert (NOW, size * 100.1) == (books.opened_at[0], pytest.approx(float(books.notional[0])))


def test_an_entry_walks_the_book_as_far_as_it_must() -> None:
    books, rules = account(), rules_of(level_quote=440.0, levels=20)
    frames = frames_of(rules=rules)
    decide(books, {0: IN}, frames, rules)
    assert [[10.0, -10.0]] == held(books)
    asked = walk(10.0, frames.now[0, 0], rules.instruments[0])
    assert (4.39 * 100.1 + 4.39 * 100.2 + 1.22 * 100.3) / 10 == pytest.approx(asked)
    assert [asked, walk(-10.0, frames.now[0, 1], rules.instruments[1])] == books.entry_price[0].tolist()


def test_what_is_left_of_an_entry_below_the_smallest_order_is_not_entered() -> None:
    books, rules = account(), rules_of(level_quote=440.0, levels=1, min_notional=[5.0, 440.1] * 4)
    decide(books, {0: IN}, frames_of(rules=rules), rules)
    assert is_flat(books)


powers = st.integers(-3, 0).map(lambda exponent: float(Decimal(10) ** exponent))
depths = st.floats(1.0, 1500.0)


@given(depths, depths, powers, powers, st.floats(1.0, 300.0), st.floats(0.98, 1.02), st.booleans())
@settings(deadline=None, max_examples=300)
def test_whatever_the_books_hold_an_entry_has_equal_legs_of_whole_lots_or_none(
    long_quote: float, short_quote: float, long_lot: float, short_lot: float, smallest: float, move: float, late: bool
) -> None:
    rules = rules_of(
        level_quote=[long_quote, short_quote] * 4, levels=2, lot_step=[long_lot, short_lot] * 4, min_notional=smallest
    )
    books, frames = account(), frames_of(later=(100.0 * move, 100.0 / move) if late else None, rules=rules)

    closings = decide(books, {0: IN}, frames, rules)

    bought, sold = float(books.quantity[0, LONG]), -float(books.quantity[0, SHORT])
    assert bought == pytest.approx(sold, rel=1e-12)
    assert sold <= depth(-10.0, frames.later[0, 1], rules.instruments[1]) + 1e-9
    assert Decimal(repr(sold)) % Decimal(repr(max(long_lot, short_lot))) == 0
    assert late or sold == 0.0 or sold * 100.0 >= smallest
    assert is_flat(books) == (sold == 0.0)
    lost = closings.pnl[: closings.count].sum() + slot_total(books, 0)
    assert equity(books) - 10_000.0 == pytest.approx(lost, abs=1e-9)


def ten_in(books: Books) -> Books:
    return opened(books, 0, 0, 1, 10.0, 100.0)


@pytest.mark.parametrize("thin_leg", [0, 1])
def test_an_exit_that_the_book_fills_in_part_goes_on_at_the_next_tick_and_is_one_trade(thin_leg: int) -> None:
    level_quote = [1e9] * 8
    level_quote[thin_leg] = 440.0
    books, rules = ten_in(account()), rules_of(level_quote=level_quote, levels=1)
    size = 4.4 if thin_leg == 0 else 4.3  # the bid of 99.9 holds 4.4, the ask of 100.1 holds 4.39, in lots of 0.1

    assert [] == reasons(decide(books, {0: FLAT}, frames_of(rules=rules), rules))

    left = pytest.approx(10 - size)
    assert [left, left] == [books.quantity[0, LONG], -books.quantity[0, SHORT]]
    assert (POLICY, NOW - HOUR_MS) == (books.closing[0], books.opened_at[0])

    # The policy has nothing more to say about it, and cannot turn it around.
    frames = frames_of((102.0, 103.0), rules=rules_of())
    closings = decide(books, {0: IN}, frames, rules_of())

    assert [POLICY] == reasons(closings)
    assert is_flat(books)
    assert [10.0, 10.0] == pytest.approx(closings.quantity[0].tolist())
    assert [100.0, 100.0] == closings.entry[0].tolist()
    averages = [(size * first + (10 - size) * then) / 10 for first, then in ((99.9, 101.898), (100.1, 103.103))]
    assert averages == pytest.approx(closings.exit[0].tolist())
    assert 1000.0 == closings.notional[0]
    assert (10 - size) * (2.0 - 3.0) == pytest.approx(closings.pnl[0, BASIS])
    assert equity(books) - 10_000.0 == pytest.approx(closings.pnl[0].sum())


def test_an_exit_of_less_than_a_lot_waits_for_depth() -> None:
    """The book of one leg holds 0.05 coins, lots of the other are 0.1."""
    books, rules = ten_in(account()), rules_of(level_quote=[5.0, 1e9] * 4, levels=1)
    assert [] == reasons(decide(books, {0: FLAT}, frames_of(rules=rules), rules))
    assert ([[10.0, -10.0]], OPEN) == (held(books), books.closing[0]), "nothing has begun"
    assert [POLICY] == reasons(decide(books, {0: FLAT}))


@given(st.lists(st.floats(1.0, 2000.0), min_size=1, max_size=6), st.booleans())
@settings(deadline=None, max_examples=100)
def test_however_thin_the_books_both_legs_shrink_together_until_they_are_gone(depths: list[float], other: bool) -> None:
    books, capital = ten_in(account()), 10_000.0
    found: list[int] = []
    for level_quote in [*depths, 1e9]:
        quote = [level_quote, 1e9] if other else [1e9, level_quote]
        rules = rules_of(level_quote=quote * 4, levels=3)
        before = float(books.quantity[0, LONG])
        closings = decide(books, {} if before < 10.0 else {0: FLAT}, frames_of(rules=rules), rules)
        found += reasons(closings)
        assert -books.quantity[0, SHORT] == pytest.approx(float(books.quantity[0, LONG]))
        assert books.quantity[0, LONG] <= before
        if found:
            assert [10.0, 10.0] == pytest.approx(closings.quantity[0].tolist())
            assert equity(books) - capital == pytest.approx(closings.pnl[0].sum())
            break
    assert ([POLICY], True) == (found, is_flat(books))


# Leaving


def test_an_exit_sells_the_long_at_the_bid_and_buys_the_short_at_the_ask() -> None:
    books = opened(account(), 0, 0, 1, 10.0, 100.0, fee=0.001)
    settled_to(books, settled={0: -0.001, 1: 0.002})

    closings = decide(books, {0: FLAT}, frames_of((102.0, 101.0)))

    assert ([POLICY], NOW - HOUR_MS, NOW) == (reasons(closings), closings.opened_at[0], closings.closed_at[0])
    assert ([0, 1], [10.0, 10.0]) == (closings.instrument[0].tolist(), closings.quantity[0].tolist())
    assert (1000.0, [100.0, 100.0]) == (closings.notional[0], closings.entry[0].tolist())
    assert [102 * 0.999, 101 * 1.001] == pytest.approx(closings.exit[0].tolist())
    fees = 2.0 + 10 * (102 * 0.999 * FEE[0] + 101 * 1.001 * FEE[1])
    assert [3.0, 10.0, -fees, -2.03, 0.0] == pytest.approx(closings.pnl[0].tolist())
    assert 10_000 + 3.0 + 10.0 - fees - 2.03 == pytest.approx(equity(books))
    assert (0, EMPTY, OPEN) == (books.opened_at[0], books.instrument[0, 0], books.closing[0])


@pytest.mark.parametrize("leg", [0, 1])
@pytest.mark.parametrize("quantity", [10.0, 0.1])
def test_an_exit_in_a_gap_does_nothing_and_works_once_the_price_is_back(leg: int, quantity: float) -> None:
    books, mids = opened(account(), 0, 0, 1, quantity, 100.0), [100.0, 100.0]
    mids[leg] = GAP
    before = books.tobytes()

    assert [] == reasons(decide(books, {0: FLAT}, frames_of(mids)))
    assert before == books.tobytes()

    assert [POLICY] == reasons(decide(books, {0: FLAT}))
    assert is_flat(books)


@pytest.mark.parametrize("leg", [0, 1])
def test_a_stop_loss_reached_while_a_leg_has_no_price_is_carried_out_once_it_has_one(leg: int) -> None:
    books, mids = settled_to(ten_in(account()), 90.0, 100.0), [90.0, 100.0]
    mids[leg] = GAP
    assert [] == reasons(decide(books, {0: KEEP}, frames_of(mids)))
    assert ([[10.0, -10.0]], STOP_LOSS) == (held(books), books.closing[0])

    settled_to(books, 120.0, 100.0)
    assert slot_total(books, 0) > 0.0, "the loss is made good, and does not matter any more"

    assert [STOP_LOSS] == reasons(decide(books, {0: KEEP}, frames_of((120.0, 100.0))))
    assert is_flat(books)


def leveraged() -> Books:
    """Two positions on 1000 of capital: long AAA and BBB on venue 0, short on venue 1, 2000 gross on each."""
    return opened(opened(account(1000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)


def test_a_liquidated_position_is_closed_at_the_next_trade_and_says_why() -> None:
    books = settled_to(leveraged(), 78.4, 78.4, 39.7, 39.7)

    closings = decide(books, {}, frames_of((80.0, 80.0, 40.0, 40.0)))

    assert [LIQUIDATED, LIQUIDATED] == reasons(closings)
    assert [78.4, 80 * 1.001, 39.7, 40 * 1.001] == pytest.approx(closings.exit[:2].flatten().tolist())
    assert [[10.0, 10.0], [20.0, 20.0]] == closings.quantity[:2].tolist()
    assert is_flat(books)
    # Long: 10 x (78.4 - 100), liquidated; short: 10 x (100 - 80) and the touch of 0.08 each.
    assert [-216 + 200, -10 * 0.08] == pytest.approx(closings.pnl[0, [BASIS, SLIPPAGE]].tolist())


def test_a_position_liquidated_on_both_venues_leaves_with_nothing_traded() -> None:
    books = settled_to(opened(account(100.0), 0, 0, 1, 10.0, 100.0), 99.0, 101.0)
    cash = books.cash.tolist()

    closings = decide(books, {}, frames_of((GAP, GAP)))

    assert ([LIQUIDATED], [10.0, 10.0]) == (reasons(closings), closings.quantity[0].tolist())
    assert [99.0, 101.0] == closings.exit[0].tolist()
    assert (True, cash) == (is_flat(books), books.cash.tolist())


def test_where_one_venue_delists_the_other_leg_is_closed_at_the_next_trade() -> None:
    books = settled_to(ten_in(account()), GAP, 101.0, gone=(0,))
    assert [0.0, -10.0] == books.quantity[0].tolist()

    closings = decide(books, {0: IN}, frames_of((GAP, 101.0)))

    assert ([DELISTED], True) == (reasons(closings), is_flat(books))
    assert [100.0, 101.101] == pytest.approx(closings.exit[0].tolist())
    assert [10.0, 10.0] == closings.quantity[0].tolist()
    assert equity(books) - 10_000.0 == pytest.approx(closings.pnl[0].sum())


def test_what_is_delisted_on_both_venues_leaves_without_a_price() -> None:
    books = settled_to(ten_in(account()), GAP, GAP, gone=(0, 1))
    closings = decide(books, {}, frames_of((GAP, GAP)))
    assert ([DELISTED], True, [100.0, 100.0]) == (reasons(closings), is_flat(books), closings.exit[0].tolist())


# Second legs that come later


def test_a_delayed_second_leg_fills_at_the_later_price() -> None:
    books = account()
    decide(books, {0: IN}, frames_of((100.0, 100.0), later=(105.0, 99.0)))
    assert [[10.0, -10.0]] == held(books)
    assert [100.1, 99 * 0.999] == pytest.approx(books.entry_price[0].tolist())

    closings = decide(books, {0: FLAT}, frames_of((100.0, 100.0), later=(105.0, 99.0)))
    assert [99.9, 99 * 1.001] == pytest.approx(closings.exit[0].tolist())


@pytest.mark.parametrize("later", [(101.0, GAP), (101.0, 103.2), (101.0, 96.0)])
def test_a_first_leg_whose_second_cannot_fill_is_sold_again(later: tuple[float, float]) -> None:
    """There is no price for the second leg any more, or one beyond the collar."""
    books = account()

    closings = decide(books, {0: IN}, frames_of(later=later))

    assert ([UNWOUND], True) == (reasons(closings), is_flat(books))
    assert [0, 1] == closings.instrument[0].tolist()
    assert ([10.0, 0.0], NOW, NOW) == (closings.quantity[0].tolist(), closings.opened_at[0], closings.closed_at[0])
    assert [100.1, 101 * 0.999] == pytest.approx([closings.entry[0, LONG], closings.exit[0, LONG]])
    fees = 10 * (100.1 + 101 * 0.999) * FEE[0]
    expected = [0.0, 10.0, -fees, -10 * (0.1 + 0.101), 0.0]
    assert expected == pytest.approx(closings.pnl[0].tolist())
    assert 10_000 + sum(expected) == pytest.approx(equity(books))
    assert 5_000.0 == books.cash[1]


def test_an_unwound_entry_is_a_trade_that_says_so() -> None:
    closings = decide(account(), {0: IN}, frames_of(later=(101.0, GAP)))
    (made,) = closed_trades(closings, [coin("binance"), coin("hyperliquid")])
    assert ("unwound", 10.0, 0.0) == (made.reason, made.quantity, made.hours)
    assert 0.0 == made.short_entry
    assert made.pnl == pytest.approx(closings.pnl[0].sum())


def test_a_first_leg_that_cannot_be_sold_later_is_sold_at_the_price_of_now() -> None:
    books = account()
    closings = decide(books, {0: IN}, frames_of(later=(GAP, GAP)))
    assert ([UNWOUND], True) == (reasons(closings), is_flat(books))
    assert 99.9 == pytest.approx(closings.exit[0, LONG])


def test_a_first_leg_is_trimmed_to_what_its_second_fills() -> None:
    """Of ten coins, the book of the second leg holds four and a bit once its price has doubled."""
    rules = rules_of(level_quote=[1e9, 1000.0] * 4, levels=1, price_collar=5.0)
    books, frames = account(), frames_of(later=(101.0, 220.0), rules=rules)
    decide(books, {0: IN}, frames_of(rules=rules), rules)
    assert [[10.0, -10.0]] == held(books), "now it would hold them all"

    books = account()
    assert [] == reasons(decide(books, {0: IN}, frames, rules))

    assert [[4.5, -4.5]] == held(books)
    assert [100.1, 220 * 0.999] == pytest.approx(books.entry_price[0].tolist())
    assert (5.5, 101 * 0.999) == pytest.approx(
        (float(books.closed_quantity[0, LONG]), float(books.exit_price[0, LONG]))
    )
    assert OPEN == books.closing[0], "what is left is a position like any other"
    assert 5.5 * 1.0 == pytest.approx(books.pnl[BASIS]), "the mid went up by one while it was held"

    closings = decide(books, {0: FLAT}, frames_of((101.0, 220.0)))
    assert ([POLICY], [10.0, 4.5]) == (reasons(closings), closings.quantity[0].tolist())
    assert equity(books) - 10_000.0 == pytest.approx(closings.pnl[0].sum())


def test_a_trimmed_pair_is_a_whole_number_of_the_coarser_lot() -> None:
    """The short leg fills 4.54 in lots of 0.01, and the long leg has lots of 0.1."""
    rules = rules_of(level_quote=[1000.0, 1e9] * 4, levels=1, price_collar=5.0)
    books, frames = account(), frames_of(later=(220.0, 101.0), direction=(-1, 1, 1, 1), rules=rules)
    decide(books, {0: IN}, frames, rules)
    assert ([[4.5, -4.5]], [1, 0]) == (held(books), books.instrument[0].tolist())


def test_a_pair_that_was_unwound_can_be_entered_again_at_the_next_decision() -> None:
    books = account()
    decide(books, {0: IN}, frames_of(later=(100.0, GAP)))
    decide(books, {0: IN})
    assert [[10.0, -10.0]] == held(books)


def test_an_exit_whose_second_leg_finds_no_price_later_goes_on_with_it() -> None:
    books = ten_in(account())

    assert [] == reasons(decide(books, {0: FLAT}, frames_of(later=(100.0, GAP))))
    assert ([[0.0, -10.0]], POLICY) == (held(books), books.closing[0])

    closings = decide(books, {0: KEEP}, frames_of((100.0, 102.0)))
    assert ([POLICY], True) == (reasons(closings), is_flat(books))
    assert [99.9, 102 * 1.001] == pytest.approx(closings.exit[0].tolist())


# Plans


def test_exits_come_before_entries_which_may_use_their_slots() -> None:
    books = opened(opened(opened(account(), 0, 0, 1, 1.0, 100.0), 1, 2, 3, 1.0, 50.0), 2, 4, 5, 1.0, 20.0)
    closings = decide(books, {1: FLAT, 3: IN})
    assert [POLICY] == reasons(closings)
    assert [[0, 1], [6, 7], [4, 5]] == books.instrument.tolist()


def test_the_stop_loss_comes_before_the_plan_which_may_use_the_slot() -> None:
    books = opened(opened(opened(account(), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 1.0, 50.0), 2, 4, 5, 1.0, 20.0)
    closings = decide(settled_to(books, 90.0), {3: IN})
    assert [STOP_LOSS] == reasons(closings)
    assert [[6, 7], [2, 3], [4, 5]] == books.instrument.tolist()


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)])
def test_entries_go_by_rank_until_the_slots_are_full(order: tuple[int, ...]) -> None:
    books = account()
    decide(books, dict.fromkeys(range(4), IN), frames_of(order=order))
    assert [[2 * pair, 2 * pair + 1] for pair in order[:3]] == books.instrument.tolist()


def test_an_entry_that_fails_leaves_its_slot_to_the_next_rank() -> None:
    books = account()
    decide(books, dict.fromkeys(range(4), IN), frames_of((100.0, GAP)))
    assert [[2, 3], [4, 5], [6, 7]] == books.instrument.tolist()


def test_what_is_not_ranked_is_not_entered() -> None:
    books = account()
    decide(books, dict.fromkeys(range(4), IN), frames_of(order=(2,)))
    assert [[20.0 * 2.5, -50.0]] == held(books)
    assert 4 == books.instrument[0, LONG]


def test_a_full_account_is_left_as_it_is() -> None:
    books = opened(opened(opened(account(), 0, 0, 1, 1.0, 100.0), 1, 2, 3, 1.0, 50.0), 2, 4, 5, 1.0, 20.0)
    before = books.tobytes()
    assert [] == reasons(decide(books, {3: IN}))
    assert (before, -1) == (books.tobytes(), free_slot(books))


@pytest.mark.parametrize("wants", [{}, {0: IN}, {1: FLAT}, {0: 7, 1: -3}])
def test_a_plan_that_asks_for_nothing_that_can_be_done_changes_nothing(wants: dict[int, int]) -> None:
    books = ten_in(account())
    before = books.tobytes()
    assert [] == reasons(decide(books, wants))
    assert before == books.tobytes()


def test_a_pair_closed_by_force_is_not_entered_again_at_the_same_tick() -> None:
    books, plan, closings = settled_to(ten_in(account()), 90.0), plan_of({0: IN, 1: IN}), new_closings()
    trade(books, plan, 0, frames_of(), rules_of(), closings)
    assert ([STOP_LOSS], [KEEP, IN, KEEP, KEEP]) == (reasons(closings), plan.tolist())
    assert [[20.0, -20.0]] == held(books)

    decide(books, {0: IN})
    assert [[20.0, -20.0], [10.0, -10.0]] == held(books), "at the next one it is"


def test_a_plan_that_leaves_what_the_stop_loss_has_closed_keeps_the_reason() -> None:
    assert [STOP_LOSS] == reasons(decide(settled_to(ten_in(account()), 90.0), {0: FLAT}))


def test_a_margin_exit_closes_both_legs_of_the_worst_pair_and_of_no_other() -> None:
    rules = rules_of(stop_loss=10.0, maintenance=[0.2, 1e-6])
    books = opened(opened(account(2000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)
    settled_to(books, 75.0, 100.0, 43.0, 50.0, rules=rules)  # 1000 - 250 - 140 = 610 of 1610 gross: 644 are twice
    closings = decide(books, {}, frames_of((75.0, 100.0, 43.0, 50.0)), rules)
    assert ([MARGIN], [0, 1]) == (reasons(closings), closings.instrument[0].tolist())
    assert [[20.0, -20.0]] == held(books)


def test_all_margin_exits_are_marked_before_the_first_is_carried_out() -> None:
    """Leaving the first position costs its slippage, which must not decide about the second one."""
    rules = rules_of(stop_loss=10.0, maintenance=[0.2, 1e-6], level_quote=2000.0, levels=20)
    books = opened(opened(account(2000.0), 0, 0, 1, 10.0, 100.0), 1, 2, 3, 20.0, 50.0)
    # Without the first position 344 are needed; there is a cent more than that, and its exit costs more than a cent.
    settled_to(books, 75.0, 100.0, 43.0, 50.0, rules=rules)
    books.cash[0] -= 610.0 - 344.01
    settled_to(books, 75.0, 100.0, 43.0, 50.0, rules=rules_of(maintenance=1e-6))
    assert [MARGIN] == reasons(decide(books, {}, frames_of((75.0, 100.0, 43.0, 50.0), rules=rules), rules))
    assert [[20.0, -20.0]] == held(books)


@given(st.permutations(range(3)), st.lists(st.floats(0.9, 1.1), min_size=6, max_size=6, unique=True))
@settings(deadline=None, max_examples=100)
def test_forced_exits_close_the_same_positions_whatever_slots_they_lie_in(slots: list[int], moves: list[float]) -> None:
    rules, mids = rules_of(maintenance=0.15, stop_loss=0.05), [p * m for p, m in zip(CLOSE, moves, strict=False)]

    def closed(order: list[int]) -> dict[tuple[int, ...], int]:
        books = account(2000.0)
        for slot, pair in enumerate(order):
            opened(books, slot, 2 * pair, 2 * pair + 1, 900.0 / CLOSE[2 * pair], CLOSE[2 * pair])
        settled_to(books, *mids, rules=rules)
        closings = decide(books, {}, frames_of(mids, rules=rules), rules)
        return {tuple(closings.instrument[row]): int(closings.reason[row]) for row in range(closings.count)}

    assert closed([0, 1, 2]) == closed(slots)


def test_what_was_closed_is_added_until_it_is_read() -> None:
    books, closings = opened(ten_in(account()), 1, 2, 3, 20.0, 50.0), new_closings()
    for wants in ({0: FLAT}, {}, {1: FLAT}, {}):
        trade(books, plan_of(wants), 0, frames_of(), rules_of(), closings)
    assert ([POLICY, POLICY], [0, 2]) == (reasons(closings), closings.instrument[:2, LONG].tolist())


def test_more_closed_positions_than_there_is_room_for_overwrite_the_last() -> None:
    books = opened(opened(ten_in(account()), 1, 2, 3, 20.0, 50.0), 2, 4, 5, 50.0, 20.0)
    closings = new_closings()
    closings.count = ROOM - 2
    trade(books, plan_of({0: FLAT, 1: FLAT, 2: FLAT}), 0, frames_of(), rules_of(), closings)
    assert ([POLICY, POLICY], [0, 4]) == (reasons(closings)[-2:], closings.instrument[-2:, LONG].tolist())
    assert ROOM == closings.count
    assert is_flat(books)


# What a policy answers


def written(action: int, books: Books, ranked: tuple[int, ...] = (2, 0)) -> list[int]:
    """The plan of one number, over two ranks and three slots."""
    plan = np.full(4, 9)
    pair_of = frames_of().pair_of
    write_plan(plan, np.array([[0], [action]]), 1, books, np.array([ranked]), 0, pair_of, False)
    return plan.tolist()


@pytest.mark.parametrize(
    ("action", "plan"),
    [
        (0, {}),
        (1, {2: IN}),
        (2, {0: IN}),
        (3, {}),
        (4, {1: FLAT}),
        (5, {}),
        (6, {}),
        (-1, {}),
        (10**15, {}),
        (-(10**15), {}),
    ],
)
def test_a_number_becomes_a_plan_and_one_that_means_nothing_keeps_everything(action: int, plan: dict[int, int]) -> None:
    """Hold, the two ranks, the three slots of which only the second is in use, and what lies beyond."""
    assert plan_of(plan).tolist() == written(action, opened(account(), 1, 3, 2, 20.0, 50.0))


def test_a_rank_that_shows_nothing_cannot_be_entered() -> None:
    assert [KEEP] * 4 == written(2, account(), ranked=(0, -1))


def test_a_plan_by_pair_is_taken_as_it_is() -> None:
    plan, wanted = np.full(4, 9), np.array([[0, 0, 0, 0], [IN, FLAT, KEEP, IN]])
    write_plan(plan, wanted, 1, account(), np.array([[0, 1]]), 0, frames_of().pair_of, True)
    assert [IN, FLAT, KEEP, IN] == plan.tolist()


def test_a_position_is_of_its_pair_in_either_direction() -> None:
    books = opened(opened(account(), 0, 0, 1, 1.0, 100.0), 1, 3, 2, 1.0, 50.0)
    assert [0, 1] == [pair_held(books, slot, frames_of().pair_of) for slot in range(2)]


# Many decisions


market_moves = st.integers(0, 2**32)
scripts = st.lists(st.lists(st.sampled_from([KEEP, IN, FLAT]), min_size=4, max_size=4), min_size=12, max_size=12)


def market(seed: int, rules: Rules) -> Frames:
    """Twelve hours of prices with gaps, delistings, funding and second legs that come later."""
    random, frames = np.random.default_rng(seed), []
    close = np.array(CLOSE)
    for _ in range(12):
        mids = close * random.normal(1, 0.002, 8)
        later = mids * random.normal(1, 0.01, 8)
        for array in (mids, later):
            array[random.random(8) < 0.05] = GAP
        frame = frames_of(mids, close=close, later=later, order=random.permutation(4), rules=rules)
        frame.hours["settled"] = random.normal(0, 0.001, 8)
        frame.hours["close"][random.random((1, 8)) < 0.05] = GAP
        frame.hours["gone"] = random.random((1, 8)) < 0.02
        frames.append(frame)
        close = close * random.normal(1, 0.01, 8)
    stacked = {
        name: np.concatenate([getattr(frame, name) for frame in frames])
        for name in ("hours", "now", "later", "order", "direction")
    }
    return frames[0]._replace(**stacked)


def play(books: Books, script: list[list[int]], frames: Frames, rules: Rules, closings: Closings) -> None:
    for row, wants in enumerate(script):
        settle(books, NOW + row * HOUR_MS, frames.hours, row, rules)
        trade(books, np.array(wants), row, frames, rules, closings)


@given(scripts, market_moves, st.sampled_from([0.0, 3.0]), st.sampled_from([600.0, 1e9]))
@settings(deadline=None, max_examples=60)
def test_whatever_is_decided_the_gain_is_that_of_the_positions_and_the_transfers(
    script: list[list[int]], seed: int, leverage: float, level_quote: float
) -> None:
    """Through gaps, thin books, delistings, unwound entries and liquidations: nothing is lost on the way."""
    rules = rules_of(leverage=leverage, level_quote=level_quote, levels=2, rebalance_below=0.9, transfer_ms=3 * HOUR_MS)
    books, frames, closings = account(3000.0), market(seed, rules), new_closings()

    play(books, script, frames, rules, closings)

    closed = closings.pnl[: closings.count].sum()
    gain = closed + sum(slot_total(books, slot) for slot in range(3)) + books.pnl[4]
    assert gain == pytest.approx(equity(books) - 3000.0, abs=1e-6)
    assert np.isfinite(equity(books))
    assert (books.margin >= 0.0).all() and not books.margin[books.quantity == 0.0].any()
    for row in range(closings.count):
        bought, sold = closings.quantity[row]
        assert closings.reason[row] == UNWOUND or bought >= sold * (1 - 1e-9), "trimmed first legs are the longer ones"


@given(st.lists(scripts, min_size=2, max_size=3), market_moves)
@settings(deadline=None, max_examples=20)
def test_accounts_side_by_side_trade_bit_for_bit_as_each_on_its_own(many: list[list[list[int]]], seed: int) -> None:
    rules = rules_of(rebalance_below=0.9, level_quote=600.0, levels=2)
    frames, together = market(seed, rules), new_accounts(len(many), 2, 3, 3000.0)
    closings = np.zeros(2 * len(many), dtype=closings_layout(ROOM))
    for row in range(12):
        for b, script in enumerate(many):
            settle(together[b], NOW + row * HOUR_MS, frames.hours, row, rules)
            trade(together[b], np.array(script[row]), row, frames, rules, closings[b])
    for b, script in enumerate(many):
        alone = account(3000.0)
        play(alone, script, frames, rules, closings[len(many) + b])
        assert alone.tobytes() == together[b].tobytes()
        assert closings[len(many) + b].tobytes() == closings[b].tobytes()
