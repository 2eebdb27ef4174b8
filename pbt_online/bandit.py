"""Model-based explore: a Gaussian process says which hyperparameters have made members better lately.

After PB2 (Parker-Holder et al. 2020, arXiv:2002.02518): the gain of a round as a function of its hyperparameters and
of time, old rounds counting for less, and the next ones chosen where an optimist would. Continuous ranges only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pbt_online.search_space import Hyperparameters, SearchSpace, at

Floats = NDArray[np.float64]

LENGTH_SCALE, FORGETTING, NOISE = 0.3, 0.1, 0.1
OPTIMISM = 1.0
CANDIDATES, LEAST, MOST = 512, 4, 200
"""Random candidates; fewest and most past gains that the model looks at."""


@dataclass(frozen=True)
class Gain:
    """What a member's score gained in a round under its hyperparameters."""

    round: int
    hyperparameters: Hyperparameters
    gain: float


def suggest(
    space: SearchSpace, start: Hyperparameters, gains: Sequence[Gain], now: int, random: np.random.Generator
) -> dict[str, float] | None:
    """`start` with its ranges set where most is to be gained in round `now`; None while too little is known."""
    ranged = [index for index, dimension in enumerate(space.dimensions.values()) if dimension.choices is None]
    known = [gain for gain in gains if np.isfinite(gain.gain)][-MOST:]
    if len(known) < LEAST or not ranged:
        return None
    seen = np.stack([space.unit(gain.hyperparameters)[ranged] for gain in known])
    age = np.array([now - gain.round for gain in known], dtype=np.float64)
    value = np.array([gain.gain for gain in known])
    spread = value.std()
    value = (value - value.mean()) / (spread if spread > 0 else 1.0)
    candidates = random.random((CANDIDATES, len(ranged)))
    best = candidates[int(np.argmax(_optimistic(seen, age, value, candidates)))]
    told = space.clip(start)
    names = list(space.dimensions)
    for index, place in zip(ranged, best, strict=True):
        told[names[index]] = at(space.dimensions[names[index]], float(place))
    return told


def _optimistic(seen: Floats, age: Floats, value: Floats, candidates: Floats) -> Floats:
    """[C] upper confidence bounds of the gain now."""
    covariance = _kernel(seen, seen) * (1 - FORGETTING) ** (np.abs(age[:, None] - age[None, :]) / 2)
    across = _kernel(candidates, seen) * (1 - FORGETTING) ** (age / 2)
    solved = np.linalg.solve(covariance + NOISE * np.eye(len(seen)), across.T)
    variance = np.maximum(1.0 - np.einsum("cn,nc->c", across, solved), 0.0)
    return np.asarray(solved.T @ value + OPTIMISM * np.sqrt(variance))


def _kernel(one: Floats, other: Floats) -> Floats:
    distance = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=-1)
    return np.asarray(np.exp(-distance / (2 * LENGTH_SCALE**2)))
