"""Walking the book: what a paper order pays, and when it is not filled."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.paper import walk
from bot.orders import LegOrder
from data.exchange import OrderBook
from data.types import Asset, Instrument

ONE = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8)
BOOK = OrderBook(bids=((99.0, 5.0), (98.0, 5.0)), asks=((101.0, 5.0), (102.0, 5.0)))


def order(quantity: float, collar: float = math.inf) -> LegOrder:
    return LegOrder(0, ONE, 0, 0, quantity, 100.0, collar)


@pytest.mark.parametrize(("quantity", "price"), [(3.0, 101.0), (5.0, 101.0), (-5.0, 99.0)])
def test_the_first_level_gives_exactly_its_price(quantity: float, price: float) -> None:
    assert price == walk(BOOK, order(quantity))


def test_deeper_levels_are_averaged() -> None:
    assert (5 * 101 + 5 * 102) / 10 == walk(BOOK, order(10))
    assert (5 * 99 + 1 * 98) / 6 == walk(BOOK, order(-6))


@pytest.mark.parametrize("quantity", [10.1, -10.1])
def test_more_than_the_depth_is_not_filled(quantity: float) -> None:
    assert math.isnan(walk(BOOK, order(quantity)))


@pytest.mark.parametrize(("collar", "filled"), [(0.011, True), (0.0099, False)])
def test_a_price_beyond_the_collar_is_not_filled(collar: float, filled: bool) -> None:
    assert filled == (not math.isnan(walk(BOOK, order(1, collar))))


@pytest.mark.parametrize("book", [OrderBook((), ()), OrderBook(BOOK.bids, ()), OrderBook((), BOOK.asks)])
def test_a_one_sided_or_empty_book_fills_nothing(book: OrderBook) -> None:
    assert math.isnan(walk(book, order(1)))
    assert math.isnan(walk(book, order(-1)))


@given(st.floats(0.01, 10.0), st.booleans())
def test_the_average_lies_within_the_levels_that_were_touched(size: float, buys: bool) -> None:
    price = walk(BOOK, order(size if buys else -size))
    best, last = (101.0, 102.0) if buys else (99.0, 98.0)
    assert min(best, last) <= price <= max(best, last)
