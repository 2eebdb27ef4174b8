"""The point-in-time panel: everything that was known at each whole hour, as arrays of ticks x instruments.

Row t holds what a decision at tick t may see: bars that have closed, settlements that the venue has stamped. The one
exception is `open_after`, the price at which that decision fills; features never read it. Made for the trader (from
the lake) and for backtests (from a whole market) by the same `build_panel`.
"""

import math
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError, CorruptData, MissingData
from data.quality import check_bars, check_settlements, instant
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements

Matrix = NDArray[np.float64]
Prices = NDArray[np.float64]
Times = NDArray[np.int64]
INTERVALS_HOURS = (1, 2, 4, 8)
"""Settlement intervals that venues use."""
FIELDS = ("close", "volume", "settled", "settled_hours", "interval", "last_rate", "settled_at", "open_after")
"""The matrices of a panel."""
SMALL = ("settled_hours", "interval")
"""Those that hold small whole numbers, in single precision: a panel of years has to fit into memory."""
LARGE_BYTES = 1 << 22
SPOT_INTERVAL_HOURS = 8
"""What the panel says of a spot market, which never settles: the usual interval, as if one had just been at zero."""


@dataclass(frozen=True)
class Pair:
    """Two legs on the same asset at different venues, as columns of the panel; `a` comes first in the panel. At least
    one of them is a perpetual."""

    asset: Asset
    a: int
    b: int


@dataclass(frozen=True)
class Panel:
    """T ticks x N instruments. Prices in quote currency, NaN in a gap; nothing is ever filled forward.

    A spot market settles nothing, which is not the same as unknown: `settled` and `last_rate` are 0, every tick covers
    one hour in `settled_hours`, and `settled_at` is the tick.
    """

    ticks: NDArray[np.int64]
    """[T] whole hours, ms, consecutive."""
    instruments: tuple[Instrument, ...]
    """[N]."""
    close: Matrix
    """[T, N] close of the bar that ended at the tick."""
    volume: Matrix
    """[T, N] units of the asset traded in that bar."""
    settled: Matrix
    """[T, N] funding settled since the previous tick, fraction of notional; 0 where none was."""
    settled_hours: Matrix
    """[T, N] hours that `settled` pays for; 0 where none was."""
    interval: Matrix
    """[T, N] hours between settlements, as far as known at the tick."""
    last_rate: Matrix
    """[T, N] last settled rate per hour; NaN before the first settlement."""
    settled_at: Matrix
    """[T, N] the hour of the last settlement, ms; NaN before the first."""
    open_after: Matrix
    """[T, N] open of the bar that begins at the tick. Known only after the decision: for fills, never for features."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """[P] every two venues that list the same asset, spot with spot apart, ordered by asset, then venue."""
        by_asset: dict[Asset, list[int]] = {}
        for column, instrument in enumerate(self.instruments):
            by_asset.setdefault(instrument.asset, []).append(column)
        return tuple(
            Pair(asset, a, b)
            for asset, columns in sorted(by_asset.items())
            for a, b in combinations(columns, 2)
            if _can_pair(self.instruments[a], self.instruments[b])
        )

    def between(self, first: int, last: int) -> "Panel":
        """Rows `first` to `last`, the latter not included, without copying any."""
        matrices = {field: getattr(self, field)[first:last] for field in FIELDS}
        return Panel(ticks=self.ticks[first:last], instruments=self.instruments, **matrices)

    @cached_property
    def silent_hours(self) -> Matrix:
        """[T, N] hours since the newest close at each tick: 0 where a bar closed at it, inf before the first."""
        rows = np.arange(len(self.ticks), dtype=np.float64)[:, None]
        return rows - np.maximum.accumulate(np.where(np.isnan(self.close), -np.inf, rows), axis=0)

    def row(self, tick: int) -> int:
        """The row of `tick`; raises KeyError outside the panel."""
        row = (tick - int(self.ticks[0])) // HOUR_MS
        if not 0 <= row < len(self.ticks) or int(self.ticks[row]) != tick:
            raise KeyError(tick)
        return row


def tradable(instruments: Sequence[Instrument], assets: Sequence[str] = ()) -> tuple[Instrument, ...]:
    """The instruments whose asset is on at least two venues, on one of them as a perpetual (and among `assets`, if any
    are named), in panel order.

    Raises MissingData where there are none, or where one of `assets` is not on two venues.
    """
    wanted = {Asset.parse(code) for code in assets}
    venues: dict[Asset, set[str]] = {}
    for instrument in instruments:
        venues.setdefault(instrument.asset, set()).add(instrument.venue)
    perpetual = {instrument.asset for instrument in instruments if not instrument.spot}
    shared = {asset for asset, names in venues.items() if len(names) > 1 and asset in perpetual}
    if missing := wanted - shared:
        raise MissingData(f"{', '.join(map(str, sorted(missing)))} not listed on two of the venues: mend data.assets")
    if not shared:
        raise MissingData("no asset is listed on two of the venues: choose other venues, or another time")
    return tuple(
        sorted(
            (i for i in instruments if i.asset in (wanted or shared)),
            key=lambda i: (i.asset, i.venue, i.symbol),
        )
    )


def _can_pair(one: Instrument, other: Instrument) -> bool:
    return one.venue != other.venue and not (one.spot and other.spot)


def build_panel(
    instruments: Sequence[Instrument],
    bars: Mapping[InstrumentKey, Bars],
    settlements: Mapping[InstrumentKey, Settlements],
    first_tick: int,
    last_tick: int,
    decision_delay_s: int,
) -> Panel:
    """The panel of `instruments` for the whole hours first_tick..last_tick, both included.

    A settlement belongs to the first tick whose decision, `decision_delay_s` after the hour, comes after the venue's
    stamp. Raises ConfigurationError for ticks that are not whole hours in order, and CorruptData for instruments or
    rows that cannot be true, inside the window or not; `docs/panel.md` lists every case.
    """
    panel = empty_panel(instruments, first_tick, last_tick)
    for column, instrument in enumerate(panel.instruments):
        candles = bars.get(instrument.key, Bars.none())
        check_bars(_name(instrument), candles)
        shown = slice(*np.searchsorted(candles.open_time, (first_tick - HOUR_MS, last_tick + 1)))
        prices = candles.open[shown], candles.close[shown]
        fill_bars(panel, column, candles.open_time[shown], *prices, candles.volume[shown])
        fill_settlements(panel, column, settlements.get(instrument.key, Settlements.none()), decision_delay_s)
    return panel


def empty_panel(instruments: Sequence[Instrument], first_tick: int, last_tick: int) -> Panel:
    """A panel without a candle, of which every column needs `fill_settlements`. Raises as `build_panel` does for ticks
    and instruments."""
    _check_ticks(first_tick, last_tick)
    ticks = np.arange(first_tick, last_tick + 1, HOUR_MS, dtype=np.int64)
    # An instrument's hours lie side by side: it is filled, and most features are made, along them.
    shape = len(instruments), len(ticks)
    fields = {name: _zeros(shape, np.dtype(np.float32 if name in SMALL else np.float64)).T for name in FIELDS}
    panel = Panel(ticks=ticks, instruments=tuple(instruments), **fields)
    _check_instruments(panel.instruments)
    panel.open_after[:] = panel.close[:] = np.nan
    return panel


def _zeros(shape: tuple[int, int], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Zeros. Where they are many, the system hands over all of their memory at once: page by page takes a second for
    years of many instruments, and looking for huge pages, as numpy does, longer where memory is scattered."""
    size = math.prod(shape) * dtype.itemsize
    at_once = getattr(mmap, "MAP_POPULATE", 0)  # Linux
    if size < LARGE_BYTES or not at_once:
        return np.zeros(shape, dtype)
    memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | at_once)
    return np.frombuffer(memory, dtype).reshape(shape)


def _check_ticks(first: int, last: int) -> None:
    if first % HOUR_MS or last % HOUR_MS or last < first:
        raise ConfigurationError(
            f"decisions fall on whole hours, in order of time: {instant(first)} to {instant(last)} do not; "
            "begin and end on a full hour"
        )


def _check_instruments(instruments: Sequence[Instrument]) -> None:
    named: set[InstrumentKey] = set()
    for instrument in instruments:
        if instrument.interval_hours < 1:
            raise CorruptData(
                f"{_name(instrument)} announces settlements every {instrument.interval_hours} h; leave the asset out"
            )
        if instrument.key in named:
            raise CorruptData(f"{_name(instrument)} is listed twice; name every instrument once")
        named.add(instrument.key)


def fill_bars(panel: Panel, column: int, open_time: Times, first: Prices, last: Prices, volume: Prices) -> None:
    """Put candles [n] that can be true, in order of time and none that opens more than an hour before the first tick or
    after the last, into `column`: their opens and closes, and what was traded."""
    if not len(open_time):
        return
    begin, count = int((open_time[0] - panel.ticks[0]) // HOUR_MS) + 1, len(panel.ticks)
    if int(open_time[-1] - open_time[0]) == (len(open_time) - 1) * HOUR_MS:  # an hour each, as nearly everywhere
        end = begin + len(open_time)
        panel.open_after[max(begin - 1, 0) : end - 1, column] = first[int(begin == 0) :]
        panel.close[begin:end, column] = last[: count - begin]
        panel.volume[begin:end, column] = volume[: count - begin]
        return
    closed_at = (open_time - panel.ticks[0]) // HOUR_MS + 1
    opens = slice(int(closed_at[0] == 0), None)
    closes = slice(len(open_time) - int(closed_at[-1] == count))
    _put(panel.open_after[:, column], closed_at[opens] - 1, first[opens])
    _put(panel.close[:, column], closed_at[closes], last[closes])
    _put(panel.volume[:, column], closed_at[closes], volume[closes])


def _put(line: Prices, rows: Times, values: Prices | Times) -> None:
    """Write into rows in ascending order; where none is left out, as one piece, which is five times as fast."""
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        line[rows[0] : rows[-1] + 1] = values
    else:
        line[rows] = values


def fill_settlements(panel: Panel, column: int, history: Settlements, decision_delay_s: int) -> None:
    """Put the settlements of one instrument into `column`. Raises CorruptData for rows that cannot be true."""
    instrument = panel.instruments[column]
    check_settlements(_name(instrument), history)
    if instrument.spot:
        _fill_spot(panel, column, history)
    else:
        _fill_settled(panel, column, history, decision_delay_s)


def _fill_spot(panel: Panel, column: int, history: Settlements) -> None:
    """Spot settles nothing, and that is known: every hour is covered at a rate of zero."""
    instrument = panel.instruments[column]
    if len(history):
        raise CorruptData(
            f"{_name(instrument)} is a spot market and has settled funding, first at "
            f"{instant(int(history.time[0]))}; leave its settlements out"
        )
    panel.interval[:, column] = SPOT_INTERVAL_HOURS
    panel.settled[:, column] = panel.last_rate[:, column] = 0.0
    panel.settled_hours[:, column] = 1.0
    panel.settled_at[:, column] = panel.ticks


def _fill_settled(panel: Panel, column: int, history: Settlements, delay_s: int) -> None:
    announced = panel.instruments[column].interval_hours
    hours = funding_intervals(history.time, announced)
    rows = -((panel.ticks[0] + delay_s * 1000 - history.stamp) // HOUR_MS)
    inside = slice(*np.searchsorted(rows, (0, len(panel.ticks))))
    if bool(np.all(np.diff(rows) > 0)):
        _put(panel.settled[:, column], rows[inside], history.rate[inside])
        _put(panel.settled_hours[:, column], rows[inside], hours[inside])
    else:  # one came late, in the hour of the next one
        np.add.at(panel.settled[:, column], rows[inside], history.rate[inside])
        np.add.at(panel.settled_hours[:, column], rows[inside], hours[inside])
    # What was known at each tick: the newest settlement whose row is not later.
    begins = np.clip(rows, 0, len(panel.ticks))
    lasts = np.diff(begins, prepend=0, append=len(panel.ticks))
    panel.interval[:, column] = np.repeat(np.append(announced, hours), lasts)
    panel.last_rate[:, column] = np.repeat(np.append(np.nan, history.rate / hours), lasts)
    panel.settled_at[:, column] = np.repeat(np.append(np.nan, history.time), lasts)


def funding_intervals(times: NDArray[np.int64], announced: int) -> NDArray[np.int64]:
    """Hours that each settlement pays for, from the spacing alone and without looking ahead.

    A shorter spacing is believed at once (no venue settles early); a longer one only when it repeats, because one long
    spacing is a missing settlement. Spacings that no venue uses are gaps. `announced` stands in before the second row.
    """
    spacing = np.diff(times, prepend=times[:1]) // HOUR_MS
    # Only where the spacing changes, or repeats for the first time, can the interval change.
    begins = np.flatnonzero(np.diff(spacing, prepend=-1))
    ends = np.append(begins, len(times))[1:]
    known = np.isin(spacing[begins], INTERVALS_HOURS)
    intervals, current = np.empty(len(times), dtype=np.int64), announced
    for begin, end, usual in zip(begins.tolist(), ends.tolist(), known.tolist(), strict=True):
        hours = int(spacing[begin])
        if usual and hours < current:
            current = hours
        intervals[begin] = current
        if usual:
            current = hours if end - begin > 1 else current
        intervals[begin + 1 : end] = current
    return intervals


def _name(instrument: Instrument) -> str:
    return f"{instrument.venue} {instrument.symbol}"
