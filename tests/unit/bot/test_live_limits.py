"""The worst price of live orders: what the book shows is taken, and little beyond it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.live.limits import entry_limit, exit_limit
from bot.execution.sizing import depth
from bot.orders import LegOrder
from data.exchange import OrderBook
from data.types import Asset, Instrument

ONE = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8)
BOOK = OrderBook(bids=((99.0, 5.0), (98.0, 5.0)), asks=((101.0, 5.0), (102.0, 5.0)))


def order(quantity: float, collar: float) -> LegOrder:
    return LegOrder(0, ONE, 0, 0, quantity, 100.0, collar)


@pytest.mark.parametrize(("quantity", "limit"), [(3.0, 103.0), (-3.0, 97.0)])
def test_an_entry_may_trade_up_to_its_collar(quantity: float, limit: float) -> None:
    assert pytest.approx(limit) == entry_limit(order(quantity, 0.03), BOOK, quantity)


@pytest.mark.parametrize(
    ("bid", "quantity", "limit"),
    [(96.0, 3.0, 97.0 * 1.03), (104.0, 3.0, 103.0), (104.0, -3.0, 105.0 * 0.97), (96.0, -3.0, 97.0)],
)
def test_a_price_that_moved_since_the_decision_draws_the_limit_along_but_never_past_the_collar(
    bid: float, quantity: float, limit: float
) -> None:
    """Venues refuse limits that are too far from their price now: Binance's -4016, for one."""
    moved = OrderBook(bids=((bid, 5.0),), asks=((bid + 2.0, 5.0),))
    worst = bid + 2.0 if quantity > 0 else bid
    expected = max(limit, worst) if quantity > 0 else min(limit, worst)
    assert pytest.approx(expected) == entry_limit(order(quantity, 0.03), moved, quantity)


@pytest.mark.parametrize(("quantity", "limit"), [(10.0, 102.0), (-10.0, 98.0)])
def test_a_level_that_the_average_price_allows_is_taken_though_it_lies_beyond_the_collar(
    quantity: float, limit: float
) -> None:
    leg = order(quantity, 0.0155)
    assert 10.0 == depth(BOOK, leg), "1.5 % on the average"
    assert limit == entry_limit(leg, BOOK, quantity)


@pytest.mark.parametrize(("collar", "limit"), [(0.01, 99.0), (0.04, 96.0), (0.9, 50.0)])
def test_an_exit_goes_further_with_every_attempt_but_not_to_zero(collar: float, limit: float) -> None:
    assert pytest.approx(limit) == exit_limit(order(-3.0, math.inf), BOOK, -3.0, collar)


def test_without_a_book_an_exit_lies_around_the_last_price() -> None:
    assert pytest.approx(98.0) == exit_limit(order(-3.0, math.inf), OrderBook((), ()), -3.0, 0.02)
    assert pytest.approx(102.0) == exit_limit(order(3.0, math.inf), OrderBook((), ()), 3.0, 0.02)


@given(st.floats(0.1, 10.0), st.booleans(), st.floats(0.001, 0.05))
def test_a_limit_never_keeps_out_what_the_book_showed(size: float, buys: bool, collar: float) -> None:
    quantity = size if buys else -size
    worst = (101.0 if size <= 5.0 else 102.0) if buys else (99.0 if size <= 5.0 else 98.0)
    for limit in (
        entry_limit(order(quantity, collar), BOOK, quantity),
        exit_limit(order(quantity, math.inf), BOOK, quantity, collar),
    ):
        assert limit >= worst if buys else limit <= worst
