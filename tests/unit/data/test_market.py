import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.market import Market, lot_step, tick_size, touch
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
MINUTE_MS = 60_000
BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)
PRICES = st.floats(1e-7, 1e6)


def bars(first: int, *candles: tuple[float, float, float, float]) -> Bars:
    """Candles (open, high, low, close) of consecutive hours, the first opens `first` hours after the start."""
    times = START + HOUR_MS * (first + np.arange(len(candles), dtype=np.int64))
    return Bars(times, *np.array(candles, dtype=float).reshape(-1, 4).T.copy(), np.ones(len(candles)))


def market(*parts: Bars) -> Market:
    whole = Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
    none = np.array([], dtype=np.int64)
    return Market((BTC,), {BTC.key: whole}, {BTC.key: Settlements(none, none, np.array([]))})


def rising() -> Market:
    """One hour that opens at 100, falls to 99 first, rises to 110 and closes at 105."""
    return market(bars(0, (100.0, 110.0, 99.0, 105.0)))


@given(PRICES, st.floats(0.05, 100.0))
def test_the_touch_lies_around_the_mid_within_half_a_spread_and_a_tick(mid: float, half_spread_bps: float) -> None:
    tick = tick_size(mid)
    bid, ask = (float(price) for price in touch(mid, half_spread_bps, tick))
    half = mid * half_spread_bps * 1e-4

    assert bid <= mid <= ask
    assert bid < ask
    assert mid - bid <= half + 1.001 * tick and ask - mid <= half + 1.001 * tick
    assert mid - bid >= half - 0.001 * tick and ask - mid >= half - 0.001 * tick


@given(PRICES, st.floats(0.05, 100.0))
def test_the_touch_is_an_exact_decimal_on_the_grid_of_ticks(mid: float, half_spread_bps: float) -> None:
    tick = tick_size(mid)

    for price in touch(mid, half_spread_bps, tick):
        written = Decimal(repr(float(price)))
        assert 0 == written % Decimal(repr(tick))


@given(st.lists(PRICES, min_size=1, max_size=5))
def test_many_mids_are_quoted_as_each_alone(mids: list[float]) -> None:
    alone = [[float(price) for price in touch(mid, 1.5, 0.001)] for mid in mids]

    assert alone == np.stack(touch(np.array(mids), 1.5, 0.001), axis=1).tolist()


def test_a_price_on_the_grid_is_not_moved_by_the_noise_of_arithmetic() -> None:
    bid, ask = touch(100.0, 10.0, 0.1)

    assert (99.9, 100.1) == (float(bid), float(ask))


def test_without_a_mid_there_is_no_touch() -> None:
    assert all(math.isnan(price) for price in touch(math.nan, 1.0, 0.01))


@given(PRICES, st.integers(0, 8))
def test_a_lot_is_a_power_of_ten_between_one_and_what_the_venue_can_write(price: float, decimals: int) -> None:
    step = lot_step(price, decimals)

    assert step in [float(f"1e-{places}") for places in range(decimals + 1)]
    if step < 1 and step > 10.0**-decimals:
        assert 0.3 <= step * price <= 3.2


@pytest.mark.parametrize(
    ("price", "decimals", "step"),
    [(95_000.0, 5, 1e-5), (3300.0, 4, 1e-4), (190.0, 2, 0.01), (0.33, 5, 1.0), (95_000.0, 3, 0.001), (1e-6, 3, 1.0)],
)
def test_lots_follow_the_venues_own_tables(price: float, decimals: int, step: float) -> None:
    assert step == lot_step(price, decimals)


@given(PRICES)
def test_a_tick_is_the_fifth_significant_figure_or_a_whole_unit(price: float) -> None:
    tick = tick_size(price)

    assert tick == min(1.0, float(f"1e{Decimal(repr(price)).adjusted() - 4}"))


@pytest.mark.parametrize(
    ("minute", "price"),
    [(0, 100.0), (5, 100.0), (12.5, 99.5), (20, 99.0), (30, 104.5), (40, 110.0), (50, 107.5), (59.999, 105.0)],
)
def test_the_price_holds_the_open_then_visits_both_extremes_nearer_first(minute: float, price: float) -> None:
    assert pytest.approx(price, abs=1e-3) == rising().mid(BTC.key, START + round(minute * MINUTE_MS))


def test_the_nearer_extreme_may_be_the_high() -> None:
    falling = market(bars(0, (100.0, 101.0, 90.0, 95.0)))

    assert 101.0 == falling.mid(BTC.key, START + 20 * MINUTE_MS)
    assert 90.0 == falling.mid(BTC.key, START + 40 * MINUTE_MS)


@given(
    st.lists(st.floats(1.0, 1000.0), min_size=4, max_size=4),
    st.integers(0, HOUR_MS - 1),
)
def test_the_price_never_leaves_its_candle(prices: list[float], after_ms: int) -> None:
    low, first, last, high = min(prices), prices[0], prices[1], max(prices)
    whole = market(bars(0, (first, high, low, last)))

    assert low <= whole.mid(BTC.key, START + after_ms) <= high


def test_an_hour_belongs_to_the_candle_that_opens_at_it() -> None:
    two = market(bars(0, (100.0, 100.0, 100.0, 100.0), (200.0, 200.0, 200.0, 200.0)))

    assert [100.0, 200.0] == [two.mid(BTC.key, START + HOUR_MS - 1), two.mid(BTC.key, START + HOUR_MS)]
    assert [0, 1] == [two.bar_index(BTC.key, START + HOUR_MS - 1), two.bar_index(BTC.key, START + HOUR_MS)]


def test_there_is_no_price_in_a_gap_nor_outside_the_candles() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    gap = market(bars(0, flat), bars(2, flat))
    times = [START - 1, START + HOUR_MS, START + 2 * HOUR_MS - 1, START + 3 * HOUR_MS]

    assert [-1] * 4 == [gap.bar_index(BTC.key, when) for when in times]
    assert all(math.isnan(gap.mid(BTC.key, when)) for when in times)


def test_an_instrument_is_listed_from_its_first_close_until_its_last() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    short = market(bars(0, flat, flat, flat))
    listed = [bool(short.listed(START + hours * HOUR_MS)) for hours in range(5)]

    assert [False, True, True, False, False] == listed
    assert short.listed(START + 3 * HOUR_MS - 1) == (BTC,)


def test_a_market_lasts_from_its_first_open_to_its_last_close() -> None:
    flat = (100.0, 100.0, 100.0, 100.0)
    whole = market(bars(3, flat, flat))

    assert (START + 3 * HOUR_MS, START + 5 * HOUR_MS) == (whole.start_ms, whole.end_ms)
