"""Candles of one instrument by themselves: missing hours, hours without volume, moves out of proportion."""

import numpy as np

from data.checks.arrays import runs, scale
from data.defects import Defect, Finding, absent, found
from data.quality import instant
from data.types import HOUR_MS, Bars, InstrumentKey

OUTLIER_SD = 30.0
OUTLIER_LOG = 0.10
"""An hour that moves by more than both: recorded, 1.3 million hours hold a few dozen, crashes and listings all."""


def check_candles(key: InstrumentKey, bars: Bars) -> list[Finding]:
    """What is unusual in candles (sound, in order, each hour once); nothing here is quarantined."""
    return _gaps(key, bars) + _without_volume(key, bars) + _outliers(key, bars)


def _gaps(key: InstrumentKey, bars: Bars) -> list[Finding]:
    spacing = np.diff(bars.open_time) // HOUR_MS
    findings = []
    for row in np.flatnonzero(spacing > 1).tolist():
        span = int(bars.open_time[row]) + HOUR_MS, int(bars.open_time[row + 1]) - HOUR_MS
        missing = int(spacing[row]) - 1
        told = f"{missing} hours have no candle from {instant(span[0])} on"
        findings.append(absent(Defect.GAP, key, "bars", span, missing, told))
    return findings


def _without_volume(key: InstrumentKey, bars: Bars) -> list[Finding]:
    empty = bars.volume == 0.0
    if not empty.any():
        return []
    longest = max(end - first for first, end in runs(empty))
    moved = int((empty & (bars.high > bars.low)).sum())
    told = f"{int(empty.sum())} of {len(bars)} hours have no volume, at most {longest} in a row"
    if moved:
        told += f"; in {moved} of them the price moved, so their volume was not recorded"
    return [found(Defect.ZERO_VOLUME, key, "bars", bars.open_time[empty], told)]


def _outliers(key: InstrumentKey, bars: Bars) -> list[Finding]:
    move = np.diff(np.log(bars.close))
    beside = np.diff(bars.open_time) == HOUR_MS
    if not beside.any():
        return []
    usual = float(scale(move[beside]))
    far = beside & (np.abs(move) > max(OUTLIER_LOG, OUTLIER_SD * usual))
    if not far.any():
        return []
    largest = float(np.abs(move[far]).max())
    times = largest / max(usual, 1e-12)
    told = f"{int(far.sum())} hours move by up to {100 * largest:.0f} %, {times:.0f} times the usual hour"
    return [found(Defect.OUTLIER, key, "bars", bars.open_time[1:][far], told)]
