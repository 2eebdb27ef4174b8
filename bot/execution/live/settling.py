"""Funding as the venues paid it, and marks of the panel, into the books: what live trading settles by."""

import asyncio
import math
from collections.abc import Mapping, Sequence

import numpy as np

from backtest.accounting import Books, equity, revalue
from backtest.events import FundingReceived, Mark, apply
from bot.execution.account import VenueAccount
from bot.orders import Payment
from bot.venue_orders import VenueFunding
from data.panel import Panel
from data.types import HOUR_MS, Instrument

LATE_MS = 24 * HOUR_MS
"""Payments are looked for this far back; a venue that is later than that is found by reconciliation."""
PaymentKey = tuple[str, str, int, str]


class Settling:
    """Books what the venues' histories show, each payment once. `booked` is what the ledger has already."""

    def __init__(
        self,
        accounts: Mapping[str, VenueAccount],
        instruments: Sequence[Instrument],
        booked: set[PaymentKey],
        from_ms: int,
        decision_delay_s: int,
    ) -> None:
        """`from_ms`: when the account began; what was paid before is not its own."""
        self._accounts = accounts
        self._columns = {instrument.key: column for column, instrument in enumerate(instruments)}
        self._instruments = tuple(instruments)
        self._booked = booked
        self._settled: tuple[int, set[PaymentKey]] = (0, set())
        """The tick that was settled last, and what was paid at it: in the ledger once another tick is settled."""
        self._from_ms = from_ms
        self._delay_ms = decision_delay_s * 1000
        self._names = sorted(accounts)

    async def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """The books at `tick`, and what was paid since. Venues that show a payment late are believed when they do.
        A tick that is settled once more gets its payments once more. Raises VenueError."""
        if self._settled[0] != tick:
            self._booked |= self._settled[1]
        after, payments = books.copy(), []
        after.paid[:] = 0.0
        for source in await self._paid_by(tick):
            due = self._due(source)
            for payment in self._shared(books, panel, source, due):
                venue = self._names.index(source.venue)
                after = apply(after, FundingReceived(payment.slot, venue, payment.amount))
                if payment.slot >= 0 and due == tick:
                    after.paid[payment.slot, payment.leg] += payment.amount
                payments.append(payment)
        self._settled = tick, {_key(payment.source) for payment in payments if payment.source is not None}
        after = _marked(after, panel, tick)
        return after, tuple(payments)

    async def _paid_by(self, tick: int) -> list[VenueFunding]:
        """What is not booked yet of what belongs to `tick` and the hours before it, oldest first."""
        since = max(self._from_ms, tick - LATE_MS)
        asked = [
            self._accounts[name].funding([i for i in self._instruments if i.venue == name], since)
            for name in self._names
        ]
        found = [payment for payments in await asyncio.gather(*asked) for payment in payments]
        fresh = {_key(one): one for one in found if self._due(one) <= tick and _key(one) not in self._booked}
        return sorted(fresh.values(), key=lambda one: (one.time_ms, one.venue, one.symbol, one.payment_id))

    def _shared(self, books: Books, panel: Panel, source: VenueFunding, due: int) -> list[Payment]:
        """The payment by slot, in proportion to what they held then; all of it to slot -1 where that is closed."""
        column = self._columns[source.venue, source.symbol]
        inside = int(panel.ticks[0]) <= due <= int(panel.ticks[-1])
        rate = float(panel.settled[panel.row(due), column]) if inside else 0.0
        held = [
            (slot, leg, float(books.quantity[slot, leg]))
            for slot, leg in np.argwhere((books.instrument == column) & (books.quantity != 0.0)).tolist()
            if books.opened_at[slot] < due
        ]
        net = sum(quantity for _, _, quantity in held)
        if net == 0.0:
            return [Payment(due, -1, 0, column, rate, source.amount, source)]
        return [Payment(due, slot, leg, column, rate, source.amount * q / net, source) for slot, leg, q in held]

    def _due(self, payment: VenueFunding) -> int:
        """The first tick whose decision comes after the venue's stamp."""
        return -((self._delay_ms - payment.time_ms) // HOUR_MS) * HOUR_MS


def _marked(books: Books, panel: Panel, tick: int) -> Books:
    row = panel.row(tick)
    for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
        close = float(panel.close[row, int(books.instrument[slot, leg])])
        if math.isfinite(close):
            books = apply(books, Mark(slot, leg, close))
    revalue(books)
    books.peak = max(books.peak, equity(books))
    return books


def _key(payment: VenueFunding) -> PaymentKey:
    return payment.venue, payment.symbol, payment.time_ms, payment.payment_id
