"""What can be said of a mean P&L from one path: the stationary bootstrap; used by the gate.

Hourly P&L is autocorrelated, heavy-tailed and mostly zero, so its mean is judged by resampling blocks of hours (Politis
& Romano 1994), never by formulas for independent normal returns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

Series = NDArray[np.float64]


@dataclass(frozen=True)
class MeanTest:
    """One-sided test of a mean above zero, all in the unit of the series."""

    mean: float
    standard_error: float
    lower: float
    """The mean lies above it with confidence 1 - level."""
    p_value: float
    """Chance of so large a mean, were the true one zero."""


def mean_test(series: Series, level: float, block: float, resamples: int, random: np.random.Generator) -> MeanTest:
    """Whether the mean of `series` [T] lies above zero at `level`; a series that is zero everywhere has p-value 1."""
    mean = float(series.mean())
    if not series.any():
        return MeanTest(0.0, 0.0, 0.0, 1.0)
    deviations = np.sort(stationary_means(series, block, resamples, random) - mean)
    beyond = len(deviations) - np.searchsorted(deviations, mean - 1e-12 * abs(mean))
    rank = max(int(np.ceil((1 - level) * (resamples + 1))), 1)
    critical = deviations[min(rank, resamples) - 1]
    return MeanTest(mean, float(deviations.std()), mean - float(critical), float((1 + beyond) / (1 + resamples)))


def stationary_means(series: Series, block: float, resamples: int, random: np.random.Generator) -> Series:
    """[resamples] means of stationary-bootstrap resamples of `series` [T]: blocks begin anywhere, run on past the end
    into the beginning, and have geometric lengths of mean `block` (at least 1)."""
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series]))])
    return _resampled_sums(sums, len(series), 1.0 / block, resamples, random) / len(series)


@compiled
def _resampled_sums(
    sums: Series, count: int, chance: float, resamples: int, random: np.random.Generator
) -> NDArray[np.float64]:
    """Sums of resamples from running sums [2T + 1] of the series twice over: a block costs one subtraction."""
    out = np.zeros(resamples)
    for resample in range(resamples):
        drawn, total = 0, 0.0
        while drawn < count:
            begin = random.integers(0, count)
            length = min(random.geometric(chance), count - drawn)
            total += sums[begin + length] - sums[begin]
            drawn += length
        out[resample] = total
    return out
