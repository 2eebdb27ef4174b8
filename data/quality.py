"""Whether market data can be true: what every candle and settlement must satisfy before a number is made of it.

The panel and recorded files raise on rows that cannot be; the lake leaves them out and counts them. `docs/panel.md`
lists every case.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from data.errors import CorruptData
from data.types import HOUR_MS, Bars, Settlements

Mask = NDArray[np.bool_]
PRICES = ("open", "high", "low", "close")


def bar_faults(bars: Bars) -> dict[str, Mask]:
    """What is wrong -> [n] which candles have it, each looked at by itself."""
    ends = bars.open, bars.close
    faults = {"timestamp is not a full hour": bars.open_time % HOUR_MS != 0}
    for name in PRICES:
        price = getattr(bars, name)
        faults[f"{name} is not a positive number"] = ~(np.isfinite(price) & (price > 0))
    faults["high is below low"] = bars.high < bars.low
    faults["open or close lies outside low..high"] = (bars.high < np.maximum(*ends)) | (bars.low > np.minimum(*ends))
    faults["volume is negative or not a number"] = ~(np.isfinite(bars.volume) & (bars.volume >= 0))
    return faults


def settlement_faults(settlements: Settlements) -> dict[str, Mask]:
    """What is wrong -> [n] which settlements have it, each looked at by itself."""
    return {
        "timestamp is not a full hour": settlements.time % HOUR_MS != 0,
        "rate is not a finite number": ~np.isfinite(settlements.rate),
        "stamp is an hour or more from its hour": np.abs(settlements.offset_ms) >= HOUR_MS,
    }


def sound(faults: Mapping[str, Mask]) -> Mask:
    """[n] which rows have none of `faults`."""
    return ~np.logical_or.reduce(list(faults.values()))


def check_bars(name: str, bars: Bars) -> None:
    """Raise CorruptData, told as of `name`, unless every candle can be true and they are in order of time."""
    _check(name, bars.open_time, bar_faults(bars))


def check_settlements(name: str, settlements: Settlements) -> None:
    """Raise CorruptData, told as of `name`, unless every settlement can be true and they are in order of time."""
    _check(name, settlements.time, settlement_faults(settlements))
    earlier = np.diff(settlements.stamp, prepend=settlements.stamp[:1]) < 0
    reject(name, settlements.time, earlier, "stamp is earlier than that of the settlement before")


def _check(name: str, time: NDArray[np.int64], faults: Mapping[str, Mask]) -> None:
    step = np.diff(time, prepend=time[:1] - 1)
    order = {"timestamp appears twice": step == 0, "timestamp is earlier than the row before (unsorted)": step < 0}
    for what, bad in {**faults, **order}.items():
        reject(name, time, bad, what)


def reject(name: str, time: NDArray[np.int64] | NDArray[np.float64], bad: Mask, what: str) -> None:
    """Raise CorruptData if `bad` marks any row, naming whose they are, how many, and the `time` (ms) of the first."""
    if not bad.any():
        return
    raise CorruptData(
        f"{name}: {what} in {int(bad.sum())} rows, first at {instant(float(time[int(np.argmax(bad))]))}; "
        "collect or record these rows again, or leave the asset out"
    )


def instant(ms: float) -> str:
    """A time for people, UTC, to the second."""
    return "an unknown time" if np.isnan(ms) else f"{np.datetime64(int(ms) // 1000, 's')}Z"
