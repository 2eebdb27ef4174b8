"""The lake: first values win, nothing is doubled, and no crash leaves half a file."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import polars
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CorruptData, StateError
from data.lake import Appended, Lake
from data.tables import SCHEMAS
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

DAY = 20_000 * 24
BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)


def bars(hours: list[int], price: float = 100.0) -> dict[str, Bars]:
    column = np.full(len(hours), price)
    opened = (DAY + np.array(hours, dtype=np.int64)) * HOUR_MS
    return {BTC.symbol: Bars(opened, column, column, column, column, column)}


def stored(lake: Lake) -> dict[int, float]:
    """Close by hour."""
    rows = lake.bars([BTC], DAY * HOUR_MS, (DAY + 200) * HOUR_MS).get(BTC.key)
    if rows is None:
        return {}
    return {int(time) // HOUR_MS - DAY: float(close) for time, close in zip(rows.open_time, rows.close, strict=True)}


def compacted(folder: Path, hours: list[int]) -> Path:
    """The file of the month that holds those candles."""
    lake = Lake(folder)
    lake.append_bars("binance", bars(hours))
    lake.compact()
    (path,) = folder.rglob("rows.parquet")
    return path


def test_the_same_rows_again_add_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    assert Appended(new=30) == lake.append_bars("binance", bars(list(range(30))))
    assert Appended(known=30) == lake.append_bars("binance", bars(list(range(30))))
    assert 30 == len(stored(lake))


def test_the_first_value_stays_and_the_other_is_reported(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_bars("binance", bars([1], price=100))
    assert Appended(new=1, conflicting=1) == lake.append_bars("binance", bars([1, 2], price=200))
    assert {1: 100.0, 2: 200.0} == stored(lake)


@pytest.mark.parametrize("price", [0.0, -5.0, np.nan, np.inf])
def test_impossible_numbers_are_left_out_and_reported(tmp_path: Path, price: float) -> None:
    lake = Lake(tmp_path)
    assert Appended(rejected=1) == lake.append_bars("binance", bars([1], price))
    assert {} == stored(lake)
    assert Appended(new=1) == lake.append_bars("binance", bars([1], 5.0))


@settings(max_examples=25, deadline=None)
@given(batches=st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=20), max_size=6))
def test_batches_in_any_order_end_in_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]]
) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    for batch in batches:
        lake.append_bars("binance", bars(batch))
    assert sorted({hour for batch in batches for hour in batch}) == list(stored(lake))


def test_settlements_keep_their_offset(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    rows = Settlements(np.array([DAY * HOUR_MS]), np.array([47]), np.array([-0.0003]))
    lake.append_settlements("binance", {BTC.symbol: rows})
    back = lake.settlements([BTC], DAY * HOUR_MS, (DAY + 1) * HOUR_MS)[BTC.key]
    assert (DAY * HOUR_MS + 47, -0.0003) == (back.stamp[0], back.rate[0])


def test_only_one_writes(tmp_path: Path) -> None:
    first = Lake(tmp_path)
    first.append_bars("binance", bars([1]))
    with pytest.raises(StateError, match="being written by somebody else: stop that collector or bot first"):
        Lake(tmp_path).append_bars("binance", bars([2]))
    first.close()
    assert Appended(new=1) == Lake(tmp_path).append_bars("binance", bars([2]))


def test_another_reader_sees_what_was_added(tmp_path: Path) -> None:
    writer, reader = Lake(tmp_path), Lake(tmp_path)
    writer.append_bars("binance", bars([1]))
    assert [1] == list(stored(reader))
    writer.append_bars("binance", bars([2]))
    assert [1, 2] == list(stored(reader))


def test_pandas_reads_it_with_the_partitions_as_columns(tmp_path: Path) -> None:
    compacted(tmp_path, list(range(48)))
    table = pd.read_parquet(tmp_path / "bars")
    assert (48, {"binance"}, {"2024-10"}) == (len(table), set(table.venue), set(table.month))


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"\x00" * 400])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    path = compacted(tmp_path, [1])
    path.write_bytes(content)
    with pytest.raises(CorruptData, match=r"rows\.parquet"):
        stored(Lake(tmp_path))


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    path = compacted(tmp_path, [1])
    pd.DataFrame({"symbol": ["BTC"], "price": [1.0]}).to_parquet(path)
    with pytest.raises(CorruptData, match="another version"):
        stored(Lake(tmp_path))


def test_a_disk_that_takes_no_more_loses_nothing_of_what_was_there(tmp_path: Path) -> None:
    Lake(tmp_path).append_bars("binance", bars([1]))
    code = "\n".join(
        (
            "import resource, signal, sys",
            "from pathlib import Path",
            "from data.lake import Lake",
            "from tests.contract.test_lake_files import bars",
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))",
            "Lake(Path(sys.argv[1])).append_bars('binance', bars([2]))",
        )
    )
    failed = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False, env=_environment()
    )
    assert (1, True) == (failed.returncode, "File too large" in failed.stderr), failed.stderr
    assert [1] == list(stored(Lake(tmp_path)))
    assert [] == list(tmp_path.rglob("*.tmp"))


def test_a_writer_killed_at_any_moment_leaves_whole_files(tmp_path: Path) -> None:
    code = "\n".join(
        (
            "import sys",
            "from pathlib import Path",
            "from data.lake import Lake",
            "from tests.contract.test_lake_files import bars",
            "lake = Lake(Path(sys.argv[1]))",
            "for hour in range(int(sys.argv[2]), 190):",
            "    lake.append_bars('binance', bars([hour]))",
            "    print(hour, flush=True)",
        )
    )
    moments, reached = random.Random(3), 0
    for _ in range(5):
        writer = subprocess.Popen(
            [sys.executable, "-c", code, tmp_path, str(reached)], stdout=subprocess.PIPE, text=True, env=_environment()
        )
        assert writer.stdout is not None
        written = int(writer.stdout.readline())
        time.sleep(moments.uniform(0, 0.05))  # the moment of death, not a wait
        writer.send_signal(signal.SIGKILL)
        written = max([written, *map(int, writer.stdout.read().split())])
        writer.wait()
        writer.stdout.close()
        held = list(stored(Lake(tmp_path)))
        assert list(range(len(held))) == held
        assert len(held) >= written + 1
        reached = len(held)


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


def test_rows_that_are_not_believed_are_kept_with_the_reason_and_once(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for _ in range(2):
        assert 1 == lake.append_bars("binance", bars([1], np.nan)).rejected
    lake.append_bars("binance", bars([2], 100.0))
    for _ in range(2):
        assert 1 == lake.append_bars("binance", bars([2], 101.0)).conflicting

    held = lake.quarantined("bars", "binance").to_pylist()
    assert ["open is not a positive number", "differs from the row stored first"] == [row["reason"] for row in held]
    assert [None, 101.0] == [row["close"] for row in held]


def test_what_was_set_aside_does_not_come_back_but_a_better_row_does(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_bars("binance", bars([1, 2, 3], 9500.0))
    times = (DAY + np.array([2])) * HOUR_MS

    assert 1 == lake.set_aside("bars", "binance", BTC.symbol, times, "a hundred times the price elsewhere")
    assert Appended(known=2, rejected=1) == lake.append_bars("binance", bars([1, 2, 3], 9500.0))
    assert [1, 3] == list(stored(lake))
    assert Appended(new=1) == lake.append_bars("binance", bars([2], 95.0))
    assert {1: 9500.0, 2: 95.0, 3: 9500.0} == stored(Lake(tmp_path))


def test_compaction_changes_no_row_and_leaves_a_file_a_month(tmp_path: Path) -> None:
    lake, hours = Lake(tmp_path), list(range(0, 60 * 24, 7))
    for chunk in (hours[::3], hours[1::3], hours[2::3]):
        lake.append_bars("binance", bars(chunk))
    before = lake.digest()
    lake.compact()

    assert before == lake.digest() == Lake(tmp_path).digest()
    assert 3 == len(list(tmp_path.rglob("*.parquet")))
    assert [] == list((tmp_path / ".incoming").rglob("*.parquet"))


def test_a_crash_between_moving_rows_and_deleting_their_small_files_doubles_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.append_bars("binance", bars([1, 2]))
    small = next(tmp_path.rglob("*.parquet"))
    content, before = small.read_bytes(), lake.digest()
    lake.compact()
    small.write_bytes(content)  # as if the process had died just before

    assert [1, 2] == list(stored(Lake(tmp_path)))
    lake.compact()
    assert before == lake.digest()
    assert not small.exists()


def test_the_rows_of_another_version_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "bars" / "venue=binance" / "day=2024-10-04").mkdir(parents=True)
    with pytest.raises(CorruptData, match=r"day=2024-10-04 is not of this version's lake: move it away, delete .reach"):
        stored(Lake(tmp_path))


def test_how_far_back_a_venue_was_asked_is_remembered_and_only_grows(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.reached("bars", "binance", {"BTC": 5, "ETH": 7})
    lake.reached("bars", "binance", {"BTC": 6, "ETH": 3})
    lake.close()

    assert {"BTC": 5, "ETH": 3} == Lake(tmp_path).reach("bars", "binance")
    assert {} == Lake(tmp_path).reach("settlements", "binance")


def test_duckdb_and_polars_read_it_with_one_line_each(tmp_path: Path) -> None:
    compacted(tmp_path, list(range(48)))
    lake = str(tmp_path)
    documented = (Path(__file__).parents[2] / "docs" / "lake.md").read_text()
    lines = {
        "duckdb": "duckdb.sql(\"select * from read_parquet('var/lake/venues/bars/*/*/*.parquet')\")",
        "polars": 'polars.read_parquet("var/lake/venues/bars/**/*.parquet", hive_partitioning=True)',
    }
    for line in lines.values():
        assert line in documented
        rows = eval(line.replace("var/lake/venues", lake), {"duckdb": duckdb, "polars": polars})
        assert (48, {"venue", "month", *SCHEMAS["bars"].names}) == (len(rows), set(rows.columns))


@pytest.mark.parametrize("content", ["[]", '{"bars": 5}', '{"bars": null}', '{"bars": {"BTC": "long ago"}}', "{"])
def test_a_memory_of_how_far_back_was_asked_that_makes_no_sense_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / ".reach").mkdir()
    (tmp_path / ".reach" / "binance.json").write_text(content)
    with pytest.raises(CorruptData, match=r"\.reach/binance\.json cannot be read: delete it"):
        Lake(tmp_path).reach("bars", "binance")


def test_a_reader_beside_the_writer_never_sees_fewer_rows_than_before(tmp_path: Path) -> None:
    code = "\n".join(
        (
            "import sys",
            "from data.lake import Lake",
            "from tests.contract.test_lake_files import bars",
            "lake = Lake(sys.argv[1])",
            "for hour in range(10_000):",
            "    lake.append_bars('binance', bars([hour]))",
        )
    )
    reader, most, seen, until = Lake(tmp_path), 0, 0, time.monotonic() + 3.0
    writer = subprocess.Popen([sys.executable, "-c", code, tmp_path], env=_environment())
    try:
        while time.monotonic() < until or seen == 0:
            rows = reader.bars([BTC], DAY * HOUR_MS, (DAY + 10_000) * HOUR_MS).get(BTC.key)
            seen = 0 if rows is None else len(rows)
            assert seen >= most
            most = seen
            assert writer.poll() is None
    finally:
        writer.kill()
        writer.wait()
