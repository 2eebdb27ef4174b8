"""`bot backtest` beside freqtrade's, each as a whole process on the same files: `python -m benchmarks freqtrade`.

A synthetic year of 28 perpetuals, hourly candles and settled funding, under the carry rule. Where they differ:

- freqtrade trades one exchange. Either it holds one leg, unhedged, which is half the work; or the second venue's
  contracts are listed at the same exchange under other names, and both legs are trades that do not know of each other.
- It enters in the order of its pair list where ours takes the best that pays, so the trades are not the same ones.
- Its strategy sees two features (both venues' trailing funding), as vectors over the year; ours makes 22 of each pair,
  and a policy that decides hour by hour from an observation, as it would live.
- It has no stop-loss here (a single leg would meet it all the time); ours has, and checks liquidation, lots, collars
  and transfers between venues.
- It is spared asking for markets, indicators of its own, and the export of results.
"""

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.freqtrade_data import LEGS, write_freqtrade, write_recorded
from bot.settings import Settings
from data.errors import ConfigurationError
from data.market import Market
from data.types import HOUR_MS

FILES = Path(__file__).parent / "freqtrade_files"
ROUNDS = 3
OURS = "bot backtest, the rule"


@dataclass(frozen=True)
class Timing:
    """The best of some runs of a whole process."""

    name: str
    seconds: float
    cpu_seconds: float
    """What a busy machine changes least."""
    most_memory_mb: float
    trades: int
    """Closed positions; freqtrade's have one leg, ours two."""


def show_freqtrade(console: Console, market: Market, hours: int) -> None:
    """Measure both in turn on `hours` of `market`, once decisions have their history, and print the ratio."""
    history, freqtrade = Settings().data.history_hours, installed(console)
    first = market.start_ms + history * HOUR_MS
    with TemporaryDirectory() as folder:
        write_recorded(market, Path(folder) / "recorded")
        write_freqtrade(market, Path(folder) / "freqtrade", FILES)
        timings = list[Timing]()
        for _ in range(ROUNDS):
            timings += [_freqtrade(freqtrade, Path(folder) / "freqtrade", legs, first, hours) for legs in LEGS]
            timings.append(_bot(Path(folder) / "recorded", first, hours))
    best = {one.name: one for one in sorted(timings, key=lambda one: -one.seconds)}
    own, pairs = best[OURS], len(market.instruments) // 2
    table = Table(
        title=f"{hours:,} hours x {pairs} assets on 2 venues, whole processes", title_justify="left", box=SIMPLE
    )
    for heading in ("", "seconds", "times ours", "CPU seconds", "times ours", "most memory, MB", "trades"):
        table.add_column(heading, justify="right" if heading else "left")
    for one in best.values():
        ratios = f"{one.seconds / own.seconds:.1f}", f"{one.cpu_seconds / own.cpu_seconds:.1f}"
        table.add_row(
            one.name, f"{one.seconds:.2f}", ratios[0], f"{one.cpu_seconds:.2f}", ratios[1],
            f"{one.most_memory_mb:,.0f}", str(one.trades),
        )  # fmt: skip
    console.print(table)


def installed(console: Console) -> Path:
    """The Python of a virtual environment with freqtrade, made once in the cache folder from the index that pip is
    configured with. Raises ConfigurationError where that does not have it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or gettempdir())
    folder = cache / "funding-bot-freqtrade"
    python = folder / "bin" / "python"
    if not (folder / "bin" / "freqtrade").exists():
        console.print(f"installing freqtrade into {folder}; minutes")
        venv.create(folder, with_pip=True, clear=True)
        told = subprocess.run(
            [python, "-m", "pip", "install", "--quiet", "freqtrade"], capture_output=True, text=True, check=False
        )
        if told.returncode:
            raise ConfigurationError(f"freqtrade cannot be installed: {told.stderr[-500:]}; mend pip's index")
    return python


def _freqtrade(python: Path, folder: Path, legs: int, first: int, hours: int) -> Timing:
    days = "-".join(f"{datetime.fromtimestamp(ms / 1000, UTC):%Y%m%d}" for ms in (first, first + hours * HOUR_MS))
    command = [
        python, FILES / "offline.py", folder / "markets.json", "backtesting",
        "--config", folder / f"config-{legs}.json", "--datadir", folder / "data", "--timerange", days,
        "--cache", "none", "--export", "none", "--no-color",
    ]  # fmt: skip
    told, figures = _timed([str(part) for part in command])
    total = re.search(r"TOTAL\D+(\d+)", told)
    if total is None:
        raise ConfigurationError(f"freqtrade printed no result: {told[-500:]}; see whether its version has changed")
    return Timing(f"freqtrade backtesting, {legs} leg{'s' * (legs > 1)}", *figures, int(total[1]))


def _bot(recorded: Path, first: int, hours: int) -> Timing:
    begin = f"{datetime.fromtimestamp(first / 1000, UTC):%Y-%m-%d}"
    command = [str(Path(sys.executable).parent / "bot"), "backtest", "--policy", "rule", "--replay", str(recorded),
               "--from", begin, "--hours", str(hours)]  # fmt: skip
    told, figures = _timed(command)
    trades = re.search(r"trades\s+(\d+)", told)
    if trades is None:
        raise ConfigurationError(f"bot printed no result: {told[-500:]}")
    return Timing(OURS, *figures, int(trades[1]))


def _timed(command: list[str]) -> tuple[str, tuple[float, float, float]]:
    """What it printed; seconds, processor seconds, most memory in MB."""
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.timed", *command], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise ConfigurationError(f"{' '.join(command[:4])} failed: {process.stderr[-800:]}")
    told = json.loads(process.stdout)
    return process.stderr, (told["seconds"], told["cpu_seconds"], told["most_memory_mb"])
