"""Candles and settlements at an instant: point in time, whatever the market looks like."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.sandbox.candles import Candle, CandleFeed, FundingFeed
from data.market import Market
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

COIN = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 0.1, 0.01, 5.0, 8)
KEY = COIN.key


def market_of(hours: list[int], prices: list[list[float]], settled: list[int] | None = None) -> Market:
    """Bars at `hours` with four prices each, and settlements at the hours `settled`, stamped 300 ms late."""
    rows = np.array(prices, dtype=np.float64).reshape(-1, 4)
    bars = Bars(
        np.array(hours, dtype=np.int64) * HOUR_MS,
        rows[:, 0],
        rows.max(axis=1),
        rows.min(axis=1),
        rows[:, 3],
        np.full(len(hours), 60.0),
    )
    times = np.array(settled or [], dtype=np.int64) * HOUR_MS
    settlements = Settlements(times, np.full(len(times), 300), np.arange(len(times), dtype=np.float64) * 1e-6)
    return Market((COIN,), {KEY: bars}, {KEY: settlements})


def candles_of(market: Market, render_calls: list[int] | None = None) -> CandleFeed:
    def render(candle: Candle) -> str:
        if render_calls is not None:
            render_calls.append(candle.open_time)
        return json.dumps([candle.open_time, candle.open, candle.high, candle.low, candle.close, candle.volume])

    return CandleFeed(market, COIN, render)


def page(feed: CandleFeed, now_ms: int) -> list[list[float]]:
    rows: list[list[float]] = json.loads(feed.page(*feed.between(None, None, now_ms), now_ms))
    return rows


@given(st.lists(st.floats(1, 100), min_size=4, max_size=4), st.integers(0, 59))
def test_a_forming_candle_is_the_path_so_far(prices: list[float], minute: int) -> None:
    market = market_of([0], [prices])
    now = minute * 60_000
    path = [market.path(KEY, 0, when) for when in range(0, now + 1, 60_000)]

    (candle,) = page(candles_of(market), now)

    assert candle == [0, path[0], max(path), min(path), path[-1], pytest.approx(minute)]


def test_a_candle_closes_at_the_end_of_its_hour() -> None:
    feed = candles_of(market_of([0], [[2.0, 5.0, 1.0, 3.0]]))

    assert page(feed, HOUR_MS - 1)[0][5] < 60.0
    assert page(feed, HOUR_MS)[0] == [0, 2.0, 5.0, 1.0, 3.0, 60.0]


def test_a_closed_candle_is_rendered_once_and_a_forming_one_every_time() -> None:
    calls: list[int] = []
    feed = candles_of(market_of([0, 1], [[2.0] * 4] * 2), calls)

    for minute in (10, 20, 30):
        page(feed, HOUR_MS + minute * 60_000)

    assert calls == [0, HOUR_MS, HOUR_MS, HOUR_MS]


def test_in_a_gap_the_price_is_the_last_close_and_no_candle_forms() -> None:
    feed = candles_of(market_of([0, 5], [[2.0, 2.0, 2.0, 2.5], [9.0] * 4]))

    assert feed.price(3 * HOUR_MS) == 2.5
    assert len(page(feed, 3 * HOUR_MS)) == 1


def test_a_day_without_candles_is_flat_at_the_last_price() -> None:
    day = candles_of(market_of([0], [[2.0, 2.0, 2.0, 2.5]])).day(100 * HOUR_MS)

    assert (day.open, day.high, day.low, day.last, day.volume) == (2.5, 2.5, 2.5, 2.5, 0.0)


def test_a_day_has_twenty_four_candles_at_most() -> None:
    feed = candles_of(market_of(list(range(50)), [[2.0] * 4] * 50))

    assert feed.day(40 * HOUR_MS - 1).volume == pytest.approx(24 * 60, rel=1e-6)


def funding_of(settled: list[int]) -> FundingFeed:
    market = market_of([0], [[1.0] * 4], settled)
    return FundingFeed(market, COIN, lambda stamp, rate: json.dumps([stamp, rate]))


def test_the_last_rate_is_the_one_stamped_by_now() -> None:
    feed = funding_of([8, 16, 24])

    assert [feed.last_rate(16 * HOUR_MS + late) for late in (299, 300)] == [0.0, 1e-6]


def test_before_the_first_settlement_the_rate_is_zero() -> None:
    assert funding_of([8]).last_rate(0) == 0.0


def test_the_next_settlement_follows_the_market_s_own_times() -> None:
    feed = funding_of([8, 16, 17, 18])

    assert [feed.next_time(hour * HOUR_MS) // HOUR_MS for hour in (0, 8, 16, 17)] == [8, 16, 17, 18]


def test_after_the_last_settlement_the_next_is_due_by_the_announced_interval() -> None:
    assert funding_of([8, 16]).next_time(17 * HOUR_MS) == 24 * HOUR_MS


def test_the_interval_is_the_one_around_now_and_changes_with_it() -> None:
    feed = funding_of([8, 16, 17, 18, 22])

    assert [feed.interval_hours(hour * HOUR_MS) for hour in (8, 15, 16, 17, 18)] == [8, 8, 1, 1, 4]


@pytest.mark.parametrize("settled", [[], [8], [0, 5], [0, 40]])
def test_where_the_record_has_a_hole_the_announced_interval_holds(settled: list[int]) -> None:
    assert funding_of(settled).interval_hours(3 * HOUR_MS) == 8
