"""The Executor port: paper and live trading differ in nothing but which of these the trader is given."""

from typing import Protocol

from backtest.accounting import Books
from bot.orders import LegFill, Payment, Unfilled
from bot.risk import ApprovedOrder
from data.panel import Panel


class Executor(Protocol):
    """Trades and settles one account. Called from one event loop, one call at a time."""

    def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """The books at `tick`, a row of `panel`: funding, marks, liquidation and transfers since the tick before."""

    async def execute(self, order: ApprovedOrder) -> tuple[LegFill, ...] | Unfilled:
        """Fill the legs of the order in equal parts, as far as the venues can, or not at all. Raises VenueError if a
        venue cannot be asked."""
