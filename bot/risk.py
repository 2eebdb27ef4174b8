"""The one gate between a decision and an order: what risk has not approved cannot be sent.

`ApprovedOrder` is the only thing that executors take, and only `RiskGate.review` can make one.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from backtest.accounting import Books, equity
from backtest.rules import Rules, margin_allows
from bot.orders import Proposal
from bot.settings import RiskSettings
from data.panel import Panel
from data.types import HOUR_MS


class Denial(StrEnum):
    """Why an entry was refused."""

    LEG_NOTIONAL = "a leg is larger than max_leg_notional"
    GROSS_NOTIONAL = "all legs together would be larger than max_gross_notional"
    DRAWDOWN = "equity is further below its peak than max_drawdown_pct"
    STALE_DATA = "a leg has had no price for max_data_age_hours"
    MARGIN = "a venue would be left with too little above its maintenance margin"
    NOT_FINITE = "a quantity or price is not a finite positive number"


class _Seal:
    """Ties an approval to the very proposal that was reviewed."""

    def __init__(self, proposal: Proposal) -> None:
        self.proposal = proposal


@dataclass(frozen=True)
class ApprovedOrder:
    """A proposal that passed the gate; `client_ids` name its legs' orders, the same however often it is retried."""

    proposal: Proposal
    client_ids: tuple[str, ...]
    seal: object

    def __post_init__(self) -> None:
        if not isinstance(self.seal, _Seal) or self.seal.proposal is not self.proposal:
            raise TypeError("an ApprovedOrder is made by RiskGate.review only")


@dataclass(frozen=True)
class Denied:
    """A proposal that did not pass."""

    proposal: Proposal
    denial: Denial


class RiskGate:
    """Checks entries against the limits. Exits always pass: what blocks an entry must never hold a position."""

    def __init__(self, settings: RiskSettings, rules: Rules, run: int) -> None:
        self._settings = settings
        self._rules = rules
        self._run = run

    def review(self, proposal: Proposal, books: Books, panel: Panel) -> ApprovedOrder | Denied:
        """Approve the proposal or name the limit that it breaks. `books` are as they are now, `panel` ends now."""
        denial = self._broken_limit(proposal, books, panel) if proposal.entry else None
        if denial is not None:
            return Denied(proposal, denial)
        kind = "in" if proposal.entry else "out"
        # One tick can try several pairs for the same slot, until one of them fills.
        long, short = proposal.columns
        stem = f"{self._run}-{proposal.tick // HOUR_MS}-{proposal.slot}-{long}x{short}-{kind}"
        return ApprovedOrder(proposal, tuple(f"{stem}-{leg.leg}" for leg in proposal.legs), _Seal(proposal))

    def _broken_limit(self, proposal: Proposal, books: Books, panel: Panel) -> Denial | None:
        limits = self._settings
        numbers = [number for leg in proposal.legs for number in (abs(leg.quantity), leg.reference)]
        if not all(np.isfinite(number) and number > 0 for number in numbers):
            return Denial.NOT_FINITE
        recent = panel.close[-limits.max_data_age_hours :]
        if any(np.isnan(recent[:, leg.column]).all() for leg in proposal.legs):
            return Denial.STALE_DATA
        notionals = [abs(leg.quantity) * float(panel.close[-1, leg.column]) for leg in proposal.legs]
        if not np.all(np.isfinite(notionals)):
            return Denial.NOT_FINITE
        if max(notionals) > limits.max_leg_notional:
            return Denial.LEG_NOTIONAL
        if float(np.sum(np.abs(books.quantity) * books.mark)) + sum(notionals) > limits.max_gross_notional:
            return Denial.GROSS_NOTIONAL
        if equity(books) < (1 - limits.max_drawdown_pct / 100) * books.peak:
            return Denial.DRAWDOWN
        long, short = (leg.column for leg in proposal.legs)
        closes = float(panel.close[-1, long]), float(panel.close[-1, short])
        if not margin_allows(books, long, short, abs(proposal.legs[0].quantity), *closes, self._rules):
            return Denial.MARGIN
        return None
