"""What the runs of `benchmarks.tune` say, one line for each trial: as a table, and as the log in `docs/tuning.md`."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from benchmarks.tune import NO_MARKET, Run, done, named, run, trials_of
from data.durable import write_whole
from data.errors import ConfigurationError

HEADINGS = ("trial", "above the rule", "by cycle", "above zero", "at the gate", "P&L", "the rule's", "trades", "CPU s")


@dataclass(frozen=True)
class Line:
    """One trial on one stretch, all seeds together; % of capital per 30 days."""

    name: str
    seeds: tuple[float, ...]
    """The figure that chooses, by seed."""
    cycles: tuple[float, ...]
    """The same by cycle, mean of the seeds."""
    above: tuple[int, int]
    """Cycles x seeds in which it is above zero, and how many there are."""
    gate: float | None
    pnl: float
    rule: float
    trades: float
    """Closed in a cycle's plays together."""
    cpu_s: float
    """Of one seed."""

    @property
    def advantage(self) -> float:
        """The figure that chooses."""
        return statistics.fmean(self.seeds)


def show_tune(
    console: Console, folder: Path, replay: Path | None, stretch: str, names: Sequence[str], seeds: int
) -> None:
    """Do what is not done yet of the trials `names` (none: of all), then print what is known of every stretch, and
    write it into `folder` as `tune.md`. Raises ConfigurationError without a recorded market, or for a trial that is
    none."""
    if replay is None:
        raise ConfigurationError(NO_MARKET)
    for trial, seed in product(named(names), range(seeds)):
        if trial.plain is None or seed == 0:
            console.print(f"{stretch}: {trial.name}, seed {seed}", highlight=False)
            run(trial, stretch, seed, replay, folder)
    told = lines(done(trials_of(), folder))
    for each, known in told.items():
        console.print(table(each, known))
    text = "\n\n".join(f"## {each}\n\n{markdown(known)}" for each, known in told.items())
    write_whole(folder / "tune.md", f"{text}\n".encode())


def lines(runs: Sequence[Run]) -> dict[str, list[Line]]:
    """By stretch, in the order of the runs."""
    told: dict[str, list[Line]] = {}
    for (stretch, name), group in groupby(runs, key=lambda run: (run.stretch, run.trial.name)):
        told.setdefault(stretch, []).append(_line(name, list(group)))
    return told


def _line(name: str, runs: Sequence[Run]) -> Line:
    every = [outcome for run in runs for outcome in run.outcomes]
    gates = [outcome.gate for outcome in every if outcome.gate is not None]
    return Line(
        name=name,
        seeds=tuple(statistics.fmean(outcome.advantage for outcome in run.outcomes) for run in runs),
        cycles=tuple(
            statistics.fmean(outcome.advantage for outcome in same)
            for same in zip(*(run.outcomes for run in runs), strict=True)
        ),
        above=(sum(outcome.advantage > 0 for outcome in every), len(every)),
        gate=statistics.fmean(gates) if gates else None,
        pnl=statistics.fmean(outcome.pnl for outcome in every),
        rule=statistics.fmean(outcome.rule for outcome in every),
        trades=statistics.fmean(outcome.trades for outcome in every),
        cpu_s=statistics.fmean(run.cpu_s for run in runs),
    )


def cells(line: Line) -> Iterator[str]:
    """Under HEADINGS."""
    seeds = f" ({', '.join(f'{seed:+.2f}' for seed in line.seeds)})" if len(line.seeds) > 1 else ""
    yield line.name
    yield f"{line.advantage:+.3f}{seeds}"
    yield ", ".join(f"{cycle:+.2f}" for cycle in line.cycles)
    yield f"{line.above[0]} of {line.above[1]}"
    yield "" if line.gate is None else f"{line.gate:+.3f}"
    yield f"{line.pnl:.3f}"
    yield f"{line.rule:.3f}"
    yield f"{line.trades:.0f}"
    yield f"{line.cpu_s:.0f}"


def table(stretch: str, told: Sequence[Line]) -> Table:
    """For a terminal."""
    shown = Table(title=f"{stretch}: % of capital per 30 days", title_justify="left", box=SIMPLE)
    for heading in HEADINGS:
        shown.add_column(heading, justify="left" if heading in ("trial", "by cycle") else "right")
    for line in told:
        shown.add_row(*cells(line))
    return shown


def markdown(told: Sequence[Line]) -> str:
    """For the log."""
    rows = [HEADINGS, ("---",) * len(HEADINGS), *(tuple(cells(line)) for line in told)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
