"""How near `bot train --estimate` comes: cycles of several sizes beside what a small one let expect, in one run."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.history import History
from bot.histories import past
from bot.identity import Bounds
from bot.settings import Settings
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.estimate import measure_costs
from pbt_online.registry import Registry

SIZES = ((2, 10_000), (4, 20_000), (8, 40_000))
"""Members and steps of each."""
INTERVAL = 10_000


@dataclass(frozen=True)
class Compared:
    """One cycle."""

    members: int
    timesteps: int
    predicted_s: float
    taken_s: float


def compared(kind: Literal["process", "pool"], workers: int, clock: Callable[[], float]) -> Iterator[Compared]:
    """Estimate and run every size, each with a new population."""
    settings = Settings()
    history = past(settings, Bounds(None, None))
    with TemporaryDirectory() as folder:
        for members, timesteps in SIZES:
            learning = _learning(settings, Path(folder) / str(members), kind, workers, members, timesteps)
            yield _compared(learning, history, workers, clock)


def _compared(learning: Learning, history: History, workers: int, clock: Callable[[], float]) -> Compared:
    population = learning.settings.population
    costs = measure_costs(learning, history, clock)
    predicted = costs.cycle_s(population, min(workers, costs.processors))
    begun = clock()
    run_cycle(learning, history, Watch())
    return Compared(population.size, population.timesteps, predicted, clock() - begun)


def _learning(
    settings: Settings, folder: Path, kind: Literal["process", "pool"], workers: int, members: int, timesteps: int
) -> Learning:
    told = settings.learning
    population = told.population.model_copy(
        update={"size": members, "timesteps": timesteps, "perturbation_interval": INTERVAL}
    )
    backend = told.backend.model_copy(update={"kind": kind, "workers": workers})
    learning = told.model_copy(update={"population": population, "backend": backend})
    registry = Registry(folder / "registry")
    return Learning(learning, settings.environment, settings.seed, folder / "population", registry)


def show_estimates(console: Console, workers: int) -> None:
    """By processor time in one process, which a busy machine hardly changes, and by the wall clock in a pool."""
    _show(console, "processor seconds, one process", compared("process", 1, time.process_time))
    _show(console, f"wall clock, {workers} workers", compared("pool", workers, time.perf_counter))


def _show(console: Console, what: str, rows: Iterator[Compared]) -> None:
    table = Table(title=f"a cycle's time: {what}", title_justify="left", box=SIMPLE)
    for heading in ("members", "steps of each", "predicted, s", "taken, s", "ratio"):
        table.add_column(heading, justify="right")
    for row in rows:
        figures = f"{row.predicted_s:.1f}", f"{row.taken_s:.1f}", f"{row.predicted_s / row.taken_s:.2f}"
        table.add_row(str(row.members), f"{row.timesteps:,}", *figures)
    console.print(table)
