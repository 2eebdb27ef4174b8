import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import ConfigurationError, MissingData
from data.market import Market, lot_step, tick_size, touch, with_shocks, without_hours
from data.settings import Outage, Shock
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
MINUTE_MS = 60_000
BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)
PRICES = st.floats(1e-7, 1e6)
FLAT = (100.0, 100.0, 100.0, 100.0)


def bars(first: int, *candles: tuple[float, float, float, float]) -> Bars:
    """Candles (open, high, low, close) of consecutive hours, the first opens `first` hours after the start."""
    times = START + HOUR_MS * (first + np.arange(len(candles), dtype=np.int64))
    return Bars(times, *np.array(candles, dtype=float).reshape(-1, 4).T.copy(), np.ones(len(candles)))


def market(*parts: Bars) -> Market:
    whole = Bars(*(np.concatenate([getattr(part, name) for part in parts]) for name in vars(parts[0])))
    none = np.array([], dtype=np.int64)
    return Market((BTC,), {BTC.key: whole}, {BTC.key: Settlements(none, none, np.array([]))})


def at(hour: int) -> datetime:
    return datetime.fromtimestamp(START / 1000, UTC) + timedelta(hours=hour)


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
    gap = market(bars(0, FLAT), bars(2, FLAT))
    times = [START - 1, START + HOUR_MS, START + 2 * HOUR_MS - 1, START + 3 * HOUR_MS]

    assert [-1] * 4 == [gap.bar_index(BTC.key, when) for when in times]
    assert all(math.isnan(gap.mid(BTC.key, when)) for when in times)


def test_an_instrument_is_listed_from_its_first_close_until_its_last() -> None:
    short = market(bars(0, FLAT, FLAT, FLAT))
    listed = [bool(short.listed(START + hours * HOUR_MS)) for hours in range(5)]

    assert [False, True, True, False, False] == listed
    assert short.listed(START + 3 * HOUR_MS - 1) == (BTC,)


def test_a_market_lasts_from_its_first_open_to_its_last_close() -> None:
    whole = market(bars(3, FLAT, FLAT))

    assert (START + 3 * HOUR_MS, START + 5 * HOUR_MS) == (whole.start_ms, whole.end_ms)


HOURS = st.integers(-2, 14)


@given(
    first=st.integers(0, 8), length=st.integers(0, 4), begin=HOURS, hours=st.integers(0, 8), late_ms=st.integers(0, 9)
)
def test_listed_within_a_window_is_listed_at_any_time_of_it(
    first: int, length: int, begin: int, hours: int, late_ms: int
) -> None:
    one = market(bars(first, *[FLAT] * length))
    begin_ms = START + begin * HOUR_MS + late_ms
    end_ms = begin_ms + hours * HOUR_MS
    moments = [begin_ms, end_ms, *range(START + (begin + 1) * HOUR_MS, end_ms + 1, HOUR_MS)]

    assert any(one.listed(moment) for moment in moments) == bool(one.listed_within(begin_ms, end_ms))


def test_a_coin_that_comes_and_one_that_goes_are_both_listed_within_the_window() -> None:
    early, late = BTC, replace(BTC, symbol="NEW/USDT:USDT", asset=Asset("NEW"))
    rows = {early.key: bars(0, *[FLAT] * 5), late.key: bars(8, *[FLAT] * 5)}
    both = Market((early, late), rows, {key: Settlements.none() for key in rows})

    assert (early, late) == both.listed_within(START + 2 * HOUR_MS, START + 11 * HOUR_MS)
    assert () == both.listed_within(START + 5 * HOUR_MS, START + 9 * HOUR_MS - 1)


def test_an_instrument_without_candles_is_never_listed_and_bounds_nothing() -> None:
    empty = replace(BTC, symbol="OLD/USDT:USDT")
    some = Market(
        (BTC, empty),
        {BTC.key: bars(3, FLAT, FLAT), empty.key: bars(0)},
        {BTC.key: Settlements.none(), empty.key: Settlements.none()},
    )

    assert (BTC,) == some.listed_within(some.start_ms, some.end_ms)
    assert (START + 3 * HOUR_MS, START + 5 * HOUR_MS) == (some.start_ms, some.end_ms)


def test_a_market_without_any_candle_says_so() -> None:
    with pytest.raises(MissingData, match="no candle at all"):
        _ = market(bars(0)).start_ms


# Outages

OTHER = replace(BTC, venue="hyperliquid")
DAY = 24


def two_venues() -> Market:
    rows = {key: bars(0, *[FLAT] * DAY) for key in (BTC.key, OTHER.key)}
    due = START + 8 * HOUR_MS * np.arange(4, dtype=np.int64)
    paid = Settlements(due, np.zeros(4, dtype=np.int64), np.full(4, 1e-4))
    return Market((BTC, OTHER), rows, {BTC.key: paid, OTHER.key: paid})


def outage(begin_h: float, end_h: float, venue: str = "binance") -> Outage:
    day = datetime.fromtimestamp(START / 1000, UTC)
    return Outage(venue=venue, begin=day + timedelta(hours=begin_h), end=day + timedelta(hours=end_h))


def hours_of(which: Market, venue: str = "binance") -> list[int]:
    return [(int(time) - START) // HOUR_MS for time in which.bars[venue, BTC.symbol].open_time]


def test_a_venue_that_is_out_has_no_candles_from_the_beginning_until_before_the_end() -> None:
    out = without_hours(two_venues(), [outage(5, 8)])

    assert [0, 1, 2, 3, 4, *range(8, DAY)] == hours_of(out)
    assert math.isnan(out.mid(BTC.key, START + 5 * HOUR_MS)) and math.isnan(out.mid(BTC.key, START + 8 * HOUR_MS - 1))
    assert (100.0, 100.0) == (out.mid(BTC.key, START + 5 * HOUR_MS - 1), out.mid(BTC.key, START + 8 * HOUR_MS))


def test_the_other_venue_and_all_funding_are_as_before() -> None:
    usual = two_venues()
    out = without_hours(usual, [outage(5, 20)])

    assert list(range(DAY)) == hours_of(out, "hyperliquid")
    assert usual.settlements == out.settlements


def test_an_hour_that_is_out_in_part_has_no_candle() -> None:
    assert [0, 1, 2, 3, 6] == hours_of(without_hours(two_venues(), [outage(4.5, 5.1)]))[:5]


def test_an_instrument_stays_listed_through_an_outage() -> None:
    out = without_hours(two_venues(), [outage(5, 20)])

    assert BTC in out.listed(START + 10 * HOUR_MS)


def test_an_outage_to_the_end_of_the_market_delists_and_one_of_all_of_it_leaves_nothing() -> None:
    assert BTC not in without_hours(two_venues(), [outage(5, DAY)]).listed(START + 6 * HOUR_MS)
    out = without_hours(two_venues(), [outage(-1, DAY + 1)])
    assert [] == hours_of(out)
    assert (OTHER,) == out.listed_within(out.start_ms, out.end_ms)


def test_outages_may_overlap_and_concern_several_venues() -> None:
    out = without_hours(two_venues(), [outage(2, 4), outage(3, 6), outage(0, 23, "hyperliquid")])

    assert ([0, 1, *range(6, DAY)], [23]) == (hours_of(out), hours_of(out, "hyperliquid"))


def test_without_outages_nothing_changes() -> None:
    assert list(range(DAY)) == hours_of(without_hours(two_venues(), []))


def test_an_outage_of_a_venue_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="an outage names mtgox.*choose from binance, hyperliquid"):
        without_hours(two_venues(), [outage(1, 2, "mtgox")])


def test_a_shock_moves_the_candles_of_its_hours_and_no_others() -> None:
    shocked = with_shocks(market(bars(0, FLAT, FLAT, FLAT)), [Shock(asset="BTC", percent=-30, begin=at(1), end=at(2))])

    assert [100.0, 70.0, 100.0] == shocked.bars[BTC.key].close.tolist()
    assert [100.0, 70.0, 100.0] == [shocked.mid(BTC.key, START + hour * HOUR_MS) for hour in range(3)]


def test_a_shock_without_an_end_lasts() -> None:
    shocked = with_shocks(market(bars(0, FLAT, FLAT, FLAT)), [Shock(asset="BTC", percent=50, begin=at(1))])

    assert [100.0, 150.0, 150.0] == shocked.bars[BTC.key].low.tolist()


@pytest.mark.parametrize("shock", [{"asset": "ETH"}, {"asset": "BTC", "venue": "okx"}])
def test_a_shock_of_what_the_market_does_not_have_is_refused(shock: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="does not have"):
        with_shocks(rising(), [Shock(percent=1, begin=at(0), **shock)])
