"""Volume in another unit: contracts for coins, in all or part of a series.

Volumes do jump tenfold for a day, so a jump convicts from 10^2 on; whole numbers of a dear unit convict by themselves.
"""

import numpy as np

from data.checks.aligned import Aligned, reference
from data.checks.arrays import Floats, median, segments
from data.defects import Defect, Finding, found

LEAST_HOURS = 24
WHOLE_DECADES = 0.3
"""A level changes by a power of ten, give or take how much volumes differ from day to day."""
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
    findings = []
    for sign in (1.0, -1.0):
        for first, end in segments(np.clip(sign * off, -1.0, 1.5) - 0.5, 0.3 * LEAST_HOURS):
            decades = float(np.median(off[first:end]))
            power = round(decades)
            near = power != 0 and abs(decades - power) <= WHOLE_DECADES
            if end - first >= LEAST_HOURS and near and _at_once(size, first, end, power):
                kind = Defect.VOLUME_LEVEL if abs(power) == 1 else Defect.VOLUME_UNIT
                times = asset.time[known[first:end]]
                told = f"{len(times)} volumes jump by 10^{power} against other venues and at once"
                findings.append(found(kind, asset.keys[column], "bars", times, told))
    return findings


def _at_once(size: Floats, first: int, end: int, power: int) -> bool:
    """Whether the own volume changes by about that power of ten from one day to the next, where the stretch begins and
    where it ends."""
    edges = [(size[max(first - EDGE_ROWS, 0) : first], size[first : first + EDGE_ROWS])]
    edges.append((size[end : end + EDGE_ROWS], size[max(end - EDGE_ROWS, first) : end]))
    steps = [np.median(inside) - np.median(outside) for outside, inside in edges if len(outside) >= LEAST_EDGE_ROWS]
    return bool(steps) and all(abs(step - power) <= WHOLE_DECADES for step in steps)
