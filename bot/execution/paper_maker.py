"""Paper trading that rests first: an order on one leg of a pair; the other leg is taken once that is filled.

The same rules as `backtest.resting` and `backtest.maker_first` have in the environment, over order books that are read
again and again; used by the trader where the settings say `maker_first`.
"""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from backtest.maker_first import saved_by_resting
from backtest.resting import Patience, traded_through
from backtest.rules import Rules, whole_lots
from bot.execution.paper import PaperExecutor
from bot.execution.sizing import average, depth, size, touch, widest
from bot.orders import Executed, LegFill, LegOrder, Outcome, Unfilled
from bot.risk import ApprovedOrder
from data.clock import Clock
from data.errors import VenueError
from data.exchange import OrderBook, Venue

NOTHING = OrderBook((), ())


@dataclass
class _Work:
    """One order at rest."""

    order: ApprovedOrder
    first: int
    """Which of its legs rests."""
    quantities: Sequence[float]
    """By leg, without sign."""
    price: float
    """NaN while the touch is outside an entry's collar: then nothing rests."""


class PaperMaker:
    """Orders that rest side by side, looked at all together; nothing is sent to a venue."""

    def __init__(
        self,
        taker: PaperExecutor,
        venues: Mapping[str, Venue],
        rules: Rules,
        clock: Clock,
        patience: Patience,
        *,
        leaves: bool,
    ) -> None:
        """`taker` carries out what does not rest; with `leaves`, entries that were not filled are left, not crossed."""
        self._taker = taker
        self._venues = venues
        self._rules = rules
        self._clock = clock
        self._patience = patience
        self._leaves = leaves

    async def rest(self, orders: Sequence[ApprovedOrder]) -> Sequence[Outcome]:
        """What became of the orders, one outcome each, when the last of them is filled or given up."""
        begin = await self._clock.now_ms()
        outcomes: dict[int, Outcome] = {}
        working: dict[int, _Work] = {}
        placed = await asyncio.gather(*map(self._place, orders))
        for number, work in enumerate(placed):
            (working if isinstance(work, _Work) else outcomes)[number] = work  # type: ignore[assignment] # by its kind
        for look in range(1, self._patience.looks + 1):
            if not working:
                break
            await self._clock.sleep_until(begin + look * self._patience.look_ms)
            seen = await asyncio.gather(*(self._look(work, look) for work in working.values()))
            for number, outcome in zip(list(working), seen, strict=True):
                if outcome is not None:
                    outcomes[number] = outcome
                    del working[number]
        return [outcomes[number] for number in range(len(orders))]

    async def _place(self, order: ApprovedOrder) -> _Work | Outcome:
        legs = order.proposal.legs
        if len(legs) < 2:
            return await self._taker.execute(order)
        sized = await size(order.proposal, self._venues, self._rules)
        if isinstance(sized, Unfilled):
            return sized
        first = widest(sized.books)
        return _Work(order, first, sized.quantities, touch(legs[first], sized.books[first]))

    async def _look(self, work: _Work, look: int) -> Outcome | None:
        """The outcome, if it is one now."""
        leg = work.order.proposal.legs[work.first]
        book = await self._book(leg)
        shown = book.bids and book.asks
        if shown and traded_through(leg.quantity > 0, work.price, book.bids[0][0], book.asks[0][0]):
            return await self._hedge(work, book)
        if look == self._patience.looks:
            if work.order.proposal.entry and self._leaves:
                return Unfilled(f"the price did not trade through an order at {work.price:g}")
            return await self._taker.execute(work.order)
        if shown and look % self._patience.reprice_looks == 0:
            work.price = touch(leg, book)
        return None

    async def _hedge(self, work: _Work, book: OrderBook) -> Outcome:
        """The resting leg is filled: take the other one, and take back at once what that cannot match of an entry."""
        proposal, names = work.order.proposal, work.order.client_ids
        leg, other = proposal.legs[work.first], proposal.legs[1 - work.first]
        quantity, wanted = work.quantities[work.first], work.quantities[1 - work.first]
        other_book = await self._book(other)
        hedged = depth(other_book, replace(other, quantity=math.copysign(wanted, other.quantity)))
        fills = [self._rested(leg, names[work.first], math.copysign(quantity, leg.quantity), work.price, book)]
        if proposal.entry and hedged < quantity:
            hedged = whole_lots(hedged, *proposal.columns, self._rules)
            back = math.copysign(quantity - hedged, -leg.quantity)
            fills.append(self._taken(leg, names[work.first], back, book))
        if hedged > 0.0:
            signed = math.copysign(hedged, other.quantity)
            fills.append(self._taken(other, names[1 - work.first], signed, other_book))
        return Executed(tuple(fills))

    def _rested(self, leg: LegOrder, name: str, quantity: float, price: float, book: OrderBook) -> LegFill:
        rule = self._rules.instruments[leg.column]
        venue = self._rules.venues[rule.venue]
        maker, taker = float(venue.maker_fee_rate), float(rule.fee_rate)
        saved = float(saved_by_resting(quantity, price, average(book, quantity), maker, taker))
        return LegFill(name, leg.leg, quantity, price, book.mid, maker, float(venue.leverage), saved)

    def _taken(self, leg: LegOrder, name: str, quantity: float, book: OrderBook) -> LegFill:
        rule = self._rules.instruments[leg.column]
        leverage = float(self._rules.venues[rule.venue].leverage)
        return LegFill(name, leg.leg, quantity, average(book, quantity), book.mid, float(rule.fee_rate), leverage)

    async def _book(self, leg: LegOrder) -> OrderBook:
        """The leg's order book now; an empty one where the venue cannot show it: nothing is seen to be traded there."""
        try:
            return await self._venues[leg.instrument.venue].book(leg.instrument.symbol)
        except VenueError:
            return NOTHING
