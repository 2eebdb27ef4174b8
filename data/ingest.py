"""The collector: brings the lake up to a tick, venue by venue in parallel, one request per row that can be new."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from data.errors import VenueRefused, VenueUnreachable
from data.exchange import Venue
from data.lake import Appended, Lake
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements

Result = TypeVar("Result")


@dataclass(frozen=True)
class Collected:
    """What a collection brought."""

    rows: Appended
    troubles: tuple[str, ...]
    """What is wrong with single instruments, for people; the others were collected."""


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
        self._settled_until: dict[InstrumentKey, int] = {}
        """The hour from which settlements are asked for: after the newest one in the lake."""
        self._announced: dict[InstrumentKey, int] = {}
        """When the venue last said that the next settlement is."""
        self._behind: set[InstrumentKey] = set()
        """Instruments that lack a settlement which the venue must have made."""

    async def collect(self, tick: int) -> Collected:
        """Store every candle that closed and every settlement that was stamped by now, back to `history_hours` before
        `tick` where the lake has none. Raises VenueError where a venue cannot be used, or has not reached `tick` by its
        own clock; what arrived before stays stored."""
        if not self._next_bar:
            self._resume(tick)
        parts = await _together([self._collect_venue(venue, tick) for venue in self._venues.values()])
        return Collected(
            sum((part.rows for part in parts), Appended()),
            tuple(trouble for part in parts for trouble in part.troubles),
        )

    def _resume(self, tick: int) -> None:
        first = tick - self._history_ms
        bars = self._lake.bars(self._instruments, first, tick)
        settlements = self._lake.settlements(self._instruments, first, tick)
        for instrument in self._instruments:
            key = instrument.key
            self._next_bar[key] = _continue_at(bars[key].open_time if key in bars else None, first)
            self._settled_until[key] = _continue_at(settlements[key].time if key in settlements else None, first)

    async def _collect_venue(self, venue: Venue, tick: int) -> Collected:
        now = await venue.time_ms()
        if now < tick:
            raise VenueUnreachable(
                f"{venue.name} has not reached {tick} ms yet, by its clock it is {now}: set this machine's clock"
            )
        announced = await venue.next_settlements()
        mine = [instrument for instrument in self._instruments if instrument.venue == venue.name]
        due = [instrument for instrument in mine if self._due(instrument, tick, announced)]
        candles = await _each([venue.candles(i.symbol, self._next_bar[i.key], tick) for i in mine])
        settled = await _each([venue.settlements(i.symbol, self._settled_until[i.key] - HOUR_MS // 2) for i in due])
        # What arrived is stored before what failed is reported.
        bars = {i: rows for i, rows in zip(mine, candles, strict=True) if isinstance(rows, Bars)}
        settlements = {i: rows for i, rows in zip(due, settled, strict=True) if isinstance(rows, Settlements)}
        report = self._store_bars(venue, bars) + self._store_settlements(venue, settlements, announced)
        failures = [outcome for outcome in (*candles, *settled) if isinstance(outcome, BaseException)]
        for failure in failures:
            if not isinstance(failure, VenueRefused):
                raise failure
        return Collected(report, tuple(dict.fromkeys(map(str, failures))))

    def _store_bars(self, venue: Venue, bars: Mapping[Instrument, Bars]) -> Appended:
        report = self._lake.append_bars(venue.name, {i.symbol: rows for i, rows in bars.items()})
        for instrument, rows in bars.items():
            if len(rows):
                self._next_bar[instrument.key] = int(rows.open_time[-1]) + HOUR_MS
        return report

    def _store_settlements(
        self, venue: Venue, settlements: Mapping[Instrument, Settlements], announced: Mapping[str, int]
    ) -> Appended:
        report = self._lake.append_settlements(venue.name, {i.symbol: rows for i, rows in settlements.items()})
        for instrument, rows in settlements.items():
            key, following = instrument.key, announced.get(instrument.symbol)
            if len(rows):
                self._settled_until[key] = int(rows.time[-1]) + HOUR_MS
            if following is not None:
                self._announced[key] = following
                newest = self._settled_until[key] - HOUR_MS
                complete = following - newest <= instrument.interval_hours * HOUR_MS
                (self._behind.discard if complete else self._behind.add)(key)
        return report

    def _due(self, instrument: Instrument, tick: int, announced: Mapping[str, int]) -> bool:
        """Whether a settlement may be new: the announced one is past, the announcement changed, or one is missing."""
        known = self._announced.get(instrument.key)
        return (
            known is None
            or known <= tick
            or known != announced.get(instrument.symbol)
            or instrument.key in self._behind
        )


def _continue_at(stored: NDArray[np.int64] | None, first: int) -> int:
    """After the last stored row; from the start where the lake does not reach back to it (to within a day)."""
    return int(stored[-1]) + HOUR_MS if stored is not None and stored[0] <= first + 24 * HOUR_MS else first


async def _each(reads: Sequence[Coroutine[Any, Any, Result]]) -> list[Result | BaseException]:
    """All outcomes, in order, failures among them."""
    return await asyncio.gather(*reads, return_exceptions=True)


async def _together(reads: Sequence[Coroutine[Any, Any, Result]]) -> list[Result]:
    """All results, in order; the first failure cancels the rest and is raised as itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(read) for read in reads]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
