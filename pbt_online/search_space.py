"""The hyperparameters that the population tunes: drawing, bounding and comparing them, for explore and the scheduler.

Each has a place in 0..1: in its range (on a logarithmic scale where it is logarithmic), or among its choices.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pbt_online.settings import Dimension

Hyperparameters = Mapping[str, float]

UNIFORM_SD = 12**-0.5
"""Standard deviation of a uniform sample of 0..1."""


class SearchSpace:
    """D dimensions by name; everything random comes from the generators handed in."""

    def __init__(self, dimensions: Mapping[str, Dimension]) -> None:
        self.dimensions = dict(dimensions)

    def sample(self, random: np.random.Generator) -> dict[str, float]:
        """One draw, uniform over every range and list of choices."""
        return {name: drawn(dimension, random.random()) for name, dimension in self.dimensions.items()}

    def stratified(self, count: int, random: np.random.Generator) -> list[dict[str, float]]:
        """A Latin hypercube: of `count` equal parts of every range each holds one member, and choices share members
        as evenly as can be."""
        columns = {
            name: [drawn(dimension, place) for place in (random.permutation(count) + random.random(count)) / count]
            for name, dimension in self.dimensions.items()
        }
        return [{name: column[member] for name, column in columns.items()} for member in range(count)]

    def clip(self, hyperparameters: Hyperparameters) -> dict[str, float]:
        """The nearest allowed values; what is missing is set to the middle, what is unknown is left out."""
        return {
            name: nearest(dimension, hyperparameters[name]) if name in hyperparameters else at(dimension, 0.5)
            for name, dimension in self.dimensions.items()
        }

    def unit(self, hyperparameters: Hyperparameters) -> NDArray[np.float64]:
        """[D] places, in the order of the dimensions."""
        return np.array([place_of(dimension, hyperparameters[n]) for n, dimension in self.dimensions.items()])

    def diversity(self, population: Sequence[Hyperparameters]) -> float:
        """Standard deviation of the places over that of a uniform sample, mean over dimensions: 0 where all members
        are alike, about 1 where they are as spread as a first population."""
        if len(population) < 2 or not self.dimensions:
            return 0.0
        places = np.stack([self.unit(hyperparameters) for hyperparameters in population])
        return float(places.std(axis=0).mean() / UNIFORM_SD)


def place_of(dimension: Dimension, value: float) -> float:
    """Where `value` lies, 0..1; the nearest place for a value outside."""
    if dimension.choices is not None:
        return dimension.choices.index(nearest(dimension, value)) / max(len(dimension.choices) - 1, 1)
    low, high = bounds(dimension)
    if dimension.log:
        return _within(math.log(max(value, low) / low) / math.log(high / low), 0.0, 1.0)
    return _within((value - low) / (high - low), 0.0, 1.0)


def at(dimension: Dimension, place: float) -> float:
    """The allowed value nearest to `place`, which may lie outside 0..1."""
    place = _within(place, 0.0, 1.0)
    if dimension.choices is not None:
        return float(dimension.choices[round(place * (len(dimension.choices) - 1))])
    low, high = bounds(dimension)
    return nearest(dimension, low * (high / low) ** place if dimension.log else low + place * (high - low))


def nearest(dimension: Dimension, value: float) -> float:
    """The allowed value nearest to `value`; itself where it is allowed."""
    if dimension.choices is not None:
        return float(min(dimension.choices, key=lambda choice: abs(choice - value)))
    low, high = bounds(dimension)
    value = _within(value, low, high)
    if dimension.step is not None:
        steps = min(round((value - low) / dimension.step), int((high - low) / dimension.step + 1e-9))
        value = low + steps * dimension.step
    return value


def drawn(dimension: Dimension, place: float) -> float:
    """The value of a uniform draw `place` in 0..1; every choice has an equal share of it."""
    if dimension.choices is not None:
        return float(dimension.choices[int(place * len(dimension.choices))])
    return at(dimension, place)


def bounds(dimension: Dimension) -> tuple[float, float]:
    """Lowest and highest value of a range; raises ValueError for a list of choices."""
    if dimension.low is None or dimension.high is None:
        raise ValueError("a list of choices has no bounds")
    return dimension.low, dimension.high


def _within(value: float, low: float, high: float) -> float:
    return min(max(float(value), low), high)
