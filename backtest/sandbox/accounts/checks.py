"""What a venue checks of an order before it takes it. Used by `placing`."""

from decimal import Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import Force, Side, Ticket, money
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.trades import reducible, within


def check(account: Account, ticket: Ticket) -> None:
    """Return if the venue takes the order; raises OrderRefused."""
    if not account.prices.is_listed(ticket.symbol, account.now_ms):
        raise OrderRefused(Refusal.UNKNOWN_SYMBOL, ticket.symbol)
    _check_permission(account)
    _check_steps(account, ticket)
    if ticket.client_id:
        _check_id(account, ticket.client_id)
    _check_side(account, ticket)
    if ticket.trigger is not None:
        return
    _check_reduces(account, ticket)
    _check_notional(account, ticket)
    if ticket.force is Force.POST_ONLY and within(account, ticket):
        raise OrderRefused(Refusal.WOULD_TAKE, str(ticket.limit))
    _check_margin(account, ticket)


def _check_permission(account: Account) -> None:
    script = account.state.script
    if script.reject:
        script.reject -= 1
        raise OrderRefused(Refusal.TOLD, script.reject_words, script.reject_code)
    if not account.state.may_trade:
        raise OrderRefused(Refusal.MAY_NOT_TRADE)


def _check_steps(account: Account, ticket: Ticket) -> None:
    terms, size = account.prices.terms(ticket.symbol), abs(ticket.quantity)
    if not ticket.close_all:
        if size == 0:
            raise OrderRefused(Refusal.QUANTITY_ZERO)
        if size % terms.lot:
            raise OrderRefused(Refusal.QUANTITY_STEP, str(terms.lot))
        if size < terms.least_quantity:
            raise OrderRefused(Refusal.QUANTITY_SMALL, str(terms.least_quantity))
    for price in (ticket.limit, ticket.trigger):
        if price is not None and price <= 0:
            raise OrderRefused(Refusal.PRICE_ZERO)
        if price is not None and price % terms.tick:
            raise OrderRefused(Refusal.PRICE_STEP, str(terms.tick))


def _check_id(account: Account, client_id: str) -> None:
    if account.is_taken(client_id):
        raise OrderRefused(Refusal.DUPLICATE_ID, client_id)


def _check_side(account: Account, ticket: Ticket) -> None:
    if account.state.hedge == (ticket.side is Side.BOTH):
        raise OrderRefused(Refusal.WRONG_SIDE, ticket.side.value)


def _check_reduces(account: Account, ticket: Ticket) -> None:
    if not ticket.only_closes:
        return
    there_is = reducible(account, ticket)
    too_much = ticket.side is not Side.BOTH and abs(ticket.quantity) > there_is
    if too_much or not there_is:
        raise OrderRefused(Refusal.WOULD_NOT_REDUCE, ticket.symbol)


def _check_notional(account: Account, ticket: Ticket) -> None:
    if ticket.only_closes and account.conventions.reduce_only_below_minimum:
        return
    least = account.prices.terms(ticket.symbol).least_notional
    if abs(ticket.quantity) * _price(account, ticket) < least:
        raise OrderRefused(Refusal.NOTIONAL_SMALL, str(least))


def _check_margin(account: Account, ticket: Ticket) -> None:
    opened = abs(ticket.quantity) - reducible(account, ticket)
    if ticket.only_closes or opened <= 0:
        return
    notional = money(opened * _price(account, ticket))
    if account.initial_margin(ticket.symbol, notional) + notional * account.taker_fee > account.free():
        raise OrderRefused(Refusal.MARGIN_SHORT)


def _price(account: Account, ticket: Ticket) -> Decimal:
    """The price that an order is valued at before it trades."""
    if ticket.limit is not None:
        return ticket.limit
    levels = within(account, ticket)
    return levels[-1][0] if levels and ticket.quantity > 0 else account.mark(ticket.symbol)
