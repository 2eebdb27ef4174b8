"""One pair with a post-only order at rest on one leg: what is done at each look. Used by `maker_first`.

At most one order of a pair rests at a time: the next one is sent once its venue says that the last one has ended.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from backtest.rules import Rules
from bot.execution.live.desk import soon
from bot.execution.live.pairs import Pair, Side
from bot.execution.sizing import average, sized, touch, widest
from bot.ledger.executions import Sent
from bot.order_state import FINAL
from bot.orders import Proposal, Unfilled
from bot.venue_orders import OrderState
from data.errors import StateError, VenueError
from data.exchange import OrderBook, Venue
from data.types import Instrument

UNSHOWN = OrderBook((), ())


class Resting:
    """One event loop, one call at a time. Whoever stops looking calls `withdraw`, then `cross` or `Pair.balance`."""

    def __init__(self, pair: Pair, venues: Mapping[str, Venue], rules: Rules) -> None:
        """Nothing rests yet. Both order books of `pair` must have two sides: see `can_rest`."""
        self._lost = False
        """Whether it is not known what rests, or nothing more may be sent."""
        self._unmatched = False
        """Whether the other leg could not take what the resting one got."""
        self._pair = pair
        self._venues = venues
        self._rules = rules
        self._first = widest([side.book for side in pair.sides])
        self._order: Sent | None = None
        """The last one that was sent."""

    @property
    def done(self) -> bool:
        """Whether there is nothing more to rest for: it is filled, or what went wrong has to be mended."""
        return self._lost or self._unmatched or self._pair.left(self._rests) == 0.0

    @property
    def told(self) -> str:
        """In words, why nothing was filled."""
        if self._order is None:
            return "the touch lay outside the collar"
        report, limit = self._order.report, self._order.order.limit
        refused = report.state is OrderState.REJECTED
        return f"refused ({report.reason})" if refused else f"the price did not trade through an order at {limit:g}"

    async def place(self) -> None:
        """Have what is left rest at the touch, unless the touch is outside the collar or too little is left."""
        side, left = self._rests, self._pair.left(self._rests)
        price = touch(side.order, side.book) if _shown(side.book) else math.nan
        if math.isnan(price) or not left or (self._entry and self._pair.too_small(side, left)):
            return
        desk, work = self._pair.desk, self._pair.work
        try:
            until = soon(desk.settings.ask_s)
            self._order = await desk.rest(work, side.order, left, price, self._pair.purpose, until)
        except StateError as error:  # what is not written is not sent
            self._pair.remarks.append(str(error))
            self._lost = True
            return
        self._lost = self._order.report.state is OrderState.UNKNOWN
        await self._match(self._order, 0.0)

    async def look(self) -> None:
        """Ask for the order at rest, and take on the other leg what it got."""
        if self._order is not None and self._order.report.state not in FINAL:
            self._pair.meter()
            before = self._order.report.filled
            self._order = await self._pair.desk.look(self._pair.work, self._order)
            await self._match(self._order, before)

    async def reprice(self) -> None:
        """Move the order to the touch: it is cancelled, and what it did not fill is sent anew; or sent again where the
        venue ended it."""
        await self._read()
        side = self._rests
        price = touch(side.order, side.book) if _shown(side.book) else math.nan
        rests = self._order is not None and self._order.report.state not in FINAL
        if rests and (not _shown(side.book) or (self._order is not None and price == self._order.order.limit)):
            return
        await self.withdraw()
        if not self.done:
            await self.place()

    async def withdraw(self) -> None:
        """Cancel what rests; what it had filled by then is taken on the other leg. A cancel whose answer is lost is
        asked after, and sent again only where the venue says that the order still rests."""
        if self._order is None or self._order.report.state in FINAL:
            return
        self._pair.meter()
        before = self._order.report.filled
        until = soon(self._pair.desk.settings.ask_s)
        self._order = await self._pair.desk.ask(self._pair.work, self._order, until)
        self._lost = self._order.report.state not in FINAL
        await self._match(self._order, before)

    async def cross(self, stale: Callable[[Proposal, Sequence[OrderBook]], Awaitable[str]]) -> None:
        """Take what is left of both legs, as far as their order books go now, and balance them. `stale` says of an
        entry which book is too old for it."""
        await self._read()
        pair, proposal = self._pair, self._pair.work.task.proposal
        books = [side.book for side in pair.sides]
        now = sized(proposal, books, self._rules)
        why = now.cause if isinstance(now, Unfilled) else await stale(proposal, books) if self._entry else ""
        if isinstance(now, Unfilled) or why:
            pair.remarks.append(why)
            return await pair.balance()
        parts = zip(pair.sides, now.quantities, strict=True)
        pair.sides = tuple(_at_most(side, pair.filled(side), quantity) for side, quantity in parts)
        if self._entry and any(pair.too_small(side, pair.left(side)) for side in pair.sides):
            return await pair.balance()
        return await pair.take()

    async def _match(self, order: Sent, before: float) -> None:
        """Take on the other leg what the resting one got beyond `before`; too little for an order waits for more."""
        part, pair = order.report.filled - before, self._pair
        if part:
            await self._read()
            side = self._rests
            pair.work.note(order, part, side.mid, average(side.book, part) or order.report.average)
        left, may_wait = pair.unmatched(self._rests, self._takes), self._entry or order.report.state not in FINAL
        if self._unmatched or not left or (may_wait and pair.too_small(self._takes, left)):
            return
        await pair.follow(self._rests, self._takes)
        left = pair.unmatched(self._rests, self._takes)
        matched = not left or pair.too_small(self._takes, left)
        self._unmatched = not matched or bool(pair.work.unknown(self._takes.order.leg))

    async def _read(self) -> None:
        """Both order books anew; an empty one where a venue does not show it."""
        books = await asyncio.gather(*(self._book(side.order.instrument) for side in self._pair.sides))
        parts = zip(self._pair.sides, books, strict=True)
        self._pair.sides = tuple(replace(side, book=book) for side, book in parts)

    async def _book(self, instrument: Instrument) -> OrderBook:
        try:
            return await self._venues[instrument.venue].book(instrument.symbol)
        except VenueError:
            return UNSHOWN

    @property
    def _entry(self) -> bool:
        return self._pair.work.task.proposal.entry

    @property
    def _rests(self) -> Side:
        return self._pair.sides[self._first]

    @property
    def _takes(self) -> Side:
        return self._pair.sides[1 - self._first]


def can_rest(pair: Pair) -> bool:
    """Whether an order of the pair can rest: both legs are open, and their order books show both sides."""
    return len(pair.sides) == 2 and all(_shown(side.book) for side in pair.sides)


def _shown(book: OrderBook) -> bool:
    return bool(book.bids and book.asks)


def _at_most(side: Side, filled: float, more: float) -> Side:
    """The leg, to be traded no further than `more` (without sign) beyond what it has filled."""
    wanted = min(abs(side.quantity), abs(filled) + more)
    return replace(side, quantity=math.copysign(wanted, side.quantity))
