"""The trader: one tick is snapshot -> observation -> policy -> risk -> executor -> ledger -> events.

Paper and live differ in the executor and the journal alone. Everything that a tick changes is written in one
transaction at its end, so a process that dies in the middle of a tick does the whole tick again; what was traded at a
venue by then is in the journal, and is not decided a second time.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import OPEN, Books, equity
from backtest.events import Closing, SlotCleared, apply
from backtest.observation import Features, make_features
from backtest.policies import Policy
from backtest.rules import Rules
from backtest.schema import settings_for
from backtest.settlement import KILLED, POLICY, REASONS, mark_forced_exits
from backtest.simulated_venue import FLAT, IN, KEEP, pair_held, write_plan
from bot.alerts import Event, Kind
from bot.bookkeeper import Bookkeeper
from bot.decision import decide, shown
from bot.execution.mending import Share
from bot.execution.port import Executor, SideBySide
from bot.hourly import Hourly
from bot.ledger.journal import Journal
from bot.ledger.store import Ledger, TickRecord
from bot.orders import LegFill, Outcome, Pending, Proposal, Unfilled
from bot.proposals import Proposals
from bot.risk import ApprovedOrder, Denied, RiskGate
from bot.settings import Settings
from bot.troubles import Troubles
from bot.venue_orders import VenueFill
from data.clock import Clock
from data.errors import StateError
from data.ingest import Collector
from data.lake import Lake
from data.panel import Panel
from data.types import HOUR_MS, Instrument

ASKED_S = 0.001
"""So long it takes until questions have left for the venues."""


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
        journal: Journal | None = None,
        resting: SideBySide | None = None,
    ) -> None:
        """`journal` keeps what cannot be undone, where orders are real; `resting` carries out entries and the policy's
        exits where they do not take at once."""
        self.books = books
        self.champion = account.champion
        self._account = account
        self._policy = policy
        self._news: list[tuple[Kind, str]] = []
        """What no tick has told yet."""
        self._hourly = Hourly(collector, lake, account.instruments, settings.data)
        self._executor = executor
        self._gate = gate
        self._ledger = ledger
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._publish = publish
        self._journal = journal
        self._resting = resting
        self._proposals = Proposals(account.instruments, rules)
        self._keeper = Bookkeeper(account.instruments, self._proposals, journal)
        self._between: TickRecord | None = None
        """What happened since the last tick."""
        self._panel_now: Panel | None = None
        self._likely: tuple[Instrument, ...] = ()
        """What the next entries are probably for."""
        self.at_rest: Books | None = None
        """The books as they were when orders began to rest; None while none does."""
        self._busy, self._rests = asyncio.Lock(), asyncio.Event()
        self._troubles = Troubles()
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

    async def resume(self, tick: int) -> None:
        """Go on where a process ended whose last complete tick was `tick`: what it had traded is booked, what it had
        sent is asked for, and completed or unwound. Once, before the first tick."""
        record = TickRecord(tick, equity=0.0)
        self.books = self._keeper.resumed(self.books, record)
        self.books = await self._recovered(self.books, record)
        self._between = record

    async def tick(self, tick: int, *, decide: bool) -> TickRecord:
        """Bring the account to `tick`; with `decide`, also trade unless that hour is over. Raises VenueError with the
        account as it was."""
        async with self._busy:
            return await self._tick(tick, decide=decide)

    @property
    def behind(self) -> bool:
        """Whether the hour that a process died in is still to be settled: what it traded then is not in `books` yet."""
        return self._between is not None and self._keeper.behind(self._between.tick)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[int]:
        """Between two ticks, for whoever watches over the account: within the block nothing else trades, and what was
        sent before is asked for first. Gives the tick that the books are settled to; raises StateError before the
        first one."""
        async with self._busy:
            yield await self._settled_tick()

    @asynccontextmanager
    async def alone_unless_at_rest(self) -> AsyncIterator[int | None]:
        """The same, but gives None, and nothing may be done, where orders rest or come to rest before it is our turn:
        that may take most of an hour."""
        if not await self._taken_before_a_rest():
            yield None
            return
        try:
            yield await self._settled_tick()
        finally:
            self._busy.release()

    async def _taken_before_a_rest(self) -> bool:
        taking, rests = asyncio.ensure_future(self._busy.acquire()), asyncio.ensure_future(self._rests.wait())
        try:
            await asyncio.wait({taking, rests}, return_when=asyncio.FIRST_COMPLETED)
            return taking.done()
        finally:
            rests.cancel()
            if not taking.done():
                taking.cancel()

    async def _settled_tick(self) -> int:
        if self._between is None:
            if self._panel_now is None:
                raise StateError("the account has not finished its first hour: watch over it afterwards")
            self._between = TickRecord(int(self._panel_now.ticks[-1]), equity=0.0)
        self.books = await self._recovered(self.books, self._between)
        return self._between.tick

    async def leave(self, slot: int, reason: int, shares: Sequence[Share] = ()) -> None:
        """Close a position, or trade those `shares` of it alone. Within `alone`."""
        record = self._record_between()
        whole = self._proposals.exit(self.books, slot, reason, record.tick)
        parts = {share.leg: share.quantity for share in shares}
        legs = tuple(replace(leg, quantity=parts.get(leg.leg, leg.quantity)) for leg in whole.legs)
        proposal = replace(whole, legs=tuple(leg for leg in legs if not parts or leg.leg in parts))
        panel = self._panel_now or self._hourly.panel(record.tick)
        if proposal.legs:
            self.books = await self._carry_out(proposal, self.books, panel, record)
        else:
            self.books = await self._leave(self.books, slot, reason, panel, record)

    def adopt(self, share: Share, reason: int, fill: VenueFill, remark: str) -> None:
        """Book what somebody else traded in a leg, as the venue's history has it. Within `alone`."""
        record = self._record_between()
        whole = self._proposals.exit(self.books, share.slot, reason, record.tick)
        proposal = replace(whole, legs=tuple(leg for leg in whole.legs if leg.leg == share.leg))
        leverage = float(self._rules.venues[proposal.legs[0].venue].leverage)
        fee_rate = fill.fee / abs(fill.quantity * fill.price)
        traded = LegFill(fill.client_id, share.leg, share.quantity, fill.price, fill.price, fee_rate, leverage)
        self.books = self._keeper.adopt(proposal, traded, fill, remark, self.books, record)

    def _record_between(self) -> TickRecord:
        if self._between is None or not self._busy.locked():
            raise RuntimeError("ask for the account alone before you act on it")
        return self._between

    async def _tick(self, tick: int, *, decide: bool) -> TickRecord:
        record = self._record(tick, await self._hourly.collect(tick))
        told = len(self._news)
        panel = self._hourly.panel(tick)
        books = await self._settle(self.books, panel, record)
        record.equity = float(equity(books))
        done = self._keeper.pairs_of(tick)
        books = self._keeper.resumed(books, record)
        books = await self._recovered(books, record)
        self._gate.recall(tick)
        # Collecting can take minutes where much is missing: what was decided now would fill in another hour.
        if decide and await self._clock.now_ms() < tick + HOUR_MS:
            features, _ = await asyncio.gather(self._features(panel), self._executor.read_ahead(self._likely))
            books = await self._trade(books, panel, features, record, done)
        record.executions = self._keeper.numbers
        if self._journal is not None:
            self._journal.catch_up()
        self._ledger.record_tick(self._account.run_id, record, books)
        self.books, self._panel_now = books, panel
        del self._news[:told]  # what is told amid a tick is the next one's
        self._keeper.snapshot_taken()
        self._between = None
        for event in record.events:
            self._publish(event)
        return record

    async def _recovered(self, books: Books, record: TickRecord) -> Books:
        """The books with what has become known of earlier orders."""
        known = self._keeper.later(books, record.tick)
        for proposal, outcome in await self._executor.recover(known):
            if proposal.tick > record.tick:  # the tick that its process died in: booked once that is settled
                self._keeper.complete(proposal, outcome, known, TickRecord(proposal.tick, equity=0.0))
            else:
                books = self._keeper.book(proposal, outcome, books, record)
        return books

    def _record(self, tick: int, told: Sequence[Event]) -> TickRecord:
        """Of a tick that begins: what is told of the market, and what happened since the one before."""
        record = TickRecord(tick, equity=0.0, champion=self.champion if self._news else None)
        if self._between is not None:
            record.events += self._between.events
            record.trades += self._between.trades
        record.events += [Event(tick, kind, text) for kind, text in self._news]
        record.events += told
        record.events += [Event(tick, Kind.TROUBLE, text) for text in self._troubles.over(tick)]
        return record

    async def _settle(self, before: Books, panel: Panel, record: TickRecord) -> Books:
        books, payments = await self._executor.settle(before, panel, record.tick)
        record.payments = [(self._account.instruments[payment.column], payment) for payment in payments]
        lost = (before.quantity != 0) & (books.quantity == 0)
        for slot, leg in np.argwhere(lost).tolist():
            name = self._proposals.name(int(before.instrument[slot, leg]))
            what = REASONS[books.closing[slot]]
            text = f"{name} was {what} by the venue; what is left of the position is closed next"
            record.events.append(Event(record.tick, Kind.LIQUIDATED, text))
        return books

    async def _features(self, panel: Panel) -> Features:
        """Of the panel's last tick, made while venues answer what has just been asked of them."""
        await asyncio.sleep(ASKED_S)
        return make_features(panel, self._settings.data.venues, self._settings.environment, newest=1)

    async def _trade(
        self, books: Books, panel: Panel, features: Features, record: TickRecord, done: set[tuple[int, int]]
    ) -> Books:
        """Forced exits, then what the policy wants, but for pairs that are `done`: they were traded at this tick by a
        process that died in it."""
        self._likely = self._proposals.likely(books, features)
        plan = np.zeros(len(features.legs), dtype=np.int64)
        if record.tick // HOUR_MS % self._policy.schema.decision_hours == 0:
            self._decide(plan, books, features, record)
            for columns in done:
                plan[features.pair_of[columns]] = KEEP
        marked = books.copy()
        if self._gate.reducing:
            marked.closing[(books.opened_at != 0) & (books.closing == OPEN)] = KILLED
        if mark_forced_exits(marked, self._rules):
            for slot in np.flatnonzero(marked.closing != OPEN).tolist():
                plan[pair_held(books, slot, features.pair_of)] = KEEP
                books = apply(books, Closing(slot, int(marked.closing[slot])))
                books = await self._leave(books, slot, int(marked.closing[slot]), panel, record)
        if self._resting is not None:
            return await self._rest(self._resting, plan, books, panel, features, record)
        for slot in range(len(books.opened_at)):
            if books.opened_at[slot] != 0 and plan[pair_held(books, slot, features.pair_of)] == FLAT:
                books = await self._leave(books, slot, POLICY, panel, record)
        for pair in features.order[-1]:
            if pair >= 0 and plan[pair] == IN:
                wanted = self._proposals.entry(int(pair), books, panel, features, record.tick)
                books = books if wanted is None else await self._carry_out(wanted, books, panel, record)
        return books

    async def _rest(
        self,
        resting: SideBySide,
        plan: NDArray[np.int64],
        books: Books,
        panel: Panel,
        features: Features,
        record: TickRecord,
    ) -> Books:
        """Entries by rank and the plan's exits, side by side: each is reviewed as if those before it were filled, and
        none counts on what an exit will set free."""
        assumed, orders = books, list[ApprovedOrder]()
        for pair in features.order[-1]:
            if pair < 0 or plan[pair] != IN:
                continue
            wanted = self._proposals.entry(int(pair), assumed, panel, features, record.tick)
            order = None if wanted is None else self._approved(wanted, assumed, panel, record)
            if order is not None:
                orders.append(order)
                assumed = self._proposals.set_aside(order.proposal, assumed)
        for slot in range(len(books.opened_at)):
            if books.opened_at[slot] != 0 and plan[pair_held(books, slot, features.pair_of)] == FLAT:
                order = self._approved(self._proposals.exit(books, slot, POLICY, record.tick), books, panel, record)
                orders += [] if order is None else [order]
        if not orders:
            return books
        self.at_rest = books
        self._rests.set()
        try:
            outcomes = await resting.rest(orders)
        finally:
            self.at_rest = None
            self._rests.clear()
        for order, outcome in zip(orders, outcomes, strict=True):
            books = self._booked(order, outcome, books, record)
        return books

    def _decide(self, plan: NDArray[np.int64], books: Books, features: Features, record: TickRecord) -> None:
        """Ask the policy, and write what it wants into `plan` [P]."""
        by_pair, newest = self._policy.schema.formulation == "pairs", len(features.values) - 1
        actions = decide(self._policy, shown(self._policy.schema, books, features, record.tick, self._account.capital))
        if senseless := int(((actions < 0) | (actions >= self._policy.schema.actions)).sum()):
            text = f"{self.champion} answered with what is no action ({senseless} of {actions.size} times)"
            told = self._troubles.meet(f"actions of {self.champion}", text, record.tick)
            record.events += [Event(record.tick, Kind.TROUBLE, text) for text in told]
        record.action = " ".join(map(str, actions[0].tolist()))
        write_plan(plan, actions, 0, books, features.ranked, newest, features.pair_of, by_pair)

    async def _leave(self, books: Books, slot: int, reason: int, panel: Panel, record: TickRecord) -> Books:
        """Close a position, as far as it can be; one whose legs are both gone is only cleared away."""
        proposal = self._proposals.exit(books, slot, reason, record.tick)
        if proposal.legs:
            return await self._carry_out(proposal, books, panel, record)
        for event in (Closing(slot, reason), SlotCleared(slot)):
            books = self._keeper.apply(event, books, record)
        return books

    async def _carry_out(self, proposal: Proposal, books: Books, panel: Panel, record: TickRecord) -> Books:
        """Through risk and the executor into the books; the books as they were where nothing was traded."""
        order = self._approved(proposal, books, panel, record)
        return books if order is None else self._booked(order, await self._executor.execute(order), books, record)

    def _approved(self, proposal: Proposal, books: Books, panel: Panel, record: TickRecord) -> ApprovedOrder | None:
        """The proposal as an order that is written, if risk lets it pass."""
        verdict = self._gate.review(proposal, books, panel)
        if isinstance(verdict, Denied):
            text = f"entry of {self._proposals.title(proposal)} denied: {verdict.denial.value}"
            record.events.append(Event(record.tick, Kind.DENIED, text))
            return None
        if self._journal is None:
            self._ledger.record_intents(self._account.run_id, proposal, verdict.client_ids)
        return verdict

    def _booked(self, order: ApprovedOrder, outcome: Outcome, books: Books, record: TickRecord) -> Books:
        proposal = order.proposal
        if isinstance(outcome, Pending):
            title = self._proposals.title(proposal)
            record.events.append(Event(record.tick, Kind.TROUBLE, f"{title}: {outcome.cause}"))
            return books
        if isinstance(outcome, Unfilled):
            record.unfilled += order.client_ids
        return self._keeper.book(proposal, outcome, books, record)
