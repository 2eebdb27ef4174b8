"""Orders at OKX v5, swaps only: placed and cancelled, one by one or in lists. Used by `okx_account`.

Sizes come in contracts. Each order has an answer of its own: ids and `sCode`; the envelope's code is 0 where all were
taken, 1 where none was, 2 else. Sources: okx.com/docs-v5, Order Book Trading > Trade. Left out: algo orders, attached
take profit and stop loss, changes of orders.
"""

import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Force, Order, Ticket
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.trades import adds
from backtest.sandbox.okx_account_rows import POSITION_SIDES, names
from backtest.sandbox.okx_asked import Told, asked_symbol, named_order
from backtest.sandbox.okx_refusals import said
from backtest.sandbox.okx_rules import RefusedError, contract_exponent, required, wrong

MOST_ORDERS = 20
Outcome = tuple[str, list[dict[str, Any]]]
"""(code of the envelope, an answer for each order)."""
_FORCES = {
    "market": Force.IOC,
    "optimal_limit_ioc": Force.IOC,
    "limit": Force.GTC,
    "post_only": Force.POST_ONLY,
    "ioc": Force.IOC,
    "fok": Force.FOK,
}
_AT_MARKET = ("market", "optimal_limit_ioc")
_SIGNS = {"buy": 1, "sell": -1}
_SIDES = {name: side for side, name in POSITION_SIDES.items()}
_CLIENT_ID = re.compile(r"^[A-Za-z0-9]{1,32}$", re.ASCII)


def place_all(account: Account, asked: list[Told]) -> Outcome:
    """Place orders. Raises RefusedError for the list as a whole."""
    return _each(account, asked, lambda told: _placed(account, _ticket(account, told)))


def late(asked: Told | list[Told], expires: str | None, wall_s: float) -> Outcome | None:
    """The refusal of orders whose header expTime, ms by the wall, is past; None where they are in time."""
    if expires is None or (expires.isdecimal() and int(expires) >= 1000 * wall_s):
        return None
    code, words = "50036", "The expTime can't be earlier than the current system time. Please adjust the expTime."
    orders = asked if isinstance(asked, list) else [asked]
    return "1", [_unnamed(told) | {"ts": str(int(1000 * wall_s)), "sCode": code, "sMsg": words} for told in orders]


def cancel_all(account: Account, asked: list[Told]) -> Outcome:
    """Cancel orders by ordId or clOrdId. Raises RefusedError for the list as a whole."""
    return _each(account, asked, lambda told: _cancelled(account, told))


def _each(account: Account, asked: list[Told], act: Callable[[Told], Order]) -> Outcome:
    if not 0 < len(asked) <= MOST_ORDERS:
        raise RefusedError("51111", f"Maximum {MOST_ORDERS} orders can be placed in bulk.", 200)
    answers = [_answer(account, told, act) for told in asked]
    refused = sum(answer["sCode"] != "0" for answer in answers)
    return "0" if not refused else "1" if refused == len(answers) else "2", answers


def _answer(account: Account, told: Told, act: Callable[[Told], Order]) -> dict[str, Any]:
    stamp = {"ts": str(account.now_ms)}
    try:
        return names(act(told)) | stamp | {"sCode": "0", "sMsg": ""}
    except OrderRefused as reason:
        refusal = said(reason)
    except RefusedError as reason:
        refusal = reason
    return _unnamed(told) | stamp | {"sCode": refusal.code, "sMsg": refusal.message}


def _unnamed(told: Told) -> dict[str, Any]:
    return {"ordId": str(told.get("ordId", "")), "clOrdId": str(told.get("clOrdId", "")), "tag": ""}


def _placed(account: Account, ticket: Ticket) -> Order:
    try:
        return place(account, ticket)
    except OrderRefused as refused:
        if refused.reason is Refusal.WOULD_NOT_REDUCE and adds(account, ticket):
            words = "A reduce-only order can't be the same trading direction as your existing positions."
            raise RefusedError("51170", f"Failed to place order. {words}", 200) from refused
        raise


def _cancelled(account: Account, told: Told) -> Order:
    try:
        return account.cancel(named_order(account, told))
    except OrderRefused as refused:
        if refused.reason is not Refusal.UNKNOWN_ORDER:
            raise
        words = "Order cancellation failed as the order has been filled, canceled or does not exist."
        raise RefusedError("51400", words, 200) from refused


def _ticket(account: Account, told: Told) -> Ticket:
    symbol, kind = asked_symbol(account, told), required(told, "ordType")
    if told.get("attachAlgoOrds"):
        raise RefusedError("51000", "the sandbox takes no attached orders: leave out attachAlgoOrds", 200)
    if required(told, "tdMode") not in ("cross", "isolated"):
        raise wrong("tdMode")
    sign, side = _SIGNS.get(required(told, "side")), _SIDES.get(str(told.get("posSide") or "net"))
    client_id = str(told.get("clOrdId") or "")
    if kind not in _FORCES:
        raise wrong("ordType")
    if sign is None or side is None:
        raise wrong("side" if sign is None else "posSide")
    if client_id and not _CLIENT_ID.match(client_id):
        raise wrong("clOrdId")
    exponent = contract_exponent(account.prices.instrument(symbol))
    return Ticket(
        symbol=symbol,
        quantity=sign * _number(told, "sz").scaleb(exponent),
        limit=None if kind in _AT_MARKET else _number(told, "px"),
        force=_FORCES[kind],
        reduce_only=told.get("reduceOnly") in (True, "true"),
        client_id=client_id,
        side=side,
    )


def _number(told: Told, name: str) -> Decimal:
    try:
        value = Decimal(str(told.get(name, "")))
    except InvalidOperation:
        raise wrong(name) from None
    if not value.is_finite() or value < 0:
        raise wrong(name)
    return value
