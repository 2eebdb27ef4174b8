"""Walking the book: how much of a paper order it takes, and what that costs."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution.sizing import depth, walk
from bot.orders import LegOrder
from data.exchange import OrderBook
from data.types import Asset, Instrument

ONE = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8)
BOOK = OrderBook(bids=((99.0, 5.0), (98.0, 5.0)), asks=((101.0, 5.0), (102.0, 5.0)))


def order(quantity: float, collar: float = math.inf) -> LegOrder:
    return LegOrder(0, ONE, 0, 0, quantity, 100.0, collar)


@pytest.mark.parametrize(("quantity", "price"), [(3.0, 101.0), (5.0, 101.0), (-5.0, 99.0)])
def test_the_first_level_gives_exactly_its_price(quantity: float, price: float) -> None:
    assert price == walk(BOOK, quantity)


def test_deeper_levels_are_averaged() -> None:
    assert (5 * 101 + 5 * 102) / 10 == walk(BOOK, 10)
    assert (5 * 99 + 1 * 98) / 6 == walk(BOOK, -6)


@pytest.mark.parametrize(("quantity", "taken"), [(3.0, 3.0), (-10.0, 10.0), (10.1, 10.0), (-25.0, 10.0)])
def test_an_order_takes_no_more_than_is_there(quantity: float, taken: float) -> None:
    assert taken == depth(BOOK, order(quantity))


@pytest.mark.parametrize(("collar", "taken"), [(0.011, 1.0), (0.0099, 0.0)])
def test_beyond_the_collar_nothing_is_taken(collar: float, taken: float) -> None:
    assert taken == depth(BOOK, order(1, collar))


@pytest.mark.parametrize(("quantity", "taken"), [(5.0, 5.0), (10.0, 0.0), (20.0, 0.0), (-5.0, 5.0), (-10.0, 0.0)])
def test_the_collar_is_about_the_average_price_of_all_that_there_is(quantity: float, taken: float) -> None:
    # Both levels together cost 1.5 % more than the last price.
    assert taken == depth(BOOK, order(quantity, 0.012))


@pytest.mark.parametrize("book", [OrderBook((), ()), OrderBook(BOOK.bids, ()), OrderBook((), BOOK.asks)])
@pytest.mark.parametrize("quantity", [1.0, -1.0])
def test_a_one_sided_or_empty_book_takes_nothing(book: OrderBook, quantity: float) -> None:
    assert 0.0 == depth(book, order(quantity))


@pytest.mark.parametrize(("collar", "taken"), [(0.5, 0.0), (math.inf, 3.0)], ids=["entry", "exit"])
def test_a_crossed_book_takes_no_entry_and_lets_an_exit_out(collar: float, taken: float) -> None:
    crossed = OrderBook(bids=BOOK.asks, asks=BOOK.bids)
    assert taken == depth(crossed, order(3.0, collar))


@given(st.floats(0.01, 30.0), st.booleans())
def test_the_average_lies_within_the_levels_that_were_touched(size: float, buys: bool) -> None:
    taken = depth(BOOK, order(size if buys else -size))
    price = walk(BOOK, taken if buys else -taken)
    best, last = (101.0, 102.0) if buys else (99.0, 98.0)
    assert min(size, 10.0) == taken
    assert min(best, last) <= price <= max(best, last)
