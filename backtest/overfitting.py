"""The probability of backtest overfitting: how often the best of many trials on one half of the data is below their
median on the other half; used by the walk forward's report, never to decide.

D. H. Bailey, J. Borwein, M. López de Prado & Q. J. Zhu, "The Probability of Backtest Overfitting" (2017):
combinatorially symmetric cross-validation (CSCV).
"""

import math
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BLOCKS = 16
"""Parts in time; every choice of half of them is a sample: 12,870."""
LEAST_ROWS = 24
"""Fewer in a block leave fewer blocks."""


def overfitting_logits(gains: NDArray[np.float64], blocks: int = BLOCKS) -> NDArray[np.float64]:
    """[C] log-odds of the relative rank, out of sample, of the trial that is best in sample, for every choice of half
    of the `blocks` parts of `gains` [T, N]: what N trials gained in T periods, ranked by their mean.

    Trials that gained the same count once. Fewer blocks where they would be shorter than LEAST_ROWS; none, and an
    empty answer, for fewer than two different trials or too short a series.
    """
    different = np.unique(gains, axis=1)
    blocks = min(blocks, len(different) // LEAST_ROWS // 2 * 2)
    if different.shape[1] < 2 or blocks < 2:
        return np.zeros(0)
    sums = np.array([part.sum(axis=0) for part in np.array_split(different, blocks)])
    lengths = np.array([len(part) for part in np.array_split(different, blocks)])
    chosen = np.array(list(combinations(range(blocks), blocks // 2)))
    inside = np.zeros((len(chosen), blocks))
    inside[np.arange(len(chosen))[:, None], chosen] = 1.0
    seen = inside @ sums / (inside @ lengths)[:, None]
    unseen = (1 - inside) @ sums / ((1 - inside) @ lengths)[:, None]
    best = unseen[np.arange(len(chosen)), seen.argmax(axis=1)]
    # Rank from 1, the worst; those with as much share their ranks.
    rank = (unseen < best[:, None]).sum(axis=1) + ((unseen == best[:, None]).sum(axis=1) + 1) / 2
    share = rank / (different.shape[1] + 1)
    return np.log(share / (1 - share))


def overfitting_probability(logits: NDArray[np.float64]) -> float | None:
    """The share of `overfitting_logits` at or below zero: 0 where the best stays the best, one half where being best
    in sample says nothing; None without any."""
    return None if len(logits) == 0 else float(np.mean(logits <= 0 + math.ulp(1.0)))
