"""One account at one venue: what its dialect asks of it. Everything else in this package works on it.

An account is moved to now (`passage.advance`) before anything is asked of it, which `held.Accounts` sees to. It keeps
its histories whole, for all time. One event loop; not thread-safe.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from decimal import Decimal

from backtest.sandbox.accounts import positions as held
from backtest.sandbox.accounts.conventions import Conventions
from backtest.sandbox.accounts.prices import Prices
from backtest.sandbox.accounts.records import ZERO, Fill, Kind, Order, Payment, Side, Status, exact, money
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.state import Position, State
from data.fees import fees
from data.settings import VenueSettings


@dataclass
class Histories:
    """All that ever happened, oldest first; orders by number."""

    orders: dict[int, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)


class Account:
    """Money is in the venue's quote currency."""

    def __init__(
        self,
        venue: str,
        prices: Prices,
        terms: VenueSettings,
        conventions: Conventions,
        state: State,
        histories: Histories,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        """`terms` give fees and maintenance margin; `wall_s` is s since 1970, by which hidden orders come back."""
        schedule = fees(venue, terms)
        self.venue = venue
        self.prices = prices
        self.conventions = conventions
        self.state = state
        self.histories = histories
        self.quote = prices.instrument(prices.symbols[0]).quote
        self.taker_fee = exact(schedule.taker_bps) / 10_000
        self.maker_fee = exact(schedule.maker_bps) / 10_000
        self.maintenance = exact(terms.maintenance_margin)
        """Equity below this share of gross notional is liquidated."""
        self.most_leverage = max(1, min(125, int(1 / (2 * self.maintenance))))
        self.changed: set[int] = set()
        """Numbers of orders that `store` has not written yet."""
        self.wall_s = wall_s
        self._numbers_by_id: dict[str, list[int]] = {}
        self._live = {order.number: order for order in histories.orders.values() if order.live}
        for order in histories.orders.values():
            self._numbers_by_id.setdefault(order.ticket.client_id, []).append(order.number)

    @property
    def cash(self) -> Decimal:
        """The wallet: without what open positions are worth."""
        return self.state.cash

    @property
    def now_ms(self) -> int:
        """Market time until which everything has happened to it."""
        return self.state.now_ms

    @property
    def positions(self) -> tuple[Position, ...]:
        """What is held."""
        return tuple(self.state.positions)

    def position(self, symbol: str, side: Side = Side.BOTH) -> Position | None:
        """What is held of a contract; None if nothing is."""
        return next((p for p in self.state.positions if (p.symbol, p.side) == (symbol, side)), None)

    def mark(self, symbol: str) -> Decimal:
        """The mark price now."""
        return self.prices.mark(symbol, self.now_ms)

    def unrealised(self, position: Position) -> Decimal:
        """What closing the position at the mark would realise."""
        return held.unrealised(position, self.mark(position.symbol))

    def equity(self) -> Decimal:
        """The wallet with what open positions are worth."""
        return held.equity(self.cash, self.state.positions, self.mark)

    def maintenance_margin(self) -> Decimal:
        """Equity below this is liquidated."""
        return self.maintenance * held.gross(self.state.positions, self.mark)

    def excess(self, when_ms: int) -> Decimal:
        """Equity above the maintenance margin, as prices stand at an instant."""

        def marks(symbol: str) -> Decimal:
            return self.prices.mark(symbol, when_ms)

        listed = self.state.positions
        return held.equity(self.cash, listed, marks) - self.maintenance * held.gross(listed, marks)

    def initial_margin(self, symbol: str, notional: Decimal) -> Decimal:
        """What `notional` of a contract ties up."""
        return money(abs(notional) / self.leverage(symbol))

    def position_margin(self) -> Decimal:
        """What positions tie up."""
        used = (self.initial_margin(p.symbol, p.quantity * self.mark(p.symbol)) for p in self.state.positions)
        return sum(used, ZERO)

    def order_margin(self) -> Decimal:
        """What resting orders tie up; those that only reduce, nothing."""
        resting = (o for o in self._live.values() if not o.ticket.reduce_only and o.ticket.limit is not None)
        return sum((self.initial_margin(o.ticket.symbol, o.left * (o.ticket.limit or ZERO)) for o in resting), ZERO)

    def free(self) -> Decimal:
        """What new positions may tie up; never below zero."""
        return max(ZERO, self.equity() - self.position_margin() - self.order_margin())

    def liquidation_price(self, position: Position) -> Decimal:
        """The mark at which the account is liquidated if only this contract moves; 0 where there is none."""
        return held.liquidation_price(position, self.state.positions, self.cash, self.mark, self.maintenance)

    def leverage(self, symbol: str) -> int:
        """Notional over initial margin."""
        return self.state.leverage.get(symbol, min(self.conventions.leverage, self.most_leverage))

    def is_isolated(self, symbol: str) -> bool:
        """Whether the contract is in isolated margin mode."""
        return symbol in self.state.isolated

    def find(self, *, symbol: str | None = None, client_id: str | None = None, number: int | None = None) -> Order:
        """The order of this number or client id, the last one of several, live or not. Raises OrderRefused
        UNKNOWN_ORDER where there is none, or where it is hidden from queries."""
        numbers = [number] if number is not None else self._numbers_by_id.get(client_id or "", [])
        for candidate in reversed(numbers):
            order = self.histories.orders.get(candidate)
            fits = order is not None and symbol in (None, order.ticket.symbol) and not self._is_hidden(order)
            if order is not None and fits and client_id in (None, order.ticket.client_id):
                return order
        raise OrderRefused(Refusal.UNKNOWN_ORDER, str(number if client_id is None else client_id))

    def is_taken(self, client_id: str) -> bool:
        """Whether no new order may have this client id."""
        if self.conventions.ids_for_ever:
            return client_id in self._numbers_by_id
        return any(order.ticket.client_id == client_id for order in self._live.values())

    def open_orders(self, symbol: str | None = None) -> list[Order]:
        """Live orders, oldest first, without hidden ones."""
        live = (order for order in self._live.values() if not self._is_hidden(order))
        return [order for order in live if symbol in (None, order.ticket.symbol)]

    def live_orders(self) -> list[Order]:
        """Live orders, oldest first, hidden or not: the venue's own view."""
        return list(self._live.values())

    def orders(self) -> list[Order]:
        """All orders, oldest first, without hidden ones."""
        return [order for order in self.histories.orders.values() if not self._is_hidden(order)]

    def fills(self) -> list[Fill]:
        """All trades, oldest first, without those of hidden orders."""
        hidden = {order.number for order in self.histories.orders.values() if self._is_hidden(order)}
        return [fill for fill in self.histories.fills if fill.order not in hidden]

    def payments(self, kind: Kind = Kind.FUNDING) -> list[Payment]:
        """All payments of a kind, oldest first."""
        return [payment for payment in self.histories.payments if payment.kind == kind]

    def cancel(self, order: Order) -> Order:
        """Cancel what rests of it. Raises OrderRefused UNKNOWN_ORDER where it is not live, or hidden."""
        if not order.live or self._is_hidden(order):
            raise OrderRefused(Refusal.UNKNOWN_ORDER, order.ticket.client_id or str(order.number))
        self.end(order, Status.CANCELLED)
        return order

    def cancel_all(self, symbols: Collection[str] | None = None) -> list[Order]:
        """Cancel every live order of these contracts, or of all; gives them."""
        ended = [o for o in self._live.values() if symbols is None or o.ticket.symbol in symbols]
        for order in ended:
            self.end(order, Status.CANCELLED)
        return ended

    def dead_man(self, milliseconds: int, symbol: str = "") -> None:
        """Cancel every resting order of a contract, or of all, unless told again in so much market time; 0: never."""
        self.state.dead_man.pop(symbol, None)
        if milliseconds:
            self.state.dead_man[symbol] = self.now_ms + milliseconds

    def next_number(self) -> int:
        """A number that no order, fill or payment has."""
        self.state.numbers += 1
        return self.state.numbers

    def record(self, order: Order) -> None:
        """Keep a new order."""
        self.histories.orders[order.number] = order
        self._numbers_by_id.setdefault(order.ticket.client_id, []).append(order.number)
        self.touch(order)

    def touch(self, order: Order) -> None:
        """The order has changed."""
        order.updated_ms = self.now_ms
        self.changed.add(order.number)
        if order.live:
            self._live[order.number] = order
        else:
            self._live.pop(order.number, None)

    def end(self, order: Order, status: Status) -> None:
        """What rests of the order is gone."""
        order.status = status
        self.touch(order)

    def pay(
        self,
        kind: Kind,
        amount: Decimal,
        position: Position | None = None,
        *,
        rate: Decimal = ZERO,
        price: Decimal = ZERO,
    ) -> Payment:
        """Money comes, or goes; for a position, if it is of one."""
        symbol, side, quantity = ("", Side.BOTH, ZERO) if position is None else _of(position)
        number, amount = self.next_number(), money(amount)
        payment = Payment(number, kind, symbol, side, self.now_ms, amount, rate, price, quantity)
        self.state.cash += amount
        self.histories.payments.append(payment)
        return payment

    def _is_hidden(self, order: Order) -> bool:
        return order.hidden_until_s > 0 and self.wall_s() < order.hidden_until_s


def _of(position: Position) -> tuple[str, Side, Decimal]:
    return position.symbol, position.side, position.quantity
