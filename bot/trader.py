"""The trader: one tick is snapshot -> observation -> policy -> risk -> executor -> ledger -> events.

Paper and live differ in the executor alone. Everything that a tick changes is written in one transaction at its end, so
a process that dies in the middle of a tick does the whole tick again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG, OPEN, SHORT, Books, equity
from backtest.events import Closing, Fill, SlotCleared, apply
from backtest.observation import Features, make_features, observe
from backtest.policies import Policy
from backtest.rules import Rules, pair_quantity
from backtest.schema import settings_for
from backtest.settlement import POLICY, REASONS, mark_forced_exits
from backtest.simulated_venue import (
    FLAT,
    IN,
    KEEP,
    closings_layout,
    free_slot,
    holds,
    note_closed,
    pair_held,
    write_plan,
)
from backtest.trades import closed_trades
from bot.alerts import Event, Kind
from bot.execution.port import Executor
from bot.ledger.store import Ledger, TickRecord
from bot.orders import LegOrder, Proposal, Unfilled
from bot.risk import Denied, RiskGate
from bot.settings import Settings
from data.clock import Clock
from data.ingest import Collector
from data.lake import Lake
from data.lake_panel import lake_panel
from data.panel import Panel
from data.types import HOUR_MS, Instrument


@dataclass(frozen=True)
class Account:
    """What the trader trades for: the run in the ledger and its instruments."""

    run_id: int
    instruments: tuple[Instrument, ...]
    capital: float
    champion: str
    """Who traded last, as the ledger has it."""


class Trader:
    """Trades one account, a tick at a time. `books` are those after the last complete tick."""

    def __init__(
        self,
        account: Account,
        books: Books,
        policy: Policy,
        collector: Collector,
        lake: Lake,
        executor: Executor,
        gate: RiskGate,
        ledger: Ledger,
        settings: Settings,
        rules: Rules,
        clock: Clock,
        publish: Callable[[Event], None],
    ) -> None:
        self.books = books
        self.champion = account.champion
        self._account = account
        self._policy = policy
        self._news: list[tuple[Kind, str]] = []
        """What no tick has told yet."""
        self._collector = collector
        self._lake = lake
        self._executor = executor
        self._gate = gate
        self._ledger = ledger
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._troubles: set[str] = set()
        """What was wrong with instruments at the last tick: said once, not every hour."""
        self._publish = publish
        settings_for(policy.schema, settings.environment)  # raises for a policy that does not fit the account

    def set_policy(self, policy: Policy, champion: str, why: str) -> None:
        """From the next tick on `policy` decides, by its own schema; the account and its positions stay.

        The next tick tells the ledger. Raises ConfigurationError, changing nothing, for a policy that does not fit the
        account's slots and opportunities.
        """
        settings_for(policy.schema, self._settings.environment)
        self._policy = policy
        if champion != self.champion:
            self.tell(Kind.PROMOTED, f"champion {champion} takes over from {self.champion}: {why}")
            self.champion = champion

    def tell(self, kind: Kind, text: str) -> None:
        """Have the next tick tell the ledger."""
        self._news.append((kind, text))

    async def tick(self, tick: int, *, decide: bool) -> TickRecord:
        """Bring the account to `tick`; with `decide`, also trade unless that hour is over. Raises VenueError with the
        account as it was."""
        record = await self._collect(tick)
        panel = self._panel(tick)
        books = self._settle(self.books, panel, record)
        record.equity = float(equity(books))
        # Collecting can take minutes where much is missing: what was decided now would fill in another hour.
        if decide and await self._clock.now_ms() < tick + HOUR_MS:
            books = await self._trade(books, panel, record)
        self._ledger.record_tick(self._account.run_id, record, books)
        self.books = books
        self._news.clear()
        for event in record.events:
            self._publish(event)
        return record

    async def _collect(self, tick: int) -> TickRecord:
        collected = await self._collector.collect(tick)
        record = TickRecord(tick, equity=0.0, champion=self.champion if self._news else None)
        record.events += [Event(tick, kind, text) for kind, text in self._news]
        if collected.rows.conflicting:
            note = f"{collected.rows.conflicting} rows came back with other values; the first ones were kept"
            record.events.append(Event(tick, Kind.DATA, note))
        if collected.rows.rejected:
            note = f"{collected.rows.rejected} rows with impossible numbers were left out"
            record.events.append(Event(tick, Kind.DATA, note))
        fresh = [trouble for trouble in collected.troubles if trouble not in self._troubles]
        self._troubles = set(collected.troubles)
        record.events += [Event(tick, Kind.TROUBLE, trouble) for trouble in fresh]
        return record

    def _panel(self, tick: int) -> Panel:
        data = self._settings.data
        first = tick - data.history_hours * HOUR_MS
        return lake_panel(self._lake, self._account.instruments, first, tick, data.decision_delay_s)

    def _settle(self, before: Books, panel: Panel, record: TickRecord) -> Books:
        books, payments = self._executor.settle(before, panel, record.tick)
        record.payments = [(self._account.instruments[payment.column], payment) for payment in payments]
        lost = (before.quantity != 0) & (books.quantity == 0)
        for slot, leg in np.argwhere(lost).tolist():
            name = self._name(int(before.instrument[slot, leg]))
            what = REASONS[books.closing[slot]]
            text = f"{name} was {what} by the venue; what is left of the position is closed next"
            record.events.append(Event(record.tick, Kind.LIQUIDATED, text))
        return books

    async def _trade(self, books: Books, panel: Panel, record: TickRecord) -> Books:
        features = make_features(panel, self._settings.data.venues, self._settings.environment)
        plan = np.zeros(len(features.legs), dtype=np.int64)
        if record.tick // HOUR_MS % self._policy.schema.decision_hours == 0:
            self._decide(plan, books, features, record)
        marked = books.copy()
        if mark_forced_exits(marked, self._rules):
            for slot in np.flatnonzero(marked.closing != OPEN).tolist():
                plan[pair_held(books, slot, features.pair_of)] = KEEP
                books = apply(books, Closing(slot, int(marked.closing[slot])))
                books = await self._leave(books, slot, int(marked.closing[slot]), panel, record)
        for slot in range(len(books.opened_at)):
            if books.opened_at[slot] != 0 and plan[pair_held(books, slot, features.pair_of)] == FLAT:
                books = await self._leave(books, slot, POLICY, panel, record)
        for pair in features.order[-1]:
            if pair >= 0 and plan[pair] == IN:
                wanted = self._entry(int(pair), books, panel, features, record.tick)
                books = books if wanted is None else await self._carry_out(wanted, books, panel, record)
        return books

    def _decide(self, plan: NDArray[np.int64], books: Books, features: Features, record: TickRecord) -> None:
        """Ask the policy, and write what it wants into `plan` [P]."""
        schema, by_pair = self._policy.schema, self._policy.schema.formulation == "pairs"
        seen = np.empty((1, schema.size * (len(plan) if by_pair else 1)), dtype=np.float32)
        newest = len(features.values) - 1
        observe(seen, books, features, newest, record.tick, self._account.capital, by_pair)
        actions = self._policy.decide(seen.reshape(1, len(plan), -1) if by_pair else seen).reshape(1, -1)
        record.action = " ".join(map(str, actions[0].tolist()))
        write_plan(plan, actions, 0, books, features.ranked, newest, features.pair_of, by_pair)

    def _entry(self, pair: int, books: Books, panel: Panel, features: Features, tick: int) -> Proposal | None:
        """An entry into the pair; None where it cannot be carried out."""
        slot = free_slot(books)
        if slot < 0 or holds(books, *features.legs[pair]):
            return None
        long, short = (int(column) for column in features.legs[pair][:: int(features.direction[-1, pair])])
        closes = float(panel.close[-1, long]), float(panel.close[-1, short])
        quantity = pair_quantity(long, short, *closes, self._rules)
        if quantity == 0:
            return None
        collar = self._rules.price_collar
        legs = (
            self._leg(LONG, long, quantity, closes[0], collar),
            self._leg(SHORT, short, -quantity, closes[1], collar),
        )
        return Proposal(entry=True, slot=slot, tick=tick, reason=OPEN, legs=legs, columns=(long, short))

    async def _leave(self, books: Books, slot: int, reason: int, panel: Panel, record: TickRecord) -> Books:
        """Close a position, as far as it can be; one whose legs are both gone is only cleared away."""
        proposal = self._exit(books, slot, reason, record.tick)
        if proposal.legs:
            return await self._carry_out(proposal, books, panel, record)
        return self._closed(proposal, apply(books, Closing(slot, reason)), record)

    def _exit(self, books: Books, slot: int, reason: int, tick: int) -> Proposal:
        legs = tuple(
            self._leg(leg, int(books.instrument[slot, leg]), -quantity, float(books.mark[slot, leg]), np.inf)
            for leg, quantity in enumerate(books.quantity[slot].tolist())
            if quantity != 0
        )
        long, short = books.instrument[slot].tolist()
        return Proposal(entry=False, slot=slot, tick=tick, reason=reason, legs=legs, columns=(long, short))

    def _leg(self, leg: int, column: int, quantity: float, reference: float, collar: float) -> LegOrder:
        instrument = self._account.instruments[column]
        return LegOrder(
            leg, instrument, column, int(self._rules.instruments[column].venue), quantity, reference, collar
        )

    async def _carry_out(self, proposal: Proposal, books: Books, panel: Panel, record: TickRecord) -> Books:
        """Through risk and the executor into the books; the books as they were where nothing was traded."""
        verdict = self._gate.review(proposal, books, panel)
        if isinstance(verdict, Denied):
            text = f"entry of {self._title(proposal)} denied: {verdict.denial.value}"
            record.events.append(Event(record.tick, Kind.DENIED, text))
            return books
        self._ledger.record_intents(self._account.run_id, proposal, verdict.client_ids)
        outcome = await self._executor.execute(verdict)
        if isinstance(outcome, Unfilled):
            record.unfilled += verdict.client_ids
            record.events.append(Event(record.tick, Kind.UNFILLED, f"{self._title(proposal)}: {outcome.cause}"))
            return books
        record.fills += outcome
        after = books
        for leg, fill in zip(proposal.legs, outcome, strict=True):
            after = apply(
                after,
                Fill(
                    proposal.slot, leg.leg, leg.column, leg.venue, fill.quantity, fill.price, fill.mid, fill.fee_rate,
                    fill.leverage, proposal.tick,
                ),
            )  # fmt: skip
        if proposal.entry:
            record.events.append(Event(record.tick, Kind.ENTERED, f"entered {self._title(proposal)}"))
            return after
        return self._closed(proposal, apply(after, Closing(proposal.slot, proposal.reason)), record)

    def _closed(self, proposal: Proposal, books: Books, record: TickRecord) -> Books:
        """Note the closed position and free its slot; one that is closed in part stays, and is gone on with."""
        if np.any(books.quantity[proposal.slot] != 0):
            return books
        closings = np.zeros(1, dtype=closings_layout(1))[0]
        note_closed(books, proposal.slot, record.tick, closings)
        (trade,) = closed_trades(closings, self._account.instruments)
        record.trades.append(trade)
        text = f"exited {trade.asset} after {trade.hours:g} h: {trade.pnl:+.2f} ({trade.reason})"
        record.events.append(Event(record.tick, Kind.EXITED, text))
        return apply(books, SlotCleared(proposal.slot))

    def _title(self, proposal: Proposal) -> str:
        sides = " and ".join(
            f"{'long' if leg.leg == LONG else 'short'} {self._name(leg.column)}" for leg in proposal.legs
        )
        return f"slot {proposal.slot}, {sides}"

    def _name(self, column: int) -> str:
        instrument = self._account.instruments[column]
        return f"{instrument.asset} on {instrument.venue}"
