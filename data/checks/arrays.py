"""Array arithmetic that the checks share: runs of rows, medians that pass over gaps, windows of hours."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

MAD_TO_SD = 1.4826
"""What a median absolute deviation is multiplied by to compare with a standard deviation, for normal numbers."""


def runs(marked: Mask) -> list[tuple[int, int]]:
    """(first, end) of every longest stretch of rows that are marked, `end` excluded."""
    edges = np.diff(marked.astype(np.int8), prepend=0, append=0)
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def run_lengths(values: Ints) -> Ints:
    """[n] length of the stretch of equal values that each row lies in."""
    if not len(values):
        return np.empty(0, dtype=np.int64)
    starts = np.flatnonzero(np.diff(values, prepend=values[0] - 1))
    lengths = np.diff(starts, append=len(values))
    return np.repeat(lengths, lengths)


def median(values: Floats, axis: int = -1) -> Floats:
    """Median along `axis` of what is not NaN; NaN where nothing is."""
    ordered = np.sort(values, axis=axis)
    count = np.sum(~np.isnan(values), axis=axis, keepdims=True)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[axis] - 1), axis)
    return np.squeeze((low + high) / 2.0, axis)


def scale(values: Floats, axis: int = -1) -> Floats:
    """Robust standard deviation around zero of what is not NaN, for numbers whose centre is zero."""
    return MAD_TO_SD * median(np.abs(values), axis)


def in_windows(values: Floats, length: int) -> Floats:
    """[w, length, ...] `values` cut along the first axis, the last window filled up with NaN."""
    count = -(-len(values) // length)
    whole = np.full((count * length, *values.shape[1:]), np.nan)
    whole[: len(values)] = values
    return whole.reshape(count, length, *values.shape[1:])


def segments(score: Floats, least: float) -> list[tuple[int, int]]:
    """(first, end) of the stretches with the largest sums of `score`, apart from each other, heaviest first, down to a
    sum of `least`: where a change of level begins and ends, if `score` is positive on the changed side."""
    score = score.copy()
    found: list[tuple[int, int]] = []
    while True:
        total = np.concatenate([[0.0], np.cumsum(score)])
        gain = total[1:] - np.minimum.accumulate(total)[:-1]
        if not len(gain) or gain.max() < least:
            return found
        end = int(np.argmax(gain)) + 1
        first = int(np.argmin(total[:end]))
        found.append((first, end))
        score[first:end] = -float(np.abs(score).sum()) - 1.0


def last_known(values: Floats) -> Floats:
    """[n] the newest value before each row that is not NaN; NaN before the first."""
    rows = np.where(np.isnan(values), -1, np.arange(len(values)))
    newest = np.concatenate([[-1], np.maximum.accumulate(rows)[:-1]]) if len(values) else rows
    return np.where(newest >= 0, values[newest], np.nan)
