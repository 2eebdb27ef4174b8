"""Reads a folder of recorded funding and hourly candles into a `Market`, for backtests and for the sandbox's replay.

Rows are taken as they are or not at all: what contradicts itself raises, nothing is dropped, filled or mended.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import ConfigurationError, CorruptData, MissingData
from data.market import Market, lot_step, tick_size
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import VenueProfile, venue_profile

FUNDING_FILE = "funding.parquet"
BARS_FILE = "ohlcv_1h.parquet"
_FUNDING_COLUMNS = ("exchange", "symbol", "timestamp", "funding_rate", "interval_hours", "offset_ms")
_BARS_COLUMNS = ("exchange", "symbol", "timestamp", "open", "high", "low", "close", "volume")

_Mask = NDArray[np.bool_]
_Columns = dict[str, NDArray[np.float64]]


def recorded_market(directory: Path, venues: Sequence[str], assets: Sequence[str] = ()) -> Market:
    """The market of `funding.parquet` and `ohlcv_1h.parquet` in `directory`, restricted to `venues`.

    Kept are the linear swaps in each venue's quote that have both candles and funding and whose asset is on two of
    the venues at least; `assets` (base codes, e.g. BTC, 1000PEPE) restricts further. Raises MissingData for what is
    not there and CorruptData for what cannot be true.
    """
    profiles = {name: venue_profile(name) for name in venues}
    if len(profiles) < 2:
        raise ConfigurationError("a recorded market needs two different venues: name at least two")
    wanted = {Asset.parse(code) for code in assets}
    candles = _series(directory / BARS_FILE, _BARS_COLUMNS, profiles)
    funding = _series(directory / FUNDING_FILE, _FUNDING_COLUMNS, profiles)
    keys = _shared(directory, [key for key in candles if key in funding], wanted)
    bars = {key: _bars(directory / BARS_FILE, key, candles[key]) for key in keys}
    settlements = {key: _settlements(directory / FUNDING_FILE, key, funding[key]) for key in keys}
    instruments = tuple(
        _instrument(profiles[key[0]], key, float(bars[key].close[0]), float(funding[key]["interval_hours"][-1]))
        for key in keys
    )
    return Market(instruments, bars, settlements)


def _series(path: Path, columns: Sequence[str], profiles: Mapping[str, VenueProfile]) -> dict[InstrumentKey, _Columns]:
    """Columns of every linear swap of every venue, rows in file order; `timestamp` in milliseconds."""
    table = _read(path, columns, list(profiles))
    venue_of, venue_names = _codes(path, table, "exchange")
    symbol_of, symbol_names = _codes(path, table, "symbol")
    if absent := sorted(set(profiles) - set(venue_names)):
        raise MissingData(f"{path}: no rows for venue {', '.join(absent)}; record it or leave it out of the venues")
    code = venue_of * len(symbol_names) + symbol_of
    order = np.argsort(code, kind="stable")
    bounds = np.flatnonzero(np.diff(code[order], prepend=-1))
    values = {name: _values(path, table, name)[order] for name in columns[2:]}
    found: dict[InstrumentKey, _Columns] = {}
    for first, last in zip(bounds, [*bounds[1:], len(order)], strict=True):
        venue_index, symbol_index = divmod(int(code[order[first]]), len(symbol_names))
        venue, symbol = venue_names[venue_index], symbol_names[symbol_index]
        quote = profiles[venue].quote
        if symbol.endswith(f"/{quote}:{quote}"):
            found[venue, symbol] = {name: column[first:last] for name, column in values.items()}
    return found


def _read(path: Path, columns: Sequence[str], venues: list[str]) -> pa.Table:
    if not path.parent.is_dir():
        raise MissingData(f"{path.parent}: no such folder; name the one that holds {path.name}")
    if not path.is_file():
        raise MissingData(f"{path}: no such file; put the recorded {path.name} there or choose another folder")
    try:
        present = pq.read_schema(path).names
        if absent := [name for name in columns if name not in present]:
            raise MissingData(f"{path}: column {', '.join(absent)} is missing; write the file again with it")
        return pq.read_table(
            path, columns=list(columns), filters=[("exchange", "in", venues)], read_dictionary=["exchange", "symbol"]
        )
    except (pa.ArrowException, OSError) as error:
        raise CorruptData(f"{path}: not a readable parquet file ({error}); fetch or write it again") from error


def _codes(path: Path, table: pa.Table, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """A text column as (index of each row, texts in alphabetical order)."""
    column = table[name]
    if column.null_count:
        raise CorruptData(f"{path}: {column.null_count} rows have no {name}; write the file again without them")
    encoded = column.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    ordered = sorted(texts)
    rank = np.array([ordered.index(text) for text in texts], dtype=np.int64)
    indices: NDArray[np.int64] = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return rank[indices], ordered


def _values(path: Path, table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as doubles, absent values as NaN; times become milliseconds, which doubles hold exactly."""
    column = table[name]
    try:
        if name == "timestamp":
            if not pa.types.is_timestamp(column.type):
                raise CorruptData(f"{path}: column timestamp is {column.type}; write it as a UTC timestamp")
            column = pc.cast(column, pa.timestamp("ms", column.type.tz)).cast(pa.int64())
        values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise CorruptData(f"{path}: column {name} cannot be read as numbers ({error}); write it again") from error
    return values


def _shared(directory: Path, keys: Sequence[InstrumentKey], wanted: set[Asset]) -> list[InstrumentKey]:
    """The instruments whose asset two venues list, of the assets wanted (all, if none is named)."""
    listings: dict[Asset, set[str]] = {}
    for venue, symbol in keys:
        listings.setdefault(_asset(symbol), set()).add(venue)
    pairs = {asset for asset, venues in listings.items() if len(venues) > 1}
    if absent := sorted(wanted - pairs):
        raise MissingData(
            f"{directory}: {', '.join(map(str, absent))} has candles and funding on fewer than two of the venues; "
            "leave it out or record it"
        )
    if not pairs:
        raise MissingData(f"{directory}: no asset has candles and funding on two of the venues; record one")
    return [key for key in keys if _asset(key[1]) in (wanted or pairs)]


def _bars(path: Path, key: InstrumentKey, columns: _Columns) -> Bars:
    """The candles of one instrument, checked."""
    time, volume = columns["timestamp"], columns["volume"]
    first, high, low, last = (columns[name] for name in ("open", "high", "low", "close"))
    fail = _failure(path, key, time)
    _check_times(time, fail)
    for name in ("open", "high", "low", "close"):
        fail(~(np.isfinite(columns[name]) & (columns[name] > 0)), f"{name} is not a positive number")
    fail(high < low, "high is below low")
    fail((high < np.maximum(first, last)) | (low > np.minimum(first, last)), "open or close lies outside low..high")
    fail(~(np.isfinite(volume) & (volume >= 0)), "volume is negative or not a number")
    return Bars(time.astype(np.int64), first, high, low, last, volume)


def _settlements(path: Path, key: InstrumentKey, columns: _Columns) -> Settlements:
    """The settled funding of one instrument, checked."""
    time, offset, rate, hours = (columns[name] for name in ("timestamp", "offset_ms", "funding_rate", "interval_hours"))
    fail = _failure(path, key, time)
    _check_times(time, fail)
    fail(~np.isfinite(rate), "funding_rate is not a finite number")
    fail(~np.isfinite(offset), "offset_ms is not a finite number")
    fail(~((hours >= 1) & (hours % 1 == 0)), "interval_hours is not a whole number of hours")
    return Settlements(time.astype(np.int64), offset.astype(np.int64), rate)


def _check_times(time: NDArray[np.float64], fail: Callable[[_Mask, str], None]) -> None:
    fail(np.isnan(time), "timestamp is absent")
    fail(time % HOUR_MS != 0, "timestamp is not a full hour")
    step = np.diff(time, prepend=-np.inf)
    fail(step == 0, "timestamp appears twice")
    fail(step < 0, "timestamp is earlier than the row before (unsorted)")


def _failure(path: Path, key: InstrumentKey, time: NDArray[np.float64]) -> Callable[[_Mask, str], None]:
    """A check that raises CorruptData, naming file, venue, symbol and the first of the rows that `bad` marks."""

    def fail(bad: _Mask, what: str) -> None:
        if not bad.any():
            return
        at = time[int(np.argmax(bad))]
        when = "an unknown time" if np.isnan(at) else f"{np.datetime64(int(at) // 1000, 's')}Z"
        raise CorruptData(
            f"{path}: {key[0]} {key[1]}: {what} in {int(bad.sum())} rows, first at {when}; "
            "record these rows again or leave the asset out"
        )

    return fail


def _instrument(profile: VenueProfile, key: InstrumentKey, price: float, last_interval_hours: float) -> Instrument:
    """An instrument with order rules inferred from its first close; recorded files carry none."""
    venue, symbol = key
    return Instrument(
        venue=venue,
        symbol=symbol,
        asset=_asset(symbol),
        quote=profile.quote,
        lot_step=lot_step(price, profile.max_lot_decimals),
        tick_size=tick_size(price),
        min_notional=profile.min_notional,
        interval_hours=profile.default_interval_hours if profile.fixed_interval else int(last_interval_hours),
    )


def _asset(symbol: str) -> Asset:
    return Asset.parse(symbol.partition("/")[0])
