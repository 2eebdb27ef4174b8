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
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
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
ROUNDS = 5
WEEK_H = 168
OURS = "bot backtest, the rule"
PEER = "freqtrade backtesting, legs: {}"


@dataclass(frozen=True)
class Timing:
    """A whole process."""

    seconds: float
    cpu_seconds: float
    """What a busy machine changes least."""
    most_memory_mb: float
    told: str
    """What it printed."""


def show_freqtrade(console: Console, market: Market, hours: int) -> None:
    """Measure both in turn on `hours` of `market`, once decisions have their history, and on a week, which tells what a
    start and the reading of all files take; print the ratios of the best of ROUNDS."""
    python = installed(console)
    first = market.start_ms + Settings().data.history_hours * HOUR_MS
    with TemporaryDirectory() as folder:
        write_recorded(market, Path(folder) / "recorded")
        write_freqtrade(market, Path(folder) / "freqtrade", FILES)
        lines = {PEER.format(legs): partial(_freqtrade, python, Path(folder) / "freqtrade", legs) for legs in LEGS}
        lines[OURS] = partial(_bot, Path(folder) / "recorded")
        measured = [
            (name, span, measure(first, span))
            for _ in range(ROUNDS)
            for name, measure in lines.items()
            for span in (WEEK_H, hours, WEEK_H)  # a week first: what had left the memory meanwhile is there again
        ]
    title = f"{hours:,} hours x {len(market.instruments) // 2} assets on 2 venues, best of {ROUNDS} whole processes"
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for heading in ("", "s", "times", "CPU s", "times", "CPU s beyond a week's", "times", "MB", "trades"):
        table.add_column(heading, justify="right" if heading else "left")
    own = _figures(measured, OURS, hours)
    for name in lines:
        figures = _figures(measured, name, hours)
        ratios = zip(figures, (one / ours for one, ours in zip(figures, own, strict=True)), strict=True)
        # Its first run compiles, where no kernels are kept yet.
        whole = min((one for told, at, one in measured if (told, at) == (name, hours)), key=lambda one: one.cpu_seconds)
        shown = [text for figure, ratio in ratios for text in (f"{figure:.2f}", f"{ratio:.1f}")]
        table.add_row(name, *shown, f"{whole.most_memory_mb:,.0f}", str(_trades(whole.told)))
    console.print(table)


def _figures(measured: Sequence[tuple[str, int, Timing]], name: str, hours: int) -> tuple[float, float, float]:
    """Seconds, processor seconds, and of these what the hours beyond the first week took."""
    mine = {span: [timing for told, at, timing in measured if (told, at) == (name, span)] for span in (hours, WEEK_H)}
    cpu = {span: min(timing.cpu_seconds for timing in timings) for span, timings in mine.items()}
    return min(timing.seconds for timing in mine[hours]), cpu[hours], cpu[hours] - cpu[WEEK_H]


def _trades(told: str) -> int:
    """Closed positions: freqtrade's have one leg, ours two."""
    found = re.search(r"TOTAL\D+(\d+)", told) or re.search(r"trades\s+(\d+)", told)
    if found is None:
        raise ConfigurationError(f"a backtest printed no result: {told[-500:]}; see whether freqtrade has changed")
    return int(found[1])


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
    return _timed([str(part) for part in command])


def _bot(recorded: Path, first: int, hours: int) -> Timing:
    begin = f"{datetime.fromtimestamp(first / 1000, UTC):%Y-%m-%d}"
    command = [
        str(Path(sys.executable).parent / "bot"), "backtest", "--policy", "rule", "--replay", str(recorded),
        "--from", begin, "--hours", str(hours),
    ]  # fmt: skip
    return _timed(command)


def _timed(command: list[str]) -> Timing:
    process = subprocess.run(
        [sys.executable, "-m", "benchmarks.timed", *command], capture_output=True, text=True, check=False
    )
    if process.returncode:
        raise ConfigurationError(f"{' '.join(command[:4])} failed: {process.stderr[-800:]}")
    return Timing(**json.loads(process.stdout), told=process.stderr)
