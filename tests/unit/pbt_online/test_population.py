"""The population on a small course, with real training: every slice runs FastPPO."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO

from backtest.scaler import fit_scaler
from data.errors import LearningFailed, WorkerLost
from pbt_online.backend import Backend, open_backend
from pbt_online.fitness import examination
from pbt_online.lineage import lineage, schedule_of
from pbt_online.memory import Entry, Memory
from pbt_online.population import Population, Round, retrace
from pbt_online.settings import BackendSettings, FitnessSettings, LearnerSettings, PopulationSettings
from pbt_online.training import Course, Trained, model_zip, policy_of, take_course
from tests.functional.commands import soak
from tests.unit.pbt_online.test_vector_environment import tape

LEARNER = LearnerSettings(formulation="ranked", decision_hours=1, hidden=(16,), environments=4, rollout=256, epochs=2)
SETTINGS = PopulationSettings(size=4, timesteps=1536, perturbation_interval=512)


@cache
def course() -> Course:
    played = tape("ranked")
    fitness = FitnessSettings(universes=2, episode_days=5, regimes=1)
    scaler = fit_scaler(played, played.first, len(played.panel.ticks) - 1)
    return Course(played, examination(played, fitness, 0), scaler, None, LEARNER, seed=3)


@contextmanager
def backend(kind: str = "process", workers: int | None = None) -> Iterator[Backend]:
    settings = BackendSettings.model_validate({"kind": kind, "workers": workers})
    with open_backend(settings, take_course, course()) as opened:
        yield opened


def trained(
    folder: Path, settings: PopulationSettings = SETTINGS, kind: str = "process", workers: int | None = None
) -> tuple[Memory, list[Round]]:
    memory, rounds = Memory(folder), list[Round]()
    with backend(kind, workers) as opened:
        Population(memory, settings, seed=3).train(1, opened, rounds.append)
    return memory, rounds


def weights(memory: Memory) -> dict[tuple[int, int, int], str | None]:
    return {(entry.cycle, entry.round, entry.member): entry.checkpoint for entry in memory.entries}


def row(entry: Entry) -> str:
    return json.dumps(entry.score)


def test_the_same_seed_gives_the_same_weights_with_any_number_of_workers(tmp_path: Path) -> None:
    expected, _ = trained(tmp_path / "here")
    for workers in (1, 2, 3) if os.environ.get("SOAK") else (2,):  # starting them takes longer than their work
        memory, _ = trained(tmp_path / str(workers), kind="pool", workers=workers)
        assert weights(expected) == weights(memory)
        assert sorted(map(row, expected.entries)) == sorted(map(row, memory.entries))


@pytest.mark.parametrize("lines", [1, 6])
def test_a_population_that_was_broken_off_goes_on_to_the_same_weights(tmp_path: Path, lines: int) -> None:
    whole, _ = trained(tmp_path / "whole")
    cut = tmp_path / "cut"
    interrupt(cut, after=lines)
    assert lines == len(Memory(cut).entries)
    resumed, _ = trained(cut)
    assert weights(whole) == weights(resumed)


def interrupt(folder: Path, after: int) -> None:
    """Train until `after` slices are recorded, then be gone, as a killed process is."""

    class Gone(BaseException):
        pass

    memory, one_at_a_time = Memory(folder), Lock()
    record = memory.record

    def recorded(entry: Entry) -> None:
        with one_at_a_time:
            if len(memory.entries) == after:
                raise Gone
            record(entry)

    memory.record = recorded  # type: ignore[method-assign]
    with backend() as opened, pytest.raises(Gone):
        Population(memory, SETTINGS, seed=3).train(1, opened, lambda _: None)


def test_copies_go_on_from_the_donors_checkpoint_and_nobody_elses_is_touched(tmp_path: Path) -> None:
    memory, rounds = trained(tmp_path)
    for done in rounds[:-1]:
        brought = {entry.member: entry.checkpoint for entry in done.entries}
        for decision in done.decisions:
            begun = memory.round(1, done.number + 1)[decision.member]
            donor = decision.member if decision.donor is None else decision.donor
            assert (donor, brought[donor]) == (begun.parent, begun.started_from)
            assert decision.hyperparameters == begun.hyperparameters
    assert any(decision.donor is not None for done in rounds for decision in done.decisions)


def test_checkpoints_do_not_pile_up(tmp_path: Path) -> None:
    memory, _ = trained(tmp_path)
    kept = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert {entry.checkpoint for entry in memory.round(1, 3).values()} <= kept
    assert len(kept) <= 2 * SETTINGS.size


def test_members_that_diverge_are_recorded_and_replaced_and_stop_nobody(tmp_path: Path) -> None:
    space = {**SETTINGS.model_dump()["search_space"], "learning_rate": {"choices": [1e-4, 1e30]}}
    settings = PopulationSettings.model_validate({**SETTINGS.model_dump(), "search_space": space})
    memory, _ = trained(tmp_path, settings)
    first, second = memory.round(1, 1), memory.round(1, 2)
    wild = {member for member, entry in first.items() if entry.hyperparameters["learning_rate"] == 1e30}
    assert {0, 1, 2, 3} > wild > set()
    for member in range(4):
        assert (member in wild) == (first[member].failure is not None) == (first[member].checkpoint is None)
    for member in wild:
        assert second[member].parent in {0, 1, 2, 3} - wild


def test_where_every_member_fails_the_cycle_ends_with_the_reason(tmp_path: Path) -> None:
    space = {"learning_rate": {"low": 1e29, "high": 1e30}}
    settings = PopulationSettings.model_validate({**SETTINGS.model_dump(), "search_space": space})
    with pytest.raises(LearningFailed, match="every member failed in round 1"):
        trained(tmp_path, settings)


class _Lost:
    """A machine that is short of memory: no worker lives long enough."""

    def submit(self, *_: object) -> "Future[Trained]":
        future: Future[Trained] = Future()
        future.set_exception(WorkerLost("work was lost with its worker 3 times (SIGKILL); is memory short?"))
        return future


def lose(folder: Path, cycle: int) -> None:
    with pytest.raises(LearningFailed, match="is memory short"):
        Population(Memory(folder), SETTINGS, seed=3).train(cycle, _Lost(), lambda _: None)


def test_a_round_in_which_every_member_was_lost_is_done_anew_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, _ = trained(tmp_path / "whole")
    lost = tmp_path / "lost"
    lose(lost, cycle=1)
    resumed, _ = trained(lost)
    assert weights(whole) == weights(resumed) == weights(Memory(lost))
    assert len(whole.entries) == len(Memory(lost).entries)


def test_a_cycle_in_which_every_member_was_lost_leaves_the_next_one_their_weights(tmp_path: Path) -> None:
    memory, rounds = trained(tmp_path)
    lose(tmp_path, cycle=2)
    assert memory.entries == Memory(tmp_path).entries
    with backend() as opened:
        Population(later := Memory(tmp_path), SETTINGS, seed=3).train(3, opened, lambda _: None)
    last = {entry.checkpoint for entry in rounds[-1].entries}
    assert {entry.started_from for entry in later.round(3, 1).values()} <= last


def test_a_living_population_goes_on_in_the_next_cycle_where_it_was(tmp_path: Path) -> None:
    memory, rounds = trained(tmp_path)
    with backend() as opened:
        Population(memory, SETTINGS, seed=3).train(2, opened, lambda _: None)
    last = {entry.member: entry.checkpoint for entry in rounds[-1].entries}
    assert {entry.started_from for entry in memory.round(2, 1).values()} <= set(last.values())


def test_a_new_cycle_takes_on_the_set_size(tmp_path: Path) -> None:
    memory, rounds = trained(tmp_path, SETTINGS.model_copy(update={"timesteps": 512}))
    worst = max(rounds[-1].entries, key=lambda entry: (-(entry.score or {})["value"], entry.member)).member
    with backend() as opened:
        for cycle, size in ((2, 3), (3, 5)):
            changed = SETTINGS.model_copy(update={"timesteps": 1024, "size": size})
            Population(memory, changed, seed=3).train(cycle, opened, lambda _: None)
    assert {0, 1, 2, 3} - {worst} == set(memory.round(2, 1)) == set(memory.round(2, 2))
    assert {0, 1, 2, 3, 4} == set(memory.round(3, 1)) == set(memory.round(3, 2))
    assert {worst, 4} == {member for member, entry in memory.round(3, 1).items() if entry.reason == "joined"}


def test_a_cycle_ends_at_the_target_and_where_the_best_stalls(tmp_path: Path) -> None:
    _, at_target = trained(tmp_path / "target", SETTINGS.model_copy(update={"target": -1e9}))
    assert 1 == len(at_target)
    _, stalled = trained(tmp_path / "stalled", SETTINGS.model_copy(update={"timesteps": 512 * 8, "stall_rounds": 1}))
    best = [max(entry.score["value"] for entry in done.entries if entry.score) for done in stalled]
    assert len(best) == 8 or best[-1] <= max(best[:-1])


def test_a_member_that_started_anew_goes_on_from_there(tmp_path: Path) -> None:
    """What it had reached before does not make it stagnate at once, and nobody's weights take its place."""
    settings = SETTINGS.model_copy(update={"timesteps": 512 * 6, "stagnation_rounds": 1})
    memory, _ = trained(tmp_path, settings)
    anew = [entry for entry in memory.entries if entry.reason == "stagnation" and entry.round < 6]
    assert anew
    assert {"continued"} == {memory.round(1, entry.round + 1)[entry.member].reason for entry in anew}


@soak
def test_without_waiting_every_member_does_all_of_its_rounds(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"asynchronous": True})
    memory, _ = trained(tmp_path, settings, kind="pool", workers=2)
    assert sorted((number, member) for number in (1, 2, 3) for member in range(4)) == sorted(
        (entry.round, entry.member) for entry in memory.entries
    )


def test_without_waiting_the_first_member_to_be_lost_ends_nothing(tmp_path: Path) -> None:
    """Nobody else is done by then."""
    lost = iter([_Lost().submit()])
    settings = SETTINGS.model_copy(update={"asynchronous": True, "timesteps": 1024})
    with backend() as opened, ThreadPoolExecutor(1) as others:

        class LosesTheFirst:
            def submit(self, *work: Any) -> "Future[Trained]":
                return next(lost, None) or others.submit(lambda: opened.submit(*work).result())

        memory = Memory(tmp_path)
        Population(memory, settings, seed=3).train(1, LosesTheFirst(), lambda _: None)
    assert sorted((number, member) for number in (1, 2) for member in range(4)) == sorted(
        (entry.round, entry.member) for entry in memory.entries
    )
    assert 1 == len([entry for entry in memory.entries if entry.failure])


def test_the_schedule_of_a_member_gives_its_weights_again(tmp_path: Path) -> None:
    memory, _ = trained(tmp_path)
    for entry in memory.round(1, 3).values():
        assert entry.checkpoint is not None
        schedule = schedule_of(memory.entries, entry.checkpoint)
        assert [1, 2, 3] == [step.round for step in schedule]
        assert memory.checkpoint(entry.checkpoint) == retrace(schedule, {1: course()})


def test_lineage_names_for_every_round_the_one_that_it_went_on_from(tmp_path: Path) -> None:
    memory, _ = trained(tmp_path)
    told = lineage(memory.entries)
    for entry in told:
        if entry["came_from"] is None:
            assert 1 == entry["round"]
        else:
            assert entry["started_from"] == told[entry["came_from"]]["checkpoint"]


def test_a_checkpoint_as_a_file_is_loaded_by_plain_stable_baselines3(tmp_path: Path) -> None:
    memory, _ = trained(tmp_path, SETTINGS.model_copy(update={"timesteps": 512, "size": 1}))
    (entry,) = memory.entries
    content = memory.checkpoint(entry.checkpoint or "")
    model = PPO.load(BytesIO(model_zip(content, entry.hyperparameters, course())))
    policy = policy_of(content, course(), "it")
    seen = np.random.default_rng(0).normal(0, 3, (200, course().train.schema.size)).astype(np.float32)
    scaled = course().scaler.apply(seen)
    actions, _ = model.predict(scaled, deterministic=True)
    assert policy.decide(seen).tolist() == actions.tolist()
