"""The space of hyperparameters: what is drawn lies inside, and spread is measured."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pbt_online.search_space import SearchSpace
from pbt_online.settings import Dimension, PopulationSettings

SPACE = SearchSpace(PopulationSettings().search_space)
WIDE = SearchSpace(
    {
        "batch_size": Dimension(choices=(32, 64, 128, 256)),
        "epsilon": Dimension(low=0.0, high=0.2),
        "gamma": Dimension(low=0.85, high=0.995, step=0.01),
        "learning_rate": Dimension(low=1e-5, high=1e-3, log=True),
    }
)


def inside(space: SearchSpace, hyperparameters: dict[str, float]) -> bool:
    """Every name, and every value one that its dimension allows."""
    return set(space.dimensions) == set(hyperparameters) and all(
        value in dimension.choices if dimension.choices is not None else dimension.low <= value <= dimension.high  # type: ignore[operator]
        for value, dimension in ((hyperparameters[name], d) for name, d in space.dimensions.items())
    )


@pytest.mark.parametrize("space", [SPACE, WIDE])
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
def test_what_is_drawn_lies_inside(space: SearchSpace, seed: int, count: int) -> None:
    random = np.random.default_rng(seed)
    assert inside(space, space.sample(random))
    assert all(inside(space, member) for member in space.stratified(count, random))


def test_of_a_stratified_population_every_part_of_a_range_holds_one_and_choices_share_evenly() -> None:
    population = WIDE.stratified(20, np.random.default_rng(1))
    places = np.sort([WIDE.unit(member)[3] for member in population])
    assert list(range(20)) == np.floor(places * 20).astype(int).tolist()
    assert [5, 5, 5, 5] == [sum(m["batch_size"] == size for m in population) for size in (32, 64, 128, 256)]


@pytest.mark.parametrize("count", [1, 50, 1000])
def test_populations_of_one_to_a_thousand_can_be_made(count: int) -> None:
    assert count == len(SPACE.stratified(count, np.random.default_rng(0)))


@given(
    st.dictionaries(st.sampled_from([*WIDE.dimensions, "unknown"]), st.floats(allow_nan=False, allow_infinity=False))
)
def test_clipping_brings_anything_inside_and_leaves_what_is_inside(told: dict[str, float]) -> None:
    clipped = WIDE.clip(told)
    assert inside(WIDE, clipped)
    assert clipped == WIDE.clip(clipped)


def test_values_keep_to_the_grid_of_their_step() -> None:
    random = np.random.default_rng(2)
    drawn = [WIDE.sample(random)["gamma"] for _ in range(200)]
    steps = (np.array(drawn) - 0.85) / 0.01
    assert np.abs(steps - np.rint(steps)).max() < 1e-6
    assert len(set(np.rint(steps))) == 15


def test_diversity_is_nothing_where_all_are_alike_and_one_where_they_are_spread() -> None:
    assert 0 == pytest.approx(SPACE.diversity([SPACE.sample(np.random.default_rng(0))] * 8), abs=1e-12)
    assert 0 == SPACE.diversity([SPACE.sample(np.random.default_rng(0))])
    assert 1 == pytest.approx(SPACE.diversity(SPACE.stratified(500, np.random.default_rng(0))), abs=0.15)


@pytest.mark.parametrize(
    "wrong",
    [
        {"low": 1.0},
        {"low": 0.1, "high": 0.2, "choices": [1.0]},
        {"low": 2.0, "high": 1.0},
        {"low": 0.0, "high": 1.0, "log": True},
        {"choices": [0.99, 0.95]},
        {"choices": []},
    ],
)
def test_a_dimension_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Dimension.model_validate(wrong)
