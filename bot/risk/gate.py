"""The gate: every order passes `RiskGate.review`, used by the trader; executors take nothing that it has not made."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from backtest.accounting import Books
from backtest.rules import Rules
from bot.bans import BanList
from bot.latch import Holding, LatchState
from bot.orders import Proposal
from bot.risk.denial import Denial
from bot.risk.edge import too_thin
from bot.risk.exposure import lost_too_much, overstretched, too_large
from bot.risk.history import History, NoHistory, Recent
from bot.risk.prices import QuoteRatios, stale, unreasonable
from bot.risk.review import Entry
from bot.risk.shape import malformed
from bot.risk_settings import RiskSettings
from data.errors import StateError
from data.panel import Panel
from data.quotes import Quote
from data.types import HOUR_MS

LATCHED = {
    LatchState.NONE: None,
    LatchState.PAUSED: Denial.PAUSED,
    LatchState.KILLED: Denial.KILLED,
    LatchState.UNREADABLE: Denial.LATCH_UNREADABLE,
}


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

    def __init__(
        self,
        settings: RiskSettings,
        rules: Rules,
        run: int,
        latch: Holding | None = None,
        history: History | None = None,
        bans: BanList | None = None,
    ) -> None:
        """Without `latch` nothing pauses or kills; without `history` the past is what this gate has approved; without
        `bans` no pair is left alone."""
        self._settings = settings
        self._rules = rules
        self._run = run
        self._latch = latch
        self._bans = bans
        self._recent = Recent(history or NoHistory(), settings.failed_entries_hours)
        self._ratios = QuoteRatios()

    def review(
        self, proposal: Proposal, books: Books, panel: Panel, quotes: Sequence[Quote] = (), now_ms: int = 0
    ) -> ApprovedOrder | Denied:
        """Approve the proposal or name the limit that it breaks. `books` are as they are now, `panel` ends now.

        `quotes` are the tops of the legs' order books, in their order, where they are known before the order is sent,
        and `now_ms` is the time by their clock; an executor that reads them later holds the order to its collar itself.
        """
        client_ids = self._client_ids(proposal)
        if proposal.entry:
            entry = Entry(proposal, books, panel, quotes, now_ms, self._rules, self._settings)
            denial = self._broken_limit(entry, client_ids)
            if denial is not None:
                return Denied(proposal, denial)
        self._recent.approved(proposal.tick, client_ids)
        return ApprovedOrder(proposal, client_ids, _Seal(proposal))

    def recall(self, tick: int) -> None:
        """Read the past that `tick` is reviewed by, before anything is decided. A past that cannot be read is left to
        the first entry, which needs it: exits do not."""
        with suppress(StateError):
            self._recent.read(tick)

    @property
    def reducing(self) -> bool:
        """Whether the kill switch wants every position closed."""
        return self._latch is not None and self._latch.read().state is LatchState.KILLED

    def _client_ids(self, proposal: Proposal) -> tuple[str, ...]:
        kind = "in" if proposal.entry else "out"
        # One tick can try several pairs for the same slot, until one of them fills.
        long, short = proposal.columns
        stem = f"{self._run}-{proposal.tick // HOUR_MS}-{proposal.slot}-{long}x{short}-{kind}"
        return tuple(f"{stem}-{leg.leg}" for leg in proposal.legs)

    def _broken_limit(self, entry: Entry, client_ids: Sequence[str]) -> Denial | None:
        """The first one, in this order: each check relies on those before it."""
        return (
            self._latched()
            or malformed(entry)
            or self._banned(entry)
            or stale(entry)
            or unreasonable(entry, self._ratios)
            or too_large(entry)
            or overstretched(entry)
            or self._past(entry, client_ids)
            or too_thin(entry)
        )

    def _latched(self) -> Denial | None:
        return None if self._latch is None else LATCHED[self._latch.read().state]

    def _banned(self, entry: Entry) -> Denial | None:
        pair = [leg.instrument.key for leg in entry.legs]
        banned = self._bans is not None and self._bans.bans(pair, entry.proposal.tick)
        return Denial.BANNED if banned else None

    def _past(self, entry: Entry, client_ids: Sequence[str]) -> Denial | None:
        """What was lost, and how often something was tried."""
        recent, limits = self._recent, self._settings
        recent.read(entry.proposal.tick)
        if (denial := lost_too_much(entry, recent.day_open)) is not None:
            return denial
        if recent.orders_with(client_ids) > limits.max_orders_per_minute:
            return Denial.MESSAGE_RATE
        if recent.failed([leg.instrument.key for leg in entry.legs]) >= limits.max_failed_entries:
            return Denial.REPEATED_FAILURE
        return None
