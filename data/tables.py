"""The lake's tables: their columns, and rows of many symbols as arrays or as one sorted Arrow table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Series = tuple[NDArray[Any], ...]
"""The rows of one symbol, a column each in the order of the table: `time` (ms) first, then its values."""

_TIME = pa.timestamp("ms", tz="UTC")
_CANDLE = ("open", "high", "low", "close", "volume")


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema([("symbol", pa.string()), ("time", _TIME), *columns.items()], metadata={"version": "2"})


SCHEMAS = {
    "bars": _schema(**dict.fromkeys(_CANDLE, pa.float64())),
    "marks": _schema(**dict.fromkeys(_CANDLE, pa.float64())),
    "indices": _schema(**dict.fromkeys(_CANDLE, pa.float64())),
    "settlements": _schema(offset_ms=pa.int64(), rate=pa.float64()),
    "snapshots": _schema(
        **dict.fromkeys(("predicted_rate", "next_settlement", "interval_hours"), pa.float64()),
        **dict.fromkeys(("bid", "ask", "bid_depth", "ask_depth", "open_interest", "turnover_24h"), pa.float64()),
    ),
    "rules": _schema(
        **dict.fromkeys(("lot_step", "tick_size", "min_quantity", "min_notional", "contract_size"), pa.float64()),
        **dict.fromkeys(("interval_hours", "spot", "taker_bps", "maker_bps"), pa.float64()),
    ),
}
"""Columns of each table. `time` is a candle's open, the hour that a settlement is for, or the
hour of a snapshot; rules hold from their time to that of the next row."""


def series(table: str, columns: Mapping[str, NDArray[np.float64]] | Sequence[NDArray[np.float64]]) -> Series:
    """Rows of one symbol from columns in the order of `table`, or by their names there (the first is the time)."""
    given = columns.values() if isinstance(columns, Mapping) else columns
    kinds = [np.int64 if field.type in (_TIME, pa.int64()) else np.float64 for field in SCHEMAS[table]][1:]
    return tuple(np.ascontiguousarray(column, dtype=kind) for column, kind in zip(given, kinds, strict=True))


def empty(table: str) -> Series:
    """No rows."""
    return series(table, [np.empty(0)] * (len(SCHEMAS[table]) - 1))


def rows_of(rows: Series, chosen: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Series:
    """Some of the rows."""
    return tuple(column[chosen] for column in rows)


def joined(parts: Sequence[Series]) -> Series:
    """All rows of `parts`, at least one, in their order."""
    return parts[0] if len(parts) == 1 else tuple(np.concatenate(columns) for columns in zip(*parts, strict=True))


def union(table: str, parts: Iterable[Mapping[str, Series]], symbol: str) -> Series:
    """The rows of one symbol in order of time; of a time that is there twice, the earlier part's."""
    found = [part[symbol] for part in parts if symbol in part]
    if not found:
        return empty(table)
    whole = joined(found)
    return whole if bool(np.all(np.diff(whole[0]) > 0)) else merge(empty(table), whole).whole


def between(rows: Series, first_ms: int, last_ms: int) -> Series:
    """The rows with times in first_ms..last_ms, both included, of rows in order of time."""
    return rows_of(rows, slice(*np.searchsorted(rows[0], (first_ms, last_ms + 1))))


def month_of(ms: int) -> str:
    """YYYY-MM, UTC."""
    return str(np.datetime64(ms, "ms").astype("datetime64[M]"))


def by_month(times: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """The months of `times`, ms, and [n] which of them lie in each."""
    months = times.astype("datetime64[ms]").astype("datetime64[M]")
    for month in np.unique(months):
        yield str(month), months == month


def month_path(table: str, venue: str, month: str) -> str:
    """Where the rows of a month lie."""
    return f"{table}/venue={venue}/month={month}/rows.parquet"


@dataclass(frozen=True)
class Merge:
    """What became of new rows beside those that are stored."""

    whole: Series
    """Stored and fresh rows, by time."""
    fresh: Series
    """Those whose time was not stored."""
    known: int
    """How many were stored with the same values."""
    conflicting: Series
    """Those that were stored with other values: the first stays."""


def merge(stored: Series, new: Series) -> Merge:
    """Add `new` to `stored`, which is in order of time; the first row of a time stays."""
    order = np.argsort(new[0], kind="stable")
    new = rows_of(new, order)
    first_of_time = np.diff(new[0], prepend=new[0][:1] - 1) != 0
    first = np.maximum.accumulate(np.where(first_of_time, np.arange(len(new[0])), 0))
    at = np.searchsorted(stored[0], new[0])
    there = at < len(stored[0])
    there[there] = stored[0][at[there]] == new[0][there]
    fresh = first_of_time & ~there
    same = np.ones(len(new[0]), dtype=bool)
    for column, old in zip(new[1:], stored[1:], strict=True):
        reference = column[first]
        reference[there] = old[at[there]]
        same &= (column == reference) | (np.isnan(column) & np.isnan(reference))
    whole = joined([stored, rows_of(new, fresh)])
    if fresh.any() and len(stored[0]) and whole[0][len(stored[0])] < stored[0][-1]:
        whole = rows_of(whole, np.argsort(whole[0], kind="stable"))
    return Merge(whole, rows_of(new, fresh), int((~fresh & same).sum()), rows_of(new, ~fresh & ~same))


def to_arrow(table: str, rows: Mapping[str, Series]) -> pa.Table:
    """Rows by symbol, each in order of time, as one table sorted by symbol and time; NaN becomes null."""
    symbols = sorted(symbol for symbol in rows if len(rows[symbol][0]))
    names = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(len(symbols), dtype=np.int32), [len(rows[symbol][0]) for symbol in symbols]),
        pa.array(symbols, pa.string()),
    )
    columns = joined([rows[symbol] for symbol in symbols]) if symbols else empty(table)
    fields = SCHEMAS[table]
    arrays = [pa.array(column, from_pandas=True) for column in columns]
    return pa.table([names.cast(pa.string()), *arrays], names=fields.names).cast(fields)


def from_arrow(table: pa.Table) -> dict[str, Series] | None:
    """Rows by symbol of a table sorted by symbol and time, `symbol` dictionary-encoded; None if it is not sorted, or
    holds a row twice."""
    table = table.combine_chunks()
    times, *values = (_numbers(table[name]) for name in table.column_names[1:])
    if not len(times):
        return {}
    names = table["symbol"].chunk(0)
    codes = names.indices.to_numpy()
    begins = np.flatnonzero(np.diff(codes, prepend=codes[:1] - 1))
    symbols = names.dictionary.take(pa.array(codes[begins])).to_pylist()
    later = np.diff(times) > 0
    later[begins[1:] - 1] = True
    if not later.all() or any(one >= other for one, other in pairwise(symbols)):
        return None
    bounds = zip(begins, [*begins[1:], len(times)], strict=True)
    return {
        symbol: rows_of((times, *values), slice(first, stop))
        for symbol, (first, stop) in zip(symbols, bounds, strict=True)
    }


def _numbers(column: pa.ChunkedArray) -> NDArray[np.int64] | NDArray[np.float64]:
    array = column.chunk(0) if column.num_chunks else column.combine_chunks()
    return (array.view(pa.int64()) if array.type == _TIME else array).to_numpy(zero_copy_only=False)
