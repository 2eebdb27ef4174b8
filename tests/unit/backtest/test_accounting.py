"""The books keep their two equations after every event, whatever the events are."""

import math
import random
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import (
    EMPTY,
    FUNDING,
    SLIPPAGE,
    TRANSFERS,
    Arrival,
    Books,
    Event,
    Fill,
    FundingPayment,
    Mark,
    SlotCleared,
    Transfer,
    apply,
    arrive,
    clear_slot,
    equity,
    fill,
    new_books,
    pay_funding,
    slot_total,
    slot_unrealised,
    slot_unrealised_basis,
    transfer,
    venue_equity,
    venue_gross,
)
from data.types import HOUR_MS

CAPITAL, VENUES, SLOTS = 10_000.0, 3, 2
VENUE_OF = np.array([0, 1, 2, 0])
"""Of four instruments."""
LEG_INSTRUMENT = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 3}
"""Slot 1 has a leg on the venue of slot 0's long leg."""
RELATIVE = 1e-9
"""Of the money moved."""

# Whole lots of 0.1 in a small range, so that streams add, close in part, close exactly and turn over often.
lots = st.integers(-30, 30).filter(bool).map(lambda number: number * 0.1)
prices = st.floats(0.01, 50_000.0)
slippage = st.floats(-0.01, 0.01)
rates = st.floats(-0.02, 0.02)
legs = st.sampled_from(sorted(LEG_INSTRUMENT))


def filled(leg: tuple[int, int], quantity: float, mid: float, slip: float, fee_rate: float, hour: int) -> Fill:
    instrument = LEG_INSTRUMENT[leg]
    venue, tick = int(VENUE_OF[instrument]), (hour + 1) * HOUR_MS
    return Fill(*leg, instrument, venue, quantity, mid * (1 + slip), mid, fee_rate, tick)


def paid(leg: tuple[int, int], rate: float, price: float) -> FundingPayment:
    return FundingPayment(*leg, int(VENUE_OF[LEG_INSTRUMENT[leg]]), rate, price)


fills = st.builds(filled, legs, lots, prices, slippage, st.floats(0, 0.02), st.integers(0, 1000))
payments = st.builds(paid, legs, rates, prices)
marks = st.builds(lambda leg, price: Mark(*leg, price), legs, prices)
transfers = st.builds(
    Transfer, st.integers(0, VENUES - 1), st.integers(0, VENUES - 1), st.floats(0, 5000), st.floats(0, 5)
)
arrivals = st.just(Arrival())
clearings = st.builds(SlotCleared, st.integers(0, SLOTS - 1))
streams = st.lists(fills | fills | payments | marks | transfers | arrivals | clearings, min_size=1, max_size=40)


def flat() -> Books:
    return new_books(1, VENUES, SLOTS, CAPITAL)


def held(books: Books, slot: int) -> bool:
    return bool(np.any(books.quantity[0, slot] != 0.0))


def after(books: Books, stream: Sequence[Event]) -> Books:
    """The books after a stream, in which a position that is still open is not cleared away."""
    for event in stream:
        if not (isinstance(event, SlotCleared) and held(books, event.slot)):
            books = apply(books, event)
    return books


def states(stream: Sequence[Event]) -> list[tuple[Event, Books]]:
    books, seen = flat(), []
    for event in stream:
        books = after(books, [event])
        seen.append((event, books))
    return seen


def money_moved(stream: Sequence[Event]) -> float:
    """An upper bound of all amounts that were added up on the way."""
    total, most, dearest = CAPITAL, 0.0, 0.0
    for event in stream:
        match event:
            case Fill():
                total += abs(event.quantity) * (event.price + event.mid)
                most += abs(event.quantity)
                dearest = max(dearest, event.price, event.mid)
            case FundingPayment() | Mark():
                dearest = max(dearest, event.price)
            case Transfer():
                total += event.amount + event.cost
    return total + most * dearest


def unrealised_by_hand(books: Books) -> float:
    return math.fsum((books.quantity * (books.mark - books.entry_price)).flat)


def split_total(books: Books) -> float:
    return math.fsum(books.pnl[0]) + sum(slot_unrealised_basis(books, 0, slot) for slot in range(SLOTS))


@given(streams)
@settings(deadline=None, max_examples=150)
def test_equity_is_cash_and_cash_in_transit_and_unrealised_after_every_event(stream: list[Event]) -> None:
    tolerance = RELATIVE * money_moved(stream)
    for event, books in states(stream):
        by_hand = math.fsum(books.cash.flat) + math.fsum(books.in_transit.flat) + unrealised_by_hand(books)
        assert by_hand == pytest.approx(equity(books, 0), rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=150)
def test_what_was_gained_is_the_sum_of_its_causes_after_every_event(stream: list[Event]) -> None:
    tolerance = RELATIVE * money_moved(stream)
    for event, books in states(stream):
        assert equity(books, 0) - CAPITAL == pytest.approx(split_total(books), rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=150)
def test_equity_is_what_buying_and_selling_the_units_outright_would_have_left(stream: list[Event]) -> None:
    """No entry prices and no realised P&L here: units are bought and sold for money, and valued at their marks."""
    tolerance = RELATIVE * money_moved(stream)
    money, units, value = CAPITAL, dict.fromkeys(LEG_INSTRUMENT, 0.0), dict.fromkeys(LEG_INSTRUMENT, 0.0)
    for event, books in states(stream):
        match event:
            case Fill():
                leg = event.slot, event.leg
                money -= event.quantity * event.price + abs(event.quantity) * event.price * event.fee_rate
                units[leg] += event.quantity
                value[leg] = event.mid
            case FundingPayment():
                money -= units[event.slot, event.leg] * event.price * event.rate
            case Mark():
                value[event.slot, event.leg] = event.price
            case Transfer():
                money -= event.cost
        worth = money + math.fsum(units[leg] * value[leg] for leg in units)
        assert worth == pytest.approx(equity(books, 0), rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=100)
def test_the_positions_pnl_and_the_transfers_are_all_there_is(stream: list[Event]) -> None:
    """What the slots say of their positions, added up over the closed and the open ones, is the account's gain."""
    tolerance = RELATIVE * money_moved(stream)
    books, closed = flat(), 0.0
    for event in stream:
        if isinstance(event, SlotCleared) and not held(books, event.slot):
            closed += slot_total(books, 0, event.slot)
        books = after(books, [event])
    total = closed + sum(slot_total(books, 0, slot) for slot in range(SLOTS)) + float(books.pnl[0, TRANSFERS])
    assert total == pytest.approx(equity(books, 0) - CAPITAL, rel=0, abs=tolerance)


@given(streams)
@settings(deadline=None, max_examples=100)
def test_the_venues_equities_and_the_cash_in_transit_are_the_equity(stream: list[Event]) -> None:
    books = after(flat(), stream)
    venues = sum(venue_equity(books, 0, venue, VENUE_OF) for venue in range(VENUES))
    whole = venues + math.fsum(books.in_transit.flat)
    assert whole == pytest.approx(equity(books, 0), rel=0, abs=RELATIVE * money_moved(stream))


@given(streams)
@settings(deadline=None, max_examples=100)
def test_apply_leaves_its_input_untouched(stream: list[Event]) -> None:
    books = flat()
    for event in stream:
        before = books.copy()
        later = after(books, [event])
        assert bytes_of(before) == bytes_of(books), event
        books = later


def bytes_of(books: Books, b: int = 0) -> list[bytes]:
    return [array[b].tobytes() for array in books]


MOMENTS = {
    "fills": lambda mids: st.lists(
        st.builds(
            lambda leg, lot, slip, fee: filled(leg, lot, mids[LEG_INSTRUMENT[leg]], slip, fee, 7),
            legs,
            lots,
            slippage,
            st.floats(0, 0.02),
        ),
        min_size=2,
        max_size=6,
    ),
    "payments": lambda _: st.lists(payments, min_size=2, max_size=6),
    "marks": lambda _: st.lists(marks, min_size=2, max_size=4, unique_by=lambda mark: (mark.slot, mark.leg)),
    "transfers": lambda _: st.lists(transfers, min_size=2, max_size=6),
}
"""Events of one kind at one instant; there, an instrument has one mid and a leg one mark."""


@pytest.mark.parametrize("kind", MOMENTS)
@given(data=st.data())
@settings(deadline=None, max_examples=60)
def test_the_order_of_events_of_one_kind_at_one_instant_does_not_matter(kind: str, data: st.DataObject) -> None:
    stream = data.draw(streams, "stream")
    mids = data.draw(st.lists(prices, min_size=4, max_size=4), "mids")
    moment = data.draw(MOMENTS[kind](mids), "moment")
    shuffled = data.draw(st.permutations(moment), "shuffled")
    start = after(flat(), stream)

    one, other = after(start, moment), after(start, shuffled)

    tolerance = RELATIVE * money_moved([*stream, *moment])
    np.testing.assert_allclose(figures(one), figures(other), rtol=0, atol=tolerance)


def figures(books: Books) -> list[float]:
    """What an account is worth, where, what of, and what it holds."""
    venues = [venue_equity(books, 0, venue, VENUE_OF) for venue in range(VENUES)]
    gross = [venue_gross(books, 0, venue, VENUE_OF) for venue in range(VENUES)]
    basis = sum(slot_unrealised_basis(books, 0, slot) for slot in range(SLOTS)) + books.pnl[0, 1]
    return [equity(books, 0), *venues, *gross, basis, *np.delete(books.pnl[0], 1), *books.quantity.flat]


@given(st.lists(streams, min_size=2, max_size=5), st.randoms())
@settings(deadline=None, max_examples=60)
def test_accounts_side_by_side_are_bit_for_bit_the_same_as_each_on_its_own(
    scripts: list[list[Event]], order: random.Random
) -> None:
    together = new_books(len(scripts), VENUES, SLOTS, CAPITAL)
    turns = [(b, event) for b, stream in enumerate(scripts) for event in stream]
    order.shuffle(turns)
    alone = [flat() for _ in scripts]
    for b, event in turns:
        if not (isinstance(event, SlotCleared) and held(alone[b], event.slot)):
            in_place(together, b, event)
            in_place(alone[b], 0, event)
    for b, books in enumerate(alone):
        assert bytes_of(books) == bytes_of(together, b)


def in_place(books: Books, b: int, event: Event) -> None:
    values = vars(event).values()
    match event:
        case Fill():
            fill(books, b, *values)
        case FundingPayment():
            pay_funding(books, b, *values)
        case Mark(slot, leg, price):
            books.mark[b, slot, leg] = price
        case Transfer():
            transfer(books, b, *values)
        case Arrival():
            arrive(books, b)
        case SlotCleared(slot):
            clear_slot(books, b, slot)


@given(streams)
@settings(deadline=None, max_examples=60)
def test_apply_is_the_in_place_function_on_a_copy(stream: list[Event]) -> None:
    copied, changed = flat(), flat()
    for event in stream:
        if not (isinstance(event, SlotCleared) and held(copied, event.slot)):
            copied = apply(copied, event)
            in_place(changed, 0, event)
    assert bytes_of(changed) == bytes_of(copied)


WITH_NUMBERS = (
    filled((0, 0), 1.0, 100.0, 0.0, 0.001, 0),
    paid((0, 0), 0.0001, 100.0),
    Mark(0, 0, 100.0),
    Transfer(0, 1, 10.0, 1.0),
)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("event", "name"),
    [(event, field.name) for event in WITH_NUMBERS for field in fields(event) if field.type in (float, "float")],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_number_that_is_not_finite_is_refused_before_anything_changes(event: Event, name: str, number: float) -> None:
    books = after(flat(), [filled((0, 0), 1.0, 100.0, 0.0, 0.001, 0)])
    before = bytes_of(books)
    with pytest.raises(ValueError, match="not a finite number"):
        apply(books, replace(event, **{name: number}))
    assert before == bytes_of(books)


def test_a_cleared_slot_is_as_free_as_a_new_one() -> None:
    stream = [filled((1, 0), 2.0, 100.0, 0.001, 0.001, 0), filled((1, 1), -2.0, 101.0, -0.001, 0.001, 0)]
    stream += [paid((1, 0), 0.01, 100.0), Mark(1, 0, 103.0)]
    stream += [filled((1, 0), -2.0, 102.0, 0.0, 0.001, 5), filled((1, 1), 2.0, 103.0, 0.0, 0.001, 5)]
    closed = after(flat(), stream)
    assert closed.opened_at[0, 1] == HOUR_MS, "a closed position stays in its slot until it is cleared"

    cleared, new = apply(closed, SlotCleared(1)), flat()

    by_slot = ("instrument", "quantity", "entry_price", "entry_mid", "mark", "opened_at", "notional", "slot_pnl")
    assert {name: getattr(new, name).tolist() for name in by_slot} == {
        name: getattr(cleared, name).tolist() for name in by_slot
    }
    assert EMPTY == cleared.instrument[0, 1, 0]
    assert (closed.cash.tolist(), closed.pnl.tolist()) == (cleared.cash.tolist(), cleared.pnl.tolist())


def test_a_round_trip_by_hand() -> None:
    """Long 2 at 101 (mid 100), half of it sold at 109 (mid 110), the rest turned over at 120 to a short of 3."""
    books = flat()
    books = apply(books, Fill(0, 0, 0, 0, 2.0, 101.0, 100.0, 0.001, HOUR_MS))
    assert (-0.202, -2.0) == pytest.approx((books.pnl[0, 2], books.pnl[0, 3]))
    assert -2.0 == slot_unrealised(books, 0, 0)

    books = apply(books, Fill(0, 0, 0, 0, -1.0, 109.0, 110.0, 0.0, 2 * HOUR_MS))
    assert CAPITAL / 3 - 0.202 + 8.0 == pytest.approx(books.cash[0, 0])
    assert (10.0, -3.0) == pytest.approx((books.pnl[0, 1], books.pnl[0, SLIPPAGE]))

    books = apply(books, FundingPayment(0, 0, 0, 0.01, 110.0))
    assert -1.1 == pytest.approx(books.pnl[0, FUNDING])

    books = apply(books, Fill(0, 0, 0, 0, -4.0, 120.0, 120.0, 0.0, 3 * HOUR_MS))
    assert (-3.0, 120.0) == (books.quantity[0, 0, 0], books.entry_price[0, 0, 0])
    assert CAPITAL / 3 - 0.202 + 8.0 - 1.1 + 19.0 == pytest.approx(books.cash[0, 0])
    assert (360.0, HOUR_MS) == (books.notional[0, 0], books.opened_at[0, 0])


def test_what_division_into_lots_leaves_over_is_not_a_position() -> None:
    books = after(flat(), [filled((0, 0), quantity, 100.0, 0.0, 0.0, 0) for quantity in (0.1, 0.2, -0.3)])
    assert 0.1 + 0.2 != 0.3
    assert 0.0 == books.quantity[0, 0, 0]


def test_money_in_transit_counts_but_lies_on_no_venue() -> None:
    sent = apply(flat(), Transfer(0, 1, 100.0, 2.0))
    assert [CAPITAL / 3 - 102.0, CAPITAL / 3, CAPITAL / 3] == sent.cash[0].tolist()
    assert (CAPITAL - 2.0, -2.0) == pytest.approx((equity(sent, 0), sent.pnl[0, TRANSFERS]))

    arrived = apply(sent, Arrival())
    assert CAPITAL / 3 + 100.0 == pytest.approx(arrived.cash[0, 1])
    assert ([0.0] * 3, CAPITAL - 2.0) == (arrived.in_transit[0].tolist(), pytest.approx(equity(arrived, 0)))
