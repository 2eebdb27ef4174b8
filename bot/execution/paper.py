"""Paper trading: orders are filled by walking the real order books of the venues, and nothing is sent to them."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from backtest.accounting import Books
from backtest.events import FundingPayment, apply
from backtest.rules import Rules
from backtest.settlement import market_hours, settle
from bot.execution.sizing import size, walk
from bot.orders import Executed, LegFill, LegOrder, Outcome, Payment, Proposal, Unfilled
from bot.risk import ApprovedOrder
from data.exchange import OrderBook, Venue
from data.panel import Panel
from data.types import Instrument

PaidKey = tuple[int, int, str, str]
"""(due, slot, venue, symbol)."""
LEAST_RATE = 1e-12
"""What is left of a rate below this is rounding."""


class PaperExecutor:
    """Fills both legs at once from the books' visible depth; the market does not notice.

    `paid` is the funding that is booked already, as `Ledger.paid` gives it; what the venues publish after the tick that
    it belongs to is booked when it arrives, a part of it too.
    """

    def __init__(
        self,
        venues: Mapping[str, Venue],
        rules: Rules,
        paid: dict[PaidKey, float],
        delisted_after_hours: int,
    ) -> None:
        self._venues = venues
        self._rules = rules
        self._delisted_after_hours = delisted_after_hours
        self._paid = paid

    async def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """Move the books to `tick` as the simulated venue does, after funding that came late."""
        after, payments = self._settle_late(books, panel, tick)
        after = after.copy()
        settle(after, tick, market_hours(panel, self._delisted_after_hours), panel.row(tick), self._rules)
        for slot, leg in np.argwhere(after.paid != 0.0).tolist():
            column = int(books.instrument[slot, leg])
            rate = float(panel.settled[panel.row(tick), column])
            payments.append(Payment(tick, slot, leg, column, rate, float(after.paid[slot, leg])))
        for payment in payments:
            key = self._key(payment.due, payment.slot, payment.column, panel)
            self._paid[key] = self._paid.get(key, 0.0) + payment.rate
        return after, tuple(payments)

    def _settle_late(self, books: Books, panel: Panel, tick: int) -> tuple[Books, list[Payment]]:
        """Funding of earlier ticks that the legs were held for and that is not booked yet, at the prices of then."""
        payments: list[Payment] = []
        for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
            column = int(books.instrument[slot, leg])
            held = (panel.ticks > books.opened_at[slot]) & (panel.ticks < tick)
            for row in np.flatnonzero(held & (panel.settled[:, column] != 0.0)).tolist():
                due, close = int(panel.ticks[row]), float(panel.close[row, column])
                rate = float(panel.settled[row, column]) - self._paid.get(self._key(due, slot, column, panel), 0.0)
                if abs(rate) < LEAST_RATE:
                    continue
                price = close if math.isfinite(close) else float(books.mark[slot, leg])
                amount = -float(books.quantity[slot, leg]) * price * rate
                venue = int(self._rules.instruments[column].venue)
                books = apply(books, FundingPayment(slot, leg, venue, rate, price))
                payments.append(Payment(due, slot, leg, column, rate, amount))
        return books, payments

    def _key(self, due: int, slot: int, column: int, panel: Panel) -> PaidKey:
        instrument = panel.instruments[column]
        return due, slot, instrument.venue, instrument.symbol

    async def read_ahead(self, instruments: Iterable[Instrument]) -> None:
        """Nothing: paper is in no hurry, and fills at the order books as they are."""

    async def execute(self, order: ApprovedOrder) -> Outcome:
        """Fill the legs in equal parts at the depth that is there now, within their collars. A venue that cannot show
        its book now means that nothing was traded."""
        sized = await size(order.proposal, self._venues, self._rules)
        if isinstance(sized, Unfilled):
            return sized
        parts = zip(order.proposal.legs, sized.quantities, order.client_ids, sized.books, strict=True)
        return Executed(tuple(self._fill(leg, quantity, name, book) for leg, quantity, name, book in parts))

    async def recover(self, books: Books) -> Sequence[tuple[Proposal, Executed | Unfilled]]:
        """Nothing: an order on paper that was not filled at once never was."""
        return ()

    def _fill(self, leg: LegOrder, quantity: float, client_id: str, book: OrderBook) -> LegFill:
        rule = self._rules.instruments[leg.column]
        leverage = float(self._rules.venues[rule.venue].leverage)
        signed = math.copysign(quantity, leg.quantity)
        return LegFill(client_id, leg.leg, signed, walk(book, signed), book.mid, float(rule.fee_rate), leverage)
