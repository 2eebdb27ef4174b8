"""Prices that stand still without volume while they move elsewhere: the venue was down, its last price is nobody's."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np

from data.checks.aligned import Aligned
from data.checks.arrays import Ints, Mask, runs
from data.defects import Defect, Finding, found
from data.quality import instant
from data.types import Bars, InstrumentKey

FROZEN_ROWS = 3
"""Recorded, quiet markets have had two such hours in a row and no more; the outage of OKX on 2022-12-18 has nine."""
MOVED_LOG = 0.001
VENUE_SYMBOLS = 3
VENUE_SHARE = 0.5


def still(bars: Bars) -> Mask:
    """[n] which candles lie in a run of `FROZEN_ROWS` or more at one price without volume."""
    flat = (bars.volume == 0.0) & (bars.high == bars.low)
    marked = np.zeros(len(bars), dtype=np.bool_)
    for first, end in runs(flat):
        starts = [first, *(np.flatnonzero(np.diff(bars.close[first:end])) + first + 1).tolist(), end]
        for begin, finish in pairwise(starts):
            marked[begin:finish] = finish - begin >= FROZEN_ROWS
    return marked


def check_frozen(bars: Mapping[InstrumentKey, Bars], assets: Mapping[InstrumentKey, Aligned]) -> list[Finding]:
    """Frozen candles of all venues, of which those count that moved elsewhere or stopped on half the venue at once."""
    marks = {key: still(one) for key, one in bars.items()}
    down = {venue: _down(venue, bars, marks) for venue in {venue for venue, _ in bars}}
    findings = []
    for key, one in bars.items():
        for first, end in runs(marks[key]):
            times = one.open_time[first:end]
            if np.isin(times, down[key[0]]).any() or _moved(assets[key], key, times):
                price = f"{one.close[first]:g}"
                told = f"{len(times)} candles stand at {price} without volume from {instant(int(times[0]))} on"
                findings.append(found(Defect.FROZEN, key, "bars", times, told))
    return findings


def _down(venue: str, bars: Mapping[InstrumentKey, Bars], marks: Mapping[InstrumentKey, Mask]) -> Ints:
    """Hours in which half the venue's symbols, and several, stand still."""
    mine = [key for key in bars if key[0] == venue]
    stopped = [bars[key].open_time[marks[key]] for key in mine]
    if not sum(len(times) for times in stopped):
        return np.empty(0, dtype=np.int64)
    hours, frozen = np.unique(np.concatenate(stopped), return_counts=True)
    listed = np.isin(np.concatenate([bars[key].open_time for key in mine]), hours)
    _, open_ = np.unique(np.concatenate([bars[key].open_time for key in mine])[listed], return_counts=True)
    return np.asarray(hours[(frozen >= VENUE_SYMBOLS) & (frozen >= VENUE_SHARE * open_)])


def _moved(asset: Aligned, key: InstrumentKey, times: Ints) -> bool:
    """Whether the other venues' price moved over `times`."""
    column = asset.keys.index(key)
    price = np.log(np.delete(asset.close, column, axis=1))
    if not price.shape[1]:
        return False
    rows = np.isin(asset.time, times)
    inside = price[rows]
    inside = inside[:, ~np.isnan(inside).any(axis=0)]
    return bool(inside.size and (inside.max(axis=0) - inside.min(axis=0)).max() > MOVED_LOG)
