"""The panel straight from the lake's files equals the panel of joined series, whatever the files hold."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.errors import CorruptData
from data.lake import Lake
from data.lake_panel import lake_panel
from data.panel import FIELDS, Panel, build_panel
from data.types import HOUR_MS
from tests.unit.data.series import DELAY_S, MINUTE_MS, START, candles, coin, hour, settled

BTC, SOL, HL_BTC = coin(), coin(code="SOL"), coin("hyperliquid", quote="USDC", interval=1)
LEGS = (SOL, HL_BTC, BTC)
"""In another order than the files have them."""
MONTH = 31 * 24
YEAR = 365 * 24

Batch = tuple[int, int, int, int, int]
"""Which of LEGS, the first hour, how many hours, hours between two rows, and what tells the values apart."""

batches = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(-30, YEAR),
        st.integers(1, 2 * MONTH),
        st.sampled_from([1, 1, 1, 7]),
        st.integers(0, 3),
    ),
    max_size=6,
)


def joined(lake: Lake, first: int, last: int) -> Panel:
    """The panel by way of series."""
    since = first - HOUR_MS
    return build_panel(LEGS, lake.bars(LEGS, since, last), lake.settlements(LEGS, since, last), first, last, DELAY_S)


def assert_same(expected: Panel, actual: Panel) -> None:
    for name in FIELDS:
        one, other = getattr(expected, name), getattr(actual, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other, err_msg=name)


def add(lake: Lake, batch: Batch) -> None:
    """Candles, and settlements of which some come late, one of them in the hour of the next one."""
    leg, first, count, step, kind = batch
    hours = range(first, first + count, step)
    lake.append_bars(LEGS[leg].venue, {LEGS[leg].symbol: candles(hours, price=100.0 + kind - min(first, 0))})
    late = {number: (0, 47, 59_999, 90_000, 24 * MINUTE_MS)[(number + kind) % 5] for number in hours}
    rates = {number: 1e-4 * (number % 11 - 5 + kind) for number in hours}
    lake.append_settlements(LEGS[leg].venue, {LEGS[leg].symbol: settled(rates, late)})


def left_behind(root: Path, others: list[Batch]) -> None:
    """Small files of rows that the months have already, with other values: what a crash can leave."""
    with tempfile.TemporaryDirectory() as folder:
        other = Lake(folder)
        for batch in others:
            add(other, batch)
        for file in Path(folder).glob(".incoming/**/*.parquet"):
            place = root / file.relative_to(folder)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.with_stem(f"{int(file.stem) + 1000:012d}").write_bytes(file.read_bytes())


@settings(max_examples=20, deadline=None)
@given(batches, batches, batches, st.integers(0, 400), st.integers(0, YEAR))
@example([(0, -5, 40, 1, 0)], [], [(0, 10, 60, 1, 1), (0, 10, 90, 1, 2)], 0, YEAR)
@example([(1, 0, YEAR, 1, 0), (2, 9, YEAR, 7, 1)], [(1, 3, YEAR + 90, 1, 2)], [(2, 0, 90, 1, 3)], 3, YEAR)
def test_the_panel_from_files_equals_the_panel_of_joined_series(
    moved: list[Batch], added: list[Batch], crashed: list[Batch], first: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(folder)
        for batch in moved:
            add(lake, batch)
        lake.compact()
        for batch in added:
            add(lake, batch)
        left_behind(Path(folder), crashed)
        window = hour(first), hour(first + length)

        expected = joined(Lake(folder), *window)
        assert_same(expected, lake_panel(Lake(folder), LEGS, *window, DELAY_S))
        assert_same(expected, lake_panel(lake, LEGS, *window, DELAY_S))


@pytest.mark.parametrize("hours", [200, YEAR])
def test_rows_that_were_set_aside_are_a_gap(tmp_path: Path, hours: int) -> None:
    lake = Lake(tmp_path)
    add(lake, (2, 0, hours, 1, 0))
    gone = np.array([hour(3), hour(150)])
    assert 2 == lake.set_aside("bars", BTC.venue, BTC.symbol, gone, "not believed")
    made = lake_panel(lake, LEGS, START, hour(hours), DELAY_S)

    assert [4, 151] == (1 + np.flatnonzero(np.isnan(made.close[1:, 2]))).tolist()
    assert_same(joined(lake, START, hour(hours)), made)


def test_what_is_collected_between_two_hours_is_in_the_next_panel(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    add(lake, (2, 0, 20, 1, 0))
    before = lake_panel(lake, LEGS, START, hour(20), DELAY_S)
    add(lake, (2, 20, 1, 1, 0))
    after = lake_panel(lake, LEGS, hour(1), hour(21), DELAY_S)

    assert np.isfinite(before.close[1:, 2]).all()
    assert candles([20]).close[0] == after.close[-1, 2]


def test_an_empty_lake_makes_a_panel_of_gaps_with_announced_intervals(tmp_path: Path) -> None:
    made = lake_panel(Lake(tmp_path / "lake"), LEGS, START, hour(5), DELAY_S)

    assert_same(build_panel(LEGS, {}, {}, START, hour(5), DELAY_S), made)
    assert [8, 1, 8] == made.interval[-1].tolist()


def test_a_file_that_holds_another_month_is_named_when_it_is_read_ahead_too(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    add(lake, (2, 0, YEAR, 1, 0))
    lake.compact()
    files = sorted(tmp_path.glob("bars/*/*/rows.parquet"))
    files[3].write_bytes(files[4].read_bytes())

    with pytest.raises(CorruptData, match=r"month=2025-04/rows\.parquet holds rows of another month"):
        lake_panel(Lake(tmp_path), LEGS, START, hour(YEAR), DELAY_S)


def test_settlements_stamped_out_of_order_are_corrupt(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements(
        BTC.venue, {BTC.symbol: settled({0: 1e-4, 1: 1e-4}, {0: 59 * MINUTE_MS, 1: -50 * MINUTE_MS})}
    )

    with pytest.raises(CorruptData, match="stamp is earlier than that of the settlement before"):
        lake_panel(lake, LEGS, START, hour(5), DELAY_S)


def test_a_scan_gives_the_time_and_the_columns_asked_for_in_their_order(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = candles(range(4))
    lake.append_bars(BTC.venue, {BTC.symbol: rows})
    part = next(lake.scan("bars", BTC.venue, START, hour(3), ("close", "open")))

    for values, expected in zip(part[BTC.symbol], (rows.open_time, rows.close, rows.open), strict=True):
        np.testing.assert_array_equal(expected, values)
