"""What can be said of a mean, or of a Sharpe ratio, from one path: a studentised stationary bootstrap; used by the gate
and by reports.

Hourly P&L of a carry trade is autocorrelated (a basis deviation is taken back an hour later), heavy-tailed and often
zero, so its mean is judged by resampling blocks of hours, never by formulas for independent normal returns.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

Series = NDArray[np.float64]

TAIL_RESAMPLES = 10
"""Resamples that lie beyond the critical value, at least: a small level needs many resamples."""
LEAST_BLOCKS = 10
"""Mean blocks that a series must hold: a shorter series gets shorter blocks, of LEAST_HOURS at least."""
LEAST_HOURS = 24.0


@dataclass(frozen=True)
class MeanTest:
    """One-sided test of a mean above zero, all in the unit of the series."""

    mean: float
    standard_error: float
    critical: float
    """Standard errors above zero from which a mean is significant; infinite where the series is too short to say."""
    p_value: float
    """Chance of a mean so many standard errors above zero, were the true one zero; at most the level where it is
    significant."""

    @property
    def lower(self) -> float:
        """The true mean lies above it with confidence 1 - level; above zero exactly where the mean is significant."""
        return self.mean - self.critical * self.standard_error if self.standard_error else self.mean


def mean_test(series: Series, level: float, block: float, resamples: int, random: np.random.Generator) -> MeanTest:
    """Whether the mean of `series` [T] lies above zero at `level`, by the bootstrap t of Politis & Romano (1994).

    `block`: mean length of a block; `resamples`: at least so many, more for a small level. Each resample's mean is
    measured in its own standard error (Götze & Künsch 1996), because the standard error of sixty blocks is itself
    uncertain. A series that is zero everywhere has p-value 1.
    """
    if not series.any():
        return MeanTest(0.0, 0.0, 0.0, 1.0)
    mean = float(series.mean())
    enough = max(resamples, int(np.ceil(TAIL_RESAMPLES / level)))
    size = min(block, max(len(series) / LEAST_BLOCKS, LEAST_HOURS))
    means, errors = stationary_means(series - mean, size, enough, random)
    error = standard_error(series, size)
    if error < 1e-9 * abs(mean):
        return MeanTest(mean, 0.0, 0.0, 1 / (1 + enough) if mean > 0 else 1.0)
    ratios = np.sort(np.divide(means, errors, out=np.copysign(np.inf, means), where=errors > 0))
    beyond = enough - int(np.searchsorted(ratios, mean / error))
    allowed = int(level * (1 + enough))
    return MeanTest(mean, error, float(ratios[-allowed]), (1 + beyond) / (1 + enough))


def mean_interval(
    series: Series, confidence: float, block: float, resamples: int, random: np.random.Generator
) -> tuple[float, float]:
    """Where the true mean of `series` [T] lies with `confidence`, both tails alike; see `mean_test`. Infinite where the
    series is too short to say."""
    tail = (1 - confidence) / 2
    low, high = (mean_test(sign * series, tail, block, resamples, random).lower for sign in (1.0, -1.0))
    return low, -high


def standard_error(series: Series, block: float) -> float:
    """Of the mean of `series` [T], by the stationary bootstrap's own formula (Politis & Romano 1994, lemma 1).

    What lasts longer than an hour is cut at the ends of blocks, and half as long blocks cut it twice as often: if that
    lowers the variance, as much again is added to it.
    """
    count = len(series)
    covariances = np.fft.irfft(np.abs(np.fft.rfft(series - series.mean())) ** 2, count) / count
    variance, halved = (_variance(covariances, size) for size in (block, block / 2))
    return float(np.sqrt(max(variance + max(variance - halved, 0.0), 0.0)))


def _variance(covariances: Series, block: float) -> float:
    """Of the mean, from circular autocovariances [T]: lags weigh less, the likelier a block ends between them."""
    count, stays = len(covariances), 1 - min(1.0, 1 / block)
    lags = np.arange(count)
    weights = (1 - lags / count) * stays**lags + lags / count * stays ** (count - lags)
    weights[0] = 1.0
    # Around its own mean a series varies less than around the true one, by the very variance that is asked for.
    return float(covariances @ weights) / (count - float(weights.sum()))


def stationary_means(
    series: Series, block: float, resamples: int, random: np.random.Generator
) -> tuple[Series, Series]:
    """Means and their standard errors, each [resamples], of stationary-bootstrap resamples of `series` [T].

    Blocks begin anywhere, run on past the end into the beginning, and have geometric lengths of mean `block`, at least
    1. The standard error is that of independent blocks: the root of the sum of (block's sum - mean x length) squared.
    """
    sums = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series]))])
    means, errors = _resample(sums, len(series), min(1.0, 1.0 / block), resamples, random)
    return means, errors


@compiled
def _resample(
    sums: Series, count: int, chance: float, resamples: int, random: np.random.Generator
) -> tuple[Series, Series]:
    """From running sums [2T + 1] of the series twice over: a block costs one subtraction, however long it is."""
    means, errors = np.zeros(resamples), np.zeros(resamples)
    for resample in range(resamples):
        drawn, total, squares, products, lengths = 0, 0.0, 0.0, 0.0, 0.0
        while drawn < count:
            begin = random.integers(0, count)
            length = min(random.geometric(chance), count - drawn)
            gained = sums[begin + length] - sums[begin]
            drawn += length
            total += gained
            squares += gained * gained
            products += gained * length
            lengths += float(length) * length
        mean = total / count
        means[resample] = mean
        variance = squares - 2.0 * mean * products + mean * mean * lengths
        # What rounding leaves of nothing is nothing: one block alone has no spread.
        errors[resample] = np.sqrt(variance) / count if variance > 1e-9 * squares else 0.0
    return means, errors
