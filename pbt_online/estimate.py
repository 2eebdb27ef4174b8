"""How long a cycle will take: a small one is run and its parts are timed; the whole is as many of them. `bot train
--estimate` shows it.

    cycle = prepare + rounds x ceil(members / workers) x (slice + rollouts x rollout) + gate

What differs from machine to machine and from setting to setting is in these times and the steps of a rollout.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from shutil import copyfile
from statistics import median
from tempfile import TemporaryDirectory

from backtest.history import History
from backtest.windows import latest_windows
from pbt_online.backend import room
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.registry import Registry
from pbt_online.settings import ExploitSettings, LearningSettings, PopulationSettings
from pbt_online.training import rollout_steps

LONG, LONG_ROUNDS = 4, 3
"""Rollouts of a long slice of the small cycle, and how many rounds of them; a round of one rollout follows."""
KEPT = ("scaler.json", "clone.safetensors")
"""What a population's first cycle makes, and the later ones find."""


@dataclass(frozen=True)
class Costs:
    """What the parts of a cycle take, in seconds."""

    prepare_s: float
    """Once: tapes, scaler, clone, the start of the workers and what they load and compile."""
    slice_s: float
    """A slice besides its steps: the agent, the examination, the checkpoint."""
    rollout_s: float
    """Collecting a rollout and updating on it."""
    rollout_steps: int
    gate_s: float
    workers: int
    """How many slices were trained side by side; each may slow the others."""
    processors: int
    """How many workers the backend has room for."""

    @property
    def steps_per_s(self) -> float:
        """Of one worker, examinations aside."""
        return self.rollout_steps / self.rollout_s

    def cycle_s(self, population: PopulationSettings, workers: int) -> float:
        """A cycle of `population` that nothing ends early, on so many processors like those that were measured."""
        done, each = divmod(population.timesteps, population.perturbation_interval)
        rounds = done * self.round_s(population.perturbation_interval) + (self.round_s(each) if each else 0.0)
        waves = population.size / min(workers, population.size)
        return self.prepare_s + rounds * (waves if population.asynchronous else math.ceil(waves)) + self.gate_s

    def round_s(self, timesteps: int) -> float:
        """A slice of so many steps; whole rollouts are collected."""
        return self.slice_s + math.ceil(timesteps / self.rollout_steps) * self.rollout_s


def measure_costs(learning: Learning, history: History, clock: Callable[[], float] = time.perf_counter) -> Costs:
    """Run a small cycle as `learning` would, in a temporary folder, and time its parts by `clock`, in seconds.

    `learning.folder` and its registry are left as they are. Raises what `run_cycle` raises.
    """
    settings = learning.settings
    window = latest_windows(history.first, history.last, settings.windows).gate
    pairs = len(history.tape(learning.learner, window).features.legs)
    steps, processors = rollout_steps(settings.learner, pairs), room(settings.backend)
    members = min(settings.population.size, settings.backend.workers or processors, processors)
    with TemporaryDirectory(prefix="estimate-") as folder:
        run_cycle(_elsewhere(learning, _smallest(settings), Path(folder) / "compiled"), history, Watch())
        small = _elsewhere(learning, _small(settings, members, steps), Path(folder) / "timed")
        _take_along(learning.folder, small.folder)
        marks = [clock()]
        run_cycle(small, history, Watch(round=lambda _: marks.append(clock())))
        marks.append(clock())
    first, *long, short, gate = (after - before for before, after in pairwise(marks))
    rollout_s = max((median(long) - short) / (LONG - 1), median(long) / 100)
    return Costs(
        prepare_s=max(first - median(long), 0.0),
        slice_s=max(median(long) - LONG * rollout_s, 0.0),
        rollout_s=rollout_s,
        rollout_steps=steps,
        gate_s=gate,
        workers=members,
        processors=processors,
    )


def _elsewhere(learning: Learning, settings: LearningSettings, folder: Path) -> Learning:
    registry = Registry(folder / "registry")
    return replace(learning, settings=settings, folder=folder / "population", registry=registry, incumbent=None)


def _smallest(settings: LearningSettings) -> LearningSettings:
    """One rollout of one member in this process. What is compiled is compiled here: that happens once on a machine, and
    belongs to no cycle."""
    return settings.model_copy(
        update={
            "learner": settings.learner.model_copy(update={"clone_epochs": 1}),
            "population": _short(settings.population, size=1, timesteps=1, perturbation_interval=1),
            "backend": settings.backend.model_copy(update={"kind": "process"}),
        }
    )


def _small(settings: LearningSettings, members: int, steps: int) -> LearningSettings:
    """As many members as train side by side, a few rollouts each."""
    long = LONG * steps
    told = _short(settings.population, size=members, timesteps=LONG_ROUNDS * long + steps, perturbation_interval=long)
    return settings.model_copy(update={"population": told})


def _short(population: PopulationSettings, **changed: int) -> PopulationSettings:
    """Rounds that nothing ends early and after which nobody copies."""
    alone = {"exploit": ExploitSettings(strategy="none"), "asynchronous": False}
    unbounded = dict.fromkeys(("target", "stall_rounds", "wall_clock_s"))
    return population.model_copy(update={**alone, **unbounded, **changed})


def _take_along(population: Path, small: Path) -> None:
    """A population that has its scaler and clone needs no time for them."""
    small.mkdir(parents=True)
    for name in KEPT:
        if (population / name).exists():
            copyfile(population / name, small / name)
