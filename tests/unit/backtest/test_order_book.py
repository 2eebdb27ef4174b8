"""The order book of compiled code is the one that the sandbox shows, and walking it is walking its levels."""

import math
from collections.abc import Sequence
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from backtest.order_book import Quote, depth, make_quotes, walk
from backtest.rules import INSTRUMENT, VENUE, Rules
from backtest.sandbox.book import Book, Level, book_around
from data.types import Asset, Instrument

powers = st.integers(-6, 1).map(lambda exponent: float(Decimal(10) ** exponent))
# Of a few ticks up to many, so that rounding to ticks matters.
mids_in_ticks = st.floats(1.5, 3000.0) | st.floats(100.0, 1e7)
half_spreads = st.floats(0.05, 100.0)
level_quotes = st.floats(1.0, 1e6)


def shown(
    mid: float, tick: float, lot: float, half_spread_bps: float, level_quote: float, levels: int
) -> tuple[Book, Quote, np.record]:
    """The sandbox's book around `mid`, and the quote and the rule that compiled code reads instead."""
    instrument = Instrument("binance", "AAA/USDT:USDT", Asset("AAA"), "USDT", lot, tick, 0.0, 8)
    rule = (0, 0.0, lot, tick, 0.0, half_spread_bps * 1e-4, level_quote, levels)
    rules = Rules(np.array([rule], dtype=INSTRUMENT), np.zeros(1, dtype=VENUE), 1.0, 1.0, 1.0, 0.0, 0.0, 0)
    book = book_around(mid, instrument, half_spread_bps, level_quote, levels)
    return book, make_quotes(np.array([[mid]]), [half_spread_bps], rules)[0, 0], rules.instruments[0]


def walked(side: Sequence[Level], quantity: float) -> tuple[float, float]:
    """(what the levels take, what that costs)."""
    left, paid = quantity, []
    for price, size in side:
        taken = min(left, size)
        paid.append(taken * price)
        left -= taken
    return quantity - left, math.fsum(paid)


@given(mids_in_ticks, powers, powers, half_spreads, level_quotes, st.integers(1, 30))
@example(250.1, 1.0, 1.0, 100.0, 1000.0, 5)
@example(3.5, 1.0, 1.0, 10.0, 1000.0, 20)
@example(1.5, 1.0, 1.0, 100.0, 1000.0, 1)
@settings(deadline=None, max_examples=400)
def test_every_level_and_its_size_are_the_sandboxs(
    ticks: float, tick: float, lot: float, half_spread_bps: float, level_quote: float, levels: int
) -> None:
    """Taking the first k levels whole costs what the sandbox's first k levels hold, for every k."""
    book, quote, rule = shown(ticks * tick, tick, lot, half_spread_bps, level_quote, levels)
    for sign, side in ((1.0, book.asks), (-1.0, book.bids)):
        for count in range(1, len(side) + 1):
            held = math.fsum(size for _, size in side[:count])
            cost = math.fsum(price * size for price, size in side[:count])
            assert held == pytest.approx(depth(sign * held, quote, rule), rel=1e-12)
            assert cost / held == pytest.approx(walk(sign * held, quote, rule), rel=1e-12)
        whole = math.fsum(size for _, size in side)
        assert whole == pytest.approx(depth(sign * 1e15, quote, rule), rel=1e-6, abs=2.0), "and no further level"
        if side:
            assert side[0][0] == walk(sign * 1e-9, quote, rule), "the touch to the last bit"


@given(mids_in_ticks, powers, powers, half_spreads, level_quotes, st.integers(1, 30), st.floats(1e-6, 1.5))
@settings(deadline=None, max_examples=400)
def test_walking_takes_level_by_level_and_depth_is_what_they_hold(
    ticks: float, tick: float, lot: float, half_spread_bps: float, level_quote: float, levels: int, share: float
) -> None:
    book, quote, rule = shown(ticks * tick, tick, lot, half_spread_bps, level_quote, levels)
    for sign, side in ((1.0, book.asks), (-1.0, book.bids)):
        quantity = share * math.fsum(size for _, size in side)
        assume(quantity > 0.0)
        taken, cost = walked(side, quantity)
        assert taken == pytest.approx(depth(sign * quantity, quote, rule), rel=1e-12)
        assert cost / taken == pytest.approx(walk(sign * taken, quote, rule), rel=1e-12)


@given(mids_in_ticks, powers, half_spreads, level_quotes)
@settings(deadline=None, max_examples=200)
def test_the_average_price_gets_no_better_with_size(
    ticks: float, tick: float, half_spread_bps: float, level_quote: float
) -> None:
    _, quote, rule = shown(ticks * tick, tick, 0.001, half_spread_bps, level_quote, 10)
    quantities = depth(1e15, quote, rule) * np.linspace(0.01, 1.0, 30)
    asks = [walk(quantity, quote, rule) for quantity in quantities]
    assert all(later >= price * (1 - 1e-12) for price, later in zip(asks, asks[1:], strict=False))
    quantities = depth(-1e15, quote, rule) * np.linspace(0.01, 1.0, 30)
    bids = [walk(-quantity, quote, rule) for quantity in quantities if quantity > 0.0]
    assert all(later <= price * (1 + 1e-12) for price, later in zip(bids, bids[1:], strict=False))


@given(mids_in_ticks, st.integers(-6, 1), half_spreads)
@settings(deadline=None, max_examples=200)
def test_the_touch_is_on_the_tick_grid_and_the_mid_between_it(
    ticks: float, exponent: int, half_spread_bps: float
) -> None:
    tick = Decimal(10) ** exponent
    mid = ticks * float(tick)
    _, quote, _ = shown(mid, float(tick), 0.001, half_spread_bps, 1000.0, 10)
    for price in (float(quote.bid), float(quote.ask)):
        assert Decimal(repr(price)) % tick == 0, "the double reads as the decimal that the venue shows"
    half, slack = mid * half_spread_bps * 1e-4, 1e-5 * float(tick)
    assert mid - half - float(tick) - slack <= quote.bid <= mid - half + slack
    assert mid + half - slack <= quote.ask <= mid + half + float(tick) + slack
    assert (quote.bid + quote.ask) / 2 == quote.mid


def test_a_book_by_hand() -> None:
    """Mid 100, half a spread of 0.1, ticks of 0.01, 1000 a level: 9.9 at 100.1, 9.9 at 100.2, 9.9 at 100.3."""
    _, quote, rule = shown(100.0, 0.01, 0.1, 10.0, 1000.0, 3)
    assert (99.9, 100.0, 100.1) == (quote.bid, quote.mid, quote.ask)
    assert (10.0, 9.9) == (quote.bid_size, quote.ask_size)
    assert 100.1 == walk(9.9, quote, rule)
    assert (9.9 * 100.1 + 0.1 * 100.2) / 10 == pytest.approx(walk(10.0, quote, rule))
    assert 100.2 == pytest.approx(walk(29.7, quote, rule))
    assert [29.7, 29.7] == pytest.approx([depth(29.7, quote, rule), depth(30.0, quote, rule)])
    assert 10 * 99.9 + 10 * 99.8 + 0.5 * 99.7 == pytest.approx(20.5 * walk(-20.5, quote, rule))


def test_what_no_level_holds_is_priced_at_the_last_one() -> None:
    _, quote, rule = shown(100.0, 0.01, 0.1, 10.0, 1000.0, 2)
    assert (9.9 * 100.1 + 20.1 * 100.2) / 30 == pytest.approx(walk(30.0, quote, rule))


def test_a_level_holds_one_lot_at_least() -> None:
    _, quote, rule = shown(100.0, 0.01, 10.0, 10.0, 50.0, 2)
    assert (10.0, 20.0) == (quote.ask_size, depth(1000.0, quote, rule))


@pytest.mark.parametrize("quantity", [0.01, -0.01, 1e9, -1e9])
def test_nothing_can_be_taken_where_nothing_trades(quantity: float) -> None:
    book, quote, rule = shown(math.nan, 0.01, 0.1, 10.0, 1000.0, 5)
    assert ((), ()) == (book.bids, book.asks)
    assert 0.0 == depth(quantity, quote, rule)


def test_there_are_no_levels_at_or_below_a_price_of_zero() -> None:
    """A coin at three ticks: bids at 2 and 1, and nothing under them."""
    _, quote, rule = shown(3.0, 1.0, 1.0, 10.0, 100.0, 20)
    assert (2.0, 50.0) == (quote.bid, quote.bid_size)
    assert 150.0 == depth(-1000.0, quote, rule)
    assert (50 * 2 + 100 * 1) / 150 == pytest.approx(walk(-150.0, quote, rule))


def test_a_bid_of_zero_buys_nothing() -> None:
    _, quote, rule = shown(0.9, 1.0, 1.0, 10.0, 100.0, 20)
    assert 0.0 == quote.bid
    assert 0.0 == depth(-1.0, quote, rule)
    assert 1.0 == depth(1.0, quote, rule)


def test_quotes_are_made_by_each_instruments_own_rules() -> None:
    usual = (0, 0.0, 0.1, 0.01, 0.0, 1e-3, 1000.0, 5)
    coarse = (1, 0.0, 1.0, 1.0, 0.0, 1e-2, 500.0, 5)
    instruments = np.array([usual, coarse], dtype=INSTRUMENT)
    rules = Rules(instruments, np.zeros(2, dtype=VENUE), 1.0, 1.0, 1.0, 0.0, 0.0, 0)
    quotes = make_quotes(np.array([[100.0, 100.0], [np.nan, 50.0]]), [10.0, 100.0], rules)
    assert [99.9, 99.0] == quotes["bid"][0].tolist()
    assert [9.9, 4.0] == quotes["ask_size"][0].tolist()
    assert np.isnan(quotes["mid"][1]).tolist() == [True, False]
    assert (49.0, 51.0) == (quotes["bid"][1, 1], quotes["ask"][1, 1])
