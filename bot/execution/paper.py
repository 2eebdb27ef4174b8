"""Paper trading: orders are filled by walking the real order books of the venues, and nothing is sent to them."""

import asyncio
import math
from collections.abc import Mapping, Sequence

import numpy as np

from backtest.accounting import Books
from backtest.events import FundingPayment, apply
from backtest.rules import Rules, pair_lots, whole_lots
from backtest.settlement import market_hours, settle
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

    def __init__(
        self,
        venues: Mapping[str, Venue],
        rules: Rules,
        paid: set[tuple[int, int, str, str]],
        delisted_after_hours: int,
    ) -> None:
        self._venues = venues
        self._rules = rules
        self._delisted_after_hours = delisted_after_hours
        self._paid = paid

    def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """Move the books to `tick` as the simulated venue does, after funding that came late."""
        after, payments = self._settle_late(books, panel, tick)
        after = after.copy()
        settle(after, tick, market_hours(panel, self._delisted_after_hours), panel.row(tick), self._rules)
        for slot, leg in np.argwhere(after.paid != 0.0).tolist():
            column = int(books.instrument[slot, leg])
            rate = float(panel.settled[panel.row(tick), column])
            payments.append(Payment(tick, slot, leg, column, rate, float(after.paid[slot, leg])))
        self._paid |= {self._key(payment, panel) for payment in payments}
        return after, tuple(payments)

    def _settle_late(self, books: Books, panel: Panel, tick: int) -> tuple[Books, list[Payment]]:
        """Funding of earlier ticks that the legs were held for and that is not booked yet, at the prices of then."""
        payments: list[Payment] = []
        for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
            column = int(books.instrument[slot, leg])
            held = (panel.ticks > books.opened_at[slot]) & (panel.ticks < tick)
            for row in np.flatnonzero(held & (panel.settled[:, column] != 0.0)).tolist():
                rate, close = float(panel.settled[row, column]), float(panel.close[row, column])
                price = close if math.isfinite(close) else float(books.mark[slot, leg])
                amount = -float(books.quantity[slot, leg]) * price * rate
                payment = Payment(int(panel.ticks[row]), slot, leg, column, rate, amount)
                if self._key(payment, panel) not in self._paid:
                    venue = int(self._rules.instruments[column].venue)
                    books = apply(books, FundingPayment(slot, leg, venue, rate, price))
                    payments.append(payment)
        return books, payments

    def _key(self, payment: Payment, panel: Panel) -> tuple[int, int, str, str]:
        instrument = panel.instruments[payment.column]
        return payment.due, payment.slot, instrument.venue, instrument.symbol

    async def execute(self, order: ApprovedOrder) -> tuple[LegFill, ...] | Unfilled:
        """Fill the legs in equal parts at the depth that is there now, within their collars. A venue that cannot show
        its book now means that nothing was traded."""
        legs = order.proposal.legs
        try:
            reads = (self._venues[leg.instrument.venue].book(leg.instrument.symbol) for leg in legs)
            books = await asyncio.gather(*reads)
        except VenueError as error:
            return Unfilled(str(error))
        wanted = [abs(leg.quantity) for leg in legs]
        shares = [depth(book, leg) / abs(leg.quantity) for book, leg in zip(books, legs, strict=True)]
        if min(shares) < 1.0:
            wanted = self._lots(order, [min(shares) * quantity for quantity in wanted])
        if not all(wanted):
            thin = legs[int(np.argmin(shares))]
            name = f"{thin.instrument.venue} {thin.instrument.symbol}"
            return Unfilled(f"{name}: not enough depth near {thin.reference:g}")
        return tuple(
            self._fill(leg, quantity, client_id, book)
            for leg, quantity, client_id, book in zip(legs, wanted, order.client_ids, books, strict=True)
        )

    def _lots(self, order: ApprovedOrder, quantities: list[float]) -> list[float]:
        """Whole lots of what can be had; none where a venue would refuse an entry of that size."""
        long, short = order.proposal.columns
        if not order.proposal.entry:
            return [whole_lots(quantity, long, short, self._rules) for quantity in quantities]
        long_close, short_close = (leg.reference for leg in order.proposal.legs)
        lots = pair_lots(min(quantities), long, short, long_close, short_close, self._rules)
        return [lots] * len(quantities)

    def _fill(self, leg: LegOrder, quantity: float, client_id: str, book: OrderBook) -> LegFill:
        rule = self._rules.instruments[leg.column]
        leverage = float(self._rules.venues[rule.venue].leverage)
        signed = math.copysign(quantity, leg.quantity)
        return LegFill(client_id, signed, walk(book, signed), book.mid, float(rule.fee_rate), leverage)


def depth(book: OrderBook, leg: LegOrder) -> float:
    """How much of the leg's quantity the book takes, without sign; 0 where nothing trades, the price of that much is
    outside the leg's collar, or an entry would meet a crossed book."""
    if math.isnan(book.mid) or (math.isfinite(leg.collar) and book.bids[0][0] >= book.asks[0][0]):
        return 0.0
    left = abs(leg.quantity)
    for _, size in _side(book, leg.quantity):
        left -= size
        if left <= 0.0:
            break
    held = abs(leg.quantity) - max(left, 0.0)
    if held == 0.0:
        return 0.0
    price = walk(book, math.copysign(held, leg.quantity))
    return held if abs(price / leg.reference - 1) <= leg.collar else 0.0


def walk(book: OrderBook, quantity: float) -> float:
    """Average price of taking signed `quantity`, which the book must hold, level by level."""
    wanted = left = abs(quantity)
    paid = 0.0
    for price, size in _side(book, quantity):
        taken = min(left, size)
        if taken == wanted:
            return price
        paid, left = paid + taken * price, left - taken
        if left <= 1e-12 * wanted:
            break
    return paid / wanted


def _side(book: OrderBook, quantity: float) -> Sequence[tuple[float, float]]:
    return book.asks if quantity > 0 else book.bids
