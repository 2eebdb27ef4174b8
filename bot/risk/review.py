"""What the checks look at: an entry beside the account, the market and the limits. Made by the gate for each review."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from backtest.accounting import Books
from backtest.rules import Rules
from bot.orders import LegOrder, Proposal
from bot.risk_settings import RiskSettings
from data.panel import Panel
from data.quotes import Quote


@dataclass(frozen=True)
class Entry:
    """An entry under review. What asks for `closes` may rely on `malformed` and `stale` having found nothing."""

    proposal: Proposal
    books: Books
    """As they are now."""
    panel: Panel
    """It ends now."""
    quotes: Sequence[Quote]
    """Of the legs, in their order; none where order books are read after the review only."""
    now_ms: int
    """By the clock that stamped them."""
    rules: Rules
    limits: RiskSettings

    @property
    def legs(self) -> tuple[LegOrder, ...]:
        """The long leg, then the short one."""
        return self.proposal.legs

    @cached_property
    def closes(self) -> list[float]:
        """Last close of each leg."""
        return [float(self.panel.close[-1, leg.column]) for leg in self.legs]

    @cached_property
    def notionals(self) -> list[float]:
        """Of each leg at its last close, quote currency."""
        return [abs(leg.quantity) * close for leg, close in zip(self.legs, self.closes, strict=True)]

    @cached_property
    def held(self) -> list[tuple[int, int, float]]:
        """(column, venue, notional at its venue's own mark, signed) of every leg that is held."""
        books = self.books
        where = books["instrument"].ravel().tolist(), books["venue"].ravel().tolist()
        with np.errstate(all="ignore"):  # what is no number denies the entry
            worth = (books["quantity"] * books["mark"]).ravel().tolist()
        return [leg for leg in zip(*where, worth, strict=True) if leg[2] != 0.0]
