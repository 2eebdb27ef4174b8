"""Order books that are read before anybody decides: an entry on them waits for no venue. Used by the live executor."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.orders import LegOrder
from data.clock import Clock
from data.errors import VenueError
from data.exchange import OrderBook, Venue
from data.types import Instrument, InstrumentKey

FRESH_S = 1.0
"""What was read longer ago is read again."""


@dataclass(frozen=True)
class View:
    """What the market was seen to be at one moment."""

    now_ms: int
    """Market time."""
    books: Mapping[InstrumentKey, OrderBook] = field(default_factory=dict)
    seen_s: float = field(default_factory=time.monotonic)


class Ahead:
    """Reads order books ahead, and gives each away once: whoever trades on a book changes it."""

    def __init__(self, venues: Mapping[str, Venue], clock: Clock, patience_s: float) -> None:
        """A venue that takes longer than `patience_s` is asked again by whoever needs its book."""
        self._venues = venues
        self._clock = clock
        self._patience_s = patience_s
        self._view = View(0)

    async def read(self, instruments: Iterable[Instrument]) -> None:
        """Read their order books, as far as venues show them in time. Raises nothing of theirs."""
        self._view = View(0)
        wanted, asked_s = list(dict.fromkeys(instruments)), time.monotonic()
        if not wanted:
            return
        reads = [asyncio.ensure_future(self._venues[one.venue].book(one.symbol)) for one in wanted]
        now = asyncio.ensure_future(self._clock.now_ms())
        try:
            await asyncio.wait([now, *reads], timeout=self._patience_s)
            if not _answered(now):
                return
            books = {one.key: read.result() for one, read in zip(wanted, reads, strict=True) if _answered(read)}
            self._view = View(now.result(), books, asked_s)
        finally:
            for pending in (now, *reads):
                pending.cancel()

    def take(self, legs: Iterable[LegOrder]) -> tuple[int, list[OrderBook]] | None:
        """Market time and the legs' order books as they were read, and no second time; None where one was not read, or
        too long ago."""
        view, keys = self._view, [leg.instrument.key for leg in legs]
        self._view = View(view.now_ms, {key: book for key, book in view.books.items() if key not in keys}, view.seen_s)
        if time.monotonic() - view.seen_s > FRESH_S or not all(key in view.books for key in keys):
            return None
        return view.now_ms, [view.books[key] for key in keys]


def _answered(read: "asyncio.Future[Any]") -> bool:
    """Whether there is an answer; raises what is no trouble of a venue."""
    if not read.done():
        return False
    error = read.exception()
    if error is not None and not isinstance(error, VenueError):
        raise error
    return error is None
