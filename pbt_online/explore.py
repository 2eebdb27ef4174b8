"""Explore: how a copy's hyperparameters come to differ from its donor's. Used by the scheduler."""

import numpy as np

from pbt_online.search_space import Hyperparameters, SearchSpace, at, bounds, drawn, place_of
from pbt_online.settings import Dimension, ExploreSettings


def explore(
    space: SearchSpace,
    donor: Hyperparameters,
    settings: ExploreSettings,
    random: np.random.Generator,
    magnitude: float = 1.0,
) -> dict[str, float]:
    """A neighbour of `donor`: each hyperparameter changes with the mutation probability, one of them at least.

    `magnitude` multiplies the size of every move. What comes out lies inside the space.
    """
    names = list(space.dimensions)
    chosen = random.random(len(names)) < settings.mutation_probability
    if names and not chosen.any():
        chosen[random.integers(len(names))] = True
    changed = space.clip(donor)
    for name in (name for name, moves in zip(names, chosen, strict=True) if moves):
        dimension = space.dimensions[name]
        if settings.strategy == "resample" or random.random() < settings.resample_probability:
            changed[name] = drawn(dimension, random.random())
        else:
            changed[name] = _moved(dimension, changed[name], settings, random, magnitude)
    return changed


def _moved(
    dimension: Dimension, value: float, settings: ExploreSettings, random: np.random.Generator, magnitude: float
) -> float:
    if dimension.choices is not None:
        return _neighbour(dimension.choices, value, random)
    place, way = place_of(dimension, value), float(random.choice((-1.0, 1.0)))
    match settings.strategy:
        case "step":
            moved = at(dimension, place + way * magnitude * settings.magnitude)
        case "gaussian":
            moved = at(dimension, place + random.normal(0.0, magnitude * settings.magnitude))
        case _:
            moved = at(
                dimension, _multiplied(dimension, value, 1 + magnitude * (random.uniform(*settings.factors) - 1))
            )
    if dimension.step is not None and moved == value:  # a move that the grid swallowed is one step
        low, high = bounds(dimension)
        moved = at(dimension, place + way * dimension.step / (high - low))
    return moved


def _multiplied(dimension: Dimension, value: float, factor: float) -> float:
    """The place of `value` times `factor`. A range that is not logarithmic moves by that share of its width instead: a
    factor would leave 0.9..0.99 at once and never leave 0."""
    if dimension.log:
        return place_of(dimension, value * max(factor, 1e-9))
    return place_of(dimension, value) + factor - 1


def _neighbour(choices: tuple[float, ...], value: float, random: np.random.Generator) -> float:
    index = choices.index(value)
    around = [other for other in (index - 1, index + 1) if 0 <= other < len(choices)]
    return float(choices[around[random.integers(len(around))]]) if around else value
