"""The lake: first values win, nothing is doubled, and no crash leaves half a file."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.errors import CorruptData
from data.lake import Appended, Lake
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


def test_another_reader_sees_what_was_added(tmp_path: Path) -> None:
    writer, reader = Lake(tmp_path), Lake(tmp_path)
    writer.append_bars("binance", bars([1]))
    assert [1] == list(stored(reader))
    writer.append_bars("binance", bars([2]))
    assert [1, 2] == list(stored(reader))


def test_pandas_reads_it_with_the_partitions_as_columns(tmp_path: Path) -> None:
    Lake(tmp_path).append_bars("binance", bars(list(range(48))))
    table = pd.read_parquet(tmp_path / "bars")
    assert (48, {"binance"}, 2) == (len(table), set(table.venue), table.day.nunique())


@pytest.mark.parametrize("content", [b"", b"PAR1 but not really", b"\x00" * 400])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes) -> None:
    Lake(tmp_path).append_bars("binance", bars([1]))
    (path,) = tmp_path.rglob("rows.parquet")
    path.write_bytes(content)
    with pytest.raises(CorruptData, match=r"rows\.parquet"):
        stored(Lake(tmp_path))


def test_a_file_of_other_columns_is_named(tmp_path: Path) -> None:
    Lake(tmp_path).append_bars("binance", bars([1]))
    (path,) = tmp_path.rglob("rows.parquet")
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
