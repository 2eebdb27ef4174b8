"""Paper trading: orders are filled by walking the real order books of the venues, and nothing is sent to them."""

import asyncio
import math
from collections.abc import Mapping

import numpy as np

from backtest.accounting import Books
from backtest.simulated_venue import Rules, settle
from bot.orders import LegFill, LegOrder, Payment, Unfilled
from bot.risk import ApprovedOrder
from data.exchange import OrderBook, Venue
from data.panel import Panel


class PaperExecutor:
    """Fills both legs at once from the books' visible depth; the market does not notice."""

    def __init__(self, venues: Mapping[str, Venue], rules: Rules) -> None:
        self._venues = venues
        self._rules = rules

    def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """Move the books to `tick` as the simulated venue does."""
        after, row = books.copy(), panel.row(tick)
        paid = settle(after, panel.settled[row], panel.close[row], self._rules)[0]
        payments = []
        for slot, leg in np.argwhere(paid != 0.0).tolist():
            column = int(books.instrument[0, slot, leg])
            rate, amount = float(panel.settled[row, column]), float(paid[slot, leg])
            payments.append(Payment(slot, leg, column, rate, amount))
        return after, tuple(payments)

    async def execute(self, order: ApprovedOrder) -> tuple[LegFill, ...] | Unfilled:
        """Fill every leg at the depth that is there now, within its collar."""
        legs = order.proposal.legs
        books = await asyncio.gather(*(self._venues[leg.instrument.venue].book(leg.instrument.symbol) for leg in legs))
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
