"""The lake: collected market data as parquet files that pandas, polars and DuckDB read as they are.

    lake/<table>/venue=<venue>/day=<YYYY-MM-DD>/rows.parquet      tables: bars, settlements

Rows are only ever added: the first value seen for a key (symbol, time) stays, because decisions were made on it. A
day's file is replaced whole and atomically, so neither a reader nor a crash sees half of one. One process writes.
"""

import os
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from data.errors import CorruptData
from data.quality import Mask, bar_faults, settlement_faults, sound
from data.types import Bars, Instrument, InstrumentKey, Settlements

DAY_MS = 86_400_000
_TIME = pa.timestamp("ms", tz="UTC")
SCHEMAS = {
    "bars": pa.schema(
        [("symbol", pa.string()), ("time", _TIME)]
        + [(name, pa.float64()) for name in ("open", "high", "low", "close", "volume")]
    ),
    "settlements": pa.schema(
        [("symbol", pa.string()), ("time", _TIME), ("offset_ms", pa.int64()), ("rate", pa.float64())]
    ),
}
"""Columns of each table; `time` is a bar's open or the hour that a settlement is for."""


@dataclass(frozen=True)
class Appended:
    """What became of the rows handed to the lake."""

    new: int = 0
    known: int = 0
    conflicting: int = 0
    """Rows whose key was known with other values; the first values were kept."""
    rejected: int = 0
    """Rows that cannot be true (`data.quality`) and were left out."""

    def __add__(self, other: "Appended") -> "Appended":
        return Appended(
            self.new + other.new,
            self.known + other.known,
            self.conflicting + other.conflicting,
            self.rejected + other.rejected,
        )


class Lake:
    """Reads and appends. Keeps the files that it has read in memory until they change on disk."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._cache: dict[Path, tuple[int, pa.Table]] = {}

    def append_bars(self, venue: str, bars: Mapping[str, Bars]) -> Appended:
        """Add candles by symbol. The caller leaves out a candle that has not closed."""
        kept = {symbol: sound(bar_faults(rows)) for symbol, rows in bars.items()}
        return self._append("bars", venue, [(symbol, kept[symbol], vars(rows)) for symbol, rows in bars.items()])

    def append_settlements(self, venue: str, settlements: Mapping[str, Settlements]) -> Appended:
        """Add settled funding by symbol."""
        kept = {symbol: sound(settlement_faults(rows)) for symbol, rows in settlements.items()}
        return self._append(
            "settlements", venue, [(symbol, kept[symbol], vars(rows)) for symbol, rows in settlements.items()]
        )

    def bars(self, instruments: Iterable[Instrument], first_ms: int, last_ms: int) -> dict[InstrumentKey, Bars]:
        """Candles that open in first_ms..last_ms, by instrument; instruments without any are absent."""
        return {key: Bars(time, *columns) for key, time, columns in self._read("bars", instruments, first_ms, last_ms)}

    def settlements(
        self, instruments: Iterable[Instrument], first_ms: int, last_ms: int
    ) -> dict[InstrumentKey, Settlements]:
        """Settlements for hours in first_ms..last_ms, by instrument; instruments without any are absent."""
        rows = self._read("settlements", instruments, first_ms, last_ms)
        return {key: Settlements(time, offset, rate) for key, time, (offset, rate) in rows}

    def _read(
        self, table: str, instruments: Iterable[Instrument], first_ms: int, last_ms: int
    ) -> list[tuple[InstrumentKey, "np.ndarray", list["np.ndarray"]]]:
        by_venue: dict[str, list[str]] = {}
        for instrument in instruments:
            by_venue.setdefault(instrument.venue, []).append(instrument.symbol)
        found = []
        for venue, symbols in by_venue.items():
            days = range(first_ms // DAY_MS, last_ms // DAY_MS + 1)
            whole = pa.concat_tables([SCHEMAS[table].empty_table()] + [self._day(table, venue, day) for day in days])
            names = whole["symbol"].to_numpy(zero_copy_only=False)
            times = whole["time"].cast(pa.int64()).to_numpy()
            columns = [whole[name].to_numpy() for name in whole.column_names[2:]]
            within = (times >= first_ms) & (times <= last_ms)
            for symbol in symbols:
                rows = np.flatnonzero(within & (names == symbol))
                if len(rows):
                    found.append(((venue, symbol), times[rows], [column[rows] for column in columns]))
        return found

    def _append(self, table: str, venue: str, chunks: list[tuple[str, Mask, Mapping[str, NDArray[Any]]]]) -> Appended:
        """Add what is sound of each symbol's columns, whose order is that of the schema."""
        schema = SCHEMAS[table]
        rows = schema.empty_table()
        for symbol, kept, columns in chunks:
            values = [[symbol] * int(kept.sum()), *(column[kept] for column in columns.values())]
            rows = pa.concat_tables([rows, pa.table(values, names=schema.names).cast(schema)])
        days = rows["time"].cast(pa.int64()).to_numpy() // DAY_MS
        report = Appended(rejected=sum(int((~kept).sum()) for _, kept, _ in chunks))
        for day in np.unique(days).tolist():
            report += self._merge(table, venue, day, rows.filter(pa.array(days == day)))
        return report

    def _merge(self, table: str, venue: str, day: int, rows: pa.Table) -> Appended:
        stored = self._day(table, venue, day)
        values = {_key(row): row for row in stored.to_pylist()}
        fresh, known, conflicting = [], 0, 0
        for row in rows.to_pylist():
            first = values.setdefault(_key(row), row)
            if first is row:
                fresh.append(row)
            elif first == row:
                known += 1
            else:
                conflicting += 1
        if fresh:
            merged = pa.concat_tables([stored, pa.Table.from_pylist(fresh, schema=SCHEMAS[table])])
            self._replace(
                self._path(table, venue, day), merged.sort_by([("symbol", "ascending"), ("time", "ascending")])
            )
        return Appended(len(fresh), known, conflicting)

    def _day(self, table: str, venue: str, day: int) -> pa.Table:
        path = self._path(table, venue, day)
        try:
            changed = path.stat().st_mtime_ns
        except FileNotFoundError:
            return SCHEMAS[table].empty_table()
        if (cached := self._cache.get(path)) and cached[0] == changed:
            return cached[1]
        try:
            rows = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise CorruptData(
                f"{path} cannot be read as parquet ({error}): move it away and collect that day again"
            ) from error
        if not rows.schema.equals(SCHEMAS[table]):
            raise CorruptData(
                f"{path} has columns {rows.column_names} of another version: move it away and collect again"
            )
        if not _in_order(rows, day):
            raise CorruptData(
                f"{path} holds rows of another day, twice or out of order: move it away and collect that day again"
            )
        self._cache[path] = (changed, rows)
        return rows

    def _replace(self, path: Path, rows: pa.Table) -> None:
        """Write beside, flush to the device, rename over: all of the file or none of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{uuid.uuid4().hex}.tmp")
        try:
            with beside.open("wb") as file:
                pq.write_table(rows, file, compression="zstd", write_page_checksum=True)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
        self._cache[path] = (path.stat().st_mtime_ns, rows)

    def _path(self, table: str, venue: str, day: int) -> Path:
        date = datetime.fromtimestamp(day * DAY_MS / 1000, UTC).date().isoformat()
        return self._root / table / f"venue={venue}" / f"day={date}" / "rows.parquet"


def _in_order(rows: pa.Table, day: int) -> bool:
    """Whether all rows are of `day`, sorted by symbol and time, each once."""
    times, names = rows["time"].cast(pa.int64()).to_numpy(), rows["symbol"].to_numpy(zero_copy_only=False)
    later = (names[1:] > names[:-1]) | ((names[1:] == names[:-1]) & (times[1:] > times[:-1]))
    return bool(np.all(times // DAY_MS == day) and np.all(later))


def _key(row: Mapping[str, object]) -> tuple[object, object]:
    return row["symbol"], row["time"]
