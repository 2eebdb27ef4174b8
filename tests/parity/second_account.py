"""The whole account a second time, in decimals and the plainest Python; it shares nothing with the books or the venue.

It is told what was decided (enter this long and that short, leave this slot or that pair) and works out from candles
and settlements what came of it. Tests hold the product to it, to the cent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from backtest.settings import EnvironmentSettings
from data.market import Market
from data.settings import DataSettings
from data.types import HOUR_MS, InstrumentKey
from tests.parity.market_in_decimals import MarketInDecimals, OrderBook, exact, in_steps

ZERO = Decimal(0)
CLEARANCE = Decimal("0.01")
"""Of notional, on top of the taker fee, for being liquidated."""
CAUSES = ("funding", "basis", "fees", "slippage")


@dataclass(frozen=True)
class Decision:
    """What a policy wants at one tick; nothing, by default."""

    leave_slot: int | None = None
    leave_pairs: frozenset[frozenset[InstrumentKey]] = frozenset()
    enter: tuple[tuple[InstrumentKey, InstrumentKey], ...] = ()
    """(long, short), best first."""


@dataclass
class Leg:
    key: InstrumentKey
    units: Decimal = ZERO
    """Above zero: long."""
    paid: Decimal = ZERO
    mid: Decimal = ZERO
    """At the entry."""
    mark: Decimal = ZERO
    margin: Decimal = ZERO
    """What stands behind it alone, under isolated margin."""
    closed: Decimal = ZERO
    got: Decimal = ZERO
    """For what was closed."""

    @property
    def venue(self) -> str:
        return self.key[0]

    @property
    def gain(self) -> Decimal:
        return self.units * (self.mark - self.paid)

    @property
    def gross(self) -> Decimal:
        return abs(self.units) * self.mark


@dataclass
class Position:
    opened_ms: int
    long: Leg
    short: Leg
    notional: Decimal = ZERO
    closing: str = ""
    """Why it is being closed."""
    causes: dict[str, Decimal] = field(default_factory=lambda: dict.fromkeys(CAUSES, ZERO))

    @property
    def legs(self) -> tuple[Leg, Leg]:
        return self.long, self.short

    @property
    def open_legs(self) -> list[Leg]:
        return [leg for leg in self.legs if leg.units]

    @property
    def pair(self) -> frozenset[InstrumentKey]:
        return frozenset((self.long.key, self.short.key))

    @property
    def result(self) -> Decimal:
        """All causes so far, and what the prices have made since the entry."""
        return sum(self.causes.values(), sum((leg.units * (leg.mark - leg.mid) for leg in self.legs), ZERO))


@dataclass(frozen=True)
class Done:
    """A closed position."""

    reason: str
    closed_ms: int
    position: Position


@dataclass
class Sent:
    """Money on its way."""

    amount: Decimal
    due_ms: int


class SecondAccount:
    """Cash per venue, positions by slot."""

    def __init__(self, market: Market, data: DataSettings, settings: EnvironmentSettings) -> None:
        self.market = MarketInDecimals(market, data, settings.delisted_after_hours, settings.second_leg_delay_s)
        self.settings = settings
        capital = exact(settings.initial_capital)
        self.slot_notional = capital / settings.max_positions
        self.cash = {venue: capital / len(data.venues) for venue in sorted(data.venues)}
        self.sent: dict[str, Sent] = {}
        self.slots: list[Position | None] = [None] * settings.max_positions
        self.done: list[Done] = []
        self.transfers = 0
        self.in_parts = 0
        """How often an exit went only part of the way."""

    # What it is worth

    @property
    def equity(self) -> Decimal:
        on_its_way = sum((sent.amount for sent in self.sent.values()), ZERO)
        return sum(self.cash.values(), on_its_way) + sum((leg.gain for leg in self.legs()), ZERO)

    @property
    def positions(self) -> Iterator[Position]:
        return filter(None, self.slots)

    def legs(self, venue: str | None = None) -> list[Leg]:
        return [leg for position in self.positions for leg in position.open_legs if venue in (None, leg.venue)]

    def worth(self, venue: str) -> Decimal:
        return self.cash[venue] + sum((leg.gain for leg in self.legs(venue)), ZERO)

    def gross(self, venue: str) -> Decimal:
        return sum((leg.gross for leg in self.legs(venue)), ZERO)

    def free(self, venue: str) -> Decimal:
        return self.cash[venue] - sum((leg.margin for leg in self.legs(venue)), ZERO)

    def behind(self, leg: Leg) -> Decimal:
        """What stands behind a leg, as a share of its notional: all of the venue's, or its own margin alone."""
        if self.market.leverage(leg.venue) is None:
            return self.worth(leg.venue) / self.gross(leg.venue)
        return (leg.margin + leg.gain) / leg.gross

    # What happens at a tick: arrivals, funding and marks, delistings, liquidations, transfers

    def settle(self, tick: int) -> None:
        for venue in [venue for venue, sent in self.sent.items() if sent.due_ms <= tick]:
            self.cash[venue] += self.sent.pop(venue).amount
        for position in self.positions:
            for leg in position.open_legs:
                leg.mark = self.market.close(leg.key, tick) or leg.mark
                received = -leg.units * leg.mark * self.market.rate(leg.key, tick)
                self.cash[leg.venue] += received
                position.causes["funding"] += received
        for position in self.positions:
            for leg in position.open_legs:
                if self.market.is_gone(leg.key, tick):
                    self.close(position, leg, abs(leg.units), leg.mark, leg.mark, self.market.taker_fee(leg.venue))
                    position.closing = "delisted"
        self.liquidate()
        self.rebalance(tick)

    def liquidate(self) -> None:
        """Everything whose maintenance is not covered goes at once, at its mark, and never costs more than there is."""
        short_of_margin = [
            (position, leg, behind)
            for position in self.positions
            for leg in position.open_legs
            if (behind := self.behind(leg)) < self.market.maintenance(leg.venue)
        ]
        for position, leg, behind in short_of_margin:
            side = 1 if leg.units > 0 else -1
            price = leg.mark * (1 + side * max(-behind, ZERO))
            fee = min(self.market.taker_fee(leg.venue) + CLEARANCE, max(behind, ZERO))
            self.close(position, leg, abs(leg.units), price, leg.mark, fee)
            position.closing = "liquidated"

    def rebalance(self, tick: int) -> None:
        """From the richest to the poorest venue once that is well below an even share, one transfer at a time."""
        worth = {venue: self.worth(venue) for venue in self.cash}
        poor, rich = min(worth, key=lambda venue: worth[venue]), max(worth, key=lambda venue: worth[venue])
        share, cost = sum(worth.values()) / len(worth), exact(self.settings.transfer_cost_quote)
        if self.sent or worth[poor] >= exact(self.settings.rebalance_below) * share:
            return
        kept = share
        if self.market.leverage(rich) is None:
            kept = max(share, 4 * self.market.maintenance(rich) * self.gross(rich))
        amount = min(min(worth[rich] - kept, self.free(rich)) - cost, share - worth[poor])
        if amount > cost:
            self.cash[rich] -= amount + cost
            self.sent[poor] = Sent(amount, tick + self.settings.transfer_hours * HOUR_MS)
            self.transfers += 1

    # What a decision does

    def trade(self, tick: int, decision: Decision) -> None:
        """Forced exits, exits, entries; what is forced out is not entered again at once."""
        self.mark_forced()
        forced = [position.pair for position in self.positions if position.closing]
        for slot, position in enumerate(self.slots):
            if position and position.closing:
                self.leave(slot, tick, position.closing)
        for slot, position in enumerate(self.slots):
            wanted = position and (slot == decision.leave_slot or position.pair in decision.leave_pairs)
            if wanted and position.pair not in forced:
                self.leave(slot, tick, "policy")
        for long, short in decision.enter:
            if {long, short} not in forced:
                self.enter(long, short, tick)

    def mark_forced(self) -> None:
        limit = exact(self.settings.max_position_loss_pct) / 100
        for position in self.positions:
            if not position.closing and position.result <= -limit * position.notional:
                position.closing = "stop_loss"
        for venue in self.cash:
            while victim := self.short_of_margin(venue):
                victim.closing = "margin"

    def short_of_margin(self, venue: str) -> Position | None:
        """The position that must go so that the venue has twice its maintenance margin; what goes anyway needs none."""
        staying = [
            (position, leg)
            for position in self.positions
            for leg in position.open_legs
            if leg.venue == venue and not position.closing
        ]
        if not staying:
            return None
        needed = 2 * self.market.maintenance(venue)
        if self.market.leverage(venue) is not None:
            position, leg = min(staying, key=lambda one: self.behind(one[1]))
            return position if self.behind(leg) < needed else None
        coming = self.sent[venue].amount if venue in self.sent else ZERO
        if self.worth(venue) + coming >= needed * sum(leg.gross for _, leg in staying):
            return None
        return min(staying, key=lambda one: one[1].gain)[0]

    def leave(self, slot: int, tick: int, reason: str) -> None:
        """Close what is left, both legs in equal parts and whole lots of the coarser step, as far as both order books
        go; nothing where one of them is empty."""
        position = self.slots[slot]
        assert position is not None
        books = {leg.key: self.market.first_book(leg.key, tick) for leg in position.open_legs}
        share = Decimal(1)
        for leg in position.open_legs:
            book = books[leg.key]
            share = min(share, book.holds(-leg.units) / abs(leg.units) if book else ZERO)
        if not share:
            return
        lot = self.coarser_lot(position.long.key, position.short.key)
        for leg in position.open_legs:
            side = 1 if leg.units > 0 else -1
            units = abs(leg.units) if share == 1 else in_steps(abs(leg.units) * share, lot)
            book = books[leg.key] if leg is position.long else self.market.second_book(leg.key, tick)
            units = min(units, book.holds(-side * units)) if book and units else ZERO
            if units:
                assert book is not None
                fee = self.market.taker_fee(leg.venue)
                self.close(position, leg, units, book.price(-side * units), book.mid, fee)
                position.closing = reason
        if position.open_legs:
            self.in_parts += reason == position.closing
        else:
            self.clear(slot, tick)

    def enter(self, long: InstrumentKey, short: InstrumentKey, tick: int) -> None:
        """Open both legs as far as both order books go within the collar, the second one perhaps later."""
        free = [slot for slot, position in enumerate(self.slots) if position is None]
        held = [position.pair for position in self.positions]
        seen = {key: self.market.close(key, tick) for key in (long, short)}
        if not free or {long, short} in held or None in seen.values():
            return
        wanted = self.smallest_order(self.slot_notional / max(seen.values()), seen)
        if not wanted or not all(self.margin_allows(key, wanted * seen[key]) for key in seen):
            return
        buying, selling = (self.market.first_book(key, tick) for key in (long, short))
        bought = min(self.offered(buying, wanted, seen[long]), self.offered(selling, -wanted, seen[short]))
        if bought < wanted:
            bought = self.smallest_order(bought, seen)
        if not bought:
            return
        position = Position(tick, Leg(long), Leg(short))
        self.slots[free[0]] = position
        self.open(position, position.long, bought, buying)
        later = self.market.second_book(short, tick)
        sold = self.offered(later, -bought, seen[short])
        if sold < bought:
            sold = in_steps(sold, self.coarser_lot(long, short))
            back = self.market.second_book(long, tick) or buying
            assert back is not None
            fee = self.market.taker_fee(long[0])
            self.close(position, position.long, bought - sold, back.price(sold - bought), back.mid, fee)
        if sold:
            self.open(position, position.short, -sold, later)
        else:
            position.closing = "unwound"
            self.clear(free[0], tick)

    def offered(self, book: OrderBook | None, units: Decimal, seen: Decimal) -> Decimal:
        """How many of signed `units` an entry can have, without sign: none where they would cost more than the collar
        allows."""
        if book is None:
            return ZERO
        most = book.holds(units)
        price = book.price(most if units > 0 else -most)
        return most if abs(price / seen - 1) <= exact(self.settings.price_collar_bps) / 10_000 else ZERO

    def smallest_order(self, units: Decimal, seen: dict[InstrumentKey, Decimal]) -> Decimal:
        """Whole lots of the coarser step; none below the least notional of a venue."""
        lots = in_steps(units, self.coarser_lot(*seen))
        allowed = all(lots * price >= exact(self.market.rules[key].min_notional) for key, price in seen.items())
        return lots if allowed else ZERO

    def coarser_lot(self, *keys: InstrumentKey) -> Decimal:
        return max(exact(self.market.rules[key].lot_step) for key in keys)

    def margin_allows(self, key: InstrumentKey, notional: Decimal) -> bool:
        venue = key[0]
        leverage = self.market.leverage(venue)
        if leverage is not None:
            return self.free(venue) >= notional / leverage + 2 * notional * self.market.taker_fee(venue)
        return self.worth(venue) >= 4 * self.market.maintenance(venue) * (self.gross(venue) + notional)

    # How money moves

    def open(self, position: Position, leg: Leg, units: Decimal, book: OrderBook | None) -> None:
        assert book is not None and not leg.units
        leg.units, leg.paid, leg.mid, leg.mark = units, book.price(units), book.mid, book.mid
        value = abs(units) * leg.paid
        leverage = self.market.leverage(leg.venue)
        leg.margin = ZERO if leverage is None else value / leverage
        position.notional = max(position.notional, value)
        self.pay_fee(position, leg.venue, value * self.market.taker_fee(leg.venue))
        position.causes["slippage"] -= units * (leg.paid - leg.mid)

    def close(self, position: Position, leg: Leg, units: Decimal, price: Decimal, mid: Decimal, fee: Decimal) -> None:
        """Close `units` (no sign) of a leg."""
        part = units if leg.units > 0 else -units
        self.cash[leg.venue] += part * (price - leg.paid)
        position.causes["basis"] += part * (mid - leg.mid)
        position.causes["slippage"] += part * (price - mid)
        self.pay_fee(position, leg.venue, units * price * fee)
        leg.margin -= leg.margin * units / abs(leg.units)
        leg.units -= part
        leg.closed, leg.got, leg.mark = leg.closed + units, leg.got + units * price, mid

    def pay_fee(self, position: Position, venue: str, fee: Decimal) -> None:
        self.cash[venue] -= fee
        position.causes["fees"] -= fee

    def clear(self, slot: int, tick: int) -> None:
        position = self.slots[slot]
        assert position is not None
        self.done.append(Done(position.closing, tick, position))
        self.slots[slot] = None
