"""The Executor port: paper and live trading differ in nothing but which of these the trader is given."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from backtest.accounting import Books
from bot.orders import Executed, Outcome, Payment, Proposal, Unfilled
from bot.risk import ApprovedOrder
from data.panel import Panel
from data.types import Instrument


class SideBySide(Protocol):
    """Carries out orders that rest for a while, all at the same time."""

    async def rest(self, orders: Sequence[ApprovedOrder]) -> Sequence[Outcome]:
        """What became of the orders, one outcome each."""


class Executor(Protocol):
    """Trades and settles one account. Called from one event loop, one call at a time."""

    async def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """The books at `tick`, a row of `panel`: funding, marks, liquidation and transfers since the tick before.
        Raises VenueError if a venue cannot be asked."""

    async def read_ahead(self, instruments: Iterable[Instrument]) -> None:
        """A chance to look at what the next entries may be for, before anybody decides. Raises nothing of a venue's."""

    async def execute(self, order: ApprovedOrder) -> Outcome:
        """Fill the legs of the order in equal parts, as far as the venues can, or not at all."""

    async def recover(self, books: Books) -> Sequence[tuple[Proposal, Executed | Unfilled]]:
        """What became of earlier proposals whose outcome was not known, as far as it is known now, each one completed
        or unwound. `books` are as they are without them."""
