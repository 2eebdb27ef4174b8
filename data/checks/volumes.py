"""Volume in another unit: contracts for coins, in all or part of a series.

Volumes do jump tenfold for a day, so a jump convicts from 10^2 on; whole numbers of a dear unit convict by themselves.
"""

import numpy as np

from data.checks.aligned import Aligned, reference
from data.checks.arrays import Floats, median, segments
from data.defects import Defect, Finding, found

LEAST_HOURS = 24
LEAST_SCORE = 0.3 * LEAST_HOURS
LEVEL_DECADES = 0.7
UNIT_DECADES = 1.5
"""Thirty-fold; recorded, no volume has jumped by more than 20-fold for a day and stayed there."""
AT_ONCE = 0.5
"""Every comparison shows at least this share of the jump: volumes differ that much from day to day."""
EDGE_ROWS = 24
LEAST_EDGE_ROWS = 12
WORTH_QUOTE = 500.0
"""Units worth more than this trade in fractions."""
WHOLE_SHARE = 0.99
FRACTIONS_ELSEWHERE = 0.5


def check_volumes(asset: Aligned) -> list[Finding]:
    """What is wrong with the units of volumes of one asset on all its venues."""
    traded = np.where(asset.volume > 0.0, asset.volume, np.nan)
    size = np.log10(traded)
    off = size - reference(size)
    off = off - median(off, axis=0)
    findings = []
    for column in range(len(asset.keys)):
        known = np.flatnonzero(~np.isnan(off[:, column]))
        if len(known) < LEAST_HOURS:
            continue
        if _counts_contracts(asset, traded, column):
            findings.append(_contracts(asset, column))
        else:
            findings += _jumps(asset, column, known, size[known, column], off[known, column])
    return findings


def _counts_contracts(asset: Aligned, traded: Floats, column: int) -> bool:
    """Whether volumes are whole though a unit is dear and another venue trades fractions of it."""
    whole = np.sum(traded == np.round(traded), axis=0) / np.maximum(np.sum(~np.isnan(traded), axis=0), 1)
    others = np.delete(whole, column)[np.delete(~np.isnan(traded).all(axis=0), column)]
    dear = float(median(asset.close[:, column])) > WORTH_QUOTE
    return bool(dear and whole[column] >= WHOLE_SHARE and (others < FRACTIONS_ELSEWHERE).any())


def _contracts(asset: Aligned, column: int) -> Finding:
    times = asset.time[~np.isnan(asset.volume[:, column])]
    worth = float(median(asset.close[:, column]))
    told = f"{len(times)} volumes are whole numbers of a unit worth {worth:.0f}: contracts"
    return found(Defect.VOLUME_UNIT, asset.keys[column], "bars", times, told)


def _jumps(asset: Aligned, column: int, known: np.ndarray, size: Floats, off: Floats) -> list[Finding]:
    """Stretches at another level; `size` and `off` are those of the rows `known`."""
    stretches = [one for sign in (1.0, -1.0) for one in segments(np.clip(sign * off, -1.0, 1.5) - 0.5, LEAST_SCORE)]
    size, off = size.copy(), off.copy()
    findings = []
    for first, end in sorted(stretches, key=lambda one: -abs(float(np.median(off[one[0] : one[1]])))):
        jump = _jump(size, off, first, end)
        if end - first < LEAST_HOURS or abs(jump) < LEVEL_DECADES:
            continue
        # What lies beside a stretch that has been told of did not jump too.
        size[first:end] -= jump
        off[first:end] -= jump
        kind = Defect.VOLUME_UNIT if abs(jump) >= UNIT_DECADES else Defect.VOLUME_LEVEL
        told = f"{end - first} volumes are at once {10.0**jump:.2g} times as large, those of other venues are not"
        findings.append(found(kind, asset.keys[column], "bars", asset.time[known[first:end]], told))
    return findings


def _jump(size: Floats, off: Floats, first: int, end: int) -> float:
    """Decades by which volumes change from one day to the next where the stretch begins and where it ends, by
    themselves and against other venues; 0 unless all of that agrees."""
    steps = []
    for values in (size, off):
        edges = [(values[max(first - EDGE_ROWS, 0) : first], values[first : first + EDGE_ROWS])]
        edges.append((values[end : end + EDGE_ROWS], values[max(end - EDGE_ROWS, first) : end]))
        steps += [
            np.median(inside) - np.median(outside) for outside, inside in edges if len(outside) >= LEAST_EDGE_ROWS
        ]
    jump = float(np.median(steps)) if steps else 0.0
    return jump if all(step * np.sign(jump) >= AT_ONCE * abs(jump) for step in steps) else 0.0
