"""The candles of one asset on all its venues on one time axis, and what the other venues say at each hour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from data.checks.arrays import Floats, Ints, median
from data.defects import Finding
from data.types import HOUR_MS, Bars, InstrumentKey


@dataclass(frozen=True)
class Aligned:
    """T hours x V venues of one asset; NaN where a venue has no candle."""

    keys: tuple[InstrumentKey, ...]
    time: Ints
    """[T] opens of consecutive hours, ms."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats


def aligned(bars: Mapping[InstrumentKey, Bars]) -> Aligned:
    """The candles of `bars`, none of them empty, ordered and each hour once."""
    first = min(int(one.open_time[0]) for one in bars.values())
    last = max(int(one.open_time[-1]) for one in bars.values())
    time = np.arange(first, last + 1, HOUR_MS, dtype=np.int64)
    columns = {name: np.full((len(time), len(bars)), np.nan) for name in ("open", "high", "low", "close", "volume")}
    for column, one in enumerate(bars.values()):
        rows = (one.open_time - first) // HOUR_MS
        for name, values in columns.items():
            values[rows, column] = getattr(one, name)
    return Aligned(tuple(bars), time, **columns)


def reference(values: Floats) -> Floats:
    """[n, V] what each venue's value is held against: the median of all where three or more have one, the other one
    where two have; NaN where a venue is alone."""
    count = np.sum(~np.isnan(values), axis=1, keepdims=True)
    middle = median(values, axis=1)[:, None]
    other = np.nansum(values, axis=1, keepdims=True) - values
    known = np.where(count >= 3, middle, np.where(count == 2, other, np.nan))
    return np.where(np.isnan(values), np.nan, known)


def without(asset: Aligned, findings: Sequence[Finding]) -> Aligned:
    """The candles with NaN for those that `findings` are about."""
    columns = {name: getattr(asset, name).copy() for name in ("open", "high", "low", "close", "volume")}
    for one in findings:
        rows = np.isin(asset.time, one.times)
        for values in columns.values():
            values[rows, asset.keys.index(one.key)] = np.nan
    return replace(asset, **columns)
