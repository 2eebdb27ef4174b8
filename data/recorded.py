"""Reads a folder of recorded funding and hourly candles into a `Market`, for backtests and for the sandbox's replay.

Rows are taken as they are or not at all: what contradicts itself raises, nothing is dropped, filled or mended.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import ConfigurationError, CorruptData, MissingData
from data.market import Market, lot_step, tick_size
from data.quality import check_bars, check_settlements, reject
from data.types import Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import VenueProfile, venue_profile

NEVER = np.iinfo(np.int64).min
"""The count that numpy takes for no time."""

FUNDING_FILE = "funding.parquet"
BARS_FILE = "ohlcv_1h.parquet"
SPOT_FILE = "ohlcv_1h_spot.parquet"
_FUNDING_COLUMNS = ("exchange", "symbol", "timestamp", "funding_rate", "interval_hours", "offset_ms")
_BARS_COLUMNS = ("exchange", "symbol", "timestamp", "open", "high", "low", "close", "volume")

_Columns = dict[str, NDArray[np.float64]]


def recorded_market(directory: Path, venues: Sequence[str], assets: Sequence[str] = ()) -> Market:
    """The market of `funding.parquet` and `ohlcv_1h.parquet` in `directory`, restricted to `venues`; spot venues have
    their candles in `ohlcv_1h_spot.parquet` and no funding.

    Kept are the linear swaps in each venue's quote that have both candles and funding, and the spot markets, whose
    asset is on two of the venues at least, on one as a swap; `assets` (base codes, e.g. BTC, 1000PEPE) restricts
    further. Raises MissingData for what is not there and CorruptData for what cannot be true.
    """
    profiles = {name: venue_profile(name) for name in venues}
    swaps = {name: profile for name, profile in profiles.items() if not profile.spot}
    if len(profiles) < 2 or not swaps:
        raise ConfigurationError("a recorded market needs two different venues, one of them with perpetuals: name them")
    wanted = {Asset.parse(code) for code in assets}
    candles = _series(directory / BARS_FILE, _BARS_COLUMNS, swaps)
    funding = _series(directory / FUNDING_FILE, _FUNDING_COLUMNS, swaps)
    spot = _series(directory / SPOT_FILE, _BARS_COLUMNS, {name: profiles[name] for name in profiles.keys() - swaps})
    keys = _shared(directory, [key for key in candles if key in funding], list(spot), wanted)
    bars = {key: _bars(directory / BARS_FILE, key, candles[key]) for key in keys if key in candles}
    bars |= {key: _bars(directory / SPOT_FILE, key, spot[key]) for key in keys if key in spot}
    settlements = {
        key: Settlements.none() if key in spot else _settlements(directory / FUNDING_FILE, key, funding[key])
        for key in keys
    }
    instruments = tuple(_instrument(profiles[key[0]], key, bars[key], funding.get(key)) for key in keys)
    return Market(instruments, bars, settlements)


def _series(path: Path, columns: Sequence[str], profiles: Mapping[str, VenueProfile]) -> dict[InstrumentKey, _Columns]:
    """Columns of every instrument of every venue of `profiles`, rows in file order; `timestamp` in milliseconds."""
    if not profiles:
        return {}
    table = _read(path, columns)
    exchange_of, exchanges = _codes(path, table, "exchange")
    symbol_of, symbol_names = _codes(path, table, "symbol")
    if absent := sorted(name for name, profile in profiles.items() if profile.exchange not in exchanges):
        raise MissingData(f"{path}: no rows for venue {', '.join(absent)}; record it or leave it out of the venues")
    asked = {profile.exchange for profile in profiles.values()}
    wanted = np.array([exchange in asked for exchange in exchanges])[exchange_of]
    code = exchange_of * np.int32(len(symbol_names)) + symbol_of
    order: slice | NDArray[np.int64] = slice(None)
    if not (np.all(wanted) and np.all(code[1:] >= code[:-1])):  # else they lie one after the other, and stay there
        rows = np.flatnonzero(wanted)
        order = rows[np.argsort(code[rows], kind="stable")]
    code = code[order]
    bounds = np.flatnonzero(np.diff(code, prepend=-1))
    values = {name: _values(path, table, name)[order] for name in columns[2:]}
    found: dict[InstrumentKey, _Columns] = {}
    for first, last in zip(bounds, [*bounds[1:], len(code)], strict=True):
        exchange_index, symbol_index = divmod(int(code[first]), len(symbol_names))
        exchange, symbol = exchanges[exchange_index], symbol_names[symbol_index]
        for venue, profile in profiles.items():
            if profile.exchange == exchange and symbol.endswith(profile.symbol_suffix):
                found[venue, symbol] = {name: column[first:last] for name, column in values.items()}
    return found


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    """The columns of the whole file. Filters of pyarrow's would load pandas, which takes longer than all rows do."""
    if not path.parent.is_dir():
        raise MissingData(f"{path.parent}: no such folder; name the one that holds {path.name}")
    if not path.is_file():
        raise MissingData(f"{path}: no such file; put the recorded {path.name} there or choose another folder")
    try:
        present = pq.read_schema(path).names
        if absent := [name for name in columns if name not in present]:
            raise MissingData(f"{path}: column {', '.join(absent)} is missing; write the file again with it")
        with pq.ParquetFile(path, read_dictionary=["exchange", "symbol"]) as file:
            return file.read(columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise CorruptData(f"{path}: not a readable parquet file ({error}); fetch or write it again") from error


def _codes(path: Path, table: pa.Table, name: str) -> tuple[NDArray[np.int32], list[str]]:
    """A text column as (index of each row, texts in alphabetical order)."""
    column = table[name]
    if column.null_count:
        raise CorruptData(f"{path}: {column.null_count} rows have no {name}; write the file again without them")
    encoded = column.unify_dictionaries().combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    texts: list[str] = encoded.dictionary.to_pylist()
    ordered = sorted(texts)
    rank = np.array([ordered.index(text) for text in texts], dtype=np.int32)
    return rank[_numpy(encoded.indices)], ordered


def _numpy(array: pa.Array) -> NDArray[Any]:
    """Numbers as numpy has them, absent ones as NaN. Where none is absent, without pandas, which pyarrow would load."""
    return np.asarray(np.from_dlpack(array)) if array.null_count == 0 else array.to_numpy(zero_copy_only=False)


def _values(path: Path, table: pa.Table, name: str) -> NDArray[np.float64]:
    """A column as doubles, absent values as NaN; times become milliseconds, which doubles hold exactly."""
    column = table[name]
    if name == "timestamp":
        return _milliseconds(path, column)
    try:
        numbers = pa.types.is_floating(column.type) or pa.types.is_integer(column.type)
        column = column if numbers else column.cast(pa.float64())  # which loads more of pyarrow
    except pa.ArrowException as error:
        raise CorruptData(f"{path}: column {name} cannot be read as numbers ({error}); write it again") from error
    return _numpy(column.combine_chunks()).astype(np.float64, copy=False)


def _milliseconds(path: Path, column: pa.ChunkedArray) -> NDArray[np.float64]:
    if not pa.types.is_timestamp(column.type):
        raise CorruptData(f"{path}: column timestamp is {column.type}; write it as a UTC timestamp")
    counts = column.combine_chunks().view(pa.int64())
    times = _numpy(counts.fill_null(NEVER) if column.null_count else counts).view(f"M8[{column.type.unit}]")
    whole, absent = times.astype("M8[ms]"), np.isnat(times)
    if np.any((whole != times) & ~absent):
        raise CorruptData(f"{path}: column timestamp has parts of milliseconds; write it in whole ones")
    return np.where(absent, np.nan, whole.view(np.int64))


def _shared(
    directory: Path, swaps: Sequence[InstrumentKey], spot: Sequence[InstrumentKey], wanted: set[Asset]
) -> list[InstrumentKey]:
    """The instruments whose asset two venues list, one of them as a swap, of the assets wanted (all, if none is)."""
    listings: dict[Asset, set[str]] = {}
    for venue, symbol in (*swaps, *spot):
        listings.setdefault(_asset(symbol), set()).add(venue)
    perpetual = {_asset(symbol) for _, symbol in swaps}
    pairs = {asset for asset, venues in listings.items() if len(venues) > 1 and asset in perpetual}
    if absent := sorted(wanted - pairs):
        raise MissingData(
            f"{directory}: {', '.join(map(str, absent))} has candles and funding on fewer than two of the venues; "
            "leave it out or record it"
        )
    if not pairs:
        raise MissingData(f"{directory}: no asset has candles and funding on two of the venues; record one")
    return sorted(key for key in (*swaps, *spot) if _asset(key[1]) in (wanted or pairs))


def _bars(path: Path, key: InstrumentKey, columns: _Columns) -> Bars:
    """The candles of one instrument, checked."""
    name, time = _told(path, key), columns["timestamp"]
    reject(name, time, np.isnan(time), "timestamp is absent")
    bars = Bars(time.astype(np.int64), *(columns[field] for field in ("open", "high", "low", "close", "volume")))
    check_bars(name, bars)
    return bars


def _settlements(path: Path, key: InstrumentKey, columns: _Columns) -> Settlements:
    """The settled funding of one instrument, checked."""
    name, time, offset, hours = _told(path, key), *(columns[c] for c in ("timestamp", "offset_ms", "interval_hours"))
    reject(name, time, np.isnan(time), "timestamp is absent")
    reject(name, time, ~np.isfinite(offset), "offset_ms is not a finite number")
    reject(name, time, ~((hours >= 1) & (hours % 1 == 0)), "interval_hours is not a whole number of hours")
    settlements = Settlements(time.astype(np.int64), offset.astype(np.int64), columns["funding_rate"])
    check_settlements(name, settlements)
    return settlements


def _told(path: Path, key: InstrumentKey) -> str:
    return f"{path}: {key[0]} {key[1]}"


def _instrument(profile: VenueProfile, key: InstrumentKey, bars: Bars, funding: _Columns | None) -> Instrument:
    """An instrument with order rules inferred from its first close; recorded files carry none."""
    venue, symbol = key
    price = float(bars.close[0])
    interval = profile.default_interval_hours
    if funding is not None and not profile.fixed_interval:
        interval = int(funding["interval_hours"][-1])
    return Instrument(
        venue=venue,
        symbol=symbol,
        asset=_asset(symbol),
        quote=profile.quote,
        lot_step=lot_step(price, profile.max_lot_decimals),
        tick_size=tick_size(price),
        min_notional=profile.min_notional,
        interval_hours=interval,
        spot=profile.spot,
    )


def _asset(symbol: str) -> Asset:
    return Asset.parse(symbol.partition("/")[0])
