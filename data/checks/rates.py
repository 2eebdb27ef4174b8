"""Funding rates of one instrument by themselves: the default rate, clipping at a cap, more than any cap."""

from collections.abc import Mapping

import numpy as np

from data.checks.arrays import Floats, Ints, Mask, runs
from data.defects import Defect, Finding, found
from data.types import InstrumentKey, Settlements

DEFAULT_RATE_8H = 1e-4
"""What a venue charges for 8 h at no premium; a shorter interval has its share."""
SAME = 1e-9
CAP = 0.04
"""The largest cap of any venue, per settlement: Hyperliquid's 4 % an hour, and OKX's of some contracts."""
VENUE_CAPS = {"binance": 0.03}
"""Largest cap of the venue's table (fundingInfo, 2026-07-04), per settlement."""
CLIPPED_ROWS = 3
CLIPPED_TIMES_MEDIAN = 10.0


def check_rates(
    key: InstrumentKey, settlements: Settlements, interval: Ints, caps: Mapping[InstrumentKey, float]
) -> list[Finding]:
    """What is unusual in rates; `interval` is [n] hours that each pays for, `caps` the known ones by instrument."""
    size, time = np.abs(settlements.rate), settlements.time
    findings = []
    default = at_default(settlements.rate, interval, 1.0)
    if default.any():
        longest = max(end - first for first, end in runs(default))
        told = f"{100 * default.mean():.0f} % of {len(time)} rates are the default, at most {longest} in a row"
        findings.append(found(Defect.DEFAULT_RATE, key, "settlements", time[default], told))
    cap = caps.get(key, VENUE_CAPS.get(key[0], CAP))
    if (beyond := size > cap + SAME).any():
        told = f"rates of up to {size.max():g} where no more than {cap:g} a settlement is possible"
        findings.append(found(Defect.BEYOND_CAP, key, "settlements", time[beyond], told))
    inside = ~beyond
    if inside.any():
        largest = float(size[inside].max())
        clipped = inside & (np.abs(size - largest) <= SAME)
        if clipped.sum() >= CLIPPED_ROWS and largest > CLIPPED_TIMES_MEDIAN * float(np.median(size)):
            told = f"{int(clipped.sum())} rates are exactly the largest, {100 * largest:g} %: clipped at a cap"
            findings.append(found(Defect.CLIPPED_RATE, key, "settlements", time[clipped], told))
    return findings


def at_default(rate: Floats, interval: Ints, factor: float) -> Mask:
    """[n] which rates are exactly `factor` times the default of their interval."""
    return np.asarray(np.abs(times_default(rate, interval) / factor - 1.0) < 1e-6)


def times_default(rate: Floats, interval: Ints) -> Floats:
    """[n] magnitude of rates in defaults of their interval."""
    return np.asarray(np.abs(rate) * 8.0 / (DEFAULT_RATE_8H * interval))
