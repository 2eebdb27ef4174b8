"""Orders at Bybit v5, linear contracts only: placed and cancelled. Used by `bybit_account`.

Answers are ids and nothing else. Source: bybit-exchange.github.io/docs/v5/order (create-, cancel-order, cancel-all).
Left out: triggers, take profit and stop loss, batches, changes of orders.
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Force, Ticket
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.trades import adds
from backtest.sandbox.bybit_account_rows import POSITION_INDEX, names
from backtest.sandbox.bybit_asked import Told, asked_symbol, asked_symbols, named_order, names_order
from backtest.sandbox.bybit_rules import RefusedError, invalid

_FORCES = {"GTC": Force.GTC, "IOC": Force.IOC, "FOK": Force.FOK, "PostOnly": Force.POST_ONLY}
_SIGNS = {"Buy": 1, "Sell": -1}
_SIDES = {str(index): side for side, index in POSITION_INDEX.items()}
_CLIENT_ID = re.compile(r"^[A-Za-z0-9_-]{0,36}$", re.ASCII)
_CONDITIONAL = ("triggerPrice", "stopLoss", "takeProfit")


def create(account: Account, told: Told) -> dict[str, Any]:
    """Place an order. Raises RefusedError and OrderRefused."""
    ticket = _ticket(account, told)
    try:
        return names(place(account, ticket))
    except OrderRefused as refused:
        if refused.reason is Refusal.WOULD_NOT_REDUCE and adds(account, ticket):
            raise RefusedError("reduce-only order has same side with current position", 110017) from refused
        raise


def cancel(account: Account, told: Told) -> dict[str, Any]:
    """Cancel by orderId or orderLinkId. Raises RefusedError and OrderRefused."""
    symbol = asked_symbol(account, told)
    if not names_order(told):
        raise RefusedError("params error: OrderId or orderLinkId is required")
    return names(account.cancel(named_order(account, told, symbol)))


def cancel_all(account: Account, told: Told) -> dict[str, Any]:
    """Cancel all of a contract, or of all that are on a coin or settle in one. Raises RefusedError."""
    cancelled = account.cancel_all(asked_symbols(account, told))
    return {"list": [names(order) for order in cancelled], "success": "1"}


def _ticket(account: Account, told: Told) -> Ticket:
    symbol = asked_symbol(account, told)
    if any(told.get(name) for name in _CONDITIONAL):
        raise RefusedError(f"the sandbox takes no conditional orders: leave out {', '.join(_CONDITIONAL)}")
    sign, kind = _SIGNS.get(str(told.get("side"))), told.get("orderType")
    force, side = _FORCES.get(str(told.get("timeInForce") or "GTC")), _SIDES.get(str(told.get("positionIdx", 0)))
    if sign is None:
        raise invalid("side")
    if kind not in ("Market", "Limit"):
        raise invalid("orderType")
    if force is None:
        raise invalid("timeInForce")
    if side is None:
        raise invalid("positionIdx")
    if not _CLIENT_ID.match(name := str(told.get("orderLinkId") or "")):
        raise invalid("orderLinkId")
    return Ticket(
        symbol=symbol,
        quantity=sign * _number(told, "qty"),
        limit=None if kind == "Market" else _number(told, "price"),
        force=Force.IOC if kind == "Market" else force,
        reduce_only=told.get("reduceOnly") is True,
        client_id=name,
        side=side,
    )


def _number(told: Told, name: str) -> Decimal:
    try:
        value = Decimal(str(told.get(name, "")))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise RefusedError(f"{name.capitalize()} invalid")
    return value
