"""The living population: rounds of training, exploit and explore, gone on with wherever they were left.

A round: every member trains for `perturbation_interval` steps and is examined; the scheduler then says who copies whom
and with which hyperparameters. All of it follows from the memory, the settings and the seed, so a population that was
killed in the middle of a round does the missing slices and goes on as if nothing had happened.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import asdict, dataclass
from itertools import count
from typing import Protocol

import numpy as np

from data.errors import LearningFailed
from pbt_online.bandit import Gain
from pbt_online.memory import Entry, Memory
from pbt_online.scheduler import Decision, Scheduler, Standing
from pbt_online.search_space import SearchSpace
from pbt_online.settings import PopulationSettings
from pbt_online.training import Course, Slice, Trained, take_course, train_member

WRITERS = 4
"""Checkpoints that are on their way to the disk at once."""


class Backend(Protocol):
    """Runs slices somewhere."""

    def submit(self, function: Callable[[Slice], Trained], argument: Slice, /) -> "Future[Trained]":
        """The result, when it is there."""


@dataclass(frozen=True)
class Round:
    """What a round brought, for those who watch."""

    cycle: int
    number: int
    rounds: int
    entries: Sequence[Entry]
    """By member."""
    decisions: Sequence[Decision]
    """What the next round begins with."""
    diversity: float
    alike: bool
    seconds: float
    left_s: float
    """Estimate of the time that the cycle's other rounds will take."""


class Population:
    """The members of `memory`, trained under `settings`. Not thread-safe."""

    def __init__(self, memory: Memory, settings: PopulationSettings, seed: int) -> None:
        self.memory = memory
        self._settings = settings
        self._seed = seed
        self._space = SearchSpace(settings.search_space)
        self._scheduler = Scheduler(settings, self._space)

    @property
    def rounds(self) -> int:
        """Rounds of a cycle that nothing ends early."""
        return math.ceil(self._settings.timesteps / self._settings.perturbation_interval)

    def train(self, cycle: int, backend: Backend, watch: Callable[[Round], None]) -> list[Entry]:
        """Train through `cycle`; returns each member's last entry. Raises LearningFailed where all members fail."""
        if self._settings.asynchronous:
            self._train_without_waiting(cycle, backend, watch)
        else:
            for _ in self._rounds(cycle, backend, watch):
                pass
        return self._newest(cycle)

    def _rounds(self, cycle: int, backend: Backend, watch: Callable[[Round], None]) -> Iterator[None]:
        begun, best = time.monotonic(), _Best()
        for number in range(1, self.rounds + 1):
            started = time.monotonic()
            planned = self._plan(cycle, number)
            done = self.memory.round(cycle, number)
            missing = [entry for entry in planned if entry.member not in done]
            futures = {backend.submit(train_member, self._slice(entry)): entry for entry in missing}
            with ThreadPoolExecutor(WRITERS) as writers:
                noted = [writers.submit(self._note, futures[future], future) for future in as_completed(futures)]
            for note in noted:
                note.result()
            entries = self._newest(cycle, before=number + 1)
            seconds = time.monotonic() - started
            watch(self._report(cycle, number, entries, seconds, (self.rounds - number) * seconds))
            if not self.memory.round(cycle, number + 1):
                self._prune([entry.started_from for entry in self._plan(cycle, number + 1)])
            yield
            if best.ends(entries, self._settings) or self._out_of_time(begun):
                return

    def _train_without_waiting(self, cycle: int, backend: Backend, watch: Callable[[Round], None]) -> None:
        """Every member goes on as soon as it is done, judged against the newest scores of the others."""
        begun, running = time.monotonic(), {}
        left = {entry.member: self.rounds for entry in self._plan(cycle, 1)}
        for entry in self.memory.entries:
            if entry.cycle == cycle:
                left[entry.member] -= 1
        for entry in self._plan(cycle, 1):
            if left[entry.member] > 0:
                planned = entry if left[entry.member] == self.rounds else self._next(cycle, entry.member)
                running[backend.submit(train_member, self._slice(planned))] = planned
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                entry = running.pop(future)
                self._note(entry, future)
                left[entry.member] -= 1
                watch(self._report(cycle, entry.round, self._newest(cycle), time.monotonic() - begun, 0.0))
                if left[entry.member] > 0 and not self._out_of_time(begun):
                    planned = self._next(cycle, entry.member)
                    running[backend.submit(train_member, self._slice(planned))] = planned
            self._prune([entry.started_from for entry in running.values()])

    def _plan(self, cycle: int, number: int) -> list[Entry]:
        """What every member's round begins with. At the beginning of a cycle the population takes on its set size: the
        worst leave, or new members join."""
        before = self._newest(cycle, before=number)
        random = self._random(cycle, number)
        if not before:
            first = self._space.stratified(self._settings.size, random)
            return [self._begin(cycle, number, m, "first", None, None, h) for m, h in enumerate(first)]
        if number == 1:
            before = sorted(sorted(before, key=_rank)[: self._settings.size], key=lambda entry: entry.member)
        planned = [self._follow(cycle, number, decision, before) for decision in self._decide(cycle, number, before)]
        free = (member for member in count() if member not in {entry.member for entry in planned})
        joining = self._settings.size - len(planned) if number == 1 else 0
        return planned + [
            self._begin(cycle, number, next(free), "joined", None, None, self._space.sample(random))
            for _ in range(joining)
        ]

    def _next(self, cycle: int, member: int) -> Entry:
        entries = self._newest(cycle)
        number = next(entry.round for entry in entries if entry.member == member) + 1
        random = self._random(cycle, number * self._settings.size + member)
        decision = self._scheduler.decide_one(number, self._standings(entries), member, random, self._gains(cycle))
        return self._follow(cycle, number, decision, entries)

    def _decide(self, cycle: int, number: int, before: Sequence[Entry]) -> list[Decision]:
        random = self._random(cycle, number)
        return self._scheduler.decide(number, self._standings(before), random, self._gains(cycle))

    def _gains(self, cycle: int) -> list[Gain]:
        """What every round of the cycle gained over the score of the weights that it began with."""
        brought: dict[str | None, float] = {}
        gains = []
        for entry in self.memory.entries:
            if entry.cycle == cycle and entry.score is not None:
                if entry.started_from in brought:
                    gained = entry.score["value"] - brought[entry.started_from]
                    gains.append(Gain(entry.round, entry.hyperparameters, gained))
                brought[entry.checkpoint] = entry.score["value"]
        return gains

    def _follow(self, cycle: int, number: int, decision: Decision, before: Sequence[Entry]) -> Entry:
        by_member = {entry.member: entry for entry in before}
        if decision.fresh:
            return self._begin(cycle, number, decision.member, decision.reason, None, None, decision.hyperparameters)
        parent = decision.member if decision.donor is None else decision.donor
        checkpoint = by_member[parent].checkpoint
        return self._begin(
            cycle, number, decision.member, decision.reason, parent, checkpoint, decision.hyperparameters
        )

    def _begin(
        self,
        cycle: int,
        number: int,
        member: int,
        reason: str,
        parent: int | None,
        checkpoint: str | None,
        hyperparameters: Mapping[str, float],
    ) -> Entry:
        steps = min(
            self._settings.perturbation_interval,
            self._settings.timesteps - (number - 1) * self._settings.perturbation_interval,
        )
        return Entry(cycle, number, member, reason, parent, checkpoint, dict(hyperparameters), steps)

    def _slice(self, entry: Entry) -> Slice:
        checkpoint = None if entry.started_from is None else self.memory.checkpoint(entry.started_from)
        return Slice(entry.member, entry.round, entry.timesteps, entry.hyperparameters, checkpoint)

    def _note(self, planned: Entry, future: "Future[Trained]") -> None:
        """Into the memory, dead or alive: one member that fails stops nobody."""
        error = future.exception()
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            self.memory.record(Entry(**asdict(planned) | {"failure": _told(error)}))
            return
        trained = future.result()
        self.memory.store(trained.checkpoint, trained.weights)
        came = {"checkpoint": trained.weights, "score": trained.score.as_dict(), "seconds": trained.seconds}
        self.memory.record(Entry(**asdict(planned) | came))

    def _report(self, cycle: int, number: int, entries: Sequence[Entry], seconds: float, left_s: float) -> Round:
        if len(entries) == self._settings.size and all(entry.failure for entry in entries):
            raise LearningFailed(f"every member failed in round {number}: {entries[0].failure}")
        standings = self._standings(entries)
        decisions = self._decide(cycle, number + 1, entries)
        return Round(
            cycle, number, self.rounds, entries, decisions,
            self._space.diversity([entry.hyperparameters for entry in entries]), self._scheduler.alike(standings),
            seconds, left_s,
        )  # fmt: skip

    def _standings(self, entries: Sequence[Entry]) -> list[Standing]:
        return [self._standing(entry) for entry in entries]

    def _standing(self, last: Entry) -> Standing:
        life = self._life(last)
        return Standing(
            member=last.member,
            score=_value(last),
            scores=np.array([] if last.score is None else last.score["scores"], dtype=np.float64),
            hyperparameters=self._space.clip(last.hyperparameters),
            failed=last.failure is not None,
            history=tuple(_value(entry) for entry in life[:-1]),
            newcomer=life[0].started_from is None and life[0].reason != "first",
        )

    def _life(self, last: Entry) -> list[Entry]:
        """The member's rounds in this cycle since it last started anew: other cycles were examined on other windows."""
        rounds = [
            entry
            for entry in self.memory.entries
            if entry.member == last.member and entry.cycle == last.cycle and entry.round <= last.round
        ]
        begun = max((place for place, entry in enumerate(rounds) if entry.started_from is None), default=0)
        return rounds[begun:]

    def _newest(self, cycle: int, before: int | None = None) -> list[Entry]:
        """The last entry of each living member, by member, before round `before` of `cycle` if that is given."""
        past = [
            entry
            for entry in self.memory.entries
            if entry.cycle < cycle or (entry.cycle == cycle and (before is None or entry.round < before))
        ]
        newest = {entry.member: entry for entry in past if entry.cycle == past[-1].cycle}
        return [newest[member] for member in sorted(newest)]

    def _prune(self, started_from: Sequence[str | None]) -> None:
        """Keep what somebody starts from, and what every member brought last."""
        named = {entry.checkpoint for entry in self.memory.newest().values()} | set(started_from)
        self.memory.prune({name for name in named if name is not None})

    def _random(self, cycle: int, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, cycle, number])

    def _out_of_time(self, begun: float) -> bool:
        limit = self._settings.wall_clock_s
        return limit is not None and time.monotonic() - begun >= limit


def retrace(schedule: Sequence[Entry], courses: Mapping[int, Course]) -> bytes:
    """Train along a schedule once more, with each cycle's course; returns the checkpoint that it ends with.

    The best member's last hyperparameters alone would not give its weights: the way there does.
    """
    checkpoint = None
    for entry in schedule:
        take_course(courses[entry.cycle])
        work = Slice(entry.member, entry.round, entry.timesteps, entry.hyperparameters, checkpoint)
        checkpoint = train_member(work).checkpoint
    if checkpoint is None:
        raise ValueError("an empty schedule leads nowhere")
    return checkpoint


def _value(entry: Entry) -> float:
    return math.nan if entry.score is None else float(entry.score["value"])


def _rank(entry: Entry) -> tuple[float, int]:
    """Best first; who failed comes last."""
    return (math.inf if entry.score is None else -entry.score["value"], entry.member)


class _Best:
    """The best score of a cycle so far, and for how long it has been that."""

    def __init__(self) -> None:
        self._score, self._since = -math.inf, 0

    def ends(self, entries: Sequence[Entry], settings: PopulationSettings) -> bool:
        """Take note of a round; whether the target is reached or the best has stalled for too long."""
        reached = max(entry.score["value"] for entry in entries if entry.score is not None)
        self._since = 0 if reached > self._score else self._since + 1
        self._score = max(self._score, reached)
        stalled = settings.stall_rounds is not None and self._since >= settings.stall_rounds
        return stalled or (settings.target is not None and self._score >= settings.target)


def _told(error: Exception) -> str:
    """The error on one line; that of a library can be pages long."""
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
