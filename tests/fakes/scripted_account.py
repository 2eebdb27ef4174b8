"""An account at a venue that does with each order as it is told: for unit tests of who trades through the port."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from bot.venue_orders import Balance, Held, OrderReport, OrderState, Standing, VenueFill, VenueFunding, VenueOrder
from data.errors import VenueUnreachable
from data.types import Instrument


class Does(Enum):
    """What becomes of an order."""

    FILLS = auto()
    HALF = auto()
    """Half of it fills, the rest ends."""
    NOTHING = auto()
    """It ends without a fill."""
    REFUSES = auto()
    LOSES_ANSWER = auto()
    """It fills, and the answer is lost."""
    LOSES_ORDER = auto()
    """It never arrives, and nobody says so."""
    HANGS = auto()
    """It fills, and the answer never comes."""
    WAITS = auto()
    """It has not left yet, and does not leave."""
    HIDES = auto()
    """It fills, the answer is lost, and queries by its id do not find it at first."""


@dataclass
class ScriptedAccount:
    """Fills whole orders at `price` unless the next entry of `script` says otherwise. `down` fails every call."""

    name: str
    price: float = 100.0
    fee_rate: float = 5e-4
    script: list[Does] = field(default_factory=list)
    down: bool = False
    hidden_for: int = 3
    """So many queries do not find what is hidden."""
    sent: list[VenueOrder] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)
    trades: list[VenueFill] = field(default_factory=list)
    payments: list[VenueFunding] = field(default_factory=list)
    reports: dict[str, OrderReport] = field(default_factory=dict)
    hidden: dict[str, int] = field(default_factory=dict)

    def slowed_down(self, seconds: float) -> int:
        return 0

    async def place(self, order: VenueOrder) -> OrderReport:
        assert order.client_id not in self.reports, "sent twice"
        self.sent.append(order)
        if self.down:
            return OrderReport(OrderState.UNKNOWN, reason="no answer")
        does = self.script.pop(0) if self.script else Does.FILLS
        if does is Does.LOSES_ORDER:
            return OrderReport(OrderState.UNKNOWN, reason="no answer")
        if does is Does.WAITS:
            await asyncio.sleep(3600)
        report = self._done(order, does)
        self.reports[order.client_id] = report
        if does is Does.HIDES:
            self.hidden[order.client_id] = self.hidden_for
        if does is Does.HANGS:
            await asyncio.sleep(3600)
        lost = does in (Does.LOSES_ANSWER, Does.HIDES)
        return OrderReport(OrderState.UNKNOWN, reason="no answer") if lost else report

    def _done(self, order: VenueOrder, does: Does) -> OrderReport:
        held, symbol = self.held.get(order.instrument.symbol, 0.0), order.instrument.symbol
        if does is Does.REFUSES or (order.reduce_only and held * order.quantity >= 0):
            return OrderReport(OrderState.REJECTED, reason="refused")
        share = {Does.HALF: 0.5, Does.NOTHING: 0.0}.get(does, 1.0)
        filled = order.quantity * share
        if not filled:
            return OrderReport(OrderState.ENDED, venue_id=f"v-{order.client_id}")
        self.held[symbol] = held + filled
        fee = abs(filled) * self.price * self.fee_rate
        trade = f"{len(self.trades)}"
        self.trades.append(
            VenueFill(self.name, symbol, trade, order.client_id, 0, filled, self.price, fee, maker=False)
        )
        state = OrderState.FILLED if share == 1.0 else OrderState.ENDED
        return OrderReport(state, filled, self.price, f"v-{order.client_id}")

    async def find(self, order: VenueOrder) -> OrderReport:
        self._answer()
        if self.hidden.get(order.client_id, 0) > 0:
            self.hidden[order.client_id] -= 1
            return OrderReport(OrderState.ABSENT)
        return self.reports.get(order.client_id, OrderReport(OrderState.ABSENT))

    async def cancel(self, order: VenueOrder) -> OrderReport:
        return await self.find(order)

    async def cancel_all(self, instruments: Sequence[Instrument]) -> None:
        self._answer()

    async def open_orders(self, instruments: Sequence[Instrument]) -> Sequence[tuple[str, str]]:
        self._answer()
        return ()

    async def positions(self) -> Mapping[str, Held]:
        self._answer()
        return {s: Held(s, q, self.price, self.price, float("nan")) for s, q in self.held.items() if q}

    async def balance(self) -> Balance:
        self._answer()
        return Balance(1e4, 1e4, 1e4)

    async def fills(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFill]:
        self._answer()
        symbols = {instrument.symbol for instrument in instruments}
        return [fill for fill in self.trades if fill.symbol in symbols and fill.client_id not in self._unseen()]

    async def funding(self, instruments: Sequence[Instrument], since_ms: int) -> Sequence[VenueFunding]:
        self._answer()
        symbols = {instrument.symbol for instrument in instruments}
        return [paid for paid in self.payments if paid.symbol in symbols and paid.time_ms >= since_ms]

    async def standing(self) -> Standing:
        self._answer()
        return Standing(True, False, True, True, 0, self.fee_rate, 0.0)

    async def prepare(self, instruments: Sequence[Instrument], leverage: float) -> None:
        self._answer()

    async def dead_man(self, seconds: float) -> bool:
        self._answer()
        return True

    def recognise(self, client_ids: Iterable[str]) -> None:
        """It knows them all."""

    def _unseen(self) -> set[str]:
        return {name for name, left in self.hidden.items() if left > 0}

    def _answer(self) -> None:
        if self.down:
            raise VenueUnreachable(f"{self.name} does not answer")
