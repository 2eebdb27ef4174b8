"""What a cycle will take, reckoned from the parts of a small one."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_online.backend import room
from pbt_online.estimate import Costs, measure_costs
from pbt_online.settings import BackendSettings, PopulationSettings
from pbt_online.training import rollout_steps
from tests.unit.pbt_online.test_cycle import history, learning

COSTS = Costs(
    prepare_s=20.0, slice_s=1.0, rollout_s=0.5, rollout_steps=1000, gate_s=4.0, workers=2, processors=2
)  # fmt: skip


def population(size: int, timesteps: int, interval: int, **more: bool) -> PopulationSettings:
    return PopulationSettings(size=size, timesteps=timesteps, perturbation_interval=interval, **more)


def test_a_cycle_takes_its_preparation_every_wave_of_its_rounds_and_the_gate() -> None:
    # Two rounds of 10 rollouts and one of 5 (4,500 steps), in three waves of two members each.
    rounds = 2 * (1 + 10 * 0.5) + (1 + 5 * 0.5)
    assert 20 + 3 * rounds + 4 == COSTS.cycle_s(population(5, 24_500, 10_000), workers=2)


def test_members_that_do_not_wait_for_each_other_leave_no_worker_idle() -> None:
    rounds = 2.5 * (1 + 10 * 0.5)
    assert 24 + rounds == COSTS.cycle_s(population(5, 10_000, 10_000, asynchronous=True), workers=2)


@given(st.integers(1, 64), st.integers(1, 10**6), st.integers(1, 10**5), st.integers(1, 128))
def test_a_processor_more_never_makes_a_cycle_longer_nor_does_a_member_less(
    size: int, timesteps: int, interval: int, workers: int
) -> None:
    asked = population(size, timesteps, interval)
    taken = COSTS.cycle_s(asked, workers)
    assert COSTS.cycle_s(asked, workers + 1) <= taken
    assert taken <= COSTS.cycle_s(asked.model_copy(update={"size": size + 1}), workers)
    assert COSTS.cycle_s(asked, size) == COSTS.cycle_s(asked, size + workers), "a processor without a member is idle"


def test_rollouts_are_whole_steps_of_every_pair() -> None:
    settings = learning(Path()).settings.learner
    assert 128 == settings.rollout
    assert 10 * 12 == rollout_steps(settings.model_copy(update={"environments": 12}), 3)
    assert 24 * 5 == rollout_steps(settings.model_copy(update={"environments": 3}), 24)
    assert 128 == rollout_steps(settings.model_copy(update={"formulation": "ranked"}), 24)


@pytest.mark.parametrize(("kind", "most"), [("process", 1), ("pool", 1024)])
def test_a_backend_says_for_how_many_workers_there_is_room(kind: str, most: int) -> None:
    assert 1 <= room(BackendSettings.model_validate({"kind": kind})) <= most


def test_the_parts_are_read_off_a_small_cycle_which_leaves_no_trace(tmp_path: Path) -> None:
    """By a clock that says when the cycle began, three long rounds, a short one and the gate ended."""
    told = learning(tmp_path)
    stamps = iter([100.0, 110.0, 114.0, 119.0, 121.0, 122.0])
    costs = measure_costs(told, history(), lambda: next(stamps))
    assert replace(costs, rollout_s=0.0, slice_s=0.0) == Costs(
        prepare_s=10 - 4.5, slice_s=0.0, rollout_s=0.0, rollout_steps=120, gate_s=1.0, workers=1, processors=1
    )
    assert pytest.approx((2.5 / 3, 4.5 - 4 * 2.5 / 3)) == (costs.rollout_s, costs.slice_s)
    assert [] == list(stamps)
    assert [] == list(tmp_path.iterdir())
