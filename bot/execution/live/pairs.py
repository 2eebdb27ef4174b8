"""Both legs of a proposal at the venues: thin leg first, the other sized to what it got, the rest taken back.

Used by the live executor. This is the style that takes from the books; `resting` begins with an order that rests, and
goes on with `follow` and `balance` as this one does.
"""

import math
import time
from dataclasses import dataclass

from backtest.rules import Rules, decimal_multiple, whole_lots
from bot.execution.live.desk import Desk, Work, soon
from bot.execution.live.limits import entry_limit, exit_limit
from bot.execution.sizing import Sized
from bot.execution.sizing import side as levels
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Purpose
from bot.orders import LegOrder, Proposal
from bot.venue_orders import OrderState
from data.errors import StateError
from data.exchange import OrderBook


@dataclass(frozen=True)
class Side:
    """One leg as it is to be traded."""

    order: LegOrder
    book: OrderBook
    quantity: float
    """Signed."""

    @property
    def mid(self) -> float:
        """Of its order book; the last known price where that shows none."""
        return self.order.reference if math.isnan(self.book.mid) else self.book.mid


class Pair:
    """One proposal in work. What stands without its other leg is counted in the work."""

    def __init__(self, desk: Desk, work: Work, sides: tuple[Side, ...], rules: Rules) -> None:
        self.remarks: list[str] = []
        self.desk = desk
        self.work = work
        self.sides = sides
        self._rules = rules

    @property
    def unknown(self) -> bool:
        """Whether an order may still fill."""
        return any(self.work.unknown(side.order.leg) for side in self.sides)

    async def take(self) -> None:
        """Trade both legs. Afterwards they are equal but for dust, or orders are `unknown`, or a remark says what
        could not be done. Raises StateError where an order cannot be written."""
        first, *others = thin_first(self.sides)
        await self._lead(first)
        if self.work.unknown(first.order.leg):
            return
        if others and self.filled(first) != 0.0:
            await self.follow(first, others[0])
        await self.balance()

    async def balance(self) -> None:
        """Reduce the larger leg until both are equal, asking for orders without an outcome meanwhile."""
        if len(self.sides) < 2:
            await self.ask()
            return
        for attempt in range(self._settings.attempts):
            await self._reduce_larger(attempt)
            await self.ask()
            if self._larger() is None or self.unknown:
                break
        if (over := self._larger()) is not None and not self.unknown:
            side, quantity = over
            self.remarks.append(f"{_name(side)}: {quantity:g} stand without the other leg, and could not be closed")

    async def _lead(self, first: Side) -> None:
        """The thin leg: one order for an entry, as many as it takes for an exit."""
        for attempt in range(self._settings.attempts):
            left = self.left(first)
            if left == 0.0:
                return
            await self._send(first, left, attempt, self.purpose, soon(self._settings.ask_s))
            if self.work.task.proposal.entry or self.work.unknown(first.order.leg):
                return

    async def follow(self, first: Side, second: Side) -> None:
        """The other leg, as much as matches the first, until the deadline."""
        try:
            await self._follow(first, second)
        except StateError as error:  # no entry is sent that is not written; what stands is taken back
            self.remarks.append(str(error))

    def unmatched(self, first: Side, second: Side) -> float:
        """What the second leg still has to trade for what the first one got, signed, in whole lots of its own."""
        return self._lots(second, self._matched(first, second) - self.filled(second))

    def left(self, side: Side) -> float:
        """What a leg still has to trade, signed, in whole lots."""
        return self._lots(side, side.quantity - self.filled(side))

    def too_small(self, side: Side, quantity: float) -> bool:
        """Whether the venue opens no position with so little."""
        instrument = side.order.instrument
        least = max(instrument.min_notional / side.order.reference, instrument.min_quantity)
        return abs(quantity) < least - instrument.lot_step / 2

    async def _follow(self, first: Side, second: Side) -> None:
        until = soon(self._settings.leg_deadline_s)
        matched = self._matched(first, second)
        if self.work.task.proposal.entry and self.too_small(second, matched):
            return
        for attempt in range(self._settings.attempts):
            left = self.unmatched(first, second)
            if left == 0.0 or time.monotonic() >= until:
                return
            sent = await self._send(second, left, attempt, self.purpose, until)
            refused = sent is OrderState.REJECTED and self.work.task.proposal.entry
            if refused or self.work.unknown(second.order.leg):
                return

    async def _reduce_larger(self, attempt: int) -> None:
        over = self._larger()
        if over is None:
            return
        side, quantity = over
        if self.work.unknown(side.order.leg):
            return
        await self._send(side, quantity, attempt, Purpose.UNWIND, soon(self._settings.leg_deadline_s))

    async def ask(self) -> None:
        """Ask for every order without an outcome, for as long as the settings say."""
        until = soon(self._settings.ask_s)
        for side in self.sides:
            for sent in self.work.unknown(side.order.leg):
                await self.desk.ask(self.work, sent, until)
                self.meter()

    async def _send(self, side: Side, quantity: float, attempt: int, purpose: Purpose, until: float) -> OrderState:
        if purpose is Purpose.ENTER:
            limit = entry_limit(side.order, side.book, quantity)
        else:
            limit = exit_limit(side.order, side.book, quantity, self._settings.exit_collar_bps * 1e-4 * 2**attempt)
        self.meter()
        sent = await self.desk.take(self.work, side.order, quantity, limit, purpose, until)
        self.meter()
        if sent.report.filled:
            self.work.note(sent, sent.report.filled, side.mid, sent.report.average)
        if sent.report.state is OrderState.REJECTED:
            self.remarks.append(f"{_name(side)}: refused ({sent.report.reason})")
        return sent.report.state

    def _matched(self, first: Side, second: Side) -> float:
        """What the second leg has to trade, signed, in whole lots of the pair."""
        filled = abs(self.filled(first))
        if filled >= abs(first.quantity) - first.order.instrument.lot_step / 2:
            return second.quantity
        part = abs(second.quantity) * filled / abs(first.quantity)
        return math.copysign(whole_lots(part, *self.work.task.proposal.columns, self._rules), second.quantity)

    def _larger(self) -> tuple[Side, float] | None:
        """The leg that holds more than the other, and what to trade of it, signed, in whole lots of its own; None
        where no order could make them more equal."""
        one, other = self.sides
        over = abs(self._held(one)) - abs(self._held(other))
        side = one if over > 0 else other
        quantity = self._lots(side, math.copysign(abs(over), -self._held(side)))
        return None if quantity == 0.0 or self._dust(side, quantity) else (side, quantity)

    def _dust(self, side: Side, quantity: float) -> bool:
        """Whether the venue has refused to trade so little."""
        instrument, unwound = side.order.instrument, [s for s in self.work.sent.values() if s.leg == side.order.leg]
        small = self.too_small(side, quantity) or abs(quantity) < instrument.min_quantity
        refused = bool(unwound) and unwound[-1].report.state is OrderState.REJECTED
        if small and refused:
            self.remarks.append(f"{_name(side)}: {quantity:g} are dust: less than the venue's smallest order")
        return small and refused

    def _held(self, side: Side) -> float:
        return side.order.held + self.filled(side)

    def filled(self, side: Side) -> float:
        """What the orders of a leg are known to have filled, signed."""
        return self.work.filled(side.order.leg)

    def _lots(self, side: Side, quantity: float) -> float:
        """Signed `quantity` in whole lots of the leg, rounded towards zero."""
        step = side.order.instrument.lot_step
        return math.copysign(float(decimal_multiple(math.floor(abs(quantity) / step + 1e-6), step)), quantity)

    def meter(self) -> None:
        """Count what stood naked since this was done last."""
        now = time.monotonic()
        if len(self.sides) == 2:
            one, other = self.sides
            over = abs(abs(self._held(one)) - abs(self._held(other)))
            self.work.naked += over * one.order.reference * (now - self.work.metered_s)
        self.work.metered_s = now

    @property
    def purpose(self) -> Purpose:
        """Of the orders that carry the proposal out."""
        return Purpose.ENTER if self.work.task.proposal.entry else Purpose.EXIT

    @property
    def _settings(self) -> ExecutionSettings:
        return self.desk.settings


def sides_of(proposal: Proposal, sized: Sized) -> tuple[Side, ...]:
    """The legs as they can be traded now."""
    parts = zip(proposal.legs, sized.books, sized.quantities, strict=True)
    return tuple(Side(leg, book, math.copysign(quantity, leg.quantity)) for leg, book, quantity in parts)


def thin_first(sides: tuple[Side, ...]) -> list[Side]:
    """The legs, the one whose order book holds the least for its size before the other."""
    return sorted(sides, key=lambda one: sum(size for _, size in levels(one.book, one.quantity)) / abs(one.quantity))


def _name(side: Side) -> str:
    return f"{side.order.instrument.venue} {side.order.instrument.symbol}"
