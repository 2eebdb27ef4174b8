"""One test for each row of the table in docs/panel.md; recorded files go through the same checks (test_recorded)."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from data.errors import ConfigurationError, CorruptData
from data.lake import Appended, Lake
from data.panel import build_panel
from data.types import HOUR_MS, Bars, Instrument, Settlements
from tests.unit.data.series import DELAY_S, MINUTE_MS, candles, coin, column, hour, panel, settled, spot_coin

TABLE = Path(__file__).parents[3] / "docs/panel.md"
BTC = coin()
TESTED: set[str] = set()

Test = Callable[..., None]
BAD_PRICES = [math.nan, math.inf, -math.inf, 0.0, -1.0]


def row(what: str) -> Callable[[Test], Test]:
    """Marks the test of a row by what comes in."""
    TESTED.add(what)
    return lambda test: test


def bad_bars(name: str, value: float, at: int = 1) -> Bars:
    rows = candles(range(4))
    getattr(rows, name)[at] = value
    return rows


def refused(what: str, bars: Bars | None = None, funding: Settlements | None = None, first: str = "01") -> None:
    """The panel raises, naming venue, symbol, what is wrong, the time of the first such row, and what to do."""
    with pytest.raises(CorruptData) as caught:
        panel(bars, funding)
    said = str(caught.value)
    assert said.startswith(f"binance BTC/USDT:USDT: {what} in 1 rows, first at 2025-01-06T{first}:")
    assert said.endswith("; collect or record these rows again, or leave the asset out")


def left_out(folder: Path, bars: Bars | None = None, funding: Settlements | None = None) -> None:
    """The lake takes all rows but one."""
    if bars is not None:
        expected = Appended(new=len(bars) - 1, rejected=1)
        assert expected == Lake(folder).append_bars("binance", {BTC.symbol: bars})
    if funding is not None:
        expected = Appended(new=len(funding) - 1, rejected=1)
        assert expected == Lake(folder).append_settlements("binance", {BTC.symbol: funding})


# What cannot be true


@row("a price that is NaN, infinite, zero or negative")
@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", BAD_PRICES)
def test_a_price_that_is_no_positive_number(tmp_path: Path, name: str, value: float) -> None:
    refused(f"{name} is not a positive number", bad_bars(name, value))
    left_out(tmp_path, bad_bars(name, value))


@row("a high below the low, an open or close outside them")
@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("high", 1.0, "high is below low"),
        ("low", 1e6, "high is below low"),
        ("open", 1.0, "open or close lies outside low..high"),
        ("close", 1e6, "open or close lies outside low..high"),
    ],
)
def test_a_candle_that_contradicts_itself(tmp_path: Path, name: str, value: float, what: str) -> None:
    refused(what, bad_bars(name, value))
    left_out(tmp_path, bad_bars(name, value))


@row("a volume that is negative, NaN or infinite")
@pytest.mark.parametrize("value", [math.nan, math.inf, -1e-9])
def test_a_volume_that_is_no_amount(tmp_path: Path, value: float) -> None:
    refused("volume is negative or not a number", bad_bars("volume", value))
    left_out(tmp_path, bad_bars("volume", value))


def test_a_volume_of_nothing_is_taken(tmp_path: Path) -> None:
    assert 0.0 == panel(bad_bars("volume", 0.0)).volume[2, 0]


@row("a candle off the full hour")
@pytest.mark.parametrize("late_ms", [1, 30 * MINUTE_MS, HOUR_MS - 1])
def test_a_candle_between_hours(tmp_path: Path, late_ms: int) -> None:
    refused("timestamp is not a full hour", bad_bars("open_time", hour(1) + late_ms))
    left_out(tmp_path, bad_bars("open_time", hour(1) + late_ms))


@row("a settlement off the full hour")
def test_a_settlement_between_hours(tmp_path: Path) -> None:
    def rows() -> Settlements:
        between = settled({0: 1e-4, 1: 1e-4, 2: 1e-4})
        between.time[1] += 47
        return between

    refused("timestamp is not a full hour", funding=rows())
    left_out(tmp_path, funding=rows())


@row("a rate that is NaN or infinite")
@pytest.mark.parametrize("rate", [math.nan, math.inf, -math.inf])
def test_a_rate_that_is_no_number(tmp_path: Path, rate: float) -> None:
    refused("rate is not a finite number", funding=settled({0: 1e-4, 1: rate}))
    left_out(tmp_path, funding=settled({0: 1e-4, 1: rate}))


@row("a settlement stamped an hour or more from its hour")
@pytest.mark.parametrize("late_ms", [HOUR_MS, -HOUR_MS, 25 * HOUR_MS])
def test_a_stamp_that_belongs_to_another_hour(tmp_path: Path, late_ms: int) -> None:
    refused("stamp is an hour or more from its hour", funding=settled({0: 1e-4, 1: 1e-4}, {1: late_ms}))
    left_out(tmp_path, funding=settled({0: 1e-4, 1: 1e-4}, {1: late_ms}))


@row("settlements stamped in another order than their hours")
def test_stamps_out_of_order() -> None:
    late_then_early = {0: 59 * MINUTE_MS, 1: -59 * MINUTE_MS}
    refused("stamp is earlier than that of the settlement before", funding=settled({0: 1e-4, 1: 1e-4}, late_then_early))


@row("a row twice")
def test_a_row_that_appears_twice(tmp_path: Path) -> None:
    refused("timestamp appears twice", candles([0, 1, 1, 2]))
    order = [0, 1, 1]
    rows = settled({0: 1e-4, 1: 2e-4})
    twice = Settlements(*(values[order] for values in vars(rows).values()))
    refused("timestamp appears twice", funding=twice)
    twice.rate[2] = 3e-4
    report = Lake(tmp_path).append_settlements("binance", {BTC.symbol: twice})
    assert Appended(new=2, conflicting=1) == report
    assert Appended(new=3, known=1) == Lake(tmp_path).append_bars("binance", {BTC.symbol: candles([0, 1, 1, 2])})


@row("rows out of order of time")
def test_rows_out_of_order(tmp_path: Path) -> None:
    refused("timestamp is earlier than the row before (unsorted)", candles([0, 2, 1]))
    refused("timestamp is earlier than the row before (unsorted)", funding=settled({0: 1e-4, 2: 1e-4, 1: 1e-4}))
    lake = Lake(tmp_path)
    lake.append_bars("binance", {BTC.symbol: candles([0, 2, 1])})
    assert [hour(0), hour(1), hour(2)] == lake.bars([BTC], hour(0), hour(5))[BTC.key].open_time.tolist()


@row("a row in the file of another month, so that files overlap")
@pytest.mark.parametrize("change", ["another month", "twice", "out of order"])
def test_files_that_overlap(tmp_path: Path, change: str) -> None:
    lake = Lake(tmp_path)
    lake.append_bars("binance", {BTC.symbol: candles([0, 1, 27 * 24, 27 * 24 + 1])})
    lake.compact()
    first, second = sorted(tmp_path.rglob("*.parquet"))
    rows = pq.read_table(second, partitioning=None)
    changed = {"another month": rows, "twice": rows.take([0, 0, 1]), "out of order": rows.take([1, 0])}[change]
    broken = first if change == "another month" else second
    pq.write_table(changed, broken)

    with pytest.raises(CorruptData, match="rows of another month, twice or out of order") as caught:
        Lake(tmp_path).bars([BTC], hour(0), hour(27 * 24 + 48))
    assert str(broken) in str(caught.value)


@row("an announced interval of zero or less")
@pytest.mark.parametrize("hours", [0, -8])
def test_an_interval_that_is_none(hours: int) -> None:
    with pytest.raises(CorruptData, match=f"binance BTC/USDT:USDT announces settlements every {hours} h; leave"):
        panel(candles(range(4)), settled({0: 1e-4}), interval=hours)


def panel_of(*instruments: Instrument, bars: Bars | None = None, funding: Settlements | None = None) -> object:
    series = {one.key: bars for one in instruments if bars is not None}
    paid = {one.key: funding for one in instruments if funding is not None}
    return build_panel(instruments, series, paid, hour(0), hour(5), DELAY_S)


@row("an instrument listed twice")
def test_an_instrument_that_is_listed_twice() -> None:
    with pytest.raises(CorruptData, match="binance BTC/USDT:USDT is listed twice; name every instrument once"):
        panel_of(BTC, coin("hyperliquid"), replace(BTC, interval_hours=4))


@row("a spot market with settlements")
def test_a_spot_market_that_settles() -> None:
    with pytest.raises(
        CorruptData, match="binance_spot BTC/USDT is a spot market and has settled funding, first at 2025-01-06T08:00"
    ):
        panel_of(spot_coin(), bars=candles(range(4)), funding=settled({8: 1e-4}))


@row("ticks off the full hour, or the last before the first")
@pytest.mark.parametrize(
    ("first", "last"), [(hour(0) + 1, hour(5) + 1), (hour(0) + 30 * MINUTE_MS, hour(5)), (hour(5), hour(4))]
)
def test_ticks_that_are_no_hours(first: int, last: int) -> None:
    with pytest.raises(ConfigurationError, match="2025-01-06T.*begin and end on a full hour"):
        build_panel([BTC], {}, {}, first, last, DELAY_S)


@pytest.mark.parametrize("number", [-500, 500])
def test_what_cannot_be_true_is_refused_outside_the_window_too(number: int) -> None:
    rows = candles([number, number + 1] if number > 0 else [number, 0], price=1000.0)
    rows.close[0] = math.nan

    with pytest.raises(CorruptData, match="close is not a positive number"):
        panel(rows)


# What is no error


@row("a gap in the candles")
def test_a_gap() -> None:
    holed = panel(candles([-1, 0, 3]))

    assert [99.5, 100.5, None, None, 103.5, None] == column(holed.close)
    assert [0.0, 0.0, 1.0, 2.0, 0.0, 1.0] == column(holed.silent_hours)


@row("a settlement inside a gap of the candles")
def test_a_settlement_inside_a_gap() -> None:
    holed = panel(candles([-1, 0, 4]), settled({2: 1e-4}))

    assert [0.0, 0.0, 1e-4, 0.0, 0.0, 0.0] == column(holed.settled)
    assert [None] * 2 == column(holed.close[2:4])


@row("an asset that appears late")
def test_an_asset_that_appears_late() -> None:
    late = panel(candles([3, 4]), settled({4: 8e-4}))

    assert [None, None, None, None, 103.5, 104.5] == column(late.close)
    assert [None, None, None, None, 1e-4, 1e-4] == column(late.last_rate)
    assert [0.0, 0.0, 0.0, 0.0, 8.0, 0.0] == column(late.settled_hours)
    assert [math.inf] * 4 + [0.0, 0.0] == column(late.silent_hours)


@row("a delisting")
def test_a_delisting() -> None:
    gone = panel(candles([-1, 0, 1]), settled({-8: 8e-4, 0: 16e-4}))

    assert [99.5, 100.5, 101.5, None, None, None] == column(gone.close)
    assert pytest.approx([2e-4] * 6) == column(gone.last_rate)
    assert pytest.approx([16e-4, 0, 0, 0, 0, 0]) == column(gone.settled)
    assert [0.0, 0.0, 0.0, 1.0, 2.0, 3.0] == column(gone.silent_hours)


@row("an empty series")
def test_an_empty_series(tmp_path: Path) -> None:
    none, empty = panel(), panel(candles([]), settled({}))

    for name in ("close", "open_after", "settled", "last_rate", "settled_hours", "interval", "silent_hours"):
        np.testing.assert_array_equal(getattr(none, name), getattr(empty, name))
    assert Appended() == Lake(tmp_path).append_bars("binance", {BTC.symbol: candles([])})


@row("candles without settlements (a perpetual)")
def test_candles_without_settlements() -> None:
    unpaid = panel(candles(range(6)))

    assert [None] * 6 == column(unpaid.last_rate) == column(unpaid.settled_at)
    assert [0.0] * 6 == column(unpaid.settled_hours)


@row("settlements without candles")
def test_settlements_without_candles() -> None:
    unpriced = panel(funding=settled({2: 1e-4}))

    assert [0.0, 0.0, 1e-4, 0.0, 0.0, 0.0] == column(unpriced.settled)
    assert [None] * 6 == column(unpriced.close)


@row("a missing settlement")
def test_a_missing_settlement() -> None:
    holed = panel(funding=settled({1: 1e-4, 2: 1e-4, 4: 1e-4, 5: 1e-4}), interval=1)

    assert [0.0, 1.0, 1.0, 0.0, 1.0, 1.0] == column(holed.settled_hours)
    assert [1.0] * 6 == column(holed.interval)


@row("a settlement stamped late")
def test_a_settlement_stamped_late() -> None:
    in_time, late = (panel(funding=settled({2: 1e-4}, late_ms=1000 * DELAY_S + extra)) for extra in (0, 1))

    assert [0.0, 0.0, 1e-4, 0.0, 0.0, 0.0] == column(in_time.settled)
    assert [0.0, 0.0, 0.0, 1e-4, 0.0, 0.0] == column(late.settled)


@row("a spot market")
def test_a_spot_market() -> None:
    spot = spot_coin()
    known = build_panel([spot], {spot.key: candles(range(6))}, {}, hour(0), hour(5), DELAY_S)

    assert [0.0] * 6 == column(known.settled) == column(known.last_rate)
    assert [1.0] * 6 == column(known.settled_hours)


@row("legs with unequal multipliers (1000SHIB and SHIB)")
def test_legs_with_unequal_multipliers() -> None:
    legs = coin(code="1000SHIB"), coin("hyperliquid", "SHIB", "USDC"), spot_coin("SHIB")

    pairs = build_panel(legs, {}, {}, hour(0), hour(1), DELAY_S).pairs
    assert [(1, 2)] == [(pair.a, pair.b) for pair in pairs]


@row("two instruments of one venue, or two spot markets, on one asset")
def test_two_of_one_venue_and_two_on_spot() -> None:
    legs = coin(), coin(quote="USDC"), spot_coin(code="SOL"), replace(spot_coin(code="SOL"), venue="okx_spot")

    assert () == build_panel(legs, {}, {}, hour(0), hour(1), DELAY_S).pairs


def test_every_row_of_the_table_has_its_test_and_no_test_is_without_a_row() -> None:
    rows = [line for line in TABLE.read_text().splitlines() if line.startswith("| ")]

    assert TESTED == {line.split(" | ")[0].removeprefix("| ") for line in rows} - {"what comes in"}
