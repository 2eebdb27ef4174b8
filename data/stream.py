"""Best prices as a venue streams them, and as it answers where its stream has gone stale. Used by the collector.

A websocket can stay open and say nothing: so a streamed price counts for so long and then is asked for, and a
connection on which nothing comes any more is made anew.
"""

import asyncio
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Self

from data.cancelling import cancel
from data.errors import VenueError, VenueUnreachable
from data.exchange import Venue
from data.quotes import Quote

BACKOFF_S = 1.0
"""The first pause before a connection is made anew; it doubles while connections do not last."""
LONGEST_BACKOFF_S = 60.0
PER_CONNECTION = 100
"""Contracts on one connection; Binance takes 200 streams on each."""


class Source(Enum):
    """Where the price of a contract is taken from."""

    STREAM = "stream"
    ANSWER = "answer"
    """An answer that was asked for before."""
    ASK = "ask"


def source(streamed_s: float, answered_s: float, stale_s: float) -> Source:
    """Where to take a price from whose last streamed and last asked word are so old, s; inf where there is none: the
    newer of both while it is younger than `stale_s`."""
    if min(streamed_s, answered_s) >= stale_s:
        return Source.ASK
    return Source.STREAM if streamed_s <= answered_s else Source.ANSWER


def pause_s(first_s: float, failures: int) -> float:
    """How long to wait before a connection is made anew of which so many did not last, one after the other."""
    return min(first_s * 2.0 ** min(failures, 16), LONGEST_BACKOFF_S)


@dataclass(frozen=True)
class Health:
    """How one contract's prices come."""

    streamed: bool
    """False: its price is one that was asked for, or will be."""
    age_s: float
    """Since its newest price came, streamed or asked for; inf before the first."""
    reconnects: int
    """How often its connection was made anew."""


@dataclass(frozen=True)
class _Word:
    """What was last said of a contract."""

    at_s: float
    quote: Quote | None
    """None: a side of its book was empty."""

    def age_s(self, since_ms: int) -> float:
        """By our clock; inf for what was true before `since_ms` of the venue's."""
        time_ms = 0 if self.quote is None else self.quote.time_ms
        return math.inf if time_ms < since_ms else time.monotonic() - self.at_s


class _Line:
    """One connection, made anew as often as need be."""

    def __init__(self, symbols: list[str]) -> None:
        self.symbols = symbols
        self.reconnects = 0
        self.trouble = ""
        self.heard_s = 0.0
        self.silent_at_s = 0.0
        """When it counts as silent unless something comes."""


_NOTHING = _Word(-math.inf, None)


class QuoteStream:
    """The best prices of some contracts of one venue. One event loop; `async with` begins and ends the stream.

    Where the venue has no stream that we know, or none that lasts, everything is asked for by REST.
    """

    def __init__(self, venue: Venue, symbols: Iterable[str], *, stale_s: float, backoff_s: float = BACKOFF_S) -> None:
        """A price counts for `stale_s`, streamed or asked for: so none is asked for more often than that."""
        self._venue = venue
        self._symbols = list(dict.fromkeys(symbols))
        self._stale_s = stale_s
        self._backoff_s = backoff_s
        self._streamed: dict[str, _Word] = {}
        self._answered: dict[str, _Word] = {}
        self._failed: tuple[float, VenueError] | None = None
        self._asking = asyncio.Lock()
        parts = range(0, len(self._symbols), PER_CONNECTION) if venue.profile.stream else ()
        self._lines = [_Line(self._symbols[first : first + PER_CONNECTION]) for first in parts]
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Begin to connect; nothing is waited for."""
        self._tasks = [asyncio.create_task(self._keep(line)) for line in self._lines]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await cancel(self._tasks)

    async def quotes(self, since_ms: int = 0) -> dict[str, Quote]:
        """The best prices of each contract that shows both sides: streamed where younger than `stale_s`, else asked
        for, at most once in that time. What was true before `since_ms` by the venue's clock does not count as young.
        Raises VenueError where an answer is needed and none comes."""
        async with self._asking:
            known = {symbol: self._known(symbol, since_ms) for symbol in self._symbols}
            due = [symbol for symbol, word in known.items() if word is None]
            if due:
                await self._ask(due)
                known |= {symbol: self._answered[symbol] for symbol in due}
        return {symbol: word.quote for symbol, word in known.items() if word is not None and word.quote is not None}

    @property
    def health(self) -> Mapping[str, Health]:
        """How the prices of each contract come now."""
        reconnects = {symbol: line.reconnects for line in self._lines for symbol in line.symbols}
        told = {}
        for symbol in self._symbols:
            ages = self._ages_s(symbol, 0)
            streamed = source(*ages, self._stale_s) is Source.STREAM
            told[symbol] = Health(streamed, min(ages), reconnects.get(symbol, 0))
        return told

    @property
    def troubles(self) -> tuple[str, ...]:
        """What keeps prices from being streamed, for people; each is gone when they come again."""
        return tuple(
            f"{self._venue.name} streams no prices of {len(line.symbols)} contracts ({line.trouble}): "
            "they are asked for instead"
            for line in self._lines
            if line.trouble
        )

    def _ages_s(self, symbol: str, since_ms: int) -> tuple[float, float]:
        words = (said.get(symbol, _NOTHING) for said in (self._streamed, self._answered))
        streamed_s, answered_s = (word.age_s(since_ms) for word in words)
        return streamed_s, answered_s

    def _known(self, symbol: str, since_ms: int) -> _Word | None:
        """What is known of a contract without asking; None where it must be asked for."""
        match source(*self._ages_s(symbol, since_ms), self._stale_s):
            case Source.STREAM:
                return self._streamed[symbol]
            case Source.ANSWER:
                return self._answered[symbol]
            case Source.ASK:
                return None

    async def _ask(self, due: list[str]) -> None:
        """Ask the venue, for all contracts where one answer has them all; a failure stands for `stale_s` too."""
        if self._failed is not None and time.monotonic() - self._failed[0] < self._stale_s:
            raise self._failed[1].with_traceback(None)
        wanted = due if self._venue.profile.quotes == "books" else self._symbols
        try:
            quotes = await self._venue.quotes(wanted)
        except VenueError as error:
            self._failed = time.monotonic(), error
            raise
        now_s = time.monotonic()
        self._answered |= {symbol: _Word(now_s, quotes.get(symbol)) for symbol in wanted}

    async def _keep(self, line: _Line) -> None:
        """Connect, and again whatever ends that, after pauses that grow while no connection lasts."""
        failures = 0
        while True:
            began_s = line.heard_s = time.monotonic()
            try:
                await self._listen(line)
            except* Exception as group:  # a defect in a stream must not stop the prices: they are asked for
                cause = _first(group)
                line.trouble = str(cause).partition("\n")[0][:200] or type(cause).__name__
            failures = 0 if line.heard_s - began_s >= self._stale_s else failures + 1
            await asyncio.sleep(pause_s(self._backoff_s, failures))
            line.reconnects += 1

    async def _listen(self, line: _Line) -> None:
        """One connection, until it breaks or nothing comes any more."""
        feed = await self._venue.feed(line.symbols)
        try:
            line.silent_at_s = time.monotonic() + feed.timeout_s + self._stale_s
            async with asyncio.TaskGroup() as group:
                group.create_task(self._end_when_silent(line))
                group.create_task(feed.run(partial(self._hear, line)))
        finally:
            await feed.close()

    async def _end_when_silent(self, line: _Line) -> None:
        while (left_s := line.silent_at_s - time.monotonic()) > 0:
            await asyncio.sleep(left_s)
        raise VenueUnreachable(f"nothing came for {self._stale_s:g} s: if this goes on, check the network")

    def _hear(self, line: _Line, symbol: str, quote: Quote | None) -> None:
        line.heard_s = time.monotonic()
        line.silent_at_s = line.heard_s + self._stale_s
        line.trouble = ""
        self._streamed[symbol] = _Word(line.heard_s, quote)


def _first(error: BaseException) -> BaseException:
    """The first of what a group of errors holds."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
