"""The order book of the sandbox."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.book import Book, book_around
from data.market import lot_step, tick_size, touch
from data.types import Asset, Instrument


def instrument(price: float) -> Instrument:
    return Instrument(
        venue="binance",
        symbol="X/USDT:USDT",
        asset=Asset("X"),
        quote="USDT",
        lot_step=lot_step(price, 3),
        tick_size=tick_size(price),
        min_notional=5.0,
        interval_hours=8,
    )


@given(price=st.floats(1e-5, 1e6), half_spread_bps=st.floats(0.01, 100), levels=st.integers(1, 40))
def test_levels_step_away_from_the_touch_by_half_a_spread_or_a_tick(
    price: float, half_spread_bps: float, levels: int
) -> None:
    rules = instrument(price)
    book = book_around(price, rules, half_spread_bps, 25_000.0, levels)

    bids, asks = ([level[0] for level in side] for side in (book.bids, book.asks))
    half = price * half_spread_bps * 1e-4
    assert [bids[0], asks[0]] == [*touch(price, half_spread_bps, rules.tick_size)]
    assert len(bids) == len(asks) == levels
    for better, worse in [*zip(asks, asks[1:], strict=False), *zip(bids[1:], bids, strict=False)]:
        assert worse - better == pytest.approx(max(half, rules.tick_size), abs=0.51 * rules.tick_size)


@given(price=st.floats(1e-5, 1e6), depth_quote=st.floats(1, 1e7))
def test_every_level_holds_the_depth_in_whole_lots_and_one_at_least(price: float, depth_quote: float) -> None:
    rules = instrument(price)
    for level_price, size in book_around(price, rules, 1.0, depth_quote, 5).asks:
        lots = size / rules.lot_step
        assert lots == pytest.approx(round(lots)) and round(lots) >= 1
        assert size == rules.lot_step or size * level_price <= depth_quote * (1 + 1e-6)
        assert (size + 1.01 * rules.lot_step) * level_price > depth_quote


def test_prices_and_sizes_read_as_people_write_them() -> None:
    book = book_around(0.0182, instrument(0.0182), 1.5, 25_000.0, 3)

    assert book.bids == ((0.018197, 1_373_852.0), (0.018194, 1_374_079.0), (0.018191, 1_374_305.0))


def test_nothing_trades_in_a_gap() -> None:
    assert book_around(math.nan, instrument(1.0), 1.0, 25_000.0, 10) == Book((), ())


def test_there_are_no_prices_at_or_below_zero() -> None:
    book = book_around(1.0, instrument(1.0), 100.0, 25_000.0, 150)

    assert len(book.bids) < 150 == len(book.asks)
    assert book.bids[-1][0] > 0
