"""The toy of Jaderberg et al. 2017, figure 2: a population that sees half of the goal each finds all of it by exploit.

Q = 1.2 - (t0^2 + t1^2) is to be maximised by steps along the gradient of 1.2 - (h0 t0^2 + h1 t1^2) from (.9, .9), by
members that begin with h = (1, 0) and (0, 1).
"""

from dataclasses import dataclass

import numpy as np
import pytest

from pbt_online.scheduler import Scheduler, Standing
from pbt_online.search_space import SearchSpace
from pbt_online.settings import Dimension, ExploitSettings, ExploreSettings, PopulationSettings

SPACE = SearchSpace({"h0": Dimension(low=0, high=1), "h1": Dimension(low=0, high=1)})
STEPS, INTERVAL, RATE = 120, 4, 0.02


@dataclass
class Member:
    weights: np.ndarray
    hyperparameters: dict[str, float]

    @property
    def score(self) -> float:
        return float(1.2 - (self.weights**2).sum())

    def train(self) -> None:
        h = np.array([self.hyperparameters["h0"], self.hyperparameters["h1"]])
        for _ in range(INTERVAL):
            self.weights = self.weights - RATE * 2 * h * self.weights


def played(first: list[tuple[float, float]], exploit: str | None, explore: str = "perturb", seed: int = 0) -> float:
    """The best score after STEPS steps."""
    settings = PopulationSettings(
        size=len(first),
        exploit=ExploitSettings.model_validate({"strategy": exploit or "truncation"}),
        explore=ExploreSettings.model_validate({"strategy": explore, "mutation_probability": 1.0}),
        stagnation_rounds=1000,
    )
    scheduler, random = Scheduler(settings, SPACE), np.random.default_rng(seed)
    members = [Member(np.array([0.9, 0.9]), {"h0": h0, "h1": h1}) for h0, h1 in first]
    for number in range(STEPS // INTERVAL):
        for member in members:
            member.train()
        if exploit is not None:
            standings = [Standing(m, x.score, np.array([x.score]), x.hyperparameters) for m, x in enumerate(members)]
            weights = [member.weights for member in members]
            for told in scheduler.decide(number, standings, random):
                if told.donor is not None:
                    members[told.member].weights = weights[told.donor]
                members[told.member].hyperparameters = told.hyperparameters
    return max(member.score for member in members)


def test_without_exploit_each_half_of_the_goal_is_all_that_is_reached() -> None:
    assert 0.39 == pytest.approx(played([(1, 0), (0, 1)], None), abs=0.005)


@pytest.mark.parametrize("exploit", ["truncation", "tournament"])
@pytest.mark.parametrize("explore", ["perturb", "gaussian", "step"])
def test_with_exploit_the_whole_goal_is_reached(exploit: str, explore: str) -> None:
    assert played([(1, 0), (0, 1)], exploit, explore) >= 1.15


def test_truncation_reaches_it_whatever_the_seed() -> None:
    assert all(played([(1, 0), (0, 1)], "truncation", seed=seed) >= 1.15 for seed in range(20))


def test_a_population_of_fifty_reaches_it_too() -> None:
    first = [(1, 0), (0, 1)] * 25
    assert played(first, "truncation") >= 1.19
