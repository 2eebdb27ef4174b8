import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CorruptData, MissingData
from data.panel import Panel, build_panel, funding_intervals, tradable
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
"""2025-01-06 00:00 UTC: an hour at which every settlement interval settles."""
DELAY_S = 60
MINUTE_MS = 60_000
KNOWN_AT_DECISION = ("close", "volume", "settled", "settled_hours", "interval", "last_rate", "settled_at")


def hour(number: int) -> int:
    return START + number * HOUR_MS


def coin(venue: str = "binance", code: str = "BTC", quote: str = "USDT", interval: int = 8) -> Instrument:
    return Instrument(venue, f"{code}/{quote}:{quote}", Asset.parse(code), quote, 0.001, 0.1, 5.0, interval)


def candles(hours: Iterable[int], price: float = 100.0) -> Bars:
    """A candle for each of `hours`: the one of hour h opens at price + h and closes at price + h + 0.5."""
    number = np.array(list(hours), dtype=np.int64)
    first = price + number
    return Bars(START + number * HOUR_MS, first, first + 1, first - 1, first + 0.5, 10.0 + number)


def settled(rates: Mapping[int, float], late_ms: int | Mapping[int, int] = 0) -> Settlements:
    """Settlements by hour, stamped `late_ms` after it."""
    late = [late_ms.get(number, 0) if isinstance(late_ms, Mapping) else late_ms for number in rates]
    time = np.array([hour(number) for number in rates], dtype=np.int64)
    return Settlements(time, np.array(late, dtype=np.int64), np.array(list(rates.values()), dtype=np.float64))


def panel(
    bars: Bars | None = None, funding: Settlements | None = None, hours: tuple[int, int] = (0, 5), interval: int = 8
) -> Panel:
    """The panel of one instrument."""
    one = coin(interval=interval)
    return build_panel(
        [one],
        {} if bars is None else {one.key: bars},
        {} if funding is None else {one.key: funding},
        hour(hours[0]),
        hour(hours[1]),
        DELAY_S,
    )


def column(values: np.ndarray) -> list[float | None]:
    """The one column of a field, gaps as None."""
    return [None if math.isnan(value) else value for value in values[:, 0].tolist()]


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


# Errors


@pytest.mark.parametrize("name", ["open", "close"])
@pytest.mark.parametrize("value", [math.nan, -1.0, 0.0])
def test_a_price_that_is_not_positive_is_corrupt(name: str, value: float) -> None:
    bad = candles([0, 1, 2])
    getattr(bad, name)[1] = value

    with pytest.raises(CorruptData, match=f"binance BTC/USDT:USDT: a bar's {name}"):
        panel(bad)


@pytest.mark.parametrize("name", ["open", "close"])
def test_an_infinite_price_is_corrupt(name: str) -> None:
    bad = candles([0, 1, 2])
    getattr(bad, name)[1] = math.inf

    with pytest.raises(CorruptData):
        panel(bad)


@pytest.mark.parametrize("hours", [(0, 2, 1), (0, 1, 1)])
def test_candles_out_of_order_are_corrupt(hours: tuple[int, ...]) -> None:
    with pytest.raises(CorruptData, match="bars are not in strictly increasing time order"):
        panel(candles(hours))


@pytest.mark.parametrize("order", [[0, 2, 1], [0, 1, 1]])
def test_settlements_out_of_order_are_corrupt(order: list[int]) -> None:
    rows = settled({0: 1e-4, 1: 1e-4, 2: 1e-4})
    wrong = Settlements(rows.time[order], rows.offset_ms[order], rows.rate[order])

    with pytest.raises(CorruptData, match="settlements are not in strictly increasing time order"):
        panel(funding=wrong)


@pytest.mark.parametrize("rate", [math.nan, math.inf])
def test_a_rate_that_is_not_a_number_is_corrupt(rate: float) -> None:
    with pytest.raises(CorruptData, match="binance BTC/USDT:USDT: a settled funding rate"):
        panel(funding=settled({0: 1e-4, 8: rate}))


# Point in time

LAST = 40


@st.composite
def histories(draw: st.DrawFn) -> tuple[Bars, Settlements]:
    """Candles with gaps and settlements at changing intervals, some early, some late, over hours -20..LAST."""
    present = draw(st.lists(st.booleans(), min_size=LAST + 20, max_size=LAST + 20))
    bars = candles(number - 20 for number, there in enumerate(present) if there)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    prices = random.uniform(1, 1000, (2, len(bars)))
    number, rates, late = -20, {}, {}
    while number <= LAST:
        rates[number] = float(random.normal(0, 1e-4))
        late[number] = draw(st.sampled_from([0, 47, 400, -300, 59_999, 60_001, 90_000, 24 * MINUTE_MS]))
        number += draw(st.sampled_from([1, 1, 4, 8, 8, 3, 16]))
    return replace(bars, open=prices[0], close=prices[1]), settled(rates, late)


def rows_from(series: Bars | Settlements, kept: np.ndarray) -> Bars | Settlements:
    return type(series)(*(values[kept] for values in vars(series).values()))


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, LAST))
def test_the_panel_of_what_was_known_at_a_tick_equals_the_whole_panel_up_to_it(
    history: tuple[Bars, Settlements], cut: int
) -> None:
    bars, funding = history
    whole = panel(bars, funding, (0, LAST))
    known_bars = rows_from(bars, bars.open_time + HOUR_MS <= hour(cut))
    known_funding = rows_from(funding, funding.stamp <= hour(cut) + DELAY_S * 1000)
    known = panel(known_bars, known_funding, (0, cut))

    for name in KNOWN_AT_DECISION:
        np.testing.assert_array_equal(getattr(whole, name)[: cut + 1], getattr(known, name), err_msg=name)
    np.testing.assert_array_equal(whole.open_after[:cut], known.open_after[:cut])


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
