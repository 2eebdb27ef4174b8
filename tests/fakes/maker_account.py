"""An account at which orders rest, and meet at each question what they are told to: for unit tests of resting first."""

from dataclasses import dataclass, field
from enum import Enum, auto

from bot.venue_orders import OrderReport, OrderState, Style, VenueFill, VenueOrder
from data.errors import VenueUnreachable
from tests.fakes.scripted_account import ScriptedAccount


class Meets(Enum):
    """What has become of a resting order by the time that it is asked for, or cancelled."""

    NOTHING = auto()
    SOME = auto()
    """A third of what is left of it fills."""
    ALL = auto()
    ENDS = auto()
    """The venue cancels it."""
    SILENCE = auto()
    """The venue does not answer; a cancel takes effect all the same."""
    DEAF = auto()
    """The venue does not answer, and a cancel never arrives."""


class Taken(Enum):
    """What becomes of a post-only order that is sent."""

    RESTS = auto()
    REFUSED = auto()
    EXPIRES = auto()
    """It is taken, and ended at once."""
    LOSES_ANSWER = auto()
    """It rests, and the answer is lost."""
    LOSES_ORDER = auto()


@dataclass
class MakerAccount(ScriptedAccount):
    """Post-only orders rest unless the next of `taken` says otherwise, and meet what the next of `meets` says: nothing,
    where there is none. Others are as at a `ScriptedAccount`."""

    meets: list[Meets] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    maker_rate: float = 2e-4
    cancels: int = 0
    most_resting: int = 0
    """The most orders that ever rested at once."""

    async def place(self, order: VenueOrder) -> OrderReport:
        if order.style is Style.TAKE:
            return await super().place(order)
        assert order.client_id not in self.reports, "sent twice"
        self.sent.append(order)
        does = self.taken.pop(0) if self.taken else Taken.RESTS
        if does is Taken.LOSES_ORDER:
            return OrderReport(OrderState.UNKNOWN, reason="no answer")
        states = {Taken.REFUSED: OrderState.REJECTED, Taken.EXPIRES: OrderState.ENDED}
        report = OrderReport(states.get(does, OrderState.OPEN), venue_id=f"v-{order.client_id}", reason="it would take")
        self.reports[order.client_id] = report
        self.most_resting = max(self.most_resting, self.resting)
        return OrderReport(OrderState.UNKNOWN, reason="no answer") if does is Taken.LOSES_ANSWER else report

    @property
    def resting(self) -> int:
        """How many orders rest now."""
        return sum(report.state is OrderState.OPEN for report in self.reports.values())

    async def find(self, order: VenueOrder) -> OrderReport:
        if self._met(order) in (Meets.SILENCE, Meets.DEAF):
            raise VenueUnreachable(f"{self.name} does not answer")
        return await super().find(order)

    async def cancel(self, order: VenueOrder) -> OrderReport:
        self.cancels += 1
        met, report = self._met(order), self.reports[order.client_id]
        if report.state is OrderState.OPEN and met is not Meets.DEAF:
            self._end(order)
        if met in (Meets.SILENCE, Meets.DEAF):
            return OrderReport(OrderState.UNKNOWN, reason="no answer")
        return self.reports[order.client_id]

    def _met(self, order: VenueOrder) -> Meets:
        report = self.reports.get(order.client_id)
        if report is None or report.state is not OrderState.OPEN or not self.meets:
            return Meets.NOTHING
        met = self.meets.pop(0)
        left = order.quantity - report.filled
        if met is Meets.SOME:
            self._fill(order, left / abs(left) * max(abs(left) // 3, 1.0))
        elif met is Meets.ALL:
            self._fill(order, left)
        elif met is Meets.ENDS:
            self._end(order)
        return met

    def _fill(self, order: VenueOrder, part: float) -> None:
        report, symbol = self.reports[order.client_id], order.instrument.symbol
        filled, price = report.filled + part, order.limit
        state = OrderState.FILLED if filled == order.quantity else OrderState.OPEN
        self.reports[order.client_id] = OrderReport(state, filled, price, report.venue_id)
        self.held[symbol] = self.held.get(symbol, 0.0) + part
        fee, trade = abs(part) * price * self.maker_rate, f"{len(self.trades)}"
        self.trades.append(VenueFill(self.name, symbol, trade, order.client_id, 0, part, price, fee, maker=True))

    def _end(self, order: VenueOrder) -> None:
        report = self.reports[order.client_id]
        self.reports[order.client_id] = OrderReport(OrderState.ENDED, report.filled, report.average, report.venue_id)
