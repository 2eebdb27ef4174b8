"""The collector: brings the lake up to a tick, venues in parallel, and looks over what has come in."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from data.checks import check_market
from data.collection import Collected, Series, Watch
from data.exchange import Venue
from data.lake import Lake
from data.stream import QuoteStream
from data.types import HOUR_MS, Instrument
from data.venue_collector import DAY_MS, PRICE_TABLES, VenueCollector

EXAMINED_MS = 14 * DAY_MS
"""How much history every day's look at it takes in."""


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
        # Where the disk fails one venue, the others are waited for: nobody writes once this has returned.
        parts = await asyncio.gather(*(part.collect(tick) for part in self._parts.values()), return_exceptions=True)
        for part in parts:
            if isinstance(part, BaseException):
                raise part
        collected = sum((part for part in parts if isinstance(part, Collected)), Collected())
        return collected if tick % DAY_MS else collected + self._examine(tick)

    def _examine(self, tick: int) -> Collected:
        """Once a day, look over what has come in (`data.checks`) and tell what cannot be trusted. It is set aside by
        people only: what looks wrong today may prove to be a crash tomorrow, and a replay must see the same rows."""
        instruments, first = self._instruments, tick - EXAMINED_MS
        bars = self._lake.bars(instruments, first, tick)
        findings = check_market(instruments, bars, self._lake.settlements(instruments, first, tick))
        untrusted = [finding for finding in findings if finding.defect.quarantined]
        return Collected(troubles=tuple(f"{one} (`bot data check` tells more)" for one in untrusted))

    async def fill(self, gaps: Iterable[tuple[str, Instrument, int, int]]) -> Collected:
        """Ask again for what is missing: (table, instrument, first, last time missing)."""
        by_venue: dict[str, list[Series]] = {name: [] for name in self._parts}
        for table, instrument, first, last in gaps:
            if instrument.venue in by_venue:
                by_venue[instrument.venue].append(Series(table, instrument, first, last + HOUR_MS, to_the_newest=False))
        parts = await asyncio.gather(*(self._parts[name].read(series) for name, series in by_venue.items()))
        return sum(parts, Collected())
