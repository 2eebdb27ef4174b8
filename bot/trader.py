"""The trader: one tick is snapshot -> observation -> policy -> risk -> executor -> ledger -> events.

Paper and live differ in the executor alone. Everything that a tick changes is written in one transaction at its end, so
a process that dies in the middle of a tick does the whole tick again.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from backtest.accounting import LONG, SHORT, Books, Fill, SlotCleared, apply, equity
from backtest.observation import Features, Schema, make_features, write_observations
from backtest.policies import Policy
from backtest.simulated_venue import (
    NOT_CLOSED,
    POLICY,
    Rules,
    forced_exit,
    free_slot,
    holds,
    new_closed,
    pair_quantity,
    record_closed,
)
from backtest.trades import Trade, closed_trade
from bot.alerts import Event, Kind
from bot.execution.port import Executor
from bot.ledger.store import Ledger, TickRecord
from bot.orders import LegFill, LegOrder, Proposal, Unfilled
from bot.risk import Denied, RiskGate
from bot.settings import Settings
from data.clock import Clock
from data.ingest import Collector
from data.lake import Lake
from data.panel import Panel, build_panel
from data.types import HOUR_MS, Instrument


@dataclass(frozen=True)
class Account:
    """What the trader trades for: the run in the ledger, its instruments, the schema of its observations."""

    run_id: int
    instruments: tuple[Instrument, ...]
    schema: Schema
    capital: float


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
        self._account = account
        self._policy = policy
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

    async def tick(self, tick: int, *, decide: bool) -> TickRecord:
        """Bring the account to `tick`; with `decide`, also trade unless that hour is over. Raises VenueError with the
        account as it was."""
        record = await self._collect(tick)
        panel = self._panel(tick)
        books = self._settle(self.books, panel, record)
        record.equity = float(equity(books, 0))
        # Collecting can take minutes where much is missing: what was decided now would fill in another hour.
        if decide and await self._clock.now_ms() < tick + HOUR_MS:
            books = await self._trade(books, panel, record)
        self._ledger.record_tick(self._account.run_id, record, books)
        self.books = books
        for event in record.events:
            self._publish(event)
        return record

    async def _collect(self, tick: int) -> TickRecord:
        collected = await self._collector.collect(tick)
        record = TickRecord(tick, equity=0.0)
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
        instruments = self._account.instruments
        return build_panel(
            instruments,
            self._lake.bars(instruments, first - HOUR_MS, tick),
            self._lake.settlements(instruments, first - HOUR_MS, tick),
            first,
            tick,
            data.decision_delay_s,
        )

    def _settle(self, before: Books, panel: Panel, record: TickRecord) -> Books:
        books, payments = self._executor.settle(before, panel, record.tick)
        record.payments = [(self._account.instruments[payment.column], payment) for payment in payments]
        lost = (before.quantity[0] != 0) & (books.quantity[0] == 0)
        for slot, leg in np.argwhere(lost).tolist():
            name = self._name(int(before.instrument[0, slot, leg]))
            record.events.append(
                Event(record.tick, Kind.LIQUIDATED, f"{name} was liquidated; its other leg is closed next")
            )
        return books

    async def _trade(self, books: Books, panel: Panel, record: TickRecord) -> Books:
        features = make_features(panel, self._settings.data.venues, self._settings.environment)
        observation = np.empty((1, self._account.schema.size), dtype=np.float32)
        write_observations(observation, books, features, -1, record.tick, self._account.capital, self._rules)
        record.action = int(self._policy.decide(observation)[0])
        forced = set()
        for slot in range(books.opened_at.shape[1]):
            reason = forced_exit(books, 0, slot, self._rules)
            if reason != NOT_CLOSED:
                forced.add(slot)
                books = await self._carry_out(self._exit(books, slot, reason, record.tick), books, panel, record)
        wanted = self._wanted(record.action, books, panel, features, record.tick)
        if wanted is not None and (wanted.entry or wanted.slot not in forced):
            books = await self._carry_out(wanted, books, panel, record)
        return books

    def _wanted(self, action: int, books: Books, panel: Panel, features: Features, tick: int) -> Proposal | None:
        """The action as a proposal; None where it cannot be carried out."""
        ranked = features.ranked[-1]
        if not 0 < action < self._account.schema.actions:
            return None
        if action > len(ranked):
            slot = action - len(ranked) - 1
            return None if books.opened_at[0, slot] == 0 else self._exit(books, slot, POLICY, tick)
        pair, slot = int(ranked[action - 1]), free_slot(books, 0)
        if pair < 0 or slot < 0 or holds(books, 0, *features.legs[pair]):
            return None
        long, short = features.legs[pair][:: int(features.direction[-1, pair])]
        quantity = pair_quantity(long, short, panel.close[-1], self._rules)
        if quantity == 0:
            return None
        legs = tuple(
            self._leg(leg, int(column), sign * quantity, float(panel.close[-1, column]), self._rules.price_collar)
            for leg, column, sign in ((LONG, long, 1), (SHORT, short, -1))
        )
        return Proposal(entry=True, slot=slot, tick=tick, reason=NOT_CLOSED, legs=legs)

    def _exit(self, books: Books, slot: int, reason: int, tick: int) -> Proposal:
        legs = tuple(
            self._leg(leg, int(books.instrument[0, slot, leg]), -quantity, float(books.mark[0, slot, leg]), np.inf)
            for leg, quantity in enumerate(books.quantity[0, slot].tolist())
            if quantity != 0
        )
        return Proposal(entry=False, slot=slot, tick=tick, reason=reason, legs=legs)

    def _leg(self, leg: int, column: int, quantity: float, reference: float, collar: float) -> LegOrder:
        instrument = self._account.instruments[column]
        return LegOrder(leg, instrument, column, int(self._rules.venue_of[column]), quantity, reference, collar)

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
                    proposal.tick,
                ),
            )  # fmt: skip
        if proposal.entry:
            record.events.append(Event(record.tick, Kind.ENTERED, f"entered {self._title(proposal)}"))
            return after
        trade = self._closed(proposal, outcome, books, after)
        record.trades.append(trade)
        text = f"exited {trade.asset} after {trade.hours:g} h: {trade.pnl:+.2f} ({trade.reason})"
        record.events.append(Event(record.tick, Kind.EXITED, text))
        return apply(after, SlotCleared(proposal.slot))

    def _closed(self, proposal: Proposal, fills: tuple[LegFill, ...], before: Books, after: Books) -> Trade:
        closed = new_closed(1, after.opened_at.shape[1])
        closed.exit[0, proposal.slot] = before.mark[0, proposal.slot]
        for leg, fill in zip(proposal.legs, fills, strict=True):
            closed.exit[0, proposal.slot, leg.leg] = fill.price
            closed.quantity[0, proposal.slot] = abs(fill.quantity)
        record_closed(after, 0, proposal.slot, proposal.reason, closed)
        return closed_trade(closed, proposal.slot, proposal.tick, self._account.instruments)

    def _title(self, proposal: Proposal) -> str:
        sides = " and ".join(
            f"{'long' if leg.leg == LONG else 'short'} {self._name(leg.column)}" for leg in proposal.legs
        )
        return f"slot {proposal.slot}, {sides}"

    def _name(self, column: int) -> str:
        instrument = self._account.instruments[column]
        return f"{instrument.asset} on {instrument.venue}"
