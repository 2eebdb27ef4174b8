"""Candles stamped in local time: their hourly moves match those of other venues some hours earlier or later."""

import numpy as np

from data.checks.aligned import Aligned
from data.checks.arrays import Floats, Ints, Mask, runs, scale, segments
from data.defects import Defect, Finding, found
from data.quality import instant

LAGS_H = 12
WINDOW_H = 168
WINDOW_ROWS = 84
CORRELATION = 0.35
"""Recorded, two venues' hourly moves correlate .99 at the right hour and less than .3 over a week at any other."""
EXPLAINED = 0.75
LEAST_HOURS = 48


def check_shifts(asset: Aligned) -> list[Finding]:
    """Stretches in which a venue's candles match every other venue some hours off. Where only two can be compared,
    nothing says which of them is wrong, and both are told."""
    moves = np.diff(np.log(asset.close), axis=0, prepend=np.nan)
    moves = np.clip(moves / np.maximum(scale(moves, axis=0), 1e-9), -4.0, 4.0)
    count = len(asset.keys)
    shifted = {(a, b): _stretches(moves[:, a], moves[:, b]) for a in range(count) for b in range(a)}
    shifted |= {(b, a): -late for (a, b), late in shifted.items()}
    findings = []
    for a, key in enumerate(asset.keys):
        against = [b for b in range(count) if b != a and _compared(moves, a, b)]
        if not against:
            continue
        lags = [shifted[a, b] for b in against]
        agreed = np.where(np.all([lag != 0 for lag in lags], axis=0), lags[0], 0)
        for hours in np.unique(agreed[agreed != 0]).tolist():
            rows = (agreed == hours) & ~np.isnan(asset.close[:, a])
            if not rows.any():
                continue
            times = asset.time[rows]
            told = f"{len(times)} candles match other venues {hours:+d} h off, from {instant(int(times[0]))} on"
            findings.append(found(Defect.SHIFTED, key, "bars", times, told))
    return findings


def _compared(moves: Floats, a: int, b: int) -> bool:
    return int(np.sum(~np.isnan(moves[:, a] + moves[:, b]))) >= WINDOW_ROWS


def _stretches(mine: Floats, theirs: Floats) -> Ints:
    """[T] hours by which `mine` is stamped later than `theirs`; 0 where they agree or nothing can be said."""
    late = np.zeros(len(mine), dtype=np.int64)
    for hours in _candidates(mine, theirs):
        other = _delayed(theirs, hours)
        score = np.minimum(np.abs(mine - theirs), 1.0) - np.minimum(np.abs(mine - other), 1.0)
        # An hour in which both explain the move alike speaks for no shift.
        score = np.nan_to_num(score) - 0.1
        for first, end in segments(score, 0.1 * LEAST_HOURS):
            if end - first >= LEAST_HOURS:
                late[first:end] = hours
    return _spread(late, ~np.isnan(mine - theirs))


def _spread(late: Ints, known: Mask) -> Ints:
    """`late`, told of hours that cannot be compared too: of all if it is the same wherever they can, give or take the
    hours in which the shift itself leaves one of them alone; else of those beside a stretch."""
    said, rows = np.unique(late[known & (late != 0)], return_counts=True)
    if len(said) == 1 and rows[0] >= known.sum() - LAGS_H:
        return np.full_like(late, said[0])
    for first, end in runs(late != 0):
        before, after = np.flatnonzero(known[:first])[-1:] + 1, np.flatnonzero(known[end:])[:1] + end
        late[max([0, first - LAGS_H, *before.tolist()]) : first] = late[first]
        late[end : min([end + LAGS_H, *after.tolist()])] = late[end - 1]
    return late


def _candidates(mine: Floats, theirs: Floats) -> list[int]:
    """Lags that explain the moves of some week, looked for only where no lag does not explain them all."""
    if not (_correlation(mine, theirs) < EXPLAINED).any():
        return []
    lags = [*range(-LAGS_H, 0), *range(1, LAGS_H + 1)]
    return [lag for lag in lags if (_correlation(mine, _delayed(theirs, lag)) >= CORRELATION).any()]


def _delayed(values: Floats, hours: int) -> Floats:
    """What was there `hours` earlier; NaN beyond the ends."""
    moved = np.full_like(values, np.nan)
    if hours > 0:
        moved[hours:] = values[:-hours]
    elif hours < 0:
        moved[:hours] = values[-hours:]
    else:
        moved[:] = values
    return moved


def _correlation(mine: Floats, theirs: Floats) -> Floats:
    """[windows] correlation of moves around zero; NaN where too few rows have both."""
    both = ~np.isnan(mine) & ~np.isnan(theirs)
    a, b = np.where(both, mine, 0.0), np.where(both, theirs, 0.0)
    starts = np.arange(0, len(mine), WINDOW_H)
    dot, aa, bb = (np.add.reduceat(x, starts) for x in (a * b, a * a, b * b))
    enough = np.add.reduceat(both.astype(np.int64), starts) >= WINDOW_ROWS
    return np.where(enough, dot / np.sqrt(np.maximum(aa * bb, 1e-12)), np.nan)
