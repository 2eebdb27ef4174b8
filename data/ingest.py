"""The collector: brings the lake up to a tick, venue by venue in parallel, one request per row that can be new."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.exchange import Venue
from data.lake import Appended, Lake
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements

Result = TypeVar("Result")


class Collector:
    """Keeps the lake complete for a fixed set of instruments. One event loop; the lake's only writer."""

    def __init__(
        self, venues: Mapping[str, Venue], lake: Lake, instruments: Sequence[Instrument], history_hours: int
    ) -> None:
        self._venues = venues
        self._lake = lake
        self._instruments = tuple(instruments)
        self._history_ms = history_hours * HOUR_MS
        self._next_bar: dict[InstrumentKey, int] = {}
        self._next_settlement: dict[InstrumentKey, int] = {}
        """When the next settlement that is not yet in the lake is due."""

    async def collect(self, tick: int) -> Appended:
        """Store every candle that closed and every settlement that was stamped by now, back to `history_hours` before
        `tick` where the lake has none. Raises VenueError; what arrived before stays stored."""
        if not self._next_bar:
            self._resume(tick)
        reports = await _together([self._collect_venue(venue, tick) for venue in self._venues.values()])
        return sum(reports, Appended())

    def _resume(self, tick: int) -> None:
        first = tick - self._history_ms
        bars = self._lake.bars(self._instruments, first, tick)
        settlements = self._lake.settlements(self._instruments, first, tick)
        for instrument in self._instruments:
            key = instrument.key
            self._next_bar[key] = _continue_at(bars[key].open_time if key in bars else None, first)
            self._next_settlement[key] = _continue_at(settlements[key].time if key in settlements else None, first)

    async def _collect_venue(self, venue: Venue, tick: int) -> Appended:
        mine = [instrument for instrument in self._instruments if instrument.venue == venue.name]
        due = [i for i in mine if self._next_settlement[i.key] <= tick]
        announced = await venue.next_settlements() if due else {}
        candles = await _together([self._candles(venue, instrument, tick) for instrument in mine])
        settled = await _together([self._settlements(venue, instrument) for instrument in due])
        bars, settlements = dict(zip(mine, candles, strict=True)), dict(zip(due, settled, strict=True))
        report = self._lake.append_bars(venue.name, {i.symbol: rows for i, rows in bars.items()})
        report += self._lake.append_settlements(venue.name, {i.symbol: rows for i, rows in settlements.items()})
        self._advance(bars, settlements, announced)
        return report

    async def _candles(self, venue: Venue, instrument: Instrument, tick: int) -> Bars:
        return await venue.candles(instrument.symbol, self._next_bar[instrument.key], tick)

    async def _settlements(self, venue: Venue, instrument: Instrument) -> Settlements:
        rows = await venue.settlements(instrument.symbol, self._next_settlement[instrument.key] - HOUR_MS // 2)
        # The first row of every hour: a venue that stamps a settlement twice settled once.
        time, first = np.unique(rows.time, return_index=True)
        return Settlements(time, rows.offset_ms[first], rows.rate[first])

    def _advance(
        self,
        bars: Mapping[Instrument, Bars],
        settlements: Mapping[Instrument, Settlements],
        announced: Mapping[str, int],
    ) -> None:
        for instrument, candles in bars.items():
            if len(candles):
                self._next_bar[instrument.key] = int(candles.open_time[-1]) + HOUR_MS
        for instrument, rows in settlements.items():
            # Until the due settlement has arrived it stays due, and is asked for again.
            if len(rows):
                follows = int(rows.time[-1]) + HOUR_MS
                self._next_settlement[instrument.key] = max(follows, announced.get(instrument.symbol, follows))


def _continue_at(stored: NDArray[np.int64] | None, first: int) -> int:
    """After the last stored row; from the start where the lake does not reach back to it (to within a day)."""
    return int(stored[-1]) + HOUR_MS if stored is not None and stored[0] <= first + 24 * HOUR_MS else first


async def _together(reads: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results, in order; the first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
