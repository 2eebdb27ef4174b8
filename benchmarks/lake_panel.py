"""How fast, and in how much memory, years of the lake become a panel: `python -m benchmarks panel`."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from data.lake import Lake
from data.lake_panel import lake_panel
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

VENUES = {"binance": 8, "bybit": 4, "hyperliquid": 1, "okx": 8}
"""With the hours between settlements."""
SYMBOLS = 100
HOURS = 3 * 8760
FIRST = 1_640_995_200_000  # 2022-01-01
DELAY_S = 60
RUNS = 3


def show_panel(console: Console) -> None:
    """100 symbols x 4 venues x 3 years: the panel from the lake, and the same rows read by pandas, in turn: a machine
    that takes back unused memory makes the first of each slower."""
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder))
        for name in ("panel", "pandas") * RUNS:
            told = subprocess.run(
                [sys.executable, "-m", "benchmarks.lake_panel", name, folder],
                check=True,
                capture_output=True,
                text=True,
            )
            console.print(told.stdout.strip(), highlight=False)


def _instruments() -> list[Instrument]:
    return [
        Instrument(venue, f"A{number:03d}/USDT:USDT", Asset(f"A{number:03d}"), "USDT", 0.001, 0.01, 5.0, hours)
        for number in range(SYMBOLS)
        for venue, hours in VENUES.items()
    ]


def _fill(folder: Path) -> None:
    lake, random = Lake(folder), np.random.default_rng(5)
    time_of = FIRST + np.arange(HOURS, dtype=np.int64) * HOUR_MS
    for venue, hours in VENUES.items():
        bars, settlements = {}, {}
        for one in (one for one in _instruments() if one.venue == venue):
            close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, HOURS))).round(4) + 1
            first = np.roll(close, 1)
            extremes = np.maximum(first, close), np.minimum(first, close)
            bars[one.symbol] = Bars(time_of, first, *extremes, close, random.random(HOURS))
            settled = time_of[::hours]
            late, rate = random.integers(0, 50, len(settled)), random.normal(1e-4, 1e-4, len(settled)).round(8)
            settlements[one.symbol] = Settlements(settled, late, rate)
        lake.append_bars(venue, bars)
        lake.append_settlements(venue, settlements)


def _measure(name: str, folder: Path) -> str:
    begun = time.perf_counter()
    if name == "panel":
        last = FIRST + (HOURS - 1) * HOUR_MS
        instruments, lake = _instruments(), Lake(folder)
        panel = lake_panel(lake, instruments, FIRST, last, DELAY_S)
        shape = panel.close.shape
        assert not np.isnan(panel.close[1:]).any()
    else:
        import pandas as pd

        shape = sum(len(pd.read_parquet(folder / table)) for table in ("bars", "settlements")), 0
    took, memory = time.perf_counter() - begun, _most_memory_gb()
    return f"{name}: {shape[0]:,} x {shape[1]} in {took:.2f} s, {memory:.2f} GB at most"


def _most_memory_gb() -> float:
    """The most that this process held; getrusage would count what its parent held when it was started."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e9


if __name__ == "__main__":
    print(_measure(sys.argv[1], Path(sys.argv[2])))
