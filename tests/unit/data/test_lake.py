import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CorruptData
from data.lake import Appended, Lake
from data.tables import SCHEMAS
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
"""2025-01-06 00:00 UTC."""
LAST = START + 100 * HOUR_MS
NEXT_MONTH = 27 * 24
BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)
SOL = Instrument("binance", "SOL/USDT:USDT", Asset("SOL"), "USDT", 0.1, 0.01, 5.0, 8)
HL_BTC = Instrument("hyperliquid", "BTC/USDC:USDC", Asset("BTC"), "USDC", 0.00001, 1.0, 10.0, 1)

Row = tuple[int, float]


def bars(*hours: int, price: float = 100.0) -> Bars:
    """A candle for each hour after the start; its numbers follow from the hour and `price`."""
    number = np.array(hours, dtype=np.int64)
    level = price + number / 7
    return Bars(START + number * HOUR_MS, level, level + 1, level - 1, level + 0.5, level * 3)


def settled(*rows: Row, late_ms: int = 47) -> Settlements:
    """Settlements from (hour, rate)."""
    time = np.array([START + number * HOUR_MS for number, _ in rows], dtype=np.int64)
    return Settlements(time, np.full(len(rows), late_ms), np.array([rate for _, rate in rows], dtype=np.float64))


def held(lake: Lake, instrument: Instrument = BTC, first: int = START, last: int = LAST) -> list[Row]:
    """The settlements that a lake holds, as (hour, rate)."""
    rows = lake.settlements([instrument], first, last).get(instrument.key)
    return [] if rows is None else list(zip(((rows.time - START) // HOUR_MS).tolist(), rows.rate.tolist(), strict=True))


def month_file(root: Path, table: str = "settlements", month: str = "2025-01") -> Path:
    return root / table / "venue=binance" / f"month={month}" / "rows.parquet"


def compacted(root: Path, *rows: Row) -> Path:
    """The month's file of a lake with these settlements."""
    lake = Lake(root)
    lake.append_settlements("binance", {BTC.symbol: settled(*rows)})
    lake.compact()
    return month_file(root)


def test_candles_come_back_to_the_last_bit(tmp_path: Path) -> None:
    rows = bars(*range(60), price=math.pi)
    Lake(tmp_path).append_bars("binance", {BTC.symbol: rows})
    back = Lake(tmp_path).bars([BTC], START, LAST)[BTC.key]

    for name, values in vars(rows).items():
        assert values.dtype == getattr(back, name).dtype
        np.testing.assert_array_equal(values, getattr(back, name))


def test_settlements_come_back_to_the_last_bit(tmp_path: Path) -> None:
    rows = settled((0, 1e-4 / 3), (8, -2e-17), (30, 0.0), late_ms=-123)
    Lake(tmp_path).append_settlements("binance", {BTC.symbol: rows})
    back = Lake(tmp_path).settlements([BTC], START, LAST)[BTC.key]

    for name, values in vars(rows).items():
        np.testing.assert_array_equal(values, getattr(back, name))


def test_a_range_includes_both_of_its_ends(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled(*((number, 1e-4) for number in range(60)))})

    assert list(range(20, 31)) == [number for number, _ in held(lake, BTC, START + 20 * HOUR_MS, START + 30 * HOUR_MS)]
    assert [20] == [number for number, _ in held(lake, BTC, START + 20 * HOUR_MS, START + 20 * HOUR_MS)]
    assert [] == held(lake, BTC, START + 20 * HOUR_MS + 1, START + 21 * HOUR_MS - 1)


def test_instruments_without_rows_are_absent(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_bars("binance", {BTC.symbol: bars(0)})

    assert [BTC.key] == list(lake.bars([BTC, SOL, HL_BTC], START, LAST))
    assert {} == lake.settlements([BTC, SOL, HL_BTC], START, LAST)


def test_an_empty_lake_is_empty_and_makes_no_folder(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")

    assert {} == lake.bars([BTC], START, LAST)
    assert Appended() == lake.append_bars("binance", {}) == lake.append_bars("binance", {BTC.symbol: bars()})
    assert not (tmp_path / "lake").exists()


def test_venues_and_symbols_are_kept_apart(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4)), SOL.symbol: settled((0, 2e-4))})
    lake.append_settlements("hyperliquid", {HL_BTC.symbol: settled((0, 3e-4))})

    assert [[(0, 1e-4)], [(0, 2e-4)], [(0, 3e-4)]] == [held(lake, one) for one in (BTC, SOL, HL_BTC)]


def test_appending_the_same_rows_again_changes_nothing(tmp_path: Path) -> None:
    rows = {BTC.symbol: bars(*range(40)), SOL.symbol: bars(*range(5))}

    assert Appended(new=45) == Lake(tmp_path).append_bars("binance", rows)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    assert Appended(known=45) == Lake(tmp_path).append_bars("binance", rows)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}


def test_another_stamp_of_a_known_settlement_is_a_conflict(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4), late_ms=1)})

    assert Appended(conflicting=1) == lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4), late_ms=2)})
    assert [1] == lake.settlements([BTC], START, LAST)[BTC.key].offset_ms.tolist()


def test_duplicates_within_one_batch_are_one_row(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    report = lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4), (0, 1e-4), (0, 2e-4))})
    assert Appended(new=1, known=1, conflicting=1) == report
    assert [(0, 1e-4)] == held(lake)


def test_rows_are_kept_in_time_order_whatever_order_they_came_in(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((30, 3e-4), (2, 1e-4))})
    lake.append_settlements("binance", {BTC.symbol: settled((5, 2e-4), (1, 0.5e-4))})

    assert [(1, 0.5e-4), (2, 1e-4), (5, 2e-4), (30, 3e-4)] == held(lake)


@pytest.mark.parametrize("rate", [math.nan, math.inf, -math.inf])
def test_a_rate_that_is_not_a_number_is_left_out_and_counted(tmp_path: Path, rate: float) -> None:
    lake = Lake(tmp_path)

    assert Appended(new=1, rejected=1) == lake.append_settlements(
        "binance", {BTC.symbol: settled((0, rate), (8, 1e-4))}
    )
    assert [(8, 1e-4)] == held(lake)


@pytest.mark.parametrize("name", ["open", "high", "low", "close"])
@pytest.mark.parametrize("price", [math.nan, math.inf, 0.0, -1.0])
def test_an_impossible_candle_is_left_out_and_counted(tmp_path: Path, name: str, price: float) -> None:
    lake, rows = Lake(tmp_path), bars(0, 1, 2)
    getattr(rows, name)[1] = price

    assert Appended(new=2, rejected=1) == lake.append_bars("binance", {BTC.symbol: rows})
    assert [START, START + 2 * HOUR_MS] == lake.bars([BTC], START, LAST)[BTC.key].open_time.tolist()


ROWS = st.lists(st.tuples(st.integers(0, 50), st.sampled_from([1e-4, 2e-4])), max_size=20)


@settings(max_examples=20, deadline=None)
@given(batches=st.lists(ROWS, min_size=1, max_size=4))
def test_a_lake_holds_the_first_value_of_every_hour_and_counts_every_row(batches: list[list[Row]]) -> None:
    first: dict[int, float] = {}
    for batch in batches:
        for number, rate in batch:
            first.setdefault(number, rate)
    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))
        reports = [lake.append_settlements("binance", {BTC.symbol: settled(*batch)}) for batch in batches]

        assert sorted(first.items()) == held(lake) == held(Lake(Path(folder)))
    total = sum(reports, Appended())
    assert len(first) == total.new
    assert sum(map(len, batches)) == total.new + total.known + total.conflicting


def test_a_file_that_was_moved_away_is_gone_for_the_reader(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4), (NEXT_MONTH, 2e-4))})
    lake.compact()
    month_file(tmp_path).unlink()

    assert [(NEXT_MONTH, 2e-4)] == held(lake, last=START + NEXT_MONTH * HOUR_MS)


def test_what_an_interrupted_write_left_behind_is_ignored(tmp_path: Path) -> None:
    compacted(tmp_path, (0, 1e-4)).with_name(".rows.parquet.tmp").write_bytes(b"PAR1 half a file")
    Lake(tmp_path).append_settlements("hyperliquid", {HL_BTC.symbol: settled((0, 1e-4))})
    small = next((tmp_path / ".incoming").rglob("*.parquet"))
    small.with_name(f".{small.name}.tmp").write_bytes(b"PAR1 half a file")

    assert [(0, 1e-4)] == held(Lake(tmp_path))
    assert [(0, 1e-4)] == held(Lake(tmp_path), HL_BTC)
    assert 1 == len(pd.read_parquet(tmp_path / "settlements"))
    assert Appended(new=1) == Lake(tmp_path).append_settlements("binance", {BTC.symbol: settled((8, 1e-4))})


@pytest.mark.parametrize(
    "broken",
    [
        lambda whole: b"",
        lambda whole: b"not parquet at all" * 50,
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:-1],
        lambda whole: whole[:4] + bytes(len(whole) - 12) + whole[-8:],
    ],
    ids=["empty", "other bytes", "half", "last byte lost", "zeroed"],
)
def test_a_file_that_cannot_be_read_is_corrupt_and_named(tmp_path: Path, broken: object) -> None:
    path = compacted(tmp_path, (0, 1e-4))
    path.write_bytes(broken(path.read_bytes()))  # type: ignore[operator]

    with pytest.raises(CorruptData) as caught:
        held(Lake(tmp_path))
    assert str(path) in str(caught.value)
    with pytest.raises(CorruptData):
        Lake(tmp_path).append_settlements("binance", {BTC.symbol: settled((8, 1e-4))})


def test_a_flipped_byte_never_changes_a_number_unnoticed(tmp_path: Path) -> None:
    rows = bars(*range(24), price=math.pi)
    lake = Lake(tmp_path)
    lake.append_bars("binance", {BTC.symbol: rows})
    lake.compact()
    path = month_file(tmp_path, "bars")
    whole, unnoticed = path.read_bytes(), []
    for position in range(0, len(whole), 41):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x55]) + whole[position + 1 :])
        try:
            back = Lake(tmp_path).bars([BTC], START, LAST)[BTC.key]
        except CorruptData:
            continue
        if not all(np.array_equal(values, getattr(back, name)) for name, values in vars(rows).items()):
            unnoticed.append(position)

    assert [] == unnoticed


def test_a_file_of_an_older_version_is_corrupt_and_named(tmp_path: Path) -> None:
    older = pa.schema([field for field in SCHEMAS["settlements"] if field.name != "offset_ms"])
    path = month_file(tmp_path)
    path.parent.mkdir(parents=True)
    pq.write_table(older.empty_table(), path)

    with pytest.raises(CorruptData, match="of another version") as caught:
        held(Lake(tmp_path))
    assert str(path) in str(caught.value)


def test_a_file_with_other_types_is_corrupt(tmp_path: Path) -> None:
    path = month_file(tmp_path)
    path.parent.mkdir(parents=True)
    changed = SCHEMAS["settlements"].set(3, pa.field("rate", pa.float32()))
    pq.write_table(changed.empty_table(), path)

    with pytest.raises(CorruptData):
        held(Lake(tmp_path))


def test_pandas_reads_a_table_with_its_partitions(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4), (30, 2e-4))})
    lake.append_settlements("hyperliquid", {HL_BTC.symbol: settled((1, 3e-4))})
    lake.compact()
    frame = pd.read_parquet(tmp_path / "settlements").sort_values("rate")

    assert ["binance", "binance", "hyperliquid"] == frame["venue"].astype(str).tolist()
    assert {"2025-01"} == set(frame["month"].astype(str))
    assert [1e-4, 2e-4, 3e-4] == frame["rate"].tolist()
    assert pd.Timestamp("2025-01-07 06:00", tz="UTC") == frame["time"].iloc[1]
    assert [BTC.symbol, BTC.symbol, HL_BTC.symbol] == frame["symbol"].tolist()


def test_a_folder_that_cannot_be_made_is_an_error_and_loses_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_settlements("binance", {BTC.symbol: settled((0, 1e-4))})
    in_the_way = tmp_path / ".incoming" / "settlements" / "hyperliquid"
    in_the_way.write_text("in the way")

    with pytest.raises(OSError):
        lake.append_settlements("hyperliquid", {HL_BTC.symbol: settled((30, 2e-4))})
    assert [(0, 1e-4)] == held(lake)
    in_the_way.unlink()
    assert Appended(new=1) == lake.append_settlements("hyperliquid", {HL_BTC.symbol: settled((30, 2e-4))})
    lake.close()
    assert [(30, 2e-4)] == held(Lake(tmp_path), HL_BTC)
