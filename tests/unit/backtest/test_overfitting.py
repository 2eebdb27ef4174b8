"""The probability of backtest overfitting, by hand and on noise."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from backtest.overfitting import LEAST_ROWS, overfitting_logits, overfitting_probability


def steady(blocks: list[list[float]]) -> NDArray[np.float64]:
    """[T, N] gains of N trials that are the same all through each of the blocks, given by trial."""
    return np.repeat(np.array(blocks).T, LEAST_ROWS, axis=0)


def test_three_trials_in_four_blocks_by_hand() -> None:
    """Whoever is best in two blocks, and its rank of three in the other two: 1 (tied: 1.5), or the median, 2."""
    logits = overfitting_logits(steady([[3, 1, 0, 0], [0, 0, 2, 1], [1.1, 1.1, 1.1, 1.1]]))
    tied = math.log(0.375 / 0.625)
    assert [-math.log(3)] * 3 + [tied, 0.0, 0.0] == pytest.approx(sorted(logits))
    assert overfitting_probability(logits) == 1.0


def test_who_is_best_throughout_is_not_overfitted() -> None:
    assert overfitting_probability(overfitting_logits(steady([[2, 3, 2, 4], [1, 0, 1, 1], [0, 1, 0, 0]]))) == 0.0


def test_sixteen_blocks_are_chosen_from_in_12870_ways_and_a_short_series_has_fewer() -> None:
    noise = np.random.default_rng(0).normal(size=(16 * LEAST_ROWS, 3))
    assert len(overfitting_logits(noise)) == 12_870
    assert len(overfitting_logits(noise[: 7 * LEAST_ROWS])) == math.comb(6, 3)


def test_among_worthless_trials_being_best_says_nothing() -> None:
    random = np.random.default_rng(1)
    found = [overfitting_probability(overfitting_logits(random.normal(size=(480, 11)))) for _ in range(8)]
    assert 0.5 == pytest.approx(np.mean([one for one in found if one is not None]), abs=0.15)


@pytest.mark.parametrize("gains", [np.ones((480, 1)), np.ones((480, 5)), np.eye(20)])
def test_one_trial_or_all_alike_or_too_few_hours_have_none(gains: NDArray[np.float64]) -> None:
    assert overfitting_probability(overfitting_logits(gains)) is None
