"""The books keep their two equations after every event, whatever the events are."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace

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
    SLIPPAGE,
    TRANSFERS,
    Books,
    arrive,
    clear_slot,
    equity,
    fill,
    free_cash,
    leg_unrealised,
    liquidate,
    new_accounts,
    new_books,
    pay_funding,
    pnl_split,
    revalue,
    slot_total,
    slot_unrealised_basis,
    transfer,
    venue_equity,
    venue_gross,
)
from backtest.events import (
    Arrival,
    Closing,
    Event,
    Fill,
    FundingPayment,
    Liquidation,
    Mark,
    SlotCleared,
    Transfer,
    apply,
)
from data.types import HOUR_MS

CAPITAL, VENUES, SLOTS = 10_000.0, 3, 2
LEG_INSTRUMENT = {(0, 0): 0, (0, 1): 1, (1, 0): 2, (1, 1): 3}
VENUE_OF = (0, 1, 2, 0)
"""Of four instruments: slot 1 has a leg on the venue of slot 0's long leg."""
LEVERAGE = (0.0, 3.0, 1.0)
"""Cross margin, isolated margin, and legs that are fully paid."""
RELATIVE = 1e-9
"""Of the money moved."""
FIRST = 1000
"""Hour of the first fills."""

# Whole lots of 0.1 in a small range, so that streams add, close in part, close exactly and turn over often.
lots = st.integers(-30, 30).filter(bool).map(lambda number: number * 0.1)
prices = st.floats(0.01, 50_000.0)
slippage = st.floats(-0.01, 0.01)
rates = st.floats(-0.02, 0.02)
legs = st.sampled_from(sorted(LEG_INSTRUMENT))
venues = st.integers(0, VENUES - 1)
# Above zero while something stands behind a leg; below zero by what the price has lost beyond it.
shares = st.floats(-0.9, 0.9)


def venue_of(leg: tuple[int, int]) -> int:
    return VENUE_OF[LEG_INSTRUMENT[leg]]


def filled(leg: tuple[int, int], quantity: float, mid: float, slip: float, fee_rate: float, hour: int) -> Fill:
    venue, tick = venue_of(leg), (FIRST + hour) * HOUR_MS
    price = mid * (1 + slip)
    return Fill(*leg, LEG_INSTRUMENT[leg], venue, quantity, price, mid, fee_rate, LEVERAGE[venue], tick)


def paid(leg: tuple[int, int], rate: float, price: float) -> FundingPayment:
    return FundingPayment(*leg, venue_of(leg), rate, price)


def liquidated(leg: tuple[int, int], fee_rate: float, share: float) -> Liquidation:
    return Liquidation(*leg, venue_of(leg), fee_rate, share, LEVERAGE[venue_of(leg)])


fills = st.builds(filled, legs, lots, prices, slippage, st.floats(-0.001, 0.02), st.integers(0, 1000))
payments = st.builds(paid, legs, rates, prices)
marks = st.builds(lambda leg, price: Mark(*leg, price), legs, prices)
liquidations = st.builds(liquidated, legs, st.floats(0, 0.001), shares)
hours = st.integers(1, 50).map(lambda hour: hour * HOUR_MS)
transfers = st.builds(Transfer, venues, venues, st.floats(0, 5000), st.floats(0, 5), hours)
arrivals = st.builds(Arrival, hours)
closings = st.builds(Closing, st.integers(0, SLOTS - 1), st.integers(0, 5))
clearings = st.builds(SlotCleared, st.integers(0, SLOTS - 1))
anything = fills | fills | fills | payments | marks | marks | liquidations | transfers | arrivals | closings | clearings
streams = st.lists(anything, min_size=1, max_size=40)


def flat() -> Books:
    return new_books(VENUES, SLOTS, CAPITAL)


def held(books: Books, slot: int) -> bool:
    return bool(np.any(books.quantity[slot] != 0.0))


def possible(books: Books, event: Event) -> bool:
    """A position that is still open is not cleared away, and what is not held is not liquidated."""
    match event:
        case SlotCleared(slot):
            return not held(books, slot)
        case Liquidation():
            return bool(books.quantity[event.slot, event.leg] != 0.0)
    return True


def after(books: Books, stream: Sequence[Event]) -> Books:
    """The books after what of a stream is possible."""
    for event in stream:
        if possible(books, event):
            books = apply(books, event)
    return books


def steps(stream: Sequence[Event]) -> Iterator[tuple[Event, Books, Books]]:
    """Every event that is possible, with the books before and after it."""
    books = flat()
    for event in stream:
        if possible(books, event):
            before, books = books, apply(books, event)
            yield event, before, books


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


@given(streams)
@settings(deadline=None, max_examples=150)
def test_equity_is_cash_and_cash_in_transit_and_unrealised_after_every_event(stream: list[Event]) -> None:
    tolerance = RELATIVE * money_moved(stream)
    for event, _, books in steps(stream):
        by_hand = math.fsum(books.cash) + math.fsum(books.in_transit) + unrealised_by_hand(books)
        assert by_hand == pytest.approx(equity(books), rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=150)
def test_what_was_gained_is_the_sum_of_its_causes_after_every_event(stream: list[Event]) -> None:
    tolerance = RELATIVE * money_moved(stream)
    for event, _, books in steps(stream):
        split = pnl_split(books)
        causes = math.fsum(amount for cause, amount in split.items() if cause != "total")
        assert equity(books) - CAPITAL == pytest.approx(causes, rel=0, abs=tolerance), event
        assert split["total"] == pytest.approx(causes, rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=150)
def test_equity_is_what_buying_and_selling_the_units_outright_would_have_left(stream: list[Event]) -> None:
    """No entry prices and no realised P&L here: units are bought and sold for money, and valued at their marks."""
    tolerance = RELATIVE * money_moved(stream)
    money, units, value = CAPITAL, dict.fromkeys(LEG_INSTRUMENT, 0.0), dict.fromkeys(LEG_INSTRUMENT, 0.0)
    for event, before, books in steps(stream):
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
            case Liquidation():
                leg, share = (event.slot, event.leg), event.equity_share
                notional = abs(units[leg]) * float(before.mark[leg])
                money += units[leg] * float(before.mark[leg])
                money -= notional * (min(event.fee_rate + LIQUIDATION_FEE, share) if share > 0.0 else share)
                units[leg] = 0.0
            case Transfer():
                money -= event.cost
        worth = money + math.fsum(units[leg] * value[leg] for leg in units)
        assert worth == pytest.approx(equity(books), rel=0, abs=tolerance), event


@given(streams)
@settings(deadline=None, max_examples=100)
def test_the_positions_pnl_and_the_transfers_are_all_there_is(stream: list[Event]) -> None:
    """What the slots say of their positions, added up over the closed and the open ones, is the account's gain."""
    books = after(flat(), stream)
    closed = sum(slot_total(before, event.slot) for event, before, _ in steps(stream) if isinstance(event, SlotCleared))
    total = closed + sum(slot_total(books, slot) for slot in range(SLOTS)) + float(books.pnl[TRANSFERS])
    assert total == pytest.approx(equity(books) - CAPITAL, rel=0, abs=RELATIVE * money_moved(stream))


@given(streams)
@settings(deadline=None, max_examples=100)
def test_the_venues_equities_and_the_cash_in_transit_are_the_equity(stream: list[Event]) -> None:
    books, tolerance = after(flat(), stream), RELATIVE * money_moved(stream)
    worth = [venue_equity(books, venue) for venue in range(VENUES)]
    assert math.fsum(worth) + math.fsum(books.in_transit) == pytest.approx(equity(books), rel=0, abs=tolerance)

    revalue(books)

    assert worth == pytest.approx(books.worth.tolist(), rel=0, abs=tolerance)
    gross = [venue_gross(books, venue) for venue in range(VENUES)]
    assert gross == pytest.approx(books.gross.tolist(), rel=0, abs=tolerance)


@given(streams)
@settings(deadline=None, max_examples=100)
def test_money_on_one_venue_never_pays_for_another(stream: list[Event]) -> None:
    """Not one bit of a venue's money changes with what happens elsewhere."""
    for event, before, books in steps(stream):
        for venue in set(range(VENUES)) - involved(event):
            assert float(before.cash[venue]) == float(books.cash[venue]), event
            assert float(before.in_transit[venue]) == float(books.in_transit[venue]), event


def involved(event: Event) -> set[int]:
    match event:
        case Fill() | FundingPayment() | Liquidation():
            return {event.venue}
        case Transfer():
            return {event.source, event.target}
        case Arrival():
            return set(range(VENUES))
    return set()


@given(streams)
@settings(deadline=None, max_examples=150)
def test_the_margin_set_aside_is_what_was_opened_and_nothing_once_the_leg_is_closed(stream: list[Event]) -> None:
    """Isolated margin is the leg's entry value over the leverage, however it was added to and closed in part."""
    tolerance = RELATIVE * money_moved(stream)
    opened = dict.fromkeys(LEG_INSTRUMENT, 0.0)
    for event, before, books in steps(stream):
        if isinstance(event, Fill) and event.leverage > 0.0:
            leg = event.slot, event.leg
            turned = float(before.quantity[leg]) * event.quantity < 0.0 < float(books.quantity[leg]) * event.quantity
            more = abs(float(books.quantity[leg])) if turned else abs(event.quantity)
            opened[leg] = (0.0 if turned else opened[leg]) + more * event.price / event.leverage
        for leg in LEG_INSTRUMENT:
            margin, quantity = float(books.margin[leg]), float(books.quantity[leg])
            assert 0.0 <= margin <= opened[leg] + tolerance, event
            if quantity == 0.0:
                assert 0.0 == margin, event
                opened[leg] = 0.0
            elif leverage := LEVERAGE[venue_of(leg)]:
                entry = abs(quantity) * float(books.entry_price[leg])
                assert entry / leverage == pytest.approx(margin, rel=1e-6, abs=tolerance), event
            else:
                assert 0.0 == margin, "nothing is set aside under cross margin"


opening_fills = st.builds(filled, st.just((0, 1)), lots.map(abs), prices, slippage, st.floats(0, 0.02), st.just(0))


@given(
    st.sampled_from([1.0, -1.0]),
    st.lists(opening_fills | st.builds(paid, st.just((0, 1)), rates, prices), min_size=1, max_size=8),
    prices,
)
@settings(deadline=None, max_examples=200)
def test_an_isolated_leg_loses_no_more_than_its_margin_and_the_fees_and_funding_paid(
    sign: float, stream: list[Event], mark: float
) -> None:
    stream = [replace(event, quantity=sign * event.quantity) if isinstance(event, Fill) else event for event in stream]
    books = apply(after(flat(), stream), Mark(0, 1, mark))
    if not held(books, 0):
        return
    margin, spent = float(books.margin[0, 1]), float(books.pnl[FEES] + books.pnl[FUNDING])
    notional = abs(float(books.quantity[0, 1])) * mark
    share = (margin + leg_unrealised(books, 0, 1)) / notional

    books = apply(books, liquidated((0, 1), 0.0005, share))

    lost, tolerance = CAPITAL / VENUES - float(books.cash[1]), RELATIVE * money_moved([*stream, Mark(0, 1, mark)])
    assert lost <= margin - spent + tolerance
    if share <= 0.0:
        assert lost == pytest.approx(margin - spent, rel=0, abs=tolerance), "all of the margin, and no more"


@pytest.mark.parametrize("leg", [(0, 1), (1, 0)])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("share", "left"), [(0.2, 1000 * (0.2 - 0.0105)), (0.0105, 0.0), (0.004, 0.0), (0.0, 0.0), (-0.3, 0.0)]
)
def test_a_liquidation_takes_its_fee_from_what_is_left_and_never_more(
    leg: tuple[int, int], sign: float, share: float, left: float
) -> None:
    """Of 1000 notional, `share` is what stands behind the leg at its mark."""
    books = apply(flat(), filled(leg, sign * 10.0, 100.0, 0.0, 0.0, 0))
    before = float(books.cash[venue_of(leg)])

    books = apply(books, liquidated(leg, 0.0005, share))

    assert (0.0, 0.0) == (float(books.quantity[leg]), float(books.margin[leg]))
    assert left - 1000 * share == pytest.approx(float(books.cash[venue_of(leg)]) - before, abs=1e-9)


@given(streams)
@settings(deadline=None, max_examples=100)
def test_apply_leaves_its_input_untouched(stream: list[Event]) -> None:
    books = flat()
    for event in stream:
        before = books.copy()
        later = after(books, [event])
        assert before.tobytes() == books.tobytes(), event
        books = later


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
    "liquidations": lambda _: st.lists(liquidations, min_size=2, max_size=4, unique_by=lambda one: (one.slot, one.leg)),
    "transfers": lambda _: st.lists(transfers, min_size=2, max_size=6),
}
"""Events of one kind at one instant; there, an instrument has one mid, and a leg one mark and one liquidation."""


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
    worth = [venue_equity(books, venue) for venue in range(VENUES)]
    gross = [venue_gross(books, venue) for venue in range(VENUES)]
    split = [amount for cause, amount in pnl_split(books).items()]
    return [equity(books), *worth, *gross, *split, *books.quantity.flat, *books.in_transit]


@pytest.mark.parametrize("kind", ["fills", "payments", "marks", "liquidations"])
@given(data=st.data())
@settings(deadline=None, max_examples=40)
def test_the_order_of_events_on_different_legs_leaves_the_same_books(kind: str, data: st.DataObject) -> None:
    """Field by field: each leg has its own, so that only sums over legs can differ, by their last bits."""
    stream = data.draw(streams, "stream")
    mids = data.draw(st.lists(prices, min_size=4, max_size=4), "mids")
    drawn = data.draw(MOMENTS[kind](mids), "moment")
    moment = list({(event.slot, event.leg): event for event in drawn}.values())
    shuffled = data.draw(st.permutations(moment), "shuffled")
    start = after(flat(), stream)

    one, other = after(start, moment), after(start, shuffled)

    tolerance = RELATIVE * money_moved([*stream, *moment])
    for name in one.dtype.names or ():
        np.testing.assert_allclose(one[name], other[name], rtol=1e-12, atol=tolerance, err_msg=name)


@given(st.lists(streams, min_size=2, max_size=5), st.randoms())
@settings(deadline=None, max_examples=60)
def test_accounts_side_by_side_are_bit_for_bit_the_same_as_each_on_its_own(
    scripts: list[list[Event]], order: random.Random
) -> None:
    together = new_accounts(len(scripts), VENUES, SLOTS, CAPITAL)
    turns = [(b, event) for b, stream in enumerate(scripts) for event in stream]
    order.shuffle(turns)
    alone = [flat() for _ in scripts]
    for b, event in turns:
        if possible(alone[b], event):
            in_place(together[b], event)
            in_place(alone[b], event)
    for b, books in enumerate(alone):
        assert books.tobytes() == together[b].tobytes()


def in_place(books: Books, event: Event) -> None:
    values = vars(event).values()
    match event:
        case Fill():
            *traded, saved = values
            fill(books, *traded)
            books.saved[event.slot] += saved
        case FundingPayment():
            pay_funding(books, *values)
        case Mark(slot, leg, price):
            books.mark[slot, leg] = price
        case Liquidation():
            liquidate(books, *values)
        case Transfer():
            transfer(books, *values)
        case Arrival(tick):
            arrive(books, tick)
        case Closing(slot, reason):
            books.closing[slot] = reason
        case SlotCleared(slot):
            clear_slot(books, slot)


@given(streams)
@settings(deadline=None, max_examples=60)
def test_apply_is_the_in_place_function_on_a_copy(stream: list[Event]) -> None:
    copied, changed = flat(), flat()
    for event in stream:
        if possible(copied, event):
            copied = apply(copied, event)
            in_place(changed, event)
    assert changed.tobytes() == copied.tobytes()


WITH_NUMBERS = (
    filled((0, 0), 1.0, 100.0, 0.0, 0.001, 0),
    paid((0, 0), 0.0001, 100.0),
    Mark(0, 0, 100.0),
    liquidated((0, 0), 0.001, 0.02),
    Transfer(0, 1, 10.0, 1.0, HOUR_MS),
)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("event", "name"),
    [(event, field.name) for event in WITH_NUMBERS for field in fields(event) if field.type in (float, "float")],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_number_that_is_not_finite_is_refused_before_anything_changes(event: Event, name: str, number: float) -> None:
    books = after(flat(), [filled((0, 0), 1.0, 100.0, 0.0, 0.001, 0)])
    before = books.tobytes()
    with pytest.raises(ValueError, match="not a finite number"):
        apply(books, replace(event, **{name: number}))
    assert before == books.tobytes()


@pytest.mark.parametrize("leg", [0, 1])
def test_a_slot_that_holds_a_leg_is_not_cleared(leg: int) -> None:
    books = apply(flat(), filled((1, leg), 0.1, 100.0, 0.0, 0.0, 0))
    before = books.tobytes()
    with pytest.raises(ValueError, match="slot 1 still holds a leg"):
        apply(books, SlotCleared(1))
    assert before == books.tobytes()


def test_a_cleared_slot_is_as_free_as_a_new_one() -> None:
    stream: list[Event] = [filled((1, 0), 2.0, 100.0, 0.001, 0.001, 0), filled((1, 1), -2.0, 101.0, -0.001, 0.001, 0)]
    stream += [paid((1, 0), 0.01, 100.0), Mark(1, 0, 103.0), Closing(1, 3)]
    stream += [filled((1, 0), -2.0, 102.0, 0.0, 0.001, 5), filled((1, 1), 2.0, 103.0, 0.0, 0.001, 5)]
    closed = after(flat(), stream)
    closed.paid[1] = 1.0
    assert closed.opened_at[1] == FIRST * HOUR_MS, "a closed position stays in its slot until it is cleared"
    assert 3 == closed.closing[1]

    cleared, new = apply(closed, SlotCleared(1)), flat()

    by_account = {"cash", "in_transit", "arrives_at", "pnl", "worth", "gross", "peak"}
    by_slot = set(new.dtype.names or ()) - by_account
    assert {name: new[name].tolist() for name in by_slot} == {name: cleared[name].tolist() for name in by_slot}
    assert (EMPTY, OPEN) == (cleared.instrument[1, 0], cleared.closing[1])
    assert {name: closed[name].tolist() for name in by_account} == {name: cleared[name].tolist() for name in by_account}


def test_a_round_trip_by_hand() -> None:
    """Long 2 at 101 (mid 100), half of it sold at 109 (mid 110), the rest turned over at 120 to a short of 3."""
    books = flat()
    books = apply(books, Fill(0, 0, 0, 0, 2.0, 101.0, 100.0, 0.001, 0.0, HOUR_MS))
    assert (-0.202, -2.0) == pytest.approx((books.pnl[FEES], books.pnl[SLIPPAGE]))
    assert -2.0 == leg_unrealised(books, 0, 0)
    assert 0.0 == slot_unrealised_basis(books, 0), "basis is measured from the mid"

    books = apply(books, Fill(0, 0, 0, 0, -1.0, 109.0, 110.0, 0.0, 0.0, 2 * HOUR_MS))
    assert CAPITAL / 3 - 0.202 + 8.0 == pytest.approx(books.cash[0])
    assert (10.0, -3.0) == pytest.approx((books.pnl[1], books.pnl[SLIPPAGE]))
    assert (1.0, 109.0) == (books.closed_quantity[0, 0], books.exit_price[0, 0])

    books = apply(books, FundingPayment(0, 0, 0, 0.01, 110.0))
    assert -1.1 == pytest.approx(books.pnl[FUNDING])

    books = apply(books, Fill(0, 0, 0, 0, -4.0, 120.0, 120.0, 0.0, 0.0, 3 * HOUR_MS))
    assert (-3.0, 120.0) == (books.quantity[0, 0], books.entry_price[0, 0])
    assert CAPITAL / 3 - 0.202 + 8.0 - 1.1 + 19.0 == pytest.approx(books.cash[0])
    assert (360.0, HOUR_MS) == (books.notional[0], books.opened_at[0])
    assert (2.0, 114.5) == (books.closed_quantity[0, 0], books.exit_price[0, 0]), "the average of 109 and 120"


def test_isolated_margin_follows_the_leg_by_hand() -> None:
    """At three times leverage: 3 at 100, 3 more at 200, half of all sold, the rest turned over to a short of 1."""
    books, margins = flat(), []
    for quantity, price in ((3.0, 100.0), (3.0, 200.0), (-3.0, 300.0), (-4.0, 300.0), (1.0, 250.0)):
        books = apply(books, filled((0, 1), quantity, price, 0.0, 0.0, 0))
        margins.append(float(books.margin[0, 1]))
    assert [100.0, 300.0, 150.0, 100.0, 0.0] == pytest.approx(margins)


def test_what_is_set_aside_as_margin_is_not_free() -> None:
    books = after(flat(), [filled((0, 1), 3.0, 100.0, 0.0, 0.0, 0), filled((1, 0), -2.0, 50.0, 0.0, 0.0, 0)])
    cash = CAPITAL / VENUES
    assert [cash, cash - 100.0, cash - 100.0] == pytest.approx([free_cash(books, venue) for venue in range(VENUES)])


def test_a_rebate_is_received() -> None:
    books = apply(flat(), filled((0, 0), 10.0, 100.0, 0.0, -0.0001, 0))
    assert (CAPITAL / VENUES + 0.1, 0.1) == pytest.approx((float(books.cash[0]), float(books.pnl[FEES])))


def test_what_division_into_lots_leaves_over_is_not_a_position() -> None:
    books = after(flat(), [filled((0, 1), quantity, 100.0, 0.0, 0.0, 0) for quantity in (0.1, 0.2, -0.3)])
    assert 0.1 + 0.2 != 0.3
    assert (0.0, 0.0) == (books.quantity[0, 1], books.margin[0, 1])


def test_money_in_transit_counts_but_lies_on_no_venue_until_it_is_due() -> None:
    sent = apply(flat(), Transfer(0, 1, 100.0, 2.0, 5 * HOUR_MS))
    assert [CAPITAL / 3 - 102.0, CAPITAL / 3, CAPITAL / 3] == sent.cash.tolist()
    assert (CAPITAL - 2.0, -2.0) == pytest.approx((equity(sent), float(sent.pnl[TRANSFERS])))

    early = apply(sent, Arrival(5 * HOUR_MS - 1))
    assert sent.tobytes() == early.tobytes()

    arrived = apply(early, Arrival(5 * HOUR_MS))
    assert CAPITAL / 3 + 100.0 == pytest.approx(float(arrived.cash[1]))
    assert ([0.0] * 3, [0] * 3) == (arrived.in_transit.tolist(), arrived.arrives_at.tolist())
    assert CAPITAL - 2.0 == pytest.approx(equity(arrived))


def test_money_for_different_venues_arrives_at_its_own_hour() -> None:
    sent = after(flat(), [Transfer(0, 1, 10.0, 0.0, 3 * HOUR_MS), Transfer(0, 2, 20.0, 0.0, 4 * HOUR_MS)])
    at_three = apply(sent, Arrival(3 * HOUR_MS))
    assert [0.0, 0.0, 20.0] == at_three.in_transit.tolist()
    assert [0.0, 0.0, 0.0] == apply(at_three, Arrival(4 * HOUR_MS)).in_transit.tolist()


def test_new_accounts_are_flat_and_share_nothing() -> None:
    accounts = new_accounts(2, VENUES, SLOTS, CAPITAL)
    accounts[0].cash[0] = 0.0
    accounts[0].mark[0, 0] = 5.0
    assert flat().tobytes() == accounts[1].tobytes()
    assert CAPITAL == pytest.approx(equity(accounts[1]))
    assert {"funding": 0.0, "basis": 0.0, "fees": 0.0, "slippage": 0.0, "transfers": 0.0, "total": 0.0} == pnl_split(
        accounts[1]
    )
