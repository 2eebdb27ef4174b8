import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import MissingData
from data.panel import Panel, build_panel, funding_intervals, tradable
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements
from tests.unit.data.series import (
    DELAY_S,
    MINUTE_MS,
    candles,
    coin,
    column,
    hour,
    panel,
    settled,
    spot_coin,
)

KNOWN_AT_DECISION = (
    "close", "volume", "settled", "settled_hours", "interval", "last_rate", "settled_at", "silent_hours",
)  # fmt: skip


# Candles


def test_a_close_is_known_at_the_tick_at_which_its_candle_ended() -> None:
    assert [None, 100.5, 101.5, None, None, None] == column(panel(candles([0, 1])).close)


def test_volume_is_that_of_the_candle_that_ended() -> None:
    assert [0.0, 10.0, 11.0, 0.0, 0.0, 0.0] == column(panel(candles([0, 1])).volume)


def test_the_candle_before_the_first_tick_gives_its_close() -> None:
    assert 98.5 + 1 == panel(candles([-1])).close[0, 0]


def test_a_decision_fills_at_the_open_of_the_candle_that_begins_at_its_tick() -> None:
    assert [100.0, 101.0, None, None, None, None] == column(panel(candles([0, 1])).open_after)


def test_gaps_stay_gaps() -> None:
    holed = panel(candles([-1, 0, 3, 4]))

    assert [99.5, 100.5, None, None, 103.5, 104.5] == column(holed.close)
    assert [100.0, None, None, 103.0, 104.0, None] == column(holed.open_after)


def test_an_instrument_that_is_listed_late_has_nothing_before() -> None:
    late = panel(candles(range(3, 9)), settled({4: 1e-4}))

    assert [None, None, None, None, 103.5, 104.5] == column(late.close)
    assert [None, None, None, None, 1e-4 / 8, 1e-4 / 8] == column(late.last_rate)


def test_an_instrument_without_data_is_a_column_of_gaps_with_its_announced_interval() -> None:
    empty = panel()

    for name in ("close", "open_after", "last_rate", "settled_at"):
        assert [None] * 6 == column(getattr(empty, name))
    assert [0.0] * 6 == column(empty.settled) == column(empty.settled_hours) == column(empty.volume)
    assert [8.0] * 6 == column(empty.interval)


def test_empty_series_are_the_same_as_none() -> None:
    nothing = panel(candles([]), settled({}))

    for name, values in vars(panel()).items():
        np.testing.assert_array_equal(values, getattr(nothing, name))


def test_a_panel_without_instruments_has_ticks_and_no_columns() -> None:
    assert (6, 0) == build_panel([], {}, {}, hour(0), hour(5), DELAY_S).close.shape


def test_a_tick_has_a_row_and_other_times_have_none() -> None:
    six = panel()

    assert [0, 5] == [six.row(hour(0)), six.row(hour(5))]
    for absent in (hour(-1), hour(6), hour(2) + 1):
        with pytest.raises(KeyError):
            six.row(absent)


# Settlements


@pytest.mark.parametrize(
    ("late_ms", "row"),
    [
        (0, 2),
        (47, 2),
        (DELAY_S * 1000, 2),
        (DELAY_S * 1000 + 1, 3),
        (90_000, 3),
        (24 * MINUTE_MS, 3),
        (-3, 2),
        (-20 * MINUTE_MS, 2),
    ],
)
def test_a_settlement_belongs_to_the_first_tick_that_decides_after_its_stamp(late_ms: int, row: int) -> None:
    late = panel(funding=settled({2: 1e-4}, late_ms))

    assert [1e-4 * (tick == row) for tick in range(6)] == column(late.settled)
    assert [8.0 * (tick == row) for tick in range(6)] == column(late.settled_hours)
    assert [None if tick < row else float(hour(2)) for tick in range(6)] == column(late.settled_at)


def test_two_settlements_before_one_decision_add_up() -> None:
    both = panel(funding=settled({1: 1e-4, 2: 1e-4, 3: 3e-4, 4: 2e-4}, {3: 90_000}), interval=1)

    assert [0.0, 1e-4, 1e-4, 0.0, 5e-4, 0.0] == pytest.approx(column(both.settled))
    assert [0.0, 1.0, 1.0, 0.0, 2.0, 0.0] == column(both.settled_hours)
    assert [None, 1e-4, 1e-4, 1e-4, 2e-4, 2e-4] == column(both.last_rate)


def test_the_last_rate_is_per_hour_and_holds_until_the_next() -> None:
    eight = panel(funding=settled({-8: 8e-4, 0: 16e-4, 8: 4e-4}), hours=(-1, 9))

    assert pytest.approx([1e-4] + [2e-4] * 8 + [0.5e-4] * 2) == column(eight.last_rate)


def test_what_settled_before_the_first_tick_is_known_but_not_paid() -> None:
    before = panel(funding=settled({-8: 8e-4}))

    assert [0.0] * 6 == column(before.settled)
    assert [float(hour(-8))] * 6 == column(before.settled_at)


@pytest.mark.parametrize(
    ("hours", "announced", "intervals"),
    [
        ((0, 8, 16), 8, [8, 8, 8]),
        ((0, 8, 12, 16), 8, [8, 8, 4, 4]),
        ((0, 8, 12, 13, 14), 8, [8, 8, 4, 1, 1]),
        ((0, 1, 2, 10, 18), 1, [1, 1, 1, 1, 8]),
        ((0, 1, 2, 4, 5), 1, [1, 1, 1, 1, 1]),
        ((0, 8, 24, 32), 8, [8, 8, 8, 8]),
        ((0, 4, 12, 16), 4, [4, 4, 4, 4]),
        ((0, 1, 4, 7), 1, [1, 1, 1, 1]),
        ((0,), 4, [4]),
        ((), 8, []),
    ],
)
def test_intervals_shorten_at_once_and_lengthen_only_when_a_spacing_repeats(
    hours: tuple[int, ...], announced: int, intervals: list[int]
) -> None:
    times = np.array([hour(number) for number in hours], dtype=np.int64)

    assert intervals == funding_intervals(times, announced).tolist()


@given(st.lists(st.integers(1, 16), max_size=30), st.sampled_from([1, 2, 4, 8]), st.integers(0, 30))
def test_an_interval_depends_on_nothing_that_comes_later(spacing: list[int], announced: int, kept: int) -> None:
    times = hour(0) + HOUR_MS * np.cumsum(spacing, dtype=np.int64)

    whole = funding_intervals(times, announced)
    assert whole[:kept].tolist() == funding_intervals(times[:kept], announced).tolist()


# Point in time

LAST = 40


@st.composite
def histories(draw: st.DrawFn) -> tuple[Bars, Settlements]:
    """Candles with gaps and settlements at changing intervals, some early, some late, over hours -20..LAST."""
    present = draw(st.lists(st.booleans(), min_size=LAST + 20, max_size=LAST + 20))
    bars = candles(number - 20 for number, there in enumerate(present) if there)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    first, last = random.uniform(1, 1000, (2, len(bars)))
    number, rates, late = -20, {}, {}
    while number <= LAST:
        rates[number] = float(random.normal(0, 1e-4))
        late[number] = draw(st.sampled_from([0, 47, 400, -300, 59_999, 60_001, 90_000, 24 * MINUTE_MS]))
        number += draw(st.sampled_from([1, 1, 4, 8, 8, 3, 16]))
    prices = {"open": first, "close": last, "high": np.maximum(first, last), "low": np.minimum(first, last)}
    return replace(bars, **prices), settled(rates, late)


LEGS = (coin(), coin("hyperliquid", quote="USDC", interval=1), spot_coin(), coin(code="SOL"))
"""Two perpetuals and the spot market of one asset, and another asset."""
Histories = tuple[dict[InstrumentKey, Bars], dict[InstrumentKey, Settlements]]


@st.composite
def markets(draw: st.DrawFn) -> Histories:
    """A history of each of LEGS, any of which may be missing; spot has no settlements."""
    drawn = {leg: draw(st.none() | histories()) for leg in LEGS}
    bars = {leg.key: history[0] for leg, history in drawn.items() if history}
    return bars, {leg.key: history[1] for leg, history in drawn.items() if history and not leg.spot}


def panel_of(market: Histories, legs: tuple[Instrument, ...] = LEGS, last: int = LAST, first: int = 0) -> Panel:
    return build_panel(legs, *market, hour(first), hour(last), DELAY_S)


def rows_from(series: Bars | Settlements, kept: np.ndarray) -> Bars | Settlements:
    return type(series)(*(values[kept] for values in vars(series).values()))


@settings(max_examples=60, deadline=None)
@given(markets(), st.integers(0, LAST))
def test_the_panel_of_what_was_known_at_a_tick_equals_the_whole_panel_up_to_it(market: Histories, cut: int) -> None:
    bars, funding = market
    known_bars = {key: rows_from(rows, rows.open_time + HOUR_MS <= hour(cut)) for key, rows in bars.items()}
    now = hour(cut) + DELAY_S * 1000
    known_funding = {key: rows_from(rows, rows.stamp <= now) for key, rows in funding.items()}
    whole, known = panel_of(market), panel_of((known_bars, known_funding), last=cut)

    for name in KNOWN_AT_DECISION:
        np.testing.assert_array_equal(getattr(whole, name)[: cut + 1], getattr(known, name), err_msg=name)
    np.testing.assert_array_equal(whole.open_after[:cut], known.open_after[:cut])


def test_every_field_of_the_panel_is_known_at_the_decision_but_the_price_that_it_fills_at() -> None:
    fields = set(vars(panel())) - {"ticks", "instruments", "open_after"}

    assert fields | {"silent_hours"} == set(KNOWN_AT_DECISION)


@settings(max_examples=40, deadline=None)
@given(markets(), st.permutations(range(len(LEGS))))
def test_instruments_in_another_order_are_the_same_columns_in_another_order(
    market: Histories, order: list[int]
) -> None:
    usual, other = panel_of(market), panel_of(market, tuple(LEGS[column] for column in order))

    for name in (*KNOWN_AT_DECISION, "open_after"):
        np.testing.assert_array_equal(getattr(usual, name)[:, order], getattr(other, name), err_msg=name)
    assert {frozenset((order[pair.a], order[pair.b])) for pair in other.pairs} == {
        frozenset((pair.a, pair.b)) for pair in usual.pairs
    }


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(1, LAST))
def test_prices_and_payments_are_independent_of_what_came_before_the_first_tick(
    history: tuple[Bars, Settlements], first: int
) -> None:
    bars, funding = history
    whole = panel(bars, funding, (0, LAST))
    late_bars = rows_from(bars, bars.open_time >= hour(first - 1))
    late_funding = rows_from(funding, funding.stamp > hour(first - 1) + DELAY_S * 1000)
    late = panel(late_bars, late_funding, (first, LAST))

    for name in ("close", "volume", "settled", "open_after"):
        np.testing.assert_array_equal(getattr(whole, name)[first:], getattr(late, name), err_msg=name)
    since = ~np.isnan(late.settled_at)
    np.testing.assert_array_equal(whole.settled_at[first:][since], late.settled_at[since])


# Silence


def test_silence_is_counted_from_the_newest_close_and_is_endless_before_the_first() -> None:
    holed = panel(candles([1, 2, 5]), hours=(0, 7))

    assert [math.inf, math.inf, 0.0, 0.0, 1.0, 2.0, 0.0, 1.0] == column(holed.silent_hours)


def test_a_bar_that_closed_before_the_first_tick_is_not_in_the_panel_nor_in_its_silence() -> None:
    assert [math.inf, math.inf, 0.0] == column(panel(candles([-2, 1]), hours=(0, 2)).silent_hours)


# Pairs


def pair_names(*instruments: Instrument) -> list[tuple[str, str, str]]:
    """(asset, venue of a, venue of b) of the pairs of a panel of `instruments`, taken in panel order."""
    ordered = tradable(instruments)
    pairs = build_panel(ordered, {}, {}, hour(0), hour(1), DELAY_S).pairs
    return [(str(pair.asset), ordered[pair.a].venue, ordered[pair.b].venue) for pair in pairs]


def test_contracts_in_different_quotes_pair_up() -> None:
    assert [("BTC", "binance", "hyperliquid")] == pair_names(coin(), coin("hyperliquid", quote="USDC"))


def test_a_thousand_pepe_pair_up_under_both_names() -> None:
    legs = coin(code="1000PEPE"), coin("hyperliquid", "KPEPE", "USDC")

    assert [("1000PEPE", "binance", "hyperliquid")] == pair_names(*legs)


def test_a_thousand_shib_never_pair_up_with_one() -> None:
    legs = coin(code="1000SHIB"), coin("hyperliquid", "SHIB", "USDC")

    assert () == build_panel(legs, {}, {}, hour(0), hour(1), DELAY_S).pairs
    with pytest.raises(MissingData, match="no asset is listed on two of the venues"):
        tradable(legs)


def test_three_venues_give_three_pairs() -> None:
    legs = coin("okx"), coin("binance"), coin("hyperliquid", quote="USDC")

    expected = [("BTC", "binance", "hyperliquid"), ("BTC", "binance", "okx"), ("BTC", "hyperliquid", "okx")]
    assert expected == pair_names(*legs)


def test_pairs_are_ordered_by_asset() -> None:
    legs = [coin(venue, code) for code in ("SOL", "BTC") for venue in ("okx", "binance")]

    assert [("BTC", "binance", "okx"), ("SOL", "binance", "okx")] == pair_names(*legs)


def test_spot_pairs_with_perpetuals_and_never_with_spot() -> None:
    other_spot = replace(spot_coin(), venue="okx_spot")

    expected = [("BTC", "binance", "binance_spot"), ("BTC", "binance", "okx_spot")]
    assert expected == pair_names(coin(), spot_coin(), other_spot)


def test_two_contracts_of_one_venue_on_one_asset_are_no_pair() -> None:
    legs = coin(), coin(quote="USDC"), coin("hyperliquid", quote="USDC")

    assert [("BTC", "binance", "hyperliquid")] * 2 == pair_names(*legs)


def test_an_asset_on_spot_alone_is_not_tradable() -> None:
    both = spot_coin(), replace(spot_coin(), venue="okx_spot")

    with pytest.raises(MissingData, match="no asset is listed on two of the venues"):
        tradable(both)
    assert (coin(), spot_coin()) == tradable([spot_coin(), coin()])


def test_what_one_venue_alone_lists_is_not_tradable() -> None:
    shared = coin(), coin("hyperliquid", quote="USDC")

    assert shared == tradable([coin(code="SOL"), *reversed(shared), coin("hyperliquid", "DOGE", "USDC")])


def test_tradable_can_be_restricted_to_assets_by_any_of_their_names() -> None:
    pepe = coin(code="1000PEPE"), coin("hyperliquid", "KPEPE", "USDC")
    others = coin(), coin("hyperliquid", quote="USDC")

    assert pepe == tradable([*pepe, *others], ["KPEPE"]) == tradable([*pepe, *others], ["1000PEPE"])


def test_an_asset_that_is_asked_for_and_not_on_two_venues_is_missing() -> None:
    with pytest.raises(MissingData, match="1000SHIB, SOL not listed on two of the venues"):
        tradable([coin(), coin("hyperliquid", quote="USDC"), coin(code="SOL")], ["BTC", "SOL", "KSHIB"])


def test_the_order_in_which_venues_answer_does_not_matter() -> None:
    legs = [coin(venue, code) for code in ("BTC", "SOL") for venue in ("binance", "okx")]

    assert tradable(legs) == tradable(legs[::-1])
