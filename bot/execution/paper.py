"""Paper trading: orders are filled by walking the real order books of the venues, and nothing is sent to them."""

import asyncio
import math
from collections.abc import Mapping

import numpy as np

from backtest.accounting import Books, FundingPayment, apply
from backtest.simulated_venue import Rules, settle
from bot.orders import LegFill, LegOrder, Payment, Unfilled
from bot.risk import ApprovedOrder
from data.errors import VenueError
from data.exchange import OrderBook, Venue
from data.panel import Panel


class PaperExecutor:
    """Fills both legs at once from the books' visible depth; the market does not notice.

    `paid` is the funding that is booked already, as `Ledger.paid` gives it; what the venues publish after the tick that
    it belongs to is booked when it arrives.
    """

    def __init__(self, venues: Mapping[str, Venue], rules: Rules, paid: set[tuple[int, int, str, str]]) -> None:
        self._venues = venues
        self._rules = rules
        self._paid = paid

    def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """Move the books to `tick` as the simulated venue does, after funding that came late."""
        after, payments = self._settle_late(books, panel, tick)
        row = panel.row(tick)
        after = after.copy()
        received = settle(after, panel.settled[row], panel.close[row], self._rules)[0]
        for slot, leg in np.argwhere(received != 0.0).tolist():
            column = int(books.instrument[0, slot, leg])
            rate = float(panel.settled[row, column])
            payments.append(Payment(tick, slot, leg, column, rate, float(received[slot, leg])))
        self._paid |= {self._key(payment, panel) for payment in payments}
        return after, tuple(payments)

    def _settle_late(self, books: Books, panel: Panel, tick: int) -> tuple[Books, list[Payment]]:
        """Funding of earlier ticks that the legs were held for and that is not booked yet, at the prices of then."""
        payments: list[Payment] = []
        for slot, leg in np.argwhere(books.quantity[0] != 0.0).tolist():
            column = int(books.instrument[0, slot, leg])
            held = (panel.ticks > books.opened_at[0, slot]) & (panel.ticks < tick)
            for row in np.flatnonzero(held & (panel.settled[:, column] != 0.0)).tolist():
                rate, close = float(panel.settled[row, column]), float(panel.close[row, column])
                price = close if math.isfinite(close) else float(books.mark[0, slot, leg])
                amount = -float(books.quantity[0, slot, leg]) * price * rate
                payment = Payment(int(panel.ticks[row]), slot, leg, column, rate, amount)
                if self._key(payment, panel) not in self._paid:
                    venue = int(self._rules.venue_of[column])
                    books = apply(books, FundingPayment(slot, leg, venue, rate, price))
                    payments.append(payment)
        return books, payments

    def _key(self, payment: Payment, panel: Panel) -> tuple[int, int, str, str]:
        instrument = panel.instruments[payment.column]
        return payment.due, payment.slot, instrument.venue, instrument.symbol

    async def execute(self, order: ApprovedOrder) -> tuple[LegFill, ...] | Unfilled:
        """Fill every leg at the depth that is there now, within its collar. A venue that cannot show its book now
        means that nothing was traded."""
        legs = order.proposal.legs
        try:
            reads = (self._venues[leg.instrument.venue].book(leg.instrument.symbol) for leg in legs)
            books = await asyncio.gather(*reads)
        except VenueError as error:
            return Unfilled(str(error))
        fills = []
        for leg, client_id, book in zip(legs, order.client_ids, books, strict=True):
            price = walk(book, leg)
            if math.isnan(price):
                return Unfilled(
                    f"{leg.instrument.venue} {leg.instrument.symbol}: not enough depth near {leg.reference:g}"
                )
            fills.append(LegFill(client_id, leg.quantity, price, book.mid, float(self._rules.fee_rate[leg.column])))
        return tuple(fills)


def walk(book: OrderBook, leg: LegOrder) -> float:
    """Average price of taking the leg's whole quantity from the book, NaN where depth or collar do not allow it."""
    if math.isnan(book.mid):
        return math.nan
    wanted = abs(leg.quantity)
    left, paid = wanted, 0.0
    for price, size in book.asks if leg.quantity > 0 else book.bids:
        taken = min(left, size)
        paid, left = paid + taken * price, left - taken
        if left <= 1e-12 * wanted:
            average = price if taken == wanted else paid / wanted
            return average if abs(average / leg.reference - 1) <= leg.collar else math.nan
    return math.nan
