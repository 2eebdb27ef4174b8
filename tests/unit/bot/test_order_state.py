"""What is known of an order: the same whatever comes first, never less than before, and contradictions seen."""

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.order_state import FINAL, advance, filled_by
from bot.venue_orders import OrderReport, OrderState, VenueFill, VenueOrder
from data.types import Asset, Instrument

BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)
ORDER = VenueOrder("r1t1s0c0l0a0", BTC, 0.5, 100.0)
SENT = OrderReport(OrderState.UNKNOWN)

reports = st.builds(
    OrderReport,
    state=st.sampled_from(OrderState),
    filled=st.sampled_from([0.0, 0.1, 0.2, 0.5, -0.1]),
    average=st.sampled_from([0.0, 99.5, 100.0]),
    venue_id=st.sampled_from(["", "1", "2"]),
    reason=st.sampled_from(["", "a", "b"]),
    contradicted=st.booleans(),
)


@given(reports, reports, reports)
def test_evidence_may_come_in_any_order_and_twice(a: OrderReport, b: OrderReport, c: OrderReport) -> None:
    ends = {reduce(advance, (*order, *order), SENT) for order in permutations((a, b, c))}

    assert 1 == len(ends)


@given(reports, reports)
def test_filled_never_shrinks_and_a_contradiction_is_never_forgotten(known: OrderReport, evidence: OrderReport) -> None:
    after = advance(known, evidence)

    assert abs(after.filled) >= max(abs(known.filled), abs(evidence.filled))
    assert after.contradicted >= (known.contradicted or evidence.contradicted)


@given(reports, reports)
def test_a_final_state_changes_only_where_it_is_contradicted(known: OrderReport, evidence: OrderReport) -> None:
    after = advance(known, evidence)

    if known.state in FINAL and not after.contradicted:
        assert after.state in FINAL
        assert known.filled == after.filled


@given(st.lists(st.sampled_from([0.1, 0.2, 0.3]), max_size=6), st.sampled_from([OrderState.ENDED, OrderState.FILLED]))
def test_an_order_that_fills_bit_by_bit_and_ends_is_no_contradiction(steps: list[float], end: OrderState) -> None:
    told = [OrderReport(OrderState.OPEN, sum(steps[:count]), 100.0, "7") for count in range(len(steps) + 1)]
    last = OrderReport(end, told[-1].filled, 100.0, "7")

    assert last == reduce(advance, [*told, last, *told], SENT)


@pytest.mark.parametrize("state", [OrderState.ABSENT, OrderState.REJECTED, OrderState.ENDED, OrderState.FILLED])
@pytest.mark.parametrize("late", [OrderState.UNKNOWN, OrderState.OPEN, OrderState.FILLED])
def test_a_late_fill_counts_and_is_seen_as_a_contradiction(state: OrderState, late: OrderState) -> None:
    held = 0.1 if state in (OrderState.ENDED, OrderState.FILLED) else 0.0
    after = advance(OrderReport(state, held, 100.0 if held else 0.0), OrderReport(late, 0.3, 101.0))

    assert (0.3, 101.0, True) == (after.filled, after.average, after.contradicted)


def test_an_order_that_the_venue_shows_was_not_absent() -> None:
    assert advance(OrderReport(OrderState.ABSENT), OrderReport(OrderState.OPEN)).contradicted


def test_an_order_that_was_refused_is_not_there_either() -> None:
    refused = OrderReport(OrderState.REJECTED, reason="no margin")

    assert refused == advance(refused, OrderReport(OrderState.ABSENT))


def test_two_orders_under_one_name_are_a_contradiction() -> None:
    first, second = (OrderReport(OrderState.FILLED, 0.5, 100.0, venue_id) for venue_id in ("1", "2"))

    assert advance(first, second).contradicted


def fill(trade_id: int, quantity: float, price: float, client_id: str = ORDER.client_id) -> VenueFill:
    return VenueFill("binance", BTC.symbol, str(trade_id), client_id, 1, quantity, price, 0.01, False)


@given(st.permutations([fill(1, 0.1, 100.0), fill(2, 0.1, 100.0), fill(3, 0.3, 103.0), fill(1, 0.1, 100.0)]))
def test_trades_are_counted_once_each_in_any_order(told: list[VenueFill]) -> None:
    assert OrderReport(OrderState.FILLED, 0.5, 101.8) == filled_by(ORDER, [*told, fill(9, 5.0, 1.0, "another")])


def test_trades_that_do_not_add_up_to_the_order_leave_it_open_what_became_of_the_rest() -> None:
    assert OrderReport(OrderState.UNKNOWN, 0.1, 100.0) == filled_by(ORDER, [fill(1, 0.1, 100.0)])
    assert SENT == filled_by(ORDER, [])
