"""Explore: neighbours lie inside the space, differ from their donor, and can leave any place."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_online.bandit import Gain, suggest
from pbt_online.explore import explore
from pbt_online.search_space import SearchSpace
from pbt_online.settings import Dimension, ExploreSettings
from tests.unit.pbt_online.test_search_space import WIDE, inside

STRATEGIES = get_args(ExploreSettings.model_fields["strategy"].annotation)


def settings(strategy: str, **others: object) -> ExploreSettings:
    return ExploreSettings.model_validate({"strategy": strategy, **others})


@pytest.mark.parametrize("strategy", STRATEGIES)
@given(seed=st.integers(0, 2**32 - 1), magnitude=st.floats(0.1, 4), resample=st.sampled_from([0.0, 0.3]))
def test_no_walk_ever_leaves_the_space(strategy: str, seed: int, magnitude: float, resample: float) -> None:
    random = np.random.default_rng(seed)
    at = WIDE.sample(random)
    for _ in range(20):
        at = explore(WIDE, at, settings(strategy, resample_probability=resample), random, magnitude)
        assert inside(WIDE, at)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_one_hyperparameter_changes_at_least_even_where_the_mutation_probability_is_zero(strategy: str) -> None:
    random, changed = np.random.default_rng(0), []
    for _ in range(200):
        donor = WIDE.sample(random)
        copy = explore(WIDE, donor, settings(strategy, mutation_probability=0.0), random)
        changed.append(sum(donor[name] != copy[name] for name in donor))
    assert max(changed) == 1
    assert np.mean(changed) > 0.85  # a move at the edge of a range can be brought back to it


def test_the_share_that_changes_is_the_mutation_probability() -> None:
    random, changed = np.random.default_rng(0), []
    for _ in range(2000):
        donor = {"batch_size": 64.0, "epsilon": 0.1, "gamma": 0.9, "learning_rate": 1e-4}
        copy = explore(WIDE, donor, settings("gaussian", mutation_probability=0.5), random)
        changed.append(np.mean([donor[name] != copy[name] for name in donor]))
    assert 0.5 + 0.5**4 / 4 == pytest.approx(np.mean(changed), abs=0.04)


def test_a_category_moves_to_a_neighbour() -> None:
    space, random = SearchSpace({"gamma": Dimension(choices=(0.9, 0.95, 0.97, 0.99, 0.995))}), np.random.default_rng(0)
    for start, around in ((0.9, {0.95}), (0.97, {0.95, 0.99}), (0.995, {0.99})):
        moved = {explore(space, {"gamma": start}, settings("perturb"), random)["gamma"] for _ in range(50)}
        assert around == moved


def test_perturbing_multiplies_on_a_logarithmic_scale_and_can_leave_zero_on_a_linear_one() -> None:
    random = np.random.default_rng(0)
    rate = SearchSpace({"learning_rate": Dimension(low=1e-5, high=1e-3, log=True)})
    copies = (explore(rate, {"learning_rate": 1e-4}, settings("perturb"), random) for _ in range(200))
    factors = [copy["learning_rate"] / 1e-4 for copy in copies]
    assert 0.8 <= min(factors) < 0.85
    assert 1.15 < max(factors) <= 1.2
    zero = SearchSpace({"epsilon": Dimension(low=0.0, high=0.2)})
    assert any(explore(zero, {"epsilon": 0.0}, settings("perturb"), random)["epsilon"] > 0 for _ in range(10))


def test_a_small_move_on_a_grid_is_one_step() -> None:
    space, random = SearchSpace({"gamma": Dimension(low=0.85, high=0.995, step=0.01)}), np.random.default_rng(0)
    told = settings("step", magnitude=0.001)
    moved = {round(explore(space, {"gamma": 0.9}, told, random)["gamma"], 6) for _ in range(50)}
    assert {0.89, 0.91} == moved


def test_the_model_looks_where_members_gained() -> None:
    space, random = SearchSpace({"x": Dimension(low=0.0, high=1.0)}), np.random.default_rng(0)
    gains = [Gain(5, {"x": x}, -((x - 0.8) ** 2)) for x in random.random(40).tolist()]
    told = [suggest(space, {"x": 0.1}, gains, 6, random) for _ in range(5)]
    assert all(one is not None and abs(one["x"] - 0.8) < 0.15 for one in told)


def test_the_model_forgets_what_was_long_ago() -> None:
    space, random = SearchSpace({"x": Dimension(low=0.0, high=1.0)}), np.random.default_rng(0)
    places = random.random(40).tolist()
    gains = [Gain(number, {"x": x}, -((x - top) ** 2)) for number, top in ((1, 0.2), (60, 0.8)) for x in places]
    told = suggest(space, {"x": 0.5}, gains, 61, random)
    assert told is not None
    assert abs(told["x"] - 0.8) < 0.2


def test_the_model_says_nothing_while_it_knows_too_little() -> None:
    space = SearchSpace({"x": Dimension(low=0.0, high=1.0)})
    assert suggest(space, {"x": 0.5}, [Gain(1, {"x": 0.5}, 1.0)], 2, np.random.default_rng(0)) is None
