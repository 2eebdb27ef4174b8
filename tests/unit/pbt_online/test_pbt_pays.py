"""The comparison of ways to spend steps: equal steps, gone on with after a kill, differences in pairs."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from backtest.history import History
from backtest.settings import EnvironmentSettings
from benchmarks.pbt_pays import ARMS, Journal, Outcome, Plan, Run, pay
from benchmarks.pbt_pays_report import bootstrap, markdown, tell
from benchmarks.planted import history_of
from benchmarks.planted_market import planted_market
from data.errors import StateError
from pbt_online.settings import LearningSettings

SETTINGS = LearningSettings.model_validate(
    {
        "learner": {"hidden": [8], "rollout": 128, "epochs": 1, "clone_epochs": 1},
        "population": {"size": 2, "timesteps": 512, "perturbation_interval": 128},
        "fitness": {"universes": 2, "episode_days": 3},
        "windows": {"train_days": 20, "validation_days": 8, "gate_days": 10, "embargo_hours": 24, "least_days": 10},
        "gate": {"resamples": 200},
        "backend": {"kind": "process"},
    }
)


@cache
def history(seed: int) -> History:
    return history_of(planted_market(seed, 62, assets=3))


def plan(**changed: object) -> Plan:
    return replace(Plan("planted", history, SETTINGS, EnvironmentSettings(), 24, seeds=1), **changed)  # type: ignore[arg-type]


COLD = [Run(0, arm, False, "random") for arm in ARMS]
WARM = Run(0, "PBT", True, "rule")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Outcome]]:
    folder = tmp_path_factory.mktemp("pays")
    return folder, pay(plan(), folder, lambda text: None, [*COLD, WARM])


def test_every_arm_and_every_warm_start_meets_every_seed() -> None:
    runs = list(plan(seeds=5).runs())
    assert 5 * 3 * 2 * 2 == len(runs) == len(set(runs)) == len({run.name for run in runs})


def test_all_spend_the_same_steps(done: tuple[Path, list[Outcome]]) -> None:
    assert {2 * 512} == {outcome.steps for outcome in done[1]}


def test_who_is_fixed_has_what_was_best_among_independent_members(done: tuple[Path, list[Outcome]]) -> None:
    population, independent, fixed, _ = done[1]
    assert independent.hyperparameters == fixed.hyperparameters
    assert set(SETTINGS.population.search_space) == set(population.hyperparameters)


def test_what_is_finished_is_not_done_again_and_leaves_nothing_behind(done: tuple[Path, list[Outcome]]) -> None:
    folder, outcomes = done
    told: list[str] = []
    assert outcomes == pay(plan(), folder, told.append, [*COLD, WARM])
    assert [] == told == list((folder / "unfinished").iterdir())


def test_a_run_that_was_killed_is_gone_on_with_to_the_same_end(
    done: tuple[Path, list[Outcome]], tmp_path: Path
) -> None:
    """In its second cycle, as a line of the journal was being written."""

    class Killed(BaseException):
        pass

    def killing(seed: int) -> History:
        class Dying(History):
            def tape(self, *arguments: object, **named: object) -> object:
                if (tmp_path / "unfinished" / WARM.name / "population" / "cycles" / "0002.json").exists():
                    raise Killed
                return super().tape(*arguments, **named)  # type: ignore[arg-type]

        return Dying(**vars(history(seed)))

    with pytest.raises(Killed):
        pay(plan(history=killing), tmp_path, lambda text: None, [WARM])
    (tmp_path / "runs.jsonl").write_text('{"run": {"seed": 0, "arm": "PB')
    (again,) = pay(plan(), tmp_path, lambda text: None, [WARM])
    assert replace(done[1][-1], seconds=0.0) == replace(again, seconds=0.0)


def test_runs_of_another_plan_are_not_mixed_with_these(done: tuple[Path, list[Outcome]]) -> None:
    folder, outcomes = done
    assert outcomes == Journal(folder, plan(seeds=9)).outcomes
    with pytest.raises(StateError, match="another plan"):
        Journal(folder, plan(cycle_hours=48))


def invented(run: Run, validation: float, after: float) -> Outcome:
    return Outcome(run, validation, after, after, 10, False, {"gamma": 0.95}, 100, 1.0)


def test_differences_are_taken_within_seeds_and_intervals_over_them() -> None:
    luck = np.random.default_rng(1).normal(size=6)
    worth = {"PBT": 1.0, "independent": 0.75, "fixed": 2.0}
    outcomes = [
        invented(Run(seed, arm, warm, start), luck[seed] + value + 0.5 * warm, luck[seed] - value - (start == "rule"))
        for seed in range(6)
        for arm, value in worth.items()
        for warm in (False, True)
        for start in ("rule", "random")
    ]
    told = tell("invented", outcomes)
    means = {line.name: (line.validation.mean, line.after.mean) for line in told.differences}
    assert means["PBT - independent, all of these"] == pytest.approx((0.25, -0.25))
    assert means["PBT - fixed, from random weights"] == pytest.approx((-1.0, 1.0))
    assert means["weights of the cycle before - none"] == pytest.approx((0.5, 0.0))
    assert means["the rule's clone - random weights"] == pytest.approx((0.0, -1.0))
    for line in told.differences:
        assert line.validation.high - line.validation.low == pytest.approx(0, abs=1e-9), "luck cancels within a seed"
        assert 6 == line.validation.seeds
    assert 12 == len(told.conditions)
    assert told.conditions[0].validation.high - told.conditions[0].validation.low > 0.5


def test_a_seed_that_lacks_a_run_is_left_out_of_what_needs_it() -> None:
    runs = [Run(seed, arm, warm, "rule") for seed in range(3) for warm in (False, True) for arm in ("PBT", "fixed")]
    told = tell("invented", [invented(run, run.seed, 0.0) for run in runs if run != Run(2, "fixed", True, "rule")])
    seeds = {line.name: line.after.seeds for line in told.differences}
    assert (2, 3) == (seeds["PBT - fixed, all of these"], seeds["PBT - fixed, from the rule's clone"])


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(2), 0
    for _ in range(60):
        estimate = bootstrap(random.normal(size=12))
        held += estimate.low <= 0 <= estimate.high
    assert 49 <= held <= 60


def test_the_section_for_the_documentation_says_all_that_the_json_says(done: tuple[Path, list[Outcome]]) -> None:
    told = tell("planted market", done[1])
    section = markdown(told)
    content = json.loads(json.dumps(told.as_json()))
    assert section.startswith("## planted market\n")
    for line in (*content["conditions"], *content["differences"]):
        assert f"| {line['name']} | {line['validation']['mean']:+.2f} (" in section
    assert "1,024 steps a run, 4 runs" in section
