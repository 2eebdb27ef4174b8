"""Brings one account to flat, whatever it holds: used by the kill switch, which has neither trader nor ledger.

All that is believed here is what the venue shows. Every closing order is reduce-only, so one that arrives late, or
twice, can never open anything.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from bot.execution.account import VenueAccount
from bot.venue_orders import Held, OrderReport, OrderState, VenueOrder
from data.errors import VenueError
from data.quotes import OrderBook
from data.types import Instrument

REACHES_BPS = (20.0, 50.0, 100.0, 200.0, 500.0)
"""How far beyond the best price of the other side each attempt may trade."""
LOOKS = 2
"""Flat is what so many looks in a row show: an order of a trader that was just stopped may still be on its way."""
PAUSE_S = 0.5
"""Between rounds; after a failed read, twice that."""
QUESTIONS = 3
"""How often an order without a known outcome is asked for before the next look at the positions."""

Write = Callable[[dict[str, Any]], None]
"""Takes one line of the journal, and has it on disk when it returns."""
ShowBook = Callable[[str], Awaitable[OrderBook]]


@dataclass
class Flattened:
    """What became of one account."""

    venue: str
    flat: bool = False
    """The venue itself shows no position and no order, more than once."""
    found: dict[str, float] = field(default_factory=dict)
    """Signed quantity by symbol, as first seen of each."""
    closed: dict[str, float] = field(default_factory=dict)
    """What was traded, signed, as far as the venue said so."""
    left: dict[str, float] = field(default_factory=dict)
    """At the last look."""
    orders_left: int = 0
    trouble: str = ""
    """The last thing that went wrong; empty once it was overcome."""
    seconds: float = 0.0


class Flattening:
    """One account on its way; `stem` begins the client ids of its orders."""

    def __init__(
        self, account: VenueAccount, instruments: Mapping[str, Instrument], book: ShowBook, write: Write, stem: str
    ) -> None:
        self._account = account
        self._instruments = instruments
        self._book = book
        self._write = write
        self._stem = stem
        self._sent = 0
        self._reach: Counter[str] = Counter()
        """By symbol, which of REACHES_BPS comes next."""
        self.result = Flattened(account.name)

    async def run(self, deadline_s: float) -> Flattened:
        """Cancel and close until the venue shows nothing, or until the deadline; never raises VenueError."""
        began, looks, first = time.monotonic(), 0, True
        while looks < LOOKS and (first or time.monotonic() - began < deadline_s):
            if not first:
                await asyncio.sleep(PAUSE_S * (2 if self.result.trouble else 1))
            looks = looks + 1 if await self._round() else 0
            first = False
        self.result.flat = looks >= LOOKS
        self.result.seconds = time.monotonic() - began
        self._write({"event": "ended", **vars(self.result)})
        return self.result

    async def _round(self) -> bool:
        """One look, and what it calls for; whether the venue showed nothing."""
        self.result.trouble = ""
        resting, held = await asyncio.gather(self._tried(self._resting()), self._tried(self._held()))
        if resting:
            self._write({"event": "cancel", "venue": self._account.name, "symbols": sorted(resting)})
            await self._tried(self._account.cancel_all([self._instruments[symbol] for symbol in resting]))
        if held:
            await asyncio.gather(*(self._tried(self._close(position)) for position in held))
        return resting is not None and held is not None and not resting and not held

    async def _resting(self) -> set[str]:
        """Contracts with orders that rest."""
        orders = await self._account.open_orders(list(self._instruments.values()))
        self.result.orders_left = len(orders)
        return {symbol for symbol, _ in orders}

    async def _held(self) -> list[Held]:
        held = [one for one in (await self._account.positions()).values() if one.quantity != 0]
        self.result.left = {one.symbol: one.quantity for one in held}
        self.result.found = {**self.result.left, **self.result.found}
        return held

    async def _tried(self, call: Awaitable[Any]) -> Any:
        """What a call gives; None, and its words kept, where the venue failed: the others go on."""
        try:
            return await call
        except (VenueError, ValueError) as error:
            self.result.trouble = str(error)
            self._write({"event": "trouble", "venue": self._account.name, "text": str(error)})
            return None

    async def _close(self, held: Held) -> None:
        instrument = self._instruments.get(held.symbol)
        if instrument is None:
            raise VenueError(f"{held.symbol} is not listed any more: close it at {self._account.name} by hand")
        rung = min(self._reach[held.symbol], len(REACHES_BPS) - 1)
        reference = await self._reference(held)
        order = self._order(instrument, -held.quantity, reference, REACHES_BPS[rung])
        self._write({"event": "order", "venue": self._account.name, **_line(order)})
        report = await self._settled(order, await self._account.place(order))
        self._write({"event": "outcome", "venue": self._account.name, "client_id": order.client_id, **vars(report)})
        closed = self.result.closed
        closed[held.symbol] = closed.get(held.symbol, 0.0) + report.filled
        refused = report.state is OrderState.REJECTED
        if refused:
            self.result.trouble = f"{held.symbol}: {report.reason}"
        # What a venue refuses may lie beyond its own price band: then the next attempt reaches less far.
        self._reach[held.symbol] = rung - 1 if refused and rung else rung + 1

    async def _reference(self, held: Held) -> float:
        """The best price that the closing order meets; the venue's mark where no book can be had."""
        try:
            book = await self._book(held.symbol)
        except VenueError:
            return held.mark
        side = book.bids if held.quantity > 0 else book.asks
        return side[0][0] if side else held.mark

    def _order(self, instrument: Instrument, quantity: float, reference: float, reach_bps: float) -> VenueOrder:
        self._sent += 1
        limit = limit_price(reference, math.copysign(reach_bps, quantity), instrument.tick_size)
        return VenueOrder(f"{self._stem}{self._sent}", instrument, quantity, limit, reduce_only=True)

    async def _settled(self, order: VenueOrder, report: OrderReport) -> OrderReport:
        """The outcome, asked for where it is unknown; still unknown, the next look at the positions decides."""
        for _ in range(QUESTIONS):
            if report.state not in (OrderState.UNKNOWN, OrderState.OPEN):
                break
            await asyncio.sleep(PAUSE_S)
            report = await self._tried(self._account.find(order)) or report
        return report


def limit_price(reference: float, reach_bps: float, tick: float) -> float:
    """`reference` moved by `reach_bps`, on the tick and of five figures at most, rounded towards trading: up for a
    reach above zero. Raises ValueError for a reference that is no price."""
    if not (math.isfinite(reference) and reference > 0):
        raise ValueError(f"there is no price to close at ({reference}): close it at the venue by hand")
    price = Decimal(repr(reference)) * (1 + Decimal(repr(reach_bps)) / 10_000)
    rounding = ROUND_CEILING if reach_bps > 0 else ROUND_FLOOR
    figures = Decimal(1).scaleb(price.adjusted() - 4)
    for step in (figures, Decimal(repr(tick))):
        price = (price / step).to_integral_value(rounding) * step
    return float(price)


def _line(order: VenueOrder) -> dict[str, Any]:
    return {
        "client_id": order.client_id,
        "symbol": order.instrument.symbol,
        "quantity": order.quantity,
        "limit": order.limit,
    }
