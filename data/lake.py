"""The lake: collected market data as parquet files that pandas, polars and DuckDB read as they are.

    lake/<table>/venue=<venue>/month=<YYYY-MM>/rows.parquet       every row once, sorted by symbol and time
    lake/quarantine/<table>/venue=<venue>/month=.../rows.parquet  rows that were not believed, each with its reason
    lake/.incoming/<table>/<venue>/<number>.parquet               rows that `compact` has not moved to a month yet
    lake/.reach/<venue>.json                                      how far back the venue was asked, by table and symbol

Rows are only ever added: the first value seen for a key (symbol, time) stays, because decisions were made on it. New
rows are on disk when `append` returns, in a small file of their own; `compact` moves them into their month, whose file
is replaced whole. So neither a reader nor a crash sees half a file or a row twice. One process writes, any number read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data.errors import CorruptData
from data.files import files_at
from data.parquet import shown
from data.partitions import Partitions, Rows
from data.profile import FeeTier
from data.quality import Mask, bar_faults, settlement_faults
from data.quarantine import DIFFERS, Quarantine
from data.rules import instrument_of, rules_row
from data.tables import SCHEMAS, Series, between, by_month, empty, merge, rows_of, series, union
from data.types import Bars, Instrument, InstrumentKey, Settlements

ALWAYS = 0, 253_402_300_799_999
"""From 1970 to the year 9999, ms."""


@dataclass(frozen=True)
class Appended:
    """What became of the rows handed to the lake."""

    new: int = 0
    known: int = 0
    conflicting: int = 0
    """Rows whose key was known with other values: the first values were kept, these are in quarantine."""
    rejected: int = 0
    """Rows that cannot be true (`data.quality`), or were set aside before: they are in quarantine."""

    def __add__(self, other: "Appended") -> "Appended":
        return Appended(
            self.new + other.new,
            self.known + other.known,
            self.conflicting + other.conflicting,
            self.rejected + other.rejected,
        )


class Lake:
    """Reads and appends. Keeps files that it has read in memory until they change. Not thread-safe."""

    def __init__(self, root: Path | str) -> None:
        """A folder, or a URL that fsspec opens. Nothing is read or made yet; raises ConfigurationError for a URL that
        cannot be opened."""
        self._files = files_at(root)
        self._partitions = Partitions(self._files)
        self._quarantine = Quarantine(self._files)

    @property
    def shown(self) -> str:
        """Where it lies, for people."""
        return self._files.shown

    def close(self) -> None:
        """Let another process write. Reading goes on."""
        self._files.release()

    def append_bars(self, venue: str, bars: Mapping[str, Bars], table: str = "bars") -> Appended:
        """Add candles by symbol, to `bars`, `marks` or `indices`. The caller leaves out one that has not closed."""
        faults = {symbol: bar_faults(rows) for symbol, rows in bars.items()}
        return self._append(table, venue, {symbol: series(table, vars(rows)) for symbol, rows in bars.items()}, faults)

    def append_settlements(self, venue: str, settlements: Mapping[str, Settlements]) -> Appended:
        """Add settled funding by symbol."""
        faults = {symbol: settlement_faults(rows) for symbol, rows in settlements.items()}
        rows = {symbol: series("settlements", vars(rows)) for symbol, rows in settlements.items()}
        return self._append("settlements", venue, rows, faults)

    def append_snapshots(self, venue: str, snapshots: Mapping[str, Series]) -> Appended:
        """Add what the market looked like, by symbol; a figure that the venue does not tell is NaN."""
        return self._append("snapshots", venue, snapshots, {})

    def append_rules(self, venue: str, instruments: Sequence[Instrument], fees: FeeTier, time_ms: int) -> None:
        """Add the market rules of those instruments whose rules, or fees, are not those that were stored last."""
        fresh = {one.symbol: rules_row(one, fees, time_ms) for one in instruments}
        known = self._newest_rows("rules", venue)
        changed = {
            symbol: rows
            for symbol, rows in fresh.items()
            if symbol not in known or [c[0] for c in rows[1:]] != [c[-1] for c in known[symbol][1:]]
        }
        self._append("rules", venue, changed, {})

    def instruments(self, venues: Iterable[str] | None = None) -> tuple[Instrument, ...]:
        """Every instrument of `venues` (None: all) whose rules are stored, by the newest of them."""
        named = self.venues("rules") if venues is None else venues
        return tuple(
            instrument_of(venue, symbol, rows)
            for venue in named
            for symbol, rows in sorted(self._newest_rows("rules", venue).items())
        )

    def newest(self, table: str, venue: str) -> dict[str, int]:
        """The time of the newest row of each symbol, ms."""
        return {symbol: int(rows[0][-1]) for symbol, rows in self._newest_rows(table, venue).items()}

    def bars(
        self, instruments: Iterable[Instrument], first_ms: int, last_ms: int, table: str = "bars"
    ) -> dict[InstrumentKey, Bars]:
        """Candles that open in first_ms..last_ms, by instrument; instruments without any are absent."""
        rows = self._read(table, instruments, first_ms, last_ms)
        return {key: Bars(*columns) for key, columns in rows if len(columns[0])}

    def settlements(
        self, instruments: Iterable[Instrument], first_ms: int, last_ms: int
    ) -> dict[InstrumentKey, Settlements]:
        """Settlements for hours in first_ms..last_ms, by instrument; instruments without any are absent."""
        return {key: rows for key, rows in self.each_settled(instruments, first_ms, last_ms) if len(rows)}

    def each_settled(
        self, instruments: Iterable[Instrument], first_ms: int, last_ms: int
    ) -> Iterator[tuple[InstrumentKey, Settlements]]:
        """As `settlements`, one instrument after the other and venue by venue, those without any too: years of all need
        not be in memory at the same time."""
        for key, rows in self._read("settlements", instruments, first_ms, last_ms):
            yield key, Settlements(*rows)

    def rows(self, table: str, venue: str, first_ms: int, last_ms: int) -> Rows:
        """All rows of a venue with times in first_ms..last_ms, by symbol. Nothing of it stays in memory."""
        parts = self._partitions.parts(table, venue, first_ms, last_ms, kept=False)
        symbols = sorted({symbol for part in parts for symbol in part})
        found = {symbol: between(union(table, parts, symbol), first_ms, last_ms) for symbol in symbols}
        return {symbol: rows for symbol, rows in found.items() if len(rows[0])}

    def scan(self, table: str, venue: str, first_ms: int, last_ms: int, columns: Sequence[str]) -> Iterator[Rows]:
        """`time` and `columns` of a venue's rows with times in first_ms..last_ms, by symbol and in parts: where two
        parts have the same row, the later one's counts."""
        return self._partitions.scan(table, venue, first_ms, last_ms, columns)

    def venues(self, table: str) -> list[str]:
        """The venues that have rows in `table`."""
        return self._partitions.venues(table)

    def reach(self, table: str, venue: str) -> dict[str, int]:
        """Since when (ms) the venue has been asked for every row up to the newest stored, by symbol."""
        return self._reach(venue).get(table, {})

    def reached(self, table: str, venue: str, since: Mapping[str, int]) -> None:
        """Remember that all rows from `since` on were asked for and stored, by symbol."""
        told = self._reach(venue)
        before = told.get(table, {})
        after = before | {symbol: min(ms, before.get(symbol, ms)) for symbol, ms in since.items()}
        if after != before:
            self._files.own()
            self._files.write(_reach_file(venue), json.dumps(told | {table: after}, sort_keys=True).encode())

    def compact(self) -> None:
        """Move all incoming rows into their months."""
        self._files.own()
        for table in SCHEMAS:
            for venue in self._partitions.waiting_venues(table):
                self._partitions.compact(table, venue)

    def digest(self) -> str:
        """A hash of every row outside quarantine: equal for equal rows, however they came."""
        whole = sha256()
        for table in SCHEMAS:
            for venue in self.venues(table):
                for symbol, rows in self.rows(table, venue, *ALWAYS).items():
                    whole.update(f"{table} {venue} {symbol} {len(rows[0])}".encode())
                    for column in rows:
                        whole.update(column.tobytes())
        return whole.hexdigest()

    def quarantined(self, table: str, venue: str) -> pa.Table:
        """The rows of a venue that were not believed: the columns of `table` and `reason`."""
        return self._quarantine.rows(table, venue)

    def told_later(self, table: str, venue: str) -> Rows:
        """The rows of a venue that came with other values than those stored for their time."""
        return self._quarantine.told_later(table, venue)

    def set_aside(self, table: str, venue: str, symbol: str, times: NDArray[np.int64], reason: str) -> int:
        """Move stored rows into quarantine for `reason`; gives how many there were. They do not come back: the same
        row is rejected when it is collected again."""
        self._files.own()
        self._partitions.compact(table, venue)
        moved = 0
        for month, chosen in by_month(times):
            rows = self._partitions.month(table, venue, month)
            stored = rows.get(symbol, empty(table))
            bad = np.isin(stored[0], times[chosen])
            if bad.any():
                self._quarantine.add(table, venue, symbol, rows_of(stored, bad), np.full(bad.sum(), reason, object))
                self._partitions.publish(table, venue, month, rows | {symbol: rows_of(stored, ~bad)})
                moved += int(bad.sum())
        return moved

    def _read(
        self, table: str, instruments: Iterable[Instrument], first_ms: int, last_ms: int
    ) -> Iterator[tuple[InstrumentKey, Series]]:
        by_venue: dict[str, list[str]] = {}
        for instrument in instruments:
            by_venue.setdefault(instrument.venue, []).append(instrument.symbol)
        for venue, symbols in by_venue.items():
            parts = self._partitions.parts(table, venue, first_ms, last_ms)
            for symbol in symbols:
                yield (venue, symbol), between(union(table, parts, symbol), first_ms, last_ms)

    def _newest_rows(self, table: str, venue: str) -> Rows:
        """Each symbol's rows of the last file that has any."""
        newest: Rows = {}
        for part in self._partitions.parts(table, venue, *ALWAYS, kept=False):
            for symbol, rows in part.items():
                if symbol not in newest or rows[0][-1] > newest[symbol][0][-1]:
                    newest[symbol] = rows
        return newest

    def _append(
        self, table: str, venue: str, rows: Mapping[str, Series], faults: Mapping[str, Mapping[str, Mask]]
    ) -> Appended:
        given = {symbol: columns for symbol, columns in rows.items() if len(columns[0])}
        if not given:
            return Appended()
        self._files.own()
        report, fresh = Appended(), {}
        times = np.concatenate([columns[0] for columns in given.values()])
        parts = self._partitions.parts(table, venue, int(times.min()), int(times.max()), kept=True)
        for symbol, columns in given.items():
            reasons = self._quarantine.recognised(table, venue, symbol, columns)
            for what, faulty in faults.get(symbol, {}).items():
                reasons[faulty & (reasons == "")] = what
            bad = reasons != ""
            merged = merge(union(table, parts, symbol), rows_of(columns, ~bad))
            conflicts = merged.conflicting
            self._quarantine.add(table, venue, symbol, rows_of(columns, bad), reasons[bad])
            self._quarantine.add(table, venue, symbol, conflicts, np.full(len(conflicts[0]), DIFFERS, object))
            report += Appended(len(merged.fresh[0]), merged.known, len(conflicts[0]), int(bad.sum()))
            if len(merged.fresh[0]):
                fresh[symbol] = merged.fresh
        if fresh:
            self._partitions.add(table, venue, fresh)
        return report

    def _reach(self, venue: str) -> dict[str, dict[str, int]]:
        try:
            told = json.loads(bytes(self._files.read(_reach_file(venue))))
            return {str(table): {str(s): int(ms) for s, ms in since.items()} for table, since in told.items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            file = shown(self._files, _reach_file(venue))
            raise CorruptData(f"{file} cannot be read: delete it, and the venue is asked again") from error


def _reach_file(venue: str) -> str:
    return f".reach/{venue}.json"
