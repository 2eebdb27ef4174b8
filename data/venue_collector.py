"""One venue's part of the collector: what the lake lacks of it is asked for, and stored as it arrives."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from data.collection import Collected, Progress, Rows, Series, Store, Watch, each_once
from data.errors import VenueError, VenueRefused, VenueUnreachable
from data.exchange import Venue
from data.lake import Lake
from data.profile import PriceKind
from data.snapshots import snapshot_rows
from data.stream import QuoteStream
from data.types import HOUR_MS, Instrument, InstrumentKey, Settlements

PRICE_TABLES: Mapping[str, PriceKind] = {"bars": "last", "marks": "mark", "indices": "index"}
"""Tables of candles and the price that each is of."""
DAY_MS = 24 * HOUR_MS
QUIET_MS = 3 * DAY_MS
"""A series that has been silent for longer is not asked for its silence again; `bot data gaps --fix` does that."""
SERIES_AT_ONCE = 8
"""So many are asked for side by side, so that some are whole, and stored, while others wait."""
FAILURES_IN_A_ROW = 5
"""So many series that fail one after the other are a venue that is down."""


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
                mine = {instrument.symbol for instrument in self._instruments}
                listed = [instrument for instrument in await self._venue.instruments() if instrument.symbol in mine]
                self._lake.append_rules(self._venue.name, listed, self._venue.fees, tick)
                self._ruled_on = tick // DAY_MS
            announced = await self._venue.next_settlements()
            collected = await self.read(self._wanted(tick, announced))
            self._hear(announced, tick)
            return collected if not self._snapshots else collected + await self._look(tick)
        except VenueError as failure:
            return Collected(failures=(failure,))

    async def read(self, wanted: Sequence[Series]) -> Collected:
        """Ask for those series and store them as they arrive; ask once more for those that failed, while any comes.
        What is refused of one stops no other; a venue that fails time after time is asked no more."""
        store = Store(self._lake, self._venue.name, self._stored)
        troubles: list[str] = []
        failures: list[VenueError] = []
        done = rows = in_a_row = 0
        left = list(wanted)
        at_once = asyncio.Semaphore(SERIES_AT_ONCE)

        async def one(series: Series) -> None:
            nonlocal done, rows, in_a_row
            try:
                async with at_once:
                    answer = await self._ask(series)
            except VenueRefused as refusal:
                troubles.append(str(refusal))
            except VenueUnreachable as failure:
                in_a_row += 1
                failures.append(failure)
                missed.append(series)
                if in_a_row == FAILURES_IN_A_ROW:
                    raise
                return
            else:
                in_a_row = 0
                store.add(series, answer)
                rows += len(answer)
            done += 1
            self._watch(Progress(self._venue.name, done, len(wanted), rows))

        stopped: tuple[VenueError, ...] = ()
        try:
            while left and not stopped:
                missed: list[Series] = []
                stopped = await _until_one_fails([one(series) for series in left])
                if len(missed) == len(left):
                    stopped = tuple(failures[-1:])
                left = missed
        finally:
            store.flush()  # also what arrived before the venue failed, or before Ctrl-C
        return Collected(store.report, each_once(troubles), stopped)

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

    def _hear(self, announced: Mapping[str, int], tick: int) -> None:
        """Note what the venue announces, and who lacks a settlement that was announced, or that its interval makes."""
        for instrument in self._instruments:
            key, following = instrument.key, announced.get(instrument.symbol)
            begin = self._begin.get(("settlements", instrument.symbol))
            if following is not None:
                due = self._announced.get(key, following)
                missed = begin is not None and (
                    begin <= due <= tick or following - (begin - HOUR_MS) > instrument.interval_hours * HOUR_MS
                )
                (self._behind.add if missed else self._behind.discard)(key)
                if not missed:
                    self._announced[key] = following

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
        newest = int(times[-1]) + HOUR_MS if len(times) else 0
        # Where nothing came for long (delisted, or none at all), only the last days are asked for again.
        begin = max(newest, series.until - QUIET_MS if series.to_the_newest else 0)
        self._begin[key] = max(self._begin.get(key, 0), begin)
        if series.whole:
            self._reach[key] = min(series.since, self._reach.get(key, series.since))

    async def _look(self, tick: int) -> Collected:
        """Store what the market looks like now, once a tick."""
        if self._lake.rows("snapshots", self._venue.name, tick, tick):
            return Collected()
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
    except* Exception as others:
        raise others.exceptions[0] from None  # a full disk, or a defect: as itself
    return tuple(failed[:1])
