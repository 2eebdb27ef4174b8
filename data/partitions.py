"""The lake's files: a month's rows in one, what arrived since in small ones, kept in memory until they change.

Used by the lake alone. Rows of a month are sorted by symbol and time and there once; small files are numbered in the
order in which they came.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from data.errors import CorruptData
from data.files import Files, Stamp
from data.one_ahead import one_ahead
from data.parquet import read_parquet, shown, write_parquet
from data.tables import SCHEMAS, Series, between, by_month, from_arrow, month_of, month_path, rows_of, to_arrow, union

COMPACT_ROWS = 250_000
"""So many rows of one table and venue are moved to their months without being told."""
COMPACT_FILES = 48
"""And so many small files."""
SHORT_MONTHS = 4
"""So many months of a table and venue stay in memory when they are read, more do not."""
KEPT_MONTHS = 96
"""Files of a month that are kept in memory."""

Rows = dict[str, Series]
"""By symbol, in order of time."""


class Partitions:
    """Not thread-safe. Several processes may read while one writes."""

    def __init__(self, files: Files) -> None:
        """Nothing is read or made yet."""
        self._files = files
        self._months: OrderedDict[str, tuple[Stamp, Rows]] = OrderedDict()
        self._incoming: dict[str, dict[str, tuple[Stamp, Rows]]] = {}
        self._number = 0

    def parts(self, table: str, venue: str, first_ms: int, last_ms: int, *, kept: bool | None = None) -> list[Rows]:
        """Every file that can hold rows of first_ms..last_ms; a row of an earlier one goes before a later one's. Months
        that are not `kept` do not stay in memory; None: more than SHORT_MONTHS do not."""
        # What is incoming is looked up first: rows that move meanwhile are then met twice and not missed.
        incoming = self._waiting(table, venue)
        months = self._months_of(table, venue, first_ms, last_ms)
        kept = len(months) <= SHORT_MONTHS if kept is None else kept
        return [*(self.month(table, venue, month, kept=kept) for month in months), *incoming]

    def scan(self, table: str, venue: str, first_ms: int, last_ms: int, columns: Sequence[str]) -> Iterator[Rows]:
        """`time` and `columns` of the rows of first_ms..last_ms, in parts; of a row that is there twice the later
        part's counts. Of more than SHORT_MONTHS, one file is in memory at a time, and the next is read meanwhile."""
        places = [0, *(SCHEMAS[table].names.index(name) - 1 for name in columns)]
        incoming = self._waiting(table, venue)
        symbols = {symbol for part in incoming for symbol in part}
        yield _some({symbol: union(table, incoming, symbol) for symbol in symbols}, places, first_ms, last_ms)
        months = self._months_of(table, venue, first_ms, last_ms)
        if len(months) <= SHORT_MONTHS:
            for month in months:
                yield _some(self.month(table, venue, month), places, first_ms, last_ms)
        else:
            wanted = ["symbol", "time", *columns]
            for part in one_ahead(lambda month: self._load_month(table, venue, month, wanted), months):
                yield _some(part, range(len(places)), first_ms, last_ms)

    def venues(self, table: str) -> list[str]:
        """The venues that have rows in `table`."""
        published = [name.removeprefix("venue=") for name in self._files.folders(table)]
        return sorted({*published, *self.waiting_venues(table)})

    def waiting_venues(self, table: str) -> list[str]:
        """The venues of which something may have to be moved to its month."""
        return self._files.folders(f".incoming/{table}")

    def month(self, table: str, venue: str, month: str, *, kept: bool = True) -> Rows:
        """The rows of a month."""
        path = month_path(table, venue, month)
        stamp = self._files.stamp(path)
        if stamp is None:
            return {}
        if (cached := self._months.get(path)) and cached[0] == stamp:
            self._months.move_to_end(path)
            return cached[1]
        rows = self._load(table, path, month)
        if kept:
            self._keep(path, stamp, rows)
        return rows

    def publish(self, table: str, venue: str, month: str, rows: Rows) -> None:
        """Replace the rows of a month."""
        path = month_path(table, venue, month)
        write_parquet(self._files, path, to_arrow(table, rows))
        self._keep(path, self._files.stamp(path), rows)

    def add(self, table: str, venue: str, rows: Rows) -> None:
        """Put rows that are nowhere yet into a small file; they are on disk when the call returns."""
        folder = _incoming(table, venue)
        waiting = self._incoming.setdefault(folder, {})
        self._number = max([self._number, *(int(PurePosixPath(name).stem) for name in waiting)]) + 1
        path = f"{folder}/{self._number:012d}.parquet"
        write_parquet(self._files, path, to_arrow(table, rows))
        waiting[PurePosixPath(path).name] = self._files.stamp(path), rows
        count = sum(len(columns[0]) for _, part in waiting.values() for columns in part.values())
        if len(waiting) >= COMPACT_FILES or count >= COMPACT_ROWS:
            self.compact(table, venue)

    def compact(self, table: str, venue: str) -> None:
        """Move the rows of all small files into their months. A crash in between leaves rows in both, which is seen
        and mended by the next call."""
        waiting = self._waiting(table, venue)
        months: dict[str, Rows] = {}
        for symbol in sorted({symbol for part in waiting for symbol in part}):
            rows = union(table, waiting, symbol)
            for month, chosen in by_month(rows[0]):
                months.setdefault(month, {})[symbol] = rows_of(rows, chosen)
        for month, fresh in months.items():
            stored = self.month(table, venue, month)
            self.publish(table, venue, month, stored | {s: union(table, [stored, fresh], s) for s in fresh})
        folder = _incoming(table, venue)
        for name in self._incoming.pop(folder, {}):
            self._files.delete(f"{folder}/{name}")

    def _months_of(self, table: str, venue: str, first_ms: int, last_ms: int) -> list[str]:
        first, last = month_of(first_ms), month_of(last_ms)
        return [month for month in self._published(table, venue) if first <= month <= last]

    def _published(self, table: str, venue: str) -> list[str]:
        folders = self._files.folders(f"{table}/venue={venue}")
        if strange := [name for name in folders if not name.startswith("month=")]:
            raise CorruptData(
                f"{shown(self._files, f'{table}/venue={venue}/{strange[0]}')} is not of this version's lake: "
                "move it away, delete .reach there, and collect again"
            )
        return [name.removeprefix("month=") for name in folders]

    def _keep(self, path: str, stamp: Stamp, rows: Rows) -> None:
        self._months[path] = stamp, rows
        self._months.move_to_end(path)
        while len(self._months) > KEPT_MONTHS:
            self._months.popitem(last=False)

    def _waiting(self, table: str, venue: str) -> list[Rows]:
        folder = _incoming(table, venue)
        while True:
            there, known = self._files.listing(folder), self._incoming.get(folder, {})
            held = {}
            try:
                for name in (name for name in there if not name.startswith(".")):
                    fresh = name not in known or known[name][0] != there[name]
                    held[name] = (there[name], self._load(table, f"{folder}/{name}")) if fresh else known[name]
            except FileNotFoundError:
                continue  # it was moved to its month between the listing and the reading
            self._incoming[folder] = held
            return [rows for _, rows in held.values()]

    def _load_month(self, table: str, venue: str, month: str, columns: list[str]) -> Rows:
        path = month_path(table, venue, month)
        return {} if self._files.stamp(path) is None else self._load(table, path, month, columns)

    def _load(self, table: str, path: str, month: str | None = None, columns: list[str] | None = None) -> Rows:
        rows = from_arrow(read_parquet(self._files, path, SCHEMAS[table], columns))
        if rows is None or (rows and month and {month_of(end) for end in _ends(rows)} != {month}):
            raise CorruptData(
                f"{shown(self._files, path)} holds rows of another month, twice or out of order: "
                "move it away, delete .reach there, and collect again"
            )
        return rows


def _some(rows: Rows, places: Sequence[int], first_ms: int, last_ms: int) -> Rows:
    """Columns of the rows in first_ms..last_ms; most series lie inside as a whole."""
    some = {symbol: tuple(columns[place] for place in places) for symbol, columns in rows.items()}
    cut = {s for s, columns in some.items() if columns[0][0] < first_ms or last_ms < columns[0][-1]}
    return some | {symbol: between(some[symbol], first_ms, last_ms) for symbol in cut}


def _ends(rows: Rows) -> tuple[int, int]:
    """The first and the last time of all rows."""
    return min(int(r[0][0]) for r in rows.values()), max(int(r[0][-1]) for r in rows.values())


def _incoming(table: str, venue: str) -> str:
    return f".incoming/{table}/{venue}"
