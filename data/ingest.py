"""The collector: brings the lake up to a tick, venues in parallel, and asks for nothing that the lake has already."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from data.checks import check_market
from data.errors import VenueError, VenueRefused, VenueUnreachable
from data.exchange import Venue
from data.lake import Appended, Lake
from data.profile import PriceKind
from data.snapshots import snapshot_rows
from data.stream import QuoteStream
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements

PRICE_TABLES: Mapping[str, PriceKind] = {"bars": "last", "marks": "mark", "indices": "index"}
"""Tables of candles and the price that each is of."""
DAY_MS = 24 * HOUR_MS
EXAMINED_MS = 14 * DAY_MS
"""How much history every day's look at it takes in."""
STORE_ROWS = 20_000
STORE_S = 2.0
"""What has arrived is stored after so many rows or so much time: a kill loses no more than that."""


@dataclass(frozen=True)
class Progress:
    """How far a venue is."""

    venue: str
    done: int
    """Series that are up to date."""
    total: int
    rows: int
    """Rows that have arrived."""


@dataclass(frozen=True)
class Collected:
    """What a collection brought."""

    rows: Appended = field(default_factory=Appended)
    troubles: tuple[str, ...] = ()
    """What is wrong with single instruments, for people; the others were collected."""
    failures: tuple[VenueError, ...] = ()
    """What stopped a venue; the others were collected, and what had arrived of it is stored."""

    def __add__(self, other: "Collected") -> "Collected":
        troubles = tuple(dict.fromkeys(self.troubles + other.troubles))
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


Rows = Bars | Settlements
Watch = Callable[[Progress], None]


class Collector:
    """Keeps the lake complete for a fixed set of instruments. One event loop; the lake's only writer."""

    def __init__(
        self,
        venues: Mapping[str, Venue],
        lake: Lake,
        instruments: Sequence[Instrument],
        history_hours: int,
        *,
        tables: Sequence[str] = ("bars",),
        snapshots: bool = False,
        streams: Mapping[str, QuoteStream] | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`tables` of candles are kept beside the settlements; `snapshots` of the market as it is, if wanted, with the
        best prices of the `streams` by venue."""
        self._lake = lake
        self._instruments = tuple(instruments)
        self._look_back_ms = history_hours * HOUR_MS
        self._examined_on: int | None = None
        self._parts = {
            name: VenueCollector(
                venue,
                lake,
                [instrument for instrument in instruments if instrument.venue == name],
                history_hours * HOUR_MS,
                tables=[table for table in tables if venue.profile.page_of(PRICE_TABLES[table]) is not None],
                snapshots=snapshots,
                stream=(streams or {}).get(name),
                watch=watch or (lambda progress: None),
            )
            for name, venue in venues.items()
        }

    async def collect(self, tick: int) -> Collected:
        """Store every candle that closed and every settlement that was stamped by now, back to `history_hours` before
        `tick` where the lake has none. Raises VenueError where a venue cannot be used, or has not reached `tick` by its
        own clock, once the other venues are collected."""
        collected = await self.collect_all(tick)
        for failure in collected.failures:
            raise failure
        return collected

    async def collect_all(self, tick: int) -> Collected:
        """As `collect`, but gives what stopped a venue instead of raising it."""
        parts = await asyncio.gather(*(part.collect(tick) for part in self._parts.values()))
        collected = sum(parts, Collected())
        if tick // DAY_MS != self._examined_on:
            self._examined_on = tick // DAY_MS
            collected += self._examine(tick)
        return collected

    def _examine(self, tick: int) -> Collected:
        """Once a day, look the history over (`data.checks`), and set aside what cannot be trusted."""
        instruments, first = self._instruments, tick - self._look_back_ms
        self._look_back_ms = min(self._look_back_ms, EXAMINED_MS)  # the older rows have been looked at now
        bars = self._lake.bars(instruments, first, tick)
        findings = check_market(instruments, bars, self._lake.settlements(instruments, first, tick))
        untrusted = [finding for finding in findings if finding.defect.quarantined]
        for one in untrusted:
            self._lake.set_aside(one.table, one.venue, one.symbol, one.times, f"{one.defect}: {one.detail}")
        return Collected(troubles=tuple(f"set aside, {one.rows} rows of {one}" for one in untrusted))

    async def fill(self, gaps: Iterable[tuple[str, Instrument, int, int]]) -> Collected:
        """Ask again for what is missing: (table, instrument, first, last time missing)."""
        by_venue: dict[str, list[Series]] = {name: [] for name in self._parts}
        for table, instrument, first, last in gaps:
            if instrument.venue in by_venue:
                by_venue[instrument.venue].append(Series(table, instrument, first, last + HOUR_MS, to_the_newest=False))
        parts = await asyncio.gather(*(self._parts[name].read(series) for name, series in by_venue.items()))
        return sum(parts, Collected())


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


class VenueCollector:
    """One venue's part of the collection."""

    def __init__(
        self,
        venue: Venue,
        lake: Lake,
        instruments: Sequence[Instrument],
        history_ms: int,
        *,
        tables: Sequence[str],
        snapshots: bool,
        stream: QuoteStream | None,
        watch: Watch,
    ) -> None:
        """Nothing is read yet."""
        self._venue = venue
        self._lake = lake
        self._instruments = tuple(instruments)
        self._history_ms = history_ms
        self._tables = tuple(tables)
        self._snapshots = snapshots
        self._stream = stream
        self._watch = watch
        self._ruled_on = -1
        """The day on which the market rules were last looked at."""
        self._begin: dict[tuple[str, str], int] = {}
        """(table, symbol) -> the first hour that the lake does not have."""
        self._reach: dict[tuple[str, str], int] = {}
        """(table, symbol) -> since when the venue was asked for everything."""
        self._announced: dict[InstrumentKey, int] = {}
        """When the venue last said that the next settlement is."""
        self._behind: set[InstrumentKey] = set()
        """Instruments that lack a settlement which the venue must have made."""

    async def collect(self, tick: int) -> Collected:
        """Bring this venue's rows up to `tick`."""
        try:
            now = await self._venue.time_ms()
            if now < tick:
                raise VenueUnreachable(
                    f"{self._venue.name} has not reached {tick} ms yet, by its clock it is {now}: "
                    "set this machine's clock"
                )
            if tick // DAY_MS != self._ruled_on:
                self._lake.append_rules(self._venue.name, self._instruments, self._venue.fees, tick)
                self._ruled_on = tick // DAY_MS
            announced = await self._venue.next_settlements()
            collected = await self.read(self._wanted(tick, announced))
            self._hear(announced)
            return collected if not self._snapshots else collected + await self._look(tick)
        except VenueError as failure:
            return Collected(failures=(failure,))

    async def read(self, wanted: Sequence[Series]) -> Collected:
        """Ask for those series and store them as they arrive. What is refused of one stops no other; what stops the
        venue ends the asking."""
        store = Store(self._lake, self._venue.name, self._stored)
        troubles: list[str] = []
        done = rows = 0

        async def one(series: Series) -> None:
            nonlocal done, rows
            try:
                answer = await self._ask(series)
            except VenueRefused as refusal:
                troubles.append(str(refusal))
            else:
                store.add(series, answer)
                rows += len(answer)
            done += 1
            self._watch(Progress(self._venue.name, done, len(wanted), rows))

        try:
            failures = await _until_one_fails([one(series) for series in wanted])
        finally:
            store.flush()  # also what arrived before the venue failed, or before Ctrl-C
        return Collected(store.report, tuple(dict.fromkeys(troubles)), failures)

    def _wanted(self, tick: int, announced: Mapping[str, int]) -> list[Series]:
        first = tick - self._history_ms
        wanted = []
        for table in (*self._tables, "settlements"):
            if not any(known == table for known, _ in self._begin):
                self._resume(table)
            for instrument in self._instruments:
                key = table, instrument.symbol
                begin, reach = self._begin.get(key), self._reach.get(key)
                if begin is None or reach is None:
                    wanted.append(Series(table, instrument, first, tick, whole=True))
                    continue
                if reach > first:
                    wanted.append(Series(table, instrument, first, reach, to_the_newest=False, whole=True))
                if table != "settlements" or self._due(instrument, tick, announced):
                    wanted.append(Series(table, instrument, begin, tick))
        return wanted

    def _resume(self, table: str) -> None:
        newest, reach = self._lake.newest(table, self._venue.name), self._lake.reach(table, self._venue.name)
        for symbol, ms in newest.items():
            self._begin[table, symbol] = ms + HOUR_MS
        for symbol, ms in reach.items():
            self._reach[table, symbol] = ms

    def _due(self, instrument: Instrument, tick: int, announced: Mapping[str, int]) -> bool:
        """Whether a settlement may be new: the announced one is past, the announcement changed, or one is missing."""
        known = self._announced.get(instrument.key)
        return (
            known is None
            or known <= tick
            or known != announced.get(instrument.symbol)
            or instrument.key in self._behind
        )

    def _hear(self, announced: Mapping[str, int]) -> None:
        """Note what the venue announces, and who lacks a settlement by that."""
        for instrument in self._instruments:
            following = announced.get(instrument.symbol)
            begin = self._begin.get(("settlements", instrument.symbol))
            if following is not None:
                self._announced[instrument.key] = following
                late = begin is not None and following - (begin - HOUR_MS) > instrument.interval_hours * HOUR_MS
                (self._behind.add if late else self._behind.discard)(instrument.key)

    async def _ask(self, series: Series) -> Rows:
        symbol = series.instrument.symbol
        if series.table != "settlements":
            return await self._venue.candles(symbol, series.since, series.until, PRICE_TABLES[series.table])
        half = HOUR_MS // 2  # a stamp may be early or late
        return await self._venue.settlements(
            symbol, series.since - half, None if series.to_the_newest else series.until - half
        )

    def _stored(self, series: Series, rows: Rows) -> None:
        key = series.table, series.instrument.symbol
        times = rows.time if isinstance(rows, Settlements) else rows.open_time
        if len(times):
            self._begin[key] = max(self._begin.get(key, 0), int(times[-1]) + HOUR_MS)
        if series.whole:
            self._reach[key] = min(series.since, self._reach.get(key, series.since))

    async def _look(self, tick: int) -> Collected:
        """Store what the market looks like now."""
        symbols = [instrument.symbol for instrument in self._instruments]
        try:
            rows = await snapshot_rows(self._venue, symbols, tick, self._stream)
        except VenueRefused as refusal:
            return Collected(troubles=(str(refusal),))
        troubles = () if self._stream is None else self._stream.troubles
        return Collected(self._lake.append_snapshots(self._venue.name, rows), troubles)


async def _until_one_fails(reads: Sequence[Coroutine[Any, Any, None]]) -> tuple[VenueError, ...]:
    """Run all of them; the first that fails ends the others. Gives its failure."""
    failed: list[VenueError] = []
    try:
        async with asyncio.TaskGroup() as group:
            for read in reads:
                group.create_task(read)
    except* VenueError as failures:
        failed += [error for error in failures.exceptions if isinstance(error, VenueError)]
    return tuple(failed[:1])
