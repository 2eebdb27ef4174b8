"""Does Population Based Training pay? `python -m benchmarks pbt_pays`: the same steps, spent in other ways.

Every run is `run_cycle` as the product has it, under settings that differ in one thing. What is finished stands in a
journal, and what is not is gone on with by the cycle's own memory, so the whole may be killed at any time.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from shutil import rmtree
from typing import Literal

from backtest.history import History
from backtest.settings import EnvironmentSettings
from backtest.worker_process import one_thread
from bot.arms import NEVER
from data.durable import write_whole
from data.errors import StateError
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle, cycles
from pbt_online.fitness import examination, examine
from pbt_online.memory import Memory
from pbt_online.registry import Registry
from pbt_online.settings import Dimension, ExploitSettings, LearningSettings, PopulationSettings

Start = Literal["rule", "random"]
ARMS = ("PBT", "independent", "fixed")
"""The population; as many members that never copy each other; as many that all have the hyperparameters of the best of
those on validation. Of each, the member that is best on validation is taken."""
STARTS: tuple[Start, ...] = ("rule", "random")


@dataclass(frozen=True)
class Run:
    """One way to spend the steps."""

    seed: int
    arm: str
    warm: bool
    """Half of the steps were spent in the cycle before, whose weights it goes on with; else all are spent in this."""
    start: Start
    """What the first weights are: cloned from the rule, or random."""

    @property
    def name(self) -> str:
        """For its folder."""
        return f"{self.seed}-{self.arm}-{'warm' if self.warm else 'cold'}-{self.start}"


@dataclass(frozen=True)
class Outcome:
    """What came of a run; gains are net, % of capital per 30 days, above the carry rule's."""

    run: Run
    validation: float
    """Of the member taken, on the window that it was chosen on."""
    after: float
    """Of the same on the window after it: mean over the same number of pseudo-universes."""
    after_pnl_pct: float
    """Mean gain of a play on the window after, % of capital, the rule's not taken off."""
    trades: int
    """Closed on the window after, all plays together."""
    promoted: bool
    """Whether the gate let it pass."""
    hyperparameters: Mapping[str, float]
    steps: int
    """Of all members in all cycles."""
    seconds: float
    """That the members trained and were examined, added up."""


@dataclass(frozen=True)
class Plan:
    """What all runs share."""

    market: str
    """For people, and to tell plans apart."""
    history: Callable[[int], History]
    """By seed: what is learnt from, up to the end of the window after."""
    settings: LearningSettings
    environment: EnvironmentSettings
    cycle_hours: int
    """By so much the cycle before ends earlier."""
    seeds: int

    def runs(self) -> Iterator[Run]:
        """Seed by seed, so that whatever is there may be looked at; `independent` before `fixed`, which needs it."""
        for seed, start, warm, arm in product(range(self.seeds), STARTS, (False, True), ARMS):
            yield Run(seed, arm, warm, start)

    def told(self) -> dict[str, object]:
        """What another plan would differ in; seeds may be added."""
        return {
            "market": self.market,
            "learning": self.settings.model_dump(mode="json", exclude={"backend"}),
            "environment": self.environment.model_dump(mode="json"),
            "cycle_hours": self.cycle_hours,
        }


class Journal:
    """`runs.jsonl` in a folder: one line for each finished run, on disk when `add` returns."""

    def __init__(self, folder: Path, plan: Plan) -> None:
        """Raises StateError for a folder of another plan. A last line that was cut off is dropped."""
        self._path, told = folder / "runs.jsonl", folder / "plan.json"
        if told.exists() and json.loads(told.read_text()) != plan.told():
            raise StateError(f"{folder} holds runs of another plan: name another folder, or delete it")
        write_whole(told, json.dumps(plan.told(), indent=2).encode())
        text = self._path.read_text() if self._path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            write_whole(self._path, whole.encode())
        self.outcomes = [_outcome(json.loads(line)) for line in whole.splitlines()]

    def add(self, outcome: Outcome) -> None:
        """Append it."""
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(outcome)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self.outcomes.append(outcome)

    def of(self, run: Run) -> Outcome | None:
        """What came of `run`, if it is finished."""
        return next((outcome for outcome in self.outcomes if outcome.run == run), None)


def _outcome(told: dict[str, object]) -> Outcome:
    return Outcome(**told | {"run": Run(**told["run"])})  # type: ignore[arg-type]


def pay(plan: Plan, folder: Path, tell: Callable[[str], None], runs: Sequence[Run] | None = None) -> list[Outcome]:
    """Do the runs of `plan` (or `runs` of them) that `folder` does not hold yet; returns what came of them all."""
    journal = Journal(folder, plan)
    chosen = list(plan.runs()) if runs is None else list(runs)
    for number, run in enumerate(chosen, start=1):
        if journal.of(run) is None:
            tell(f"run {number} of {len(chosen)}: {run.name}")
            journal.add(_done(plan, run, folder / "unfinished" / run.name, journal))
            rmtree(folder / "unfinished" / run.name)
    return [outcome for run in chosen if (outcome := journal.of(run)) is not None]


def _done(plan: Plan, run: Run, folder: Path, journal: Journal) -> Outcome:
    history, registry = plan.history(run.seed), Registry(folder / "registry")
    learning = Learning(_settings(plan, run, journal), plan.environment, run.seed, folder / "population", registry)
    lasts = [history.last - plan.cycle_hours * HOUR_MS, history.last] if run.warm else [history.last]
    for last in lasts[len([cycle for cycle in cycles(learning.folder) if cycle.judged]) :]:
        run_cycle(learning, replace(history, last=last), Watch())
    return _examined(run, learning, history, cycles(learning.folder)[-1])


def _settings(plan: Plan, run: Run, journal: Journal) -> LearningSettings:
    population = plan.settings.population
    changed: dict[str, object] = {"timesteps": population.timesteps // (2 if run.warm else 1)}
    if run.arm != "PBT":
        changed |= {"exploit": ExploitSettings(strategy="none"), "stagnation_rounds": NEVER}
    if run.arm == "fixed":
        searched = journal.of(replace(run, arm="independent"))
        if searched is None:
            raise ValueError(f"{run.name} needs the run of independent members before it")
        changed["search_space"] = {n: Dimension(choices=(value,)) for n, value in searched.hyperparameters.items()}
    told = PopulationSettings.model_validate({**dict(population), **changed})
    learner = plan.settings.learner.model_copy(update={"start": run.start})
    return plan.settings.model_copy(update={"population": told, "learner": learner})


def _examined(run: Run, learning: Learning, history: History, cycle: Cycle) -> Outcome:
    """The cycle's challenger on the window after the one that it was chosen on."""
    version = learning.registry.version(cycle.challenger or "")
    policy = learning.registry.policy(version, learning.environment, run.seed)
    plays = examination(history.tape(learning.learner, cycle.windows.gate), learning.settings.fitness, run.seed)
    with one_thread():
        score = examine(plays, policy)
    entries = Memory(learning.folder).entries
    return Outcome(
        run=run,
        validation=float((version.fitness or {})["value"]),
        after=score.value,
        after_pnl_pct=score.pnl_pct,
        trades=score.trades,
        promoted=cycle.verdict is not None and cycle.verdict.promoted,
        hyperparameters=dict(version.configuration["hyperparameters"]),
        steps=sum(entry.timesteps for entry in entries),
        seconds=sum(entry.seconds for entry in entries),
    )
