"""Funding in another unit, in all or part of a series: percent, per hour for per 8 h or the reverse, annualised.

A rate is heavy-tailed: recorded, a week's median has been 32 times that of the other venues, and 90 times that of the
same series in other weeks, but never 20 times both. So a level alone convicts only when both comparisons and days of
rows agree; a factor of 8 must show in the venue's default rate, which a unit moves exactly and no stress does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from data.checks.aligned import reference
from data.checks.arrays import Floats, Ints, Mask, median, runs, segments
from data.checks.rates import DEFAULT_RATE_8H, at_default
from data.defects import Defect, Finding, found
from data.types import HOUR_MS, InstrumentKey, Settlements

WINDOW_MS = 168 * HOUR_MS
WINDOW_ROWS = 5
"""Fewer settlements in a week say nothing about its level."""
LEAST_ROWS = 6
LEAST_MS = 5 * 24 * HOUR_MS
"""A level convicts if it lasts this long; the default rate needs no more than `LEAST_ROWS`."""
GROSS_DECADES = 1.5
"""Decades above or below the other venues that convict, together with `OWN_DECADES` against the own past."""
OWN_DECADES = 1.3
GROSS_FACTOR = 30.0
EDGE_HOURS = 24
DEFAULT_SHARE = 0.1
DEFAULT_ROWS = 3
DEFAULT_SHARE_ALONE = 0.3
"""Recorded, 34 to 67 % of rates are the default on Binance, Bybit and Hyperliquid, 9 % on OKX."""
USUAL_LEVEL = DEFAULT_RATE_8H / 8.0
"""Magnitude per hour that rates have in the median, recorded: 1 bp per 8 h."""
STRESS_DECADES = 1.0


@dataclass(frozen=True)
class Rates:
    """One series in comparable form."""

    key: InstrumentKey
    time: Ints
    rate: Floats
    interval: Ints

    @property
    def size(self) -> Floats:
        """[n] magnitude per hour."""
        return np.abs(self.rate) / self.interval


@dataclass(frozen=True)
class _Slip:
    factor: float
    first: int
    end: int
    misfit: float
    told: str


def check_units(series: Mapping[InstrumentKey, tuple[Settlements, Ints]]) -> list[Finding]:
    """What is wrong with the units of one asset's settlements on all its venues, with [n] hours that each pays for."""
    rates = [Rates(key, one.time, one.rate, interval) for key, (one, interval) in series.items() if len(one)]
    if not rates:
        return []
    first = min(int(one.time[0]) for one in rates) // WINDOW_MS
    count = max(int(one.time[-1]) for one in rates) // WINDOW_MS - first + 1
    levels = np.stack([_levels(one, first, count) for one in rates], axis=1)
    others = 10.0 ** reference(np.log10(levels))
    findings = []
    for column, one in enumerate(rates):
        week = one.time // WINDOW_MS - first
        slips = _slips(one, others[week, column])
        slipped = np.zeros(count, dtype=np.bool_)
        for slip in slips:
            slipped[week[slip.first : slip.end]] = True
            rows = one.time[slip.first : slip.end]
            findings.append(found(Defect.RATE_UNIT, one.key, "settlements", rows, slip.told))
        findings += _stress(one, week, np.log10(levels[:, column] / others[:, column]), slipped)
    return findings


def _levels(one: Rates, first: int, count: int) -> Floats:
    """[weeks] median magnitude per hour; NaN where too few rows settled or most of them at zero."""
    week = one.time // WINDOW_MS - first
    rows = np.bincount(week, minlength=count)
    within = np.arange(len(week)) - np.concatenate([[0], np.cumsum(rows)])[week]
    table = np.full((count, max(int(rows.max()), 1)), np.nan)
    table[week, within] = one.size
    level = median(table, axis=1)
    return np.where((rows >= WINDOW_ROWS) & (level > 0.0), level, np.nan)


def _factors(interval: int) -> list[float]:
    """What a rate per interval is multiplied by to be given in another unit."""
    year = 8760.0 / interval
    factors = [100.0, 0.01, year, 100.0 * year]
    return factors + {1: [8.0], 8: [0.125]}.get(interval, [])


def _slips(one: Rates, others: Floats) -> list[_Slip]:
    """Stretches in another unit, apart from each other; `others` is [n] the level of the other venues at each row."""
    plain = at_default(one.rate, one.interval, 1.0)
    own = _typical(one.size) if plain.any() else USUAL_LEVEL
    level = np.where(np.isnan(others), own, others)
    usual = int(np.median(one.interval))
    least = 0.25 * max(LEAST_ROWS, 24 // usual)
    candidates: list[_Slip] = []
    for factor in _factors(usual):
        score = _score(one.size / level, factor)
        moved = at_default(one.rate, one.interval, factor)
        score = np.where(plain, -0.5, score + 0.5 * moved)
        for first, end in segments(score, least):
            if abs(np.log10(factor)) < GROSS_DECADES:
                first, end = _trimmed(moved, plain, (first, end), EDGE_HOURS // usual)
            if slip := _judged(one, others, factor, first, end):
                candidates.append(slip)
    kept: list[_Slip] = []
    for slip in sorted(candidates, key=lambda slip: slip.misfit):
        if all(slip.end <= other.first or other.end <= slip.first for other in kept):
            kept.append(slip)
    return sorted(kept, key=lambda slip: slip.first)


def _score(ratio: Floats, factor: float) -> Floats:
    """[n] from -0.5 (a rate as large as it ought to be) to 0.5 (`factor` times that); 0 says nothing."""
    known = np.nan_to_num(ratio) > 0.0
    share = np.log10(np.where(known, ratio, np.sqrt(factor))) / np.log10(factor)
    return np.asarray(np.clip(share - 0.5, -0.5, 0.5))


def _trimmed(moved: Mask, plain: Mask, stretch: tuple[int, int], edge: int) -> tuple[int, int]:
    """The stretch from the first to the last rate at the moved default, and `edge` rows beyond where the default itself
    follows: stress beside a slip by a small factor looks like more of it."""
    first, end = stretch
    rows = np.flatnonzero(moved[first:end]) + first
    if not len(rows):
        return first, first
    if plain[:first].any():
        first = max(int(rows[0]) - edge, first)
    if plain[end:].any():
        end = min(int(rows[-1]) + 1 + edge, end)
    return first, end


def _judged(one: Rates, others: Floats, factor: float, first: int, end: int) -> _Slip | None:
    """The stretch as a slip by `factor`, if it is one beyond doubt."""
    if end - first < LEAST_ROWS:
        return None
    rows = slice(first, end)
    level, known = _typical(one.size[rows]), float(median(others[rows]))
    rest = np.concatenate([one.size[:first], one.size[end:]])
    own = _typical(rest) if len(rest) >= LEAST_ROWS else np.nan
    against_others, against_own = (float(np.log10(level / held)) * np.sign(np.log10(factor)) for held in (known, own))
    moved = float(at_default(one.rate[rows], one.interval[rows], factor).mean())
    lasts = one.time[end - 1] - one.time[first] >= LEAST_MS and max(factor, 1.0 / factor) >= GROSS_FACTOR
    alone = np.isnan(own) and abs(np.log10(level / USUAL_LEVEL)) > abs(np.log10(known / USUAL_LEVEL))
    gross = lasts and against_others >= GROSS_DECADES and (against_own >= OWN_DECADES or alone)
    if not gross and not (_marked(one, rows, factor, moved) and _points(against_others, against_own, factor, moved)):
        return None
    told = (
        f"{end - first} rates are {factor:g} times what they ought to be: median {level * 8:.2g} per 8 h, "
        f"other venues {known * 8:.2g}, {100 * moved:.0f} % exactly {factor:g} times the default"
    )
    decades = against_own if np.isnan(against_others) else against_others
    return _Slip(factor, first, end, float(np.nan_to_num(abs(decades - abs(np.log10(factor))))), told)


def _typical(size: Floats) -> float:
    """Median of what is not zero; NaN where all is."""
    return float(median(np.where(size > 0.0, size, np.nan))) if len(size) else np.nan


def _marked(one: Rates, rows: slice, factor: float, moved: float) -> bool:
    """Whether the venue's default rate shows, multiplied by `factor`, and no longer as it was."""
    plain = float(at_default(one.rate[rows], one.interval[rows], 1.0).mean())
    return moved >= DEFAULT_SHARE and moved * (rows.stop - rows.start) >= DEFAULT_ROWS and plain < moved / 4


def _points(against_others: float, against_own: float, factor: float, moved: float) -> bool:
    """Whether the level went the same way; with nothing to compare, many rates at the moved default say so."""
    decades = [value for value in (against_others, against_own) if not np.isnan(value)]
    return max(decades) >= 0.5 * abs(np.log10(factor)) if decades else moved >= DEFAULT_SHARE_ALONE


def _stress(one: Rates, week: Ints, decades: Floats, slipped: Mask) -> list[Finding]:
    """Weeks far above or below the other venues that no unit explains."""
    far = (np.abs(np.nan_to_num(decades)) >= STRESS_DECADES) & ~slipped
    findings = []
    for first, end in runs(far):
        rows = one.time[(week >= first) & (week < end)]
        worst = float(decades[first:end][np.argmax(np.abs(decades[first:end]))])
        told = f"rates are {10.0**worst:.2g} times those of the other venues for {end - first} weeks"
        findings.append(found(Defect.RATE_LEVEL, one.key, "settlements", rows, told))
    return findings
