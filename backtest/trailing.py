"""Sums, means and deviations of the last hours before each row: what features look back by. Used by
`backtest.observation`.

A window is put together of spans of 1, 2, 4, ... hours, the oldest first (168 = 8 + 32 + 128), and each span of two
halves. So it costs an addition for each of these, not for each hour, in an order that only its length decides: what
lies before the window, or is asked beside it, changes no bit.
"""

import numpy as np
from numpy.typing import NDArray

from data.compiled import inlined, kernel

Matrix = NDArray[np.float64]
MIN_COVERAGE = 0.9
"""A trailing window counts only if this share of its hours has data."""


def trailing_sum(values: Matrix, hours: int, rows: int) -> Matrix:
    """[rows, N] at each of the newest `rows` rows, the sum of the last `hours`; NaN before there are that many."""
    sums, begin, whole = _window(values, hours, rows)
    if whole:
        _sum(values[begin - hours + 1 :], hours, sums[rows - whole :], _rows(2, hours - 1 + whole))
    return sums


def trailing_mean_std(values: Matrix, hours: int, rows: int) -> tuple[Matrix, Matrix]:
    """[rows, N] at each of the newest `rows` rows, mean and standard deviation of the last `hours` that are numbers;
    NaN where too few are."""
    means, begin, whole = _window(values, hours, rows)
    deviations = means.copy()
    if whole:
        answers = means[rows - whole :], deviations[rows - whole :]
        _mean_std(values[begin - hours + 1 :], hours, *answers, _rows(6, hours - 1 + whole))
    return means, deviations


def _window(values: Matrix, hours: int, rows: int) -> tuple[Matrix, int, int]:
    """Nothing but NaN for every row; the first row whose window is whole, and how many there are."""
    begin = max(hours - 1, len(values) - rows)
    return np.full((rows, values.shape[1]), np.nan), begin, max(len(values) - begin, 0)


def _rows(count: int, length: int) -> Matrix:
    """Room for what is known of spans, one column's at a time."""
    return np.empty((count, length))


@kernel
def _sum(found: Matrix, hours: int, sums: Matrix, room: Matrix) -> None:
    span, total = room[0], room[1]
    for n in range(found.shape[1]):
        for row in range(len(found)):
            span[row] = found[row, n]
        length, summed = 1, 0
        while summed < hours:
            if hours & length:
                for row in range(len(sums)):
                    total[row] = span[row] if summed == 0 else total[row] + span[row + summed]
                summed += length
            for row in range(len(found) - 2 * length + 1):
                span[row] += span[row + length]
            length *= 2
        for row in range(len(sums)):
            sums[row, n] = total[row]


@kernel
def _mean_std(found: Matrix, hours: int, means: Matrix, deviations: Matrix, room: Matrix) -> None:
    """Of each span: how many of its hours are numbers, their mean, and the sum of their squared distances from it."""
    count, mean, squares, counts, mean_of, squares_of = room[0], room[1], room[2], room[3], room[4], room[5]
    for n in range(found.shape[1]):
        for row in range(len(found)):
            missing = np.isnan(found[row, n])
            count[row] = 0.0 if missing else 1.0
            mean[row] = 0.0 if missing else found[row, n]
            squares[row] = 0.0
        for row in range(len(means)):
            counts[row] = mean_of[row] = squares_of[row] = 0.0
        length, seen = 1, 0
        while seen < hours:
            if hours & length:
                _join(counts, mean_of, squares_of, count, mean, squares, seen, len(means))
                seen += length
            _join(count, mean, squares, count, mean, squares, length, len(found) - 2 * length + 1)
            length *= 2
        for row in range(len(means)):
            enough = counts[row] >= MIN_COVERAGE * hours
            means[row, n] = mean_of[row] if enough else np.nan
            deviations[row, n] = np.sqrt(squares_of[row] / max(counts[row], 1.0)) if enough else np.nan


@inlined
def _join(
    counts: Matrix, means: Matrix, squares: Matrix, count: Matrix, mean: Matrix, square: Matrix, later: int, rows: int
) -> None:
    """Of two spans that follow each other, the second `later` rows on, one; where all are alike, exactly so.

    Source: Chan, Golub and LeVeque, Algorithms for computing the sample variance (1983), The American Statistician.
    """
    for row in range(rows):
        added, apart = count[row + later], mean[row + later] - means[row]
        share = added / max(counts[row] + added, 1.0)
        squares[row] += square[row + later] + apart * apart * counts[row] * share
        means[row] += apart * share
        counts[row] += added
