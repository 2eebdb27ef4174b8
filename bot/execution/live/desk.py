"""Sends one leg's order: written first, then sent once, then asked for until its outcome is known. Used by `pairs`."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.execution.account import VenueAccount
from bot.execution.live.asking import ask, seen
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Purpose, Sent, Task
from bot.ledger.journal import Journal
from bot.order_state import FINAL, advance
from bot.orders import LegOrder
from bot.venue_orders import OrderReport, OrderState, Style, VenueOrder
from data.types import HOUR_MS, InstrumentKey


@dataclass(frozen=True)
class Shown:
    """What the order book of an order's contract showed as the order was filled, averaged over its parts."""

    mid: float
    taken: float
    """Average price at which as much could have been taken."""


@dataclass
class Work:
    """An execution on its way: its task, and what every order of it came to."""

    task: Task
    intents: tuple[str, ...]
    """Client ids of the legs' intents."""
    now_ms: int
    """Market time at its start."""
    sent: dict[str, Sent] = field(default_factory=dict)
    """By client id, oldest first."""
    attempt: int = 0
    """Number of the last order."""
    naked: float = 0.0
    """What stood without its other leg so far: quote currency x seconds."""
    metered_s: float = field(default_factory=time.monotonic)
    """When that was counted last."""
    seen: dict[str, Shown] = field(default_factory=dict)
    """By client id."""

    def filled(self, leg: int) -> float:
        """Signed, what the orders of a leg are known to have filled."""
        return sum(sent.report.filled for sent in self.sent.values() if sent.leg == leg)

    def unknown(self, leg: int) -> list[Sent]:
        """The orders of a leg that may still fill."""
        return [sent for sent in self.sent.values() if sent.leg == leg and sent.report.state not in FINAL]

    def note(self, sent: Sent, part: float, mid: float, taken: float) -> None:
        """What the order book shows as a signed `part` of the order is found to be filled."""
        before, share = self.seen.get(sent.order.client_id), part / sent.report.filled
        if before is not None:
            mid, taken = (before.mid + share * (mid - before.mid), before.taken + share * (taken - before.taken))
        self.seen[sent.order.client_id] = Shown(mid, taken)


class Desk:
    """The accounts, the journal before them, and what each account must hold by all that is known."""

    def __init__(
        self, run: str, accounts: Mapping[str, VenueAccount], journal: Journal, settings: ExecutionSettings
    ) -> None:
        self.settings = settings
        self.net: dict[InstrumentKey, float] = {}
        """Signed position by contract."""
        self._run = run
        self._accounts = accounts
        self._journal = journal

    def begin(self, task: Task, intents: tuple[str, ...], now_ms: int) -> Work:
        """An execution with the orders that it has sent already."""
        attempts = self._journal.attempts(task.proposal.tick, task.proposal.slot)
        return Work(task, intents, now_ms, {sent.order.client_id: sent for sent in task.sent}, attempts)

    async def take(
        self, work: Work, leg: LegOrder, quantity: float, limit: float, purpose: Purpose, until: float
    ) -> Sent:
        """Take signed `quantity` at `limit` or better, and ask for the outcome until the time `until` (monotonic, s).
        Raises StateError, with nothing sent, where the order cannot be written."""
        return await self._send(work, leg, quantity, limit, purpose, until, Style.TAKE)

    async def rest(
        self, work: Work, leg: LegOrder, quantity: float, price: float, purpose: Purpose, until: float
    ) -> Sent:
        """Have signed `quantity` rest at `price`: the order is OPEN unless the venue refused it, as it does where it
        would trade at once. Otherwise as `take`."""
        return await self._send(work, leg, quantity, price, purpose, until, Style.MAKE)

    async def look(self, work: Work, sent: Sent) -> Sent:
        """An order that rests, as its venue shows it now; as it was known where the venue does not answer."""
        if sent.report.state in FINAL:
            return sent
        return self._told(work, sent, await seen(self._accounts[sent.order.instrument.venue], sent))

    async def _send(
        self, work: Work, leg: LegOrder, quantity: float, limit: float, purpose: Purpose, until: float, style: Style
    ) -> Sent:
        work.attempt += 1
        proposal = work.task.proposal
        name = client_id(self._run, work, leg.leg)
        reduces = self._reduces(leg, quantity, purpose)
        order = VenueOrder(name, leg.instrument, quantity, limit, style, reduce_only=reduces)
        sent = Sent(work.task.number, proposal.tick, proposal.slot, leg.leg, work.attempt, purpose, order, work.now_ms)
        if work.sent:
            self._journal.write(work.task, sent)
        else:
            self._journal.write_first(work.task, work.intents, sent)
        work.sent[name] = sent
        placing = asyncio.create_task(self._placed(order))
        try:
            await asyncio.wait({placing}, timeout=min(self.settings.answer_s, max(until - time.monotonic(), 0.01)))
            if placing.done():
                return await self._asked(work, self._told(work, sent, placing.result()), until)
            return await self._awaited(work, sent, placing, until)
        finally:
            placing.cancel()  # what became of it is asked for from now on, and what was not sent yet never will be

    async def _placed(self, order: VenueOrder) -> OrderReport:
        try:
            return await self._accounts[order.instrument.venue].place(order)
        except ValueError as error:  # it fits no step of the venue: nothing was sent
            return OrderReport(OrderState.REJECTED, reason=str(error))

    async def _awaited(self, work: Work, sent: Sent, placing: "asyncio.Task[OrderReport]", until: float) -> Sent:
        """An order whose answer takes long: asked for while it is waited for, whichever tells of it first. It may not
        even have left yet, so nothing proves meanwhile that the venue will never have it."""
        asking = asyncio.create_task(self._asked(work, sent, until, has_left=False))
        try:
            await asyncio.wait({placing, asking}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
        finally:
            asking.cancel()
        return await self._asked(work, self._told(work, sent, placing.result()), until)

    async def ask(self, work: Work, sent: Sent, until: float) -> Sent:
        """The order with what the venue says of it by the time `until`; what rests of it is cancelled."""
        return await self._asked(work, sent, until, may_rest=False)

    async def _asked(
        self, work: Work, sent: Sent, until: float, *, has_left: bool = True, may_rest: bool | None = None
    ) -> Sent:
        """The same; it may rest where it was sent to."""
        if sent.report.state in FINAL:
            return sent
        key, order = sent.order.instrument.key, sent.order
        account, rests = self._accounts[order.instrument.venue], order.style is Style.MAKE
        report = await ask(
            account,
            sent,
            lambda: self.net.get(key, 0.0),
            self.settings,
            until,
            has_left=has_left,
            may_rest=rests if may_rest is None else may_rest,
        )
        return self._told(work, sent, report)

    def _told(self, work: Work, sent: Sent, report: OrderReport) -> Sent:
        key, report = sent.order.instrument.key, advance(sent.report, report)
        self.net[key] = self.net.get(key, 0.0) + report.filled - sent.report.filled
        told = sent.told(report)
        work.sent[told.order.client_id] = told
        self._journal.note(told)
        return told

    def _reduces(self, leg: LegOrder, quantity: float, purpose: Purpose) -> bool:
        """Whether the venue can hold the order to reducing: not where slots hold one contract in both directions and
        it nets them."""
        net = self.net.get(leg.instrument.key, 0.0)
        fits = net * quantity < 0.0 and abs(quantity) <= abs(net) + leg.instrument.lot_step / 2
        return purpose is not Purpose.ENTER and fits


def client_id(run: str, work: Work, leg: int) -> str:
    """Names an order by run, tick, slot, pair, direction, leg and attempt, in letters and digits; at most 32."""
    proposal = work.task.proposal
    long, short = proposal.columns
    kind = "i" if proposal.entry else "o"
    return f"r{run}t{proposal.tick // HOUR_MS}s{proposal.slot}c{long}x{short}{kind}{leg}n{work.attempt}"


def soon(seconds: float) -> float:
    """The time (monotonic, s) in so many seconds."""
    return time.monotonic() + seconds
