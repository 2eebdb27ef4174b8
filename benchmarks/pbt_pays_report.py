"""What the runs of `benchmarks.pbt_pays` say: means, paired differences with intervals, as JSON, table and markdown."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.table import Table

from benchmarks.pbt_pays import ARMS, STARTS, Outcome, Run

Floats = NDArray[np.float64]
CONFIDENCE = 0.95
RESAMPLES = 10_000
WINDOWS: Mapping[str, Callable[[Outcome], float]] = {
    "validation": lambda outcome: outcome.validation,
    "after": lambda outcome: outcome.after,
}
"""Where a run is looked at: on the window that its member was chosen on, and on the one that nobody had seen."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, % of capital per 30 days above the carry rule."""

    mean: float
    low: float
    """2.5th and 97.5th percentile of the bootstrap; equal to the mean for a single seed."""
    high: float
    seeds: int


@dataclass(frozen=True)
class Line:
    """A way to spend the steps, or the difference of two, by window."""

    name: str
    validation: Estimate
    after: Estimate


@dataclass(frozen=True)
class Told:
    """Everything that is said of some runs."""

    market: str
    steps: Sequence[int]
    """That runs have spent, each once: one number where the comparison is fair."""
    conditions: Sequence[Line]
    differences: Sequence[Line]
    promoted: Mapping[str, int]
    """By arm, how many runs the gate let pass."""
    runs: Sequence[Mapping[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def bootstrap(values: Floats) -> Estimate:
    """The mean of independent values [N] with the percentile bootstrap's interval. Five values make it some 10 % too
    narrow: what it only just leaves out may still be so."""
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(values[drawn].mean(axis=1), [tail, 100 - tail])
    return Estimate(float(values.mean()), float(low), float(high), len(values))


def tell(market: str, outcomes: Sequence[Outcome]) -> Told:
    """What the finished runs say; a seed counts in a line only where it has all runs of it."""
    return Told(
        market=market,
        steps=sorted({outcome.steps for outcome in outcomes}),
        conditions=list(_conditions(outcomes)),
        differences=list(_differences(outcomes)),
        promoted={arm: sum(one.promoted for one in outcomes if one.run.arm == arm) for arm in ARMS},
        runs=[asdict(outcome) for outcome in outcomes],
    )


def condition(run: Run) -> str:
    """A run without its seed, in words."""
    weights = "the rule's clone" if run.start == "rule" else "random weights"
    return f"{run.arm}, from {weights}{', half the steps a cycle before' if run.warm else ''}"


def _conditions(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    for start in STARTS:
        for warm in (False, True):
            for arm in ARMS:
                mine = [o for o in outcomes if (o.run.arm, o.run.warm, o.run.start) == (arm, warm, start)]
                if mine:
                    yield Line(condition(mine[0].run), *(_mean(mine, of) for of in WINDOWS.values()))


def _mean(outcomes: Sequence[Outcome], of: Callable[[Outcome], float]) -> Estimate:
    return bootstrap(np.array([of(outcome) for outcome in outcomes]))


def _differences(outcomes: Sequence[Outcome]) -> Iterator[Line]:
    """Of runs that differ in one thing alone: first whether copying pays, then each warm start."""
    pairs: dict[str, Callable[[Run], Run | None]] = {}
    for other in ARMS[1:]:
        for start in STARTS:
            for warm in (False, True):
                name = condition(Run(0, f"PBT - {other}", warm, start))
                pairs[name] = lambda run, other=other, start=start, warm=warm: (  # type: ignore[misc]
                    replace(run, arm=other) if (run.arm, run.start, run.warm) == ("PBT", start, warm) else None
                )
        pairs[f"PBT - {other}, all of these"] = lambda run, other=other: (  # type: ignore[misc]
            replace(run, arm=other) if run.arm == "PBT" else None
        )
    pairs["weights of the cycle before - none"] = lambda run: replace(run, warm=False) if run.warm else None
    pairs["the rule's clone - random weights"] = lambda run: (
        replace(run, start="random") if run.start == "rule" else None
    )
    for name, paired in pairs.items():
        lines = [_paired(outcomes, paired, of) for of in WINDOWS.values()]
        if len(lines[0]):
            yield Line(name, *(bootstrap(values) for values in lines))


def _paired(outcomes: Sequence[Outcome], paired: Callable[[Run], Run | None], of: Callable[[Outcome], float]) -> Floats:
    """[seeds] the mean difference between each seed's runs and their partners; only seeds that have most of them."""
    known = {outcome.run: of(outcome) for outcome in outcomes}
    gains: dict[int, list[float]] = {}
    for run, value in known.items():
        if (partner := paired(run)) is not None and partner in known:
            gains.setdefault(run.seed, []).append(value - known[partner])
    most = max(map(len, gains.values()), default=0)
    return np.array([np.mean(values) for values in gains.values() if len(values) == most])


def table(told: Told) -> Table:
    """For a terminal."""
    shown = Table(title=f"Does PBT pay? {told.market}", title_justify="left", box=SIMPLE)
    for heading in ("", "validation", "after", "seeds"):
        shown.add_column(heading, justify="left" if not heading else "right")
    for line in (*told.conditions, *told.differences):
        shown.add_row(line.name, _figure(line.validation), _figure(line.after), str(line.after.seeds))
    shown.caption = f"{_UNIT}; {_spent(told)}"
    return shown


def markdown(told: Told) -> str:
    """A section for docs/pbt_pays.md."""
    head = "| | validation | after | seeds |\n|---|---|---|---|\n"
    conditions, differences = (
        "".join(
            f"| {line.name} | {_figure(line.validation)} | {_figure(line.after)} | {line.after.seeds} |\n"
            for line in lines
        )
        for lines in (told.conditions, told.differences)
    )
    promoted = ", ".join(f"{arm} {count}" for arm, count in told.promoted.items())
    return (
        f"## {told.market}\n\n{_UNIT}; {_spent(told)}. Let pass by the gate: {promoted}.\n\n{head}{conditions}\n"
        f"Paired differences:\n\n{head}{differences}"
    )


_UNIT = "Gains above the carry rule, % of capital per 30 days, 95 % intervals of the bootstrap over seeds in brackets"


def _spent(told: Told) -> str:
    return f"{' or '.join(f'{steps:,}' for steps in told.steps)} steps a run, {len(told.runs)} runs"


def _figure(estimate: Estimate) -> str:
    return f"{estimate.mean:+.2f} ({estimate.low:+.2f} .. {estimate.high:+.2f})"
