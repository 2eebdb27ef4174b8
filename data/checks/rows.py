"""What is wrong with rows by themselves: impossible, twice, or told differently by a later download."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.checks.arrays import Ints, Mask
from data.defects import Defect, Finding, Table, found
from data.quality import bar_faults, settlement_faults, sound
from data.types import Bars, InstrumentKey, Settlements

SAME_RATE = 1e-8
"""Two downloads of one settlement differ by no more than this; recorded, 376,237 pairs of them."""
SAME_PRICE = 1e-9
"""Relative difference that decimal text and doubles explain."""

Rows = TypeVar("Rows", Bars, Settlements)


def check_rows(key: InstrumentKey, rows: Rows) -> tuple[list[Finding], Rows]:
    """What is wrong with rows by themselves, and the others: sound, in order of time, every key once."""
    is_bars = isinstance(rows, Bars)
    table: Table = "bars" if is_bars else "settlements"
    faults = bar_faults(rows) if isinstance(rows, Bars) else settlement_faults(rows)
    time, good = _time(rows), sound(faults)
    findings = []
    if not good.all():
        told = ", ".join(f"{what} ({int(bad.sum())})" for what, bad in faults.items() if bad.any())
        findings.append(found(Defect.IMPOSSIBLE, key, table, np.unique(time[~good]), told))
    order = np.argsort(time, kind="stable")
    rows = _taken(rows, order[good[order]])
    time = _time(rows)
    again = np.diff(time, prepend=time[:1] - 1) == 0
    if not again.any():
        return findings, rows
    before = np.maximum(np.arange(len(time)) - 1, 0)
    differs = again & ~_equal(rows, _taken(rows, before))
    conflict, repeated = np.unique(time[differs]), np.unique(time[again])
    repeated = repeated[~np.isin(repeated, conflict)]
    if len(conflict):
        findings.append(found(Defect.CONFLICT, key, table, conflict, f"{len(conflict)} keys have two values"))
    if len(repeated):
        findings.append(found(Defect.REPEATED, key, table, repeated, f"{len(repeated)} rows come twice, alike"))
    return findings, _taken(rows, ~again & ~np.isin(time, conflict))


def check_again(key: InstrumentKey, stored: Rows, later: Rows) -> list[Finding]:
    """What a later download of the same series says of the rows that are stored: candles stored before their hour was
    over, and other contradictions. Both in order of time."""
    table: Table = "bars" if isinstance(stored, Bars) else "settlements"
    time, mine, theirs = np.intersect1d(_time(stored), _time(later), return_indices=True)
    old, new = _taken(stored, mine), _taken(later, theirs)
    differs = ~_equal(old, new)
    grown = _grown(old, new) & differs if isinstance(old, Bars) and isinstance(new, Bars) else np.zeros_like(differs)
    findings = []
    if grown.any() and isinstance(old, Bars) and isinstance(new, Bars):
        far = float(np.abs(new.close[grown] / old.close[grown] - 1.0).max())
        told = f"{int(grown.sum())} candles reach further in a later download, closes differ by up to {100 * far:.2g} %"
        findings.append(found(Defect.UNFINISHED, key, table, time[grown], told))
    if (other := differs & ~grown).any():
        told = f"{int(other.sum())} rows have other values in a later download"
        findings.append(found(Defect.CONFLICT, key, table, time[other], told))
    return findings


def _grown(old: Bars, new: Bars) -> Mask:
    """[n] whether a candle of `new` continues that of `old`: same open, range and volume no smaller, volume larger or
    range wider."""
    begun = np.isclose(old.open, new.open, rtol=SAME_PRICE, atol=0.0)
    wider = (new.high >= old.high) & (new.low <= old.low) & (new.volume >= old.volume)
    more = (new.volume > old.volume) | (new.high > old.high) | (new.low < old.low)
    return np.asarray(begun & wider & more)


def _equal(one: Rows, other: Rows) -> Mask:
    """[n] whether rows of two equally long series say the same."""
    if isinstance(one, Settlements) and isinstance(other, Settlements):
        return np.abs(one.rate - other.rate) <= SAME_RATE
    mine, theirs = _columns(one), _columns(other)
    same = [np.isclose(mine[name], theirs[name], rtol=SAME_PRICE, atol=0.0) for name in mine if name != "open_time"]
    return np.logical_and.reduce(same)


def _time(rows: Bars | Settlements) -> Ints:
    return rows.open_time if isinstance(rows, Bars) else rows.time


def _columns(rows: Bars | Settlements) -> Mapping[str, NDArray[Any]]:
    return {one.name: getattr(rows, one.name) for one in fields(rows)}


def _taken(rows: Rows, which: NDArray[np.int64] | Mask) -> Rows:
    return type(rows)(*(column[which] for column in _columns(rows).values()))
