"""Rows that were not believed, kept with the reason: what the lake does not show, and does not take a second time."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from data.files import Files, Stamp
from data.parquet import read_parquet, write_parquet
from data.tables import SCHEMAS, Series, by_month, month_path, rows_of, series, to_arrow

DIFFERS = "differs from the row stored first"
"""The reason of rows that came later than another one of their time; all other reasons are about the row itself."""

Reasons = NDArray[np.object_]


class Quarantine:
    """The folder `quarantine` of a lake: files like those of the lake itself, with a column `reason`."""

    def __init__(self, files: Files) -> None:
        """Nothing is read or made yet."""
        self._files = files
        self._known: dict[str, tuple[Stamp, dict[str, tuple[Series, Reasons]]]] = {}

    def rows(self, table: str, venue: str) -> pa.Table:
        """All rows of a venue: the columns of `table` and `reason`."""
        schema = _schema(table)
        found = [read_parquet(self._files, path, schema).cast(schema) for path in self._paths(table, venue)]
        return pa.concat_tables([schema.empty_table(), *found])

    def add(self, table: str, venue: str, symbol: str, rows: Series, reasons: Reasons) -> None:
        """Keep rows with the reason of each; the same row for the same reason once."""
        for month, chosen in by_month(rows[0]):
            path = f"quarantine/{month_path(table, venue, month)}"
            reason = pa.array(reasons[chosen], pa.string())
            fresh = to_arrow(table, {symbol: rows_of(rows, chosen)}).append_column("reason", reason)
            schema, stored = _schema(table), _schema(table).empty_table()
            if self._files.stamp(path) is not None:
                stored = read_parquet(self._files, path, schema).cast(schema)
            whole = pa.concat_tables([stored, fresh.cast(schema)]).group_by(schema.names).aggregate([])
            if len(whole) > len(stored):
                order = [(name, "ascending") for name in ("symbol", "time", "reason")]
                write_parquet(self._files, path, whole.sort_by(order).cast(schema))

    def told_later(self, table: str, venue: str) -> dict[str, Series]:
        """By symbol, in order of time, the values that came after others had been stored for their time."""
        rows = self.rows(table, venue)
        rows = rows.filter(pc.equal(rows["reason"], DIFFERS))
        return {symbol: _split(table, rows, symbol)[0] for symbol in pc.unique(rows["symbol"]).to_pylist()}

    def recognised(self, table: str, venue: str, symbol: str, rows: Series) -> Reasons:
        """[n] why each row was not believed when it came before; empty for all others."""
        reasons = np.full(len(rows[0]), "", dtype=object)
        known = self._of(table, venue).get(symbol)
        if known is None:
            return reasons
        suspects = np.isin(known[0][0], rows[0])
        for *values, reason in zip(*rows_of(known[0], suspects), known[1][suspects], strict=True):
            same = [column == value for column, value in zip(rows, values, strict=True)]
            reasons[np.logical_and.reduce(same)] = reason
        return reasons

    def _of(self, table: str, venue: str) -> dict[str, tuple[Series, Reasons]]:
        paths = list(self._paths(table, venue))
        stamp = tuple(self._files.stamp(path) for path in paths)
        cached = self._known.get(f"{table}/{venue}")
        if cached is None or cached[0] != stamp:
            rows = self.rows(table, venue)
            rows = rows.filter(pc.not_equal(rows["reason"], DIFFERS))
            symbols = pc.unique(rows["symbol"]).to_pylist()
            cached = stamp, {symbol: _split(table, rows, symbol) for symbol in symbols}
            self._known[f"{table}/{venue}"] = cached
        return cached[1]

    def _paths(self, table: str, venue: str) -> Iterable[str]:
        folder = f"quarantine/{table}/venue={venue}"
        return (f"{folder}/{month}/rows.parquet" for month in self._files.folders(folder))


def _schema(table: str) -> pa.Schema:
    return SCHEMAS[table].append(pa.field("reason", pa.string()))


def _split(table: str, rows: pa.Table, symbol: str) -> tuple[Series, Reasons]:
    """The rows of one symbol, and their reasons."""
    ours = rows.filter(pc.equal(rows["symbol"], symbol))
    times = ours["time"].cast(pa.int64()).to_numpy()
    values = [ours[name].to_numpy() for name in SCHEMAS[table].names[2:]]
    return series(table, [times, *values]), ours["reason"].to_numpy()
