"""One cycle of learning: the newest rolling window, the population's rounds on it, and the gate's verdict.

    train | embargo | validation (ranks members) | embargo | gate (sees one challenger, chosen beforehand)

A cycle writes what it is about before it begins and what came of it at its end, so one that was killed is gone on with:
same windows, same seed, same weights. Used by `bot train`, by the bot's own retraining, and by walk-forward.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load, save
from torch import Tensor

from backtest.history import History
from backtest.policies import Policy, plain_policy
from backtest.replay import Result, replay
from backtest.scaler import Scaler, fit_scaler
from backtest.schema import schema_of, settings_for
from backtest.settings import EnvironmentSettings
from backtest.spare_workers import SpareWorkers
from backtest.tape import Tape
from backtest.windows import Window, latest_windows
from backtest.worker_process import one_thread
from data.durable import write_whole
from data.errors import StateError
from pbt_online.backend import open_backend
from pbt_online.cloning import clone
from pbt_online.curves import Curves
from pbt_online.cycles import Cycle, attempt, cycles, write_cycle
from pbt_online.ensemble import Ensemble
from pbt_online.fitness import Score, examination, examine
from pbt_online.gate import Evidence, Trials, Verdict, evidence, judge, proven_better
from pbt_online.manifest import Origin, Version
from pbt_online.memory import Entry, Memory
from pbt_online.network import NetworkPolicy
from pbt_online.population import Population, Round
from pbt_online.registry import Registry
from pbt_online.settings import LearningSettings
from pbt_online.teachers import TeacherName
from pbt_online.training import Course, model_zip, policy_of, take_course
from pbt_online.tuned_rule import tune_rule


@dataclass(frozen=True)
class Learning:
    """Everything that a cycle needs to know."""

    settings: LearningSettings
    environment: EnvironmentSettings
    seed: int
    folder: Path
    """Of the population: memory, cycles, the clone and the scaler that its members share."""
    registry: Registry
    incumbent: str | None = None
    """The version that trades; None: the registry's champion."""
    supersedes: bool = False
    """Whether a cycle that was broken off under other settings or on older data is left behind; else StateError."""
    spares: SpareWorkers | None = None
    """Worker processes that one cycle leaves to the next."""

    @property
    def learner(self) -> EnvironmentSettings:
        """The environment as the members meet it."""
        told = self.settings.learner
        return self.environment.model_copy(
            update={"formulation": told.formulation, "decision_hours": told.decision_hours, "full_range": False}
        )

    @property
    def lessons(self) -> EnvironmentSettings:
        """The same with the rewards that they train on."""
        scale, met = self.settings.learner.reward_scale, self.learner
        names = ("pnl_reward_scale", "quality_entry_bonus", "quality_entry_penalty")
        return met.model_copy(update={name: scale * getattr(met, name) for name in names})


@dataclass(frozen=True)
class Watch:
    """Who is told what, while a cycle goes on."""

    stage: Callable[[str], None] = lambda text: None
    round: Callable[[Round], None] = lambda round_: None


def run_cycle(learning: Learning, history: History, watch: Watch) -> Cycle:
    """Begin the next cycle, or go on with the one that was broken off, to its verdict; promotes nobody.

    Raises MissingData where the history is too short, StateError where the begun cycle was another one, LearningFailed
    where no member survives.
    """
    memory = Memory(learning.folder)
    cycle = _begin(learning, history)
    watch.stage(f"cycle {cycle.number}: preparing what members learn from")
    course = course_of(learning, history, cycle)
    population = Population(memory, learning.settings.population, learning.seed)
    told = _drawn(learning, cycle, watch)
    with open_backend(learning.settings.backend, take_course, course, learning.spares) as backend:
        members = population.train(cycle.number, backend, told.round)
    watch.stage(f"cycle {cycle.number}: the gate")
    chosen = _chosen(learning, members)
    policies = [_policy(cycle, course, memory, entry) for entry in chosen]
    challenger = (
        policies[0] if len(policies) == 1 else Ensemble(f"cycle {cycle.number}, vote of {len(policies)}", policies)
    )
    verdict, better = _judge(learning, history, cycle, memory, challenger)
    zips = [model_zip(memory.checkpoint(e.checkpoint or ""), e.hyperparameters, course) for e in chosen]
    version = _register(learning, cycle, chosen, policies, zips, verdict)
    heir = version.name if verdict.promoted else better
    judged = replace(cycle, challenger=version.name, verdict=verdict, heir=heir)
    write_cycle(learning.folder, judged)
    return judged


def _drawn(learning: Learning, cycle: Cycle, watch: Watch) -> Watch:
    """The same, and the curves are told of every round too where they are wanted."""
    if not learning.settings.tensorboard:
        return watch
    curves = Curves(learning.folder, cycle.number)

    def round_done(done: Round) -> None:
        curves.add(done)
        watch.round(done)

    return replace(watch, round=round_done)


def _begin(learning: Learning, history: History) -> Cycle:
    known = cycles(learning.folder)
    fingerprint = _fingerprint(learning, history)
    if known and not known[-1].judged and (known[-1].fingerprint == fingerprint or not learning.supersedes):
        if known[-1].fingerprint != fingerprint:
            raise StateError(
                f"cycle {known[-1].number} in {learning.folder} was begun with other settings, another seed or another "
                "market: restore those to finish it, or train with --fresh"
            )
        return known[-1]
    begun = Cycle(
        number=len(known) + 1,
        fingerprint=fingerprint,
        windows=latest_windows(history.first, history.last, learning.settings.windows),
        champion=learning.incumbent or learning.registry.champion(schema_of(learning.environment)).name,
    )
    write_cycle(learning.folder, begun)
    return begun


def _fingerprint(learning: Learning, history: History) -> str:
    told = (
        learning.settings.model_dump_json(exclude={"backend", "schedule", "tensorboard"}),
        learning.environment.model_dump_json(),
        history.data.model_dump_json(include={"assets", "history_hours", "decision_delay_s"}),
        sorted(history.data.venues),
        learning.seed,
        history.last,
    )
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def course_of(learning: Learning, history: History, cycle: Cycle) -> Course:
    """What members of a cycle learn from. The scaler and the clone are those of the population's first cycle: living
    members have learnt with them."""
    train = history.tape(learning.lessons, cycle.windows.train)
    validation = history.tape(learning.learner, cycle.windows.validation)
    scaler = _scaler(learning, train)
    told = learning.settings.learner
    return Course(
        train=train,
        examination=examination(validation, learning.settings.fitness, learning.seed),
        scaler=scaler,
        clone=None if told.start == "random" else _clone(learning, train, scaler, told.start),
        learner=told,
        seed=learning.seed,
        cycle=cycle.number,
    )


def _scaler(learning: Learning, train: Tape) -> Scaler:
    path = learning.folder / "scaler.json"
    if not path.exists():
        fitted = fit_scaler(train, train.first, len(train.panel.ticks) - 1)
        write_whole(path, json.dumps(fitted.as_dict()).encode())
    return Scaler.from_dict(json.loads(path.read_text()), train.schema)


def _clone(learning: Learning, train: Tape, scaler: Scaler, teacher: TeacherName) -> dict[str, Tensor]:
    path = learning.folder / "clone.safetensors"
    if not path.exists():
        taught = clone(train, scaler, teacher, learning.settings.learner, learning.seed)
        write_whole(path, save(taught.weights))
    return load(path.read_bytes())


def _chosen(learning: Learning, members: Sequence[Entry]) -> list[Entry]:
    """The challenger: the best on validation, or the best few that will vote."""
    alive = [entry for entry in members if entry.score is not None]
    ranked = sorted(alive, key=lambda entry: (-(entry.score or {})["value"], entry.member))
    return ranked[: learning.settings.ensemble_size if learning.settings.trade_with == "ensemble" else 1]


def _policy(cycle: Cycle, course: Course, memory: Memory, entry: Entry) -> NetworkPolicy:
    if entry.checkpoint is None:
        raise ValueError(f"member {entry.member} failed: it has no weights")
    return policy_of(memory.checkpoint(entry.checkpoint), course, f"cycle {cycle.number}, member {entry.member}")


def _register(
    learning: Learning,
    cycle: Cycle,
    chosen: Sequence[Entry],
    policies: Sequence[NetworkPolicy],
    zips: Sequence[bytes],
    verdict: Verdict,
) -> Version:
    """Keep the challenger for good, with its verdict: promoted or not, it can be looked at and evaluated again."""
    told = verdict.as_dict()
    alone = len(chosen) == 1
    versions = [
        learning.registry.register_network(
            policy, origin_of(learning, cycle, entry, told if alone else None), model_zip=zipped
        )
        for entry, policy, zipped in zip(chosen, policies, zips, strict=True)
    ]
    if alone:
        return versions[0]
    origin = replace(origin_of(learning, cycle, chosen[0], told), weights_hash=None, fitness=None)
    return learning.registry.register_ensemble([version.name for version in versions], origin)


def origin_of(learning: Learning, cycle: Cycle, entry: Entry, verdict: dict[str, Any] | None) -> Origin:
    """Where the version comes from that `entry` makes, as it stood at the end of `cycle`."""
    return Origin(
        created_ms=cycle.windows.gate.last_tick,
        weights_hash=entry.checkpoint,
        lineage={"cycle": cycle.number, "round": entry.round, "member": entry.member, "parent": entry.parent},
        window={part: [w["first_tick"], w["last_tick"]] for part, w in asdict(cycle.windows).items()},
        configuration={
            "hyperparameters": dict(entry.hyperparameters),
            "learning": learning.settings.model_dump(mode="json"),
            "environment": learning.learner.model_dump(mode="json"),
            "seed": learning.seed,
        },
        verdict=verdict,
        fitness=entry.score,
    )


def _judge(
    learning: Learning, history: History, cycle: Cycle, memory: Memory, challenger: Policy
) -> tuple[Verdict, str | None]:
    """The challenger against champion, rule, tuned rule and flat, on the window that nobody has seen; and flat and the
    rule against the champion, as candidates that always stand: the version of the one that has proven better."""
    registry, schema = learning.registry, schema_of(learning.learner)
    champion = registry.version(cycle.champion)
    tuned = tune_rule(history.tape(learning.learner, cycle.windows.train))
    rivals: dict[str, Policy] = {
        "champion": registry.policy(champion, learning.environment, learning.seed),
        "rule": plain_policy("rule", schema_of(learning.environment), learning.seed),
        "tuned rule": tuned,
        "flat": plain_policy("flat", schema, learning.seed),
    }
    gate = _Gate(learning, history, cycle)
    scores = [entry.score for entry in memory.entries if entry.cycle == cycle.number and entry.score is not None]
    with one_thread():
        validated = replay(history.tape(learning.learner, cycle.windows.validation), challenger)
        asks = gate.evidence(challenger.name, challenger, stressed=True)
        incumbents = [gate.evidence(name, policy) for name, policy in rivals.items()]
    seed = learning.seed + cycle.number
    standing = {"flat": incumbents[3], "rule": incumbents[1]}
    candidates = [each for name, each in standing.items() if champion.policy != name]
    better = proven_better(candidates, incumbents[0], learning.settings.gate, seed=seed)
    heir = None if better is None else registry.register_plain(better, schema_of(learning.environment)).name
    verdict = judge(
        asks,
        incumbents,
        learning.settings.gate,
        attempt=attempt(cycles(learning.folder)),
        seed=seed,
        trials=Trials(
            len(scores), np.array([score["sharpe"] or 0.0 for score in scores]), gains=np.diff(validated.equity)
        ),
    )
    return verdict, heir


class _Gate:
    """Plays policies over the gate window, each on the tape of its own schema."""

    def __init__(self, learning: Learning, history: History, cycle: Cycle) -> None:
        self._learning, self._history, self._window = learning, history, cycle.windows.gate
        self._tapes: dict[tuple[str, float], Tape] = {}

    def evidence(self, name: str, policy: Policy, *, stressed: bool = False) -> Evidence:
        played = self._play(policy, 1.0)
        dear = self._play(policy, self._learning.settings.gate.cost_factor) if stressed else None
        return evidence(replace(played, policy=name), dear)

    def _play(self, policy: Policy, cost_factor: float) -> Result:
        key = policy.schema.hash, cost_factor
        if key not in self._tapes:
            environment = settings_for(policy.schema, self._learning.environment)
            self._tapes[key] = self._history.tape(environment, self._window, cost_factor=cost_factor)
        return replay(self._tapes[key], policy)


def examine_again(version: Version, policy: Policy, history: History) -> Score:
    """The row that a version brought from its last round, played anew on its own validation window.

    Raises StateError for a version that no cycle trained, MissingData where the history does not reach the window.
    """
    if version.fitness is None or "validation" not in version.window:
        raise StateError(f"{version.name} was not trained by a cycle: there is no row to repeat")
    told = version.configuration
    settings = LearningSettings.model_validate(told["learning"])
    window = Window(*version.window["validation"])
    tape = history.tape(EnvironmentSettings.model_validate(told["environment"]), window)
    with one_thread():
        return examine(examination(tape, settings.fitness, told["seed"]), policy)
