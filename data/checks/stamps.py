"""Settlement stamps: stray hours, local time, lateness, changes of the interval, missing settlements."""

import numpy as np

from data.checks.arrays import Ints, Mask, run_lengths, runs
from data.defects import Defect, Finding, absent, found
from data.panel import INTERVALS_HOURS
from data.quality import instant
from data.types import HOUR_MS, InstrumentKey, Settlements

CLOCK_BEGINS_H = {"bitmex": 4, "kucoin": 4}
"""Hour at which a venue's 8-hourly clock begins; 00/08/16 elsewhere, as recorded on twelve venues."""
SURE_RUN = 3
"""This many equal spacings in a row are an interval and not an accident; recorded strays come alone."""
SHIFTED_ROWS = 6
"""This many settlements at the same wrong hours are a wrong clock and not strays."""
LATE_MS = 60_000
"""Recorded lateness is under half a second on all but 22 of 538,746 settlements of Hyperliquid."""

_Key = InstrumentKey


def intervals_in_force(times: Ints, announced: int) -> Ints:
    """[n] hours that each settlement pays for, known afterwards: spacings that repeat, carried over gaps and strays.

    The panel's `funding_intervals` must decide at each row and believes a shorter spacing at once; here a single stray
    settlement changes nothing. The newest rows, after which nothing is known yet, are believed in the same way.
    """
    spacing = np.diff(times) // HOUR_MS
    usual, length = np.isin(spacing, INTERVALS_HOURS), run_lengths(spacing)
    sure = np.concatenate([[False], usual & (length >= SURE_RUN)])[: len(times)]
    paid = np.concatenate([[announced], spacing])[: len(times)]
    newest = np.maximum.accumulate(np.where(sure, np.arange(len(times)), -1))
    first = int(np.argmax(sure)) if sure.any() else -1
    hours = paid[np.where(newest >= 0, newest, first)] if first >= 0 else np.full(len(times), announced)
    if len(spacing) and usual[-1] and spacing[-1] < hours[-1]:
        hours[-int(length[-1]) :] = spacing[-1]
    return np.asarray(hours, dtype=np.int64)


def check_stamps(key: _Key, settlements: Settlements, announced: int) -> tuple[list[Finding], Settlements]:
    """What is wrong with the times of settlements (in order, each once), and those without the strays."""
    time, offset = settlements.time, settlements.offset_ms
    findings = _late(key, time, offset)
    clock = _off_clock(key, time, intervals_in_force(time, announced))
    wrong = np.unique(clock[(clock > 0) & (run_lengths(clock) >= SHIFTED_ROWS)])
    stray = (clock > 0) & ~np.isin(clock, wrong)
    if stray.any():
        listed = ", ".join(f"{hour:02d}" for hour in np.unique(time[stray] // HOUR_MS % 24).tolist())
        told = f"{int(stray.sum())} settlements at {listed} UTC, at which the contract does not settle"
        findings.append(found(Defect.STRAY, key, "settlements", time[stray], told))
    kept = Settlements(time[~stray], offset[~stray], settlements.rate[~stray])
    for hours in wrong.tolist():
        findings += _shifted(key, kept.time, clock[~stray], hours)
    hours_paid = intervals_in_force(kept.time, announced)
    return findings + _changes(key, kept.time, hours_paid) + _gaps(key, kept.time, hours_paid), kept


def _off_clock(key: _Key, time: Ints, interval: Ints) -> Ints:
    """[n] hours from the venue's clock of the interval in force, forward."""
    hour = time // HOUR_MS - CLOCK_BEGINS_H.get(key[0], 0)
    following = np.append(interval[1:], interval[-1:])
    # A new interval may begin at an hour at which the old one does not settle.
    return np.where(hour % following == 0, 0, hour % interval)


def _late(key: _Key, time: Ints, offset: Ints) -> list[Finding]:
    late = np.abs(offset) > LATE_MS
    if not late.any():
        return []
    worst = int(offset[np.argmax(np.abs(offset))]) // 1000
    told = f"{int(late.sum())} of {len(time)} stamps are more than a minute from their hour, the worst by {worst} s"
    return [found(Defect.LATE_STAMP, key, "settlements", time[late], told)]


def _shifted(key: _Key, time: Ints, clock: Ints, hours: int) -> list[Finding]:
    findings = []
    stretches = runs(clock == hours)
    in_summer = len(stretches) > 0 and hours == 1 and bool((clock == 0).any()) and _summer(time[clock == hours]).all()
    why = "as in Europe/London with daylight saving" if in_summer else f"as in UTC+{hours} or a zone 8 h from it"
    for first, end in stretches:
        rows = time[first:end]
        told = f"{len(rows)} settlements {hours} h off the venue's clock, {instant(int(rows[0]))} on, {why}"
        findings.append(found(Defect.SHIFTED, key, "settlements", rows, told))
    return findings


def _summer(time: Ints) -> Mask:
    """[n] whether a time lies in 25 March .. 31 October, which British summer time keeps within."""
    day = time.astype("datetime64[ms]").astype("datetime64[D]")
    month = day.astype("datetime64[M]").astype(np.int64) % 12 + 1
    date = (day - day.astype("datetime64[M]")).astype(np.int64) + 1
    return np.asarray(((month > 3) & (month < 11)) | ((month == 3) & (date >= 25)))


def _changes(key: _Key, time: Ints, hours: Ints) -> list[Finding]:
    return [
        found(
            Defect.INTERVAL_CHANGE,
            key,
            "settlements",
            time[row : row + 1],
            f"from every {int(hours[row - 1])} h to every {int(hours[row])} h at {instant(int(time[row]))}",
        )
        for row in (np.flatnonzero(np.diff(hours)) + 1).tolist()
    ]


def _gaps(key: _Key, time: Ints, hours: Ints) -> list[Finding]:
    spacing = np.diff(time) // HOUR_MS
    findings = []
    for row in np.flatnonzero(spacing >= 2 * hours[1:]).tolist():
        hour, missing = int(hours[row + 1]), int(spacing[row] // hours[row + 1]) - 1
        span = int(time[row]) + hour * HOUR_MS, int(time[row + 1]) - hour * HOUR_MS
        told = f"{missing} settlements of {hour} h are missing after {instant(int(time[row]))}"
        findings.append(absent(Defect.GAP, key, "settlements", span, missing, told))
    return findings
