"""What is asked of venues, how it gets into the lake, and what is told of it: the nouns of the collector."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from data.errors import VenueError
from data.lake import Appended, Lake
from data.types import Bars, Instrument, Settlements

STORE_ROWS = 20_000
STORE_S = 2.0
"""Series that have arrived are stored after so many rows or so much time."""

Rows = Bars | Settlements


@dataclass(frozen=True)
class Progress:
    """How far a venue is."""

    venue: str
    done: int
    """Series that are up to date."""
    total: int
    rows: int
    """Rows that have arrived."""


Watch = Callable[[Progress], None]
"""Told whenever a series is up to date."""


@dataclass(frozen=True)
class Collected:
    """What a collection brought."""

    rows: Appended = field(default_factory=Appended)
    troubles: tuple[str, ...] = ()
    """What is wrong with single instruments, for people; the others were collected."""
    failures: tuple[VenueError, ...] = ()
    """What stopped a venue; the others were collected, and what had arrived of it is stored."""

    def __add__(self, other: "Collected") -> "Collected":
        troubles = each_once(self.troubles + other.troubles)
        return Collected(self.rows + other.rows, troubles, self.failures + other.failures)


@dataclass(frozen=True)
class Series:
    """Rows of one instrument to ask for."""

    table: str
    instrument: Instrument
    since: int
    until: int
    """Candles open before it; settlements are for hours before it, or to the newest."""
    to_the_newest: bool = True
    whole: bool = False
    """Whether nothing of the history that is wanted lies before it."""


class Store:
    """Puts what arrives into the lake, many series at a time."""

    def __init__(self, lake: Lake, venue: str, stored: Callable[[Series, Rows], None]) -> None:
        """`stored` hears of each series that is in the lake."""
        self._lake = lake
        self._venue = venue
        self._stored = stored
        self._held: dict[tuple[str, str], tuple[Series, Rows]] = {}
        self._since = time.monotonic()
        self.report = Appended()

    def add(self, series: Series, rows: Rows) -> None:
        """Store it soon."""
        key = series.table, series.instrument.symbol
        if key in self._held:
            self.flush()
        self._held[key] = series, rows
        full = sum(len(rows) for _, rows in self._held.values()) >= STORE_ROWS
        if full or time.monotonic() - self._since >= STORE_S:
            self.flush()

    def flush(self) -> None:
        """Store all of it now."""
        held, self._held = self._held, {}
        for table in sorted({table for table, _ in held}):
            mine = {symbol: told for (name, symbol), told in held.items() if name == table}
            bars = {symbol: rows for symbol, (_, rows) in mine.items() if isinstance(rows, Bars)}
            settled = {symbol: rows for symbol, (_, rows) in mine.items() if isinstance(rows, Settlements)}
            self.report += self._lake.append_bars(self._venue, bars, table) if bars else Appended()
            self.report += self._lake.append_settlements(self._venue, settled) if settled else Appended()
            whole = {symbol: series.since for symbol, (series, _) in mine.items() if series.whole}
            self._lake.reached(table, self._venue, whole)
            for series, rows in mine.values():
                self._stored(series, rows)
        self._since = time.monotonic()


def each_once(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts in their order, without repetitions."""
    return tuple(dict.fromkeys(texts))
