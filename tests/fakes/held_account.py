"""An account in memory that holds what it is given and fails as it is told: for what only needs the port."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.venue_orders import Held, OrderReport, OrderState, VenueOrder
from data.errors import VenueUnreachable
from data.types import Instrument


@dataclass
class HeldAccount:
    """Fills every order within its limit at `mark`, as far as `depth` goes each time."""

    name: str = "binance"
    mark: float = 100.0
    held: dict[str, float] = field(default_factory=dict)
    resting: list[tuple[str, str]] = field(default_factory=list)
    depth: float = 1e9
    """Most that one order fills."""
    least_reach: float = 0.0
    """An order must reach this far beyond the mark to fill, as a fraction."""
    answers_lost: int = 0
    """So many orders take effect, and nobody is told."""
    refusals: int = 0
    """So many orders are refused."""
    blind: list[str] = field(default_factory=list)
    """Names of reads that fail, once for each time they are here."""
    placed: list[VenueOrder] = field(default_factory=list)
    reports: dict[str, OrderReport] = field(default_factory=dict)

    async def place(self, order: VenueOrder) -> OrderReport:
        self.placed.append(order)
        if self.refusals:
            self.refusals -= 1
            return OrderReport(OrderState.REJECTED, reason="beyond the price band")
        held = self.held.get(order.instrument.symbol, 0.0)
        reach = (order.limit / self.mark - 1) * (1 if order.quantity > 0 else -1)
        reduced = min(abs(order.quantity), abs(held), self.depth) if order.quantity * held < 0 else 0.0
        filled = reduced * (1 if order.quantity > 0 else -1) if reach >= self.least_reach else 0.0
        self.held[order.instrument.symbol] = held + filled
        state = OrderState.FILLED if filled == order.quantity else OrderState.ENDED
        self.reports[order.client_id] = OrderReport(state, filled, self.mark if filled else 0.0)
        if self.answers_lost:
            self.answers_lost -= 1
            return OrderReport(OrderState.UNKNOWN, reason="no answer")
        return self.reports[order.client_id]

    async def find(self, order: VenueOrder) -> OrderReport:
        self._see("find")
        return self.reports.get(order.client_id, OrderReport(OrderState.ABSENT))

    async def cancel_all(self, instruments: Sequence[Instrument]) -> None:
        self._see("cancel_all")
        symbols = {instrument.symbol for instrument in instruments}
        self.resting = [row for row in self.resting if row[0] not in symbols]

    async def open_orders(self, instruments: Iterable[Instrument]) -> Sequence[tuple[str, str]]:
        self._see("open_orders")
        return list(self.resting)

    async def positions(self) -> Mapping[str, Held]:
        self._see("positions")
        return {s: Held(s, held, self.mark, self.mark, float("nan")) for s, held in self.held.items() if held}

    def _see(self, read: str) -> None:
        if read in self.blind:
            self.blind.remove(read)
            raise VenueUnreachable(f"{self.name} cannot be reached: check the network")
