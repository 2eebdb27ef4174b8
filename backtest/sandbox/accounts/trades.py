"""How orders become trades: fills at prices, walks through the book, the venue's own closing of positions."""

from decimal import ROUND_DOWN, Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.positions import trade
from backtest.sandbox.accounts.records import ZERO, Fill, Force, Order, Origin, Status, Ticket, money
from backtest.sandbox.accounts.state import Position


def fill(account: Account, order: Order, size: Decimal, price: Decimal, *, maker: bool, fee_rate: Decimal) -> None:
    """Trade `size` of the order, above zero whichever way it goes, and end the order if nothing is left of it."""
    ticket = order.ticket
    quantity = size if ticket.quantity > 0 else -size
    position = account.position(ticket.symbol, ticket.side)
    if position is None:
        position = Position(ticket.symbol, ticket.side)
        account.state.positions.append(position)
    realised = trade(position, quantity, price)
    position.changed_ms = account.now_ms
    if not position.quantity:
        account.state.positions.remove(position)
    fee = money(size * price * fee_rate)
    account.state.cash += realised - fee
    order.filled += quantity
    order.spent += size * price
    order.status = Status.PARTLY_FILLED if order.left else Status.FILLED
    account.touch(order)
    account.histories.fills.append(
        Fill(
            number=account.next_number(),
            order=order.number,
            client_id=ticket.client_id,
            symbol=ticket.symbol,
            side=ticket.side,
            time_ms=account.now_ms,
            quantity=quantity,
            price=price,
            fee=fee,
            realised=realised,
            maker=maker,
            origin=order.origin,
        )
    )


def reducible(account: Account, ticket: Ticket) -> Decimal:
    """How much of a reduce-only order there is to reduce, above zero; 0 where it would open or add."""
    position = account.position(ticket.symbol, ticket.side)
    if position is None or position.quantity * ticket.quantity >= 0:
        return ZERO
    return abs(position.quantity)


def size_left(account: Account, order: Order) -> Decimal:
    """How much the order may still trade, above zero."""
    left = abs(order.left)
    return min(left, reducible(account, order.ticket)) if order.ticket.only_closes else left


def take(account: Account, order: Order) -> None:
    """Trade against the book as far as price and depth allow; a script may let only a share of that happen."""
    wanted = _scripted(account, order, size_left(account, order))
    for price, depth in within(account, order.ticket):
        if not wanted:
            break
        size = min(wanted, depth)
        fill(account, order, size, price, maker=False, fee_rate=account.taker_fee)
        wanted -= size


def within(account: Account, ticket: Ticket) -> list[tuple[Decimal, Decimal]]:
    """Levels of the book that a ticket trades with, best first."""
    bids, asks = account.prices.book(ticket.symbol, account.now_ms)
    limit = ticket.limit
    if ticket.quantity > 0:
        return [level for level in asks if limit is None or level[0] <= limit]
    return [level for level in bids if limit is None or level[0] >= limit]


def settle_rest(account: Account, order: Order) -> None:
    """What a taker's order could not fill expires, unless it may rest."""
    rests = order.ticket.force in (Force.GTC, Force.POST_ONLY) and order.ticket.limit is not None
    nothing_to_reduce = order.ticket.only_closes and not size_left(account, order)
    if order.live and (nothing_to_reduce or not rests):
        account.end(order, Status.EXPIRED)


def venue_closes(
    account: Account, position: Position, origin: Origin, size: Decimal, price: Decimal, rate: Decimal
) -> None:
    """The venue closes `size` of a position by itself, at a price and for a fee rate."""
    quantity = size.copy_sign(-position.quantity)
    order = own_order(account, Ticket(position.symbol, quantity, side=position.side, reduce_only=True), origin)
    fill(account, order, size, price, maker=False, fee_rate=rate)


def own_order(account: Account, ticket: Ticket, origin: Origin) -> Order:
    """An order that no client sent, recorded under the venue's own name for such."""
    number = account.next_number()
    prefix = account.conventions.names.get(origin)
    named = Ticket(**vars(ticket) | {"client_id": f"{prefix}{number}" if prefix else ""})
    order = Order(number, named, Status.OPEN, account.now_ms, account.now_ms, origin=origin)
    account.record(order)
    return order


def _scripted(account: Account, order: Order, wanted: Decimal) -> Decimal:
    script = account.state.script
    if script.partial == 0 or order.origin is not Origin.API:
        return wanted
    script.partial -= 1
    lot = account.prices.terms(order.ticket.symbol).lot
    return (wanted * script.share / lot).to_integral_value(ROUND_DOWN) * lot
