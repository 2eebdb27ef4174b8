"""What a Sharpe ratio is worth after many trials, and whether the best of many beats a benchmark; used by reports,
never to decide.

D. H. Bailey & M. López de Prado, "The Deflated Sharpe Ratio" (2014); with J. Borwein and Q. J. Zhu,
"Pseudo-Mathematics and Financial Charlatanism" (2014). P. R. Hansen, "A Test for Superior Predictive Ability" (2005).
"""

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from backtest.statistics import mean_interval

NORMAL = NormalDist()


def sharpe_interval(
    returns: NDArray[np.float64], confidence: float, block: float, resamples: int, random: np.random.Generator
) -> tuple[float, float] | None:
    """Where the true Sharpe ratio of `returns` [T] lies with `confidence`, per return; None without a spread.

    The ratio is smooth in two means, so around the truth it is a mean itself, that of its influence function
    z - SR (z^2 - 1) / 2, z being standardised returns (O. Ledoit & M. Wolf, "Robust performance hypothesis testing with
    the Sharpe ratio", 2008): its interval is `mean_interval`'s. Of independent normal returns the variance is
    (1 + SR^2 / 2) / T, as in A. W. Lo, "The Statistics of Sharpe Ratios" (2002).
    """
    if len(returns) < 2 or (spread := returns.std()) < 1e-15:
        return None
    scores = (returns - returns.mean()) / spread
    ratio = float(returns.mean() / spread)
    return mean_interval(ratio + scores - ratio / 2 * (scores**2 - 1), confidence, block, resamples, random)


def probabilistic_sharpe(sharpe: float, benchmark: float, count: int, skewness: float, kurtosis: float) -> float:
    """Chance that the true Sharpe ratio exceeds `benchmark`, seen `sharpe` in `count` returns of that skewness and
    kurtosis (3 for normal ones). Both ratios are per return, not annual."""
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    return NORMAL.cdf((sharpe - benchmark) * math.sqrt((count - 1) / spread))


def expected_maximum(trials: int) -> float:
    """Expected largest of `trials` independent standard normal numbers; 0 for a single one."""
    if trials < 2:
        return 0.0
    ordinary, extreme = NORMAL.inv_cdf(1 - 1 / trials), NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return (1 - np.euler_gamma) * ordinary + np.euler_gamma * extreme


def deflated_sharpe(sharpe: float, variance: float, trials: int, count: int, skewness: float, kurtosis: float) -> float:
    """Chance that the true Sharpe ratio exceeds what the best of so many worthless trials, whose ratios vary by
    `variance`, is expected to show. All per return."""
    return probabilistic_sharpe(sharpe, math.sqrt(variance) * expected_maximum(trials), count, skewness, kurtosis)


def deflated_sharpe_of(returns: NDArray[np.float64], sharpes: NDArray[np.float64], trials: int) -> float | None:
    """Deflated Sharpe ratio of `returns` [T], whose owner was chosen among `trials` with Sharpe ratios `sharpes`, per
    return, NaN for failed ones. None where a figure does not exist: no spread of returns, fewer than two trials."""
    known = sharpes[np.isfinite(sharpes)]
    deviations = returns - returns.mean() if len(returns) else returns
    if len(known) < 2 or len(returns) < 2 or (spread := deviations.std()) < 1e-15:
        return None
    scores = deviations / spread
    skewness, kurtosis = float((scores**3).mean()), float((scores**4).mean())
    variance = float(known.var(ddof=1))
    return deflated_sharpe(float(returns.mean() / spread), variance, trials, len(returns), skewness, kurtosis)


def minimum_backtest_years(trials: int, sharpe: float = 1.0) -> float:
    """Years of data below which the best of so many worthless trials is expected to show an annual `sharpe`."""
    return (expected_maximum(trials) / sharpe) ** 2


def superior_ability(
    benchmark: NDArray[np.float64], models: NDArray[np.float64], block: int, resamples: int, seed: int
) -> float:
    """p-value of Hansen's test that none of the `models` [T, M] gains more on average than `benchmark` [T].

    Small: the best of them beats it, although it is the best of many. Studentised, stationary bootstrap with blocks of
    mean length `block`.
    """
    from arch.bootstrap import SPA  # here, since it takes seconds to import and a running bot does without

    test = SPA(-benchmark, -models, block_size=block, reps=resamples, bootstrap="stationary", seed=seed)
    test.compute()
    return float(test.pvalues["consistent"])
