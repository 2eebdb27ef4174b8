"""How a pair is sized in whole lots, and what margin lets in."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import free_cash, venue_equity
from backtest.rules import (
    ENTRY_MARGIN,
    decimal_multiple,
    margin_allows,
    pair_lots,
    pair_quantity,
    whole_lots,
)
from tests.unit.backtest.venues import FEE, account, opened, rules_of

powers = st.integers(-5, 2).map(lambda exponent: float(Decimal(10) ** exponent))
closes = st.floats(0.01, 100_000)


@given(closes, st.floats(0.8, 1.2), powers, powers, st.floats(10, 100_000))
@settings(deadline=None, max_examples=300)
def test_a_quantity_is_a_whole_number_of_the_coarser_step_and_the_most_that_the_notional_buys(
    price: float, ratio: float, one: float, other: float, notional: float
) -> None:
    rules = rules_of(lot_step=[one, other] * 4, slot_notional=notional, min_notional=0.0)
    quantity = float(pair_quantity(0, 1, price, price * ratio, rules))
    step, dearer = Decimal(str(max(one, other))), max(price, price * ratio)
    assert Decimal(repr(quantity)) % step == 0, "the double reads as the decimal that the venue wants"
    assert quantity * dearer <= notional * (1 + 1e-6)
    assert (quantity + float(step)) * dearer > notional * (1 - 1e-6)


@given(closes, closes, powers, powers)
@settings(deadline=None, max_examples=100)
def test_a_pair_has_the_same_size_whichever_leg_is_long(
    one: float, other: float, one_step: float, other_step: float
) -> None:
    rules = rules_of(lot_step=[one_step, other_step] * 4)
    assert pair_quantity(0, 1, one, other, rules) == pair_quantity(1, 0, other, one, rules)


def test_the_dearer_leg_and_the_coarser_lot_decide_the_size() -> None:
    # 1000 / 99 = 10.101...: venue 0 could trade 10.10, venue 1 only 10.1.
    assert 10.1 == pair_quantity(0, 1, 99.0, 97.0, rules_of())
    assert 10.1 == pair_quantity(0, 1, 97.0, 99.0, rules_of())


@pytest.mark.parametrize(("long_close", "short_close"), [(np.nan, 100.0), (100.0, np.nan), (np.nan, np.nan)])
def test_a_pair_without_a_price_has_no_size(long_close: float, short_close: float) -> None:
    assert 0.0 == pair_quantity(0, 1, long_close, short_close, rules_of())


@pytest.mark.parametrize(("smallest", "quantity"), [(1000.0, 10.0), (1000.01, 0.0)])
@pytest.mark.parametrize("leg", [0, 1])
def test_a_pair_below_a_venues_smallest_order_has_no_size(leg: int, smallest: float, quantity: float) -> None:
    least = [5.0] * 8
    least[leg] = smallest
    assert quantity == pair_quantity(0, 1, 100.0, 100.0, rules_of(min_notional=least))
    assert quantity == pair_lots(10.04, 0, 1, 100.0, 100.0, rules_of(min_notional=least))


@given(st.integers(0, 10**9), st.integers(-8, 2))
@settings(deadline=None, max_examples=300)
def test_whole_lots_leaves_a_whole_number_of_lots_as_it_is(count: int, exponent: int) -> None:
    """Also where the division by the step comes out a bit short of the whole number."""
    step = Decimal(10) ** exponent
    quantity = float(count * step)
    rules = rules_of(lot_step=float(step))
    assert quantity == decimal_multiple(float(count), float(step))
    if count < 10**6:
        assert quantity == whole_lots(quantity, 0, 1, rules)


@pytest.mark.parametrize("venue", [0, 1])
def test_under_cross_margin_a_venue_bears_an_entry_at_the_entry_multiple_of_its_maintenance(venue: int) -> None:
    books, needed = account(), ENTRY_MARGIN * 0.05 * 1000.0
    books.cash[venue] = needed
    assert margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules_of())
    books.cash[venue] = needed - 0.01
    assert not margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules_of())


def test_what_is_held_on_a_venue_counts_against_the_margin_of_an_entry() -> None:
    books = opened(account(400.0), 0, 0, 1, 5.0, 100.0)
    # 200 a venue carry 1000 gross at 4 x 5 %: 500 are held, so 500 more and not a lot beyond.
    assert [True, False] == [margin_allows(books, 2, 3, lots, 50.0, 50.0, rules_of()) for lots in (10.0, 10.1)]


def test_what_a_leg_has_lost_counts_against_the_margin_of_an_entry() -> None:
    books = opened(account(700.0), 0, 0, 1, 5.0, 100.0)
    assert margin_allows(books, 2, 3, 20.0, 50.0, 50.0, rules_of())
    books.mark[0, 0] = 88.0  # 350 - 60 = 290 of 440 + 1000 gross: 288 are needed
    assert margin_allows(books, 2, 3, 20.0, 50.0, 50.0, rules_of())
    books.mark[0, 0] = 87.0
    assert 350.0 - 65.0 == venue_equity(books, 0)
    assert not margin_allows(books, 2, 3, 20.0, 50.0, 50.0, rules_of())


@pytest.mark.parametrize("venue", [0, 1])
def test_under_isolated_margin_an_entry_needs_free_cash_for_its_own_margin_and_both_fees(venue: int) -> None:
    books, rules = account(), rules_of(leverage=3.0)
    needed = 1000.0 / 3.0 + 2 * 1000.0 * FEE[venue]
    books.cash[venue] = needed + 1e-9
    assert margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules)
    books.cash[venue] = needed - 0.01
    assert not margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules)


def test_the_margin_of_an_isolated_leg_is_not_there_for_another_one() -> None:
    rules = rules_of(leverage=3.0)
    books = opened(account(1340.0), 0, 0, 1, 10.0, 100.0, rules=rules)
    assert 670.0 - 1000.0 / 3.0 == pytest.approx(free_cash(books, 0))
    assert [True, False] == [margin_allows(books, 2, 3, lots, 50.0, 50.0, rules) for lots in (20.0, 20.2)]


def test_what_an_isolated_leg_has_gained_or_lost_is_no_free_cash() -> None:
    rules = rules_of(leverage=3.0)
    books = opened(account(1340.0), 0, 0, 1, 10.0, 100.0, rules=rules)
    for mark in (70.0, 150.0):
        books.mark[0, 0] = mark
        assert [True, False] == [margin_allows(books, 2, 3, lots, 50.0, 50.0, rules) for lots in (20.0, 20.2)]


def test_each_venue_has_a_margin_mode_of_its_own() -> None:
    books, rules = account(), rules_of(leverage=[3.0, 0.0])
    books.cash[:] = 335.0, 200.0
    assert margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules)
    books.cash[:] = 200.0, 335.0
    assert not margin_allows(books, 0, 1, 10.0, 100.0, 100.0, rules)


def test_what_is_held_on_a_spot_venue_is_fully_paid() -> None:
    rules = rules_of(maintenance=[0.0, 0.05], leverage=[1.0, 0.0])
    books = opened(account(2010.0), 0, 0, 1, 10.0, 100.0, rules=rules)
    assert 1000.0 == books.margin[0, 0]
    assert 5.0 == free_cash(books, 0)
    assert not margin_allows(books, 2, 3, 1.0, 50.0, 50.0, rules), "there is no money left for another"
