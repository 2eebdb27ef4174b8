"""Where series begin and end: those that end while others go on, and funding history that was cut off."""

from collections.abc import Mapping

from data.defects import Defect, Finding, Table, Times, absent
from data.quality import instant
from data.types import HOUR_MS, Bars, InstrumentKey, Settlements

DAY_MS = 24 * HOUR_MS
ENDED_MS = 36 * HOUR_MS
"""Four settlements of 8 h and a bit: more than any recorded quiet end of a download."""
CUT_DAYS = 80, 100
"""OKX answers about three months of funding history, whatever is asked for."""
CUT_BEHIND_MS = 7 * DAY_MS


def check_ends(bars: Mapping[InstrumentKey, Bars], settlements: Mapping[InstrumentKey, Settlements]) -> list[Finding]:
    """Series that end early against the newest of the same table, and settlements that begin late against candles."""
    candles = {key: one.open_time for key, one in bars.items() if len(one)}
    settled = {key: one.time for key, one in settlements.items() if len(one)}
    findings = _ended("bars", candles) + _ended("settlements", settled)
    for key in settled.keys() & candles.keys():
        findings += _cut(key, settled[key], candles[key])
    return findings


def _ended(table: Table, series: Mapping[InstrumentKey, Times]) -> list[Finding]:
    newest = max((int(time[-1]) for time in series.values()), default=0)
    findings = []
    for key, time in series.items():
        if newest - int(time[-1]) > ENDED_MS:
            told = f"ends at {instant(int(time[-1]))}, others go on to {instant(newest)}"
            findings.append(absent(Defect.ENDED, key, table, (int(time[-1]), newest), 0, told))
    return findings


def _cut(key: InstrumentKey, settled: Times, candles: Times) -> list[Finding]:
    days = (int(candles[-1]) - int(settled[0])) / DAY_MS
    behind = int(settled[0]) - int(candles[0])
    if behind < CUT_BEHIND_MS or not CUT_DAYS[0] <= days <= CUT_DAYS[1]:
        return []
    told = f"settlements reach back {days:.0f} days, candles {behind / DAY_MS:.0f} days further"
    return [absent(Defect.HISTORY_CUT, key, "settlements", (int(candles[0]), int(settled[0])), 0, told)]
