"""What happens to a new order: it is checked, trades with the book, and rests or ends. Used by the dialects."""

from dataclasses import replace
from decimal import Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.checks import check
from backtest.sandbox.accounts.records import ZERO, Force, Order, Status, Ticket
from backtest.sandbox.accounts.trades import settle_rest, take, within


def place(account: Account, ticket: Ticket) -> Order:
    """Place an order now: what it fills at once is in it. Raises OrderRefused, and then nothing is recorded."""
    check(account, ticket)
    waits = ticket.trigger is not None
    status = Status.WAITING if waits else Status.OPEN
    order = Order(account.next_number(), ticket, status, account.now_ms, account.now_ms)
    order.triggers_above = ticket.trigger is not None and ticket.trigger > account.mark(ticket.symbol)
    _hide(account, order)
    account.record(order)
    if not waits:
        execute(account, order)
    return order


def execute(account: Account, order: Order) -> None:
    """Let an order meet the book."""
    _expire_own(account, order)
    enough = sum((size for _, size in within(account, order.ticket)), ZERO) >= abs(order.left)
    if order.ticket.force is not Force.POST_ONLY and (order.ticket.force is not Force.FOK or enough):
        take(account, order)
    settle_rest(account, order)


def trigger(account: Account, order: Order) -> None:
    """The mark has reached what the order waited for: it meets the book, sized to what is held if it closes all."""
    if order.ticket.close_all:
        position = account.position(order.ticket.symbol, order.ticket.side)
        size = abs(position.quantity) if position is not None else ZERO
        order.ticket = replace(order.ticket, quantity=size.copy_sign(order.ticket.quantity), reduce_only=True)
    order.status = Status.OPEN
    account.touch(order)
    if order.left:
        execute(account, order)
    else:
        account.end(order, Status.EXPIRED)


def _hide(account: Account, order: Order) -> None:
    script = account.state.script
    if script.hide:
        script.hide -= 1
        order.hidden_until_s = account.wall_s() + script.hide_s


def _expire_own(account: Account, order: Order) -> None:
    """Orders of the account do not trade with each other: the one that rests expires (EXPIRE_MAKER)."""
    for resting in account.live_orders():
        ticket = resting.ticket
        opposite = ticket.symbol == order.ticket.symbol and ticket.quantity * order.ticket.quantity < 0
        if opposite and resting.status is not Status.WAITING and _crosses(order.ticket, ticket.limit):
            account.end(resting, Status.EXPIRED)


def _crosses(ticket: Ticket, price: Decimal | None) -> bool:
    if ticket.limit is None or price is None:
        return True
    return ticket.limit >= price if ticket.quantity > 0 else ticket.limit <= price
