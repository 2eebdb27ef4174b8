"""Orders as Binance USD-M is asked for them, read into tickets. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, trade: new order, new algo order.
"""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, Force, Side, Ticket
from backtest.sandbox.binance_rules import RefusedError, required

Query = Mapping[str, str]
FORCES = {"GTC": Force.GTC, "IOC": Force.IOC, "FOK": Force.FOK, "GTX": Force.POST_ONLY}
FARTHEST = Decimal("0.05")
"""A limit lies at most this far on the bad side of the mark (PERCENT_PRICE)."""
_CLIENT_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$", re.ASCII)


def ticket(query: Query, symbol: str, account: Account) -> Ticket:
    """A LIMIT or MARKET order; raises RefusedError for what the venue cannot read."""
    kind = required(query, "type")
    if kind not in ("LIMIT", "MARKET"):
        raise RefusedError(-4120, "Order type not supported for this endpoint. Please use the Algo Order API instead.")
    quantity = signed(query, "quantity")
    limit = number(query, "price") if kind == "LIMIT" else None
    if limit is not None:
        _check_reach(limit, quantity, account.mark(symbol))
    told = Ticket(symbol, quantity, limit, _force(query, kind), client_id=client_id(query, "newClientOrderId"))
    return Ticket(**vars(told) | {"side": side(query), "reduce_only": _flag(query, "reduceOnly", account)})


def stop_ticket(query: Query, symbol: str, account: Account) -> Ticket:
    """A STOP_MARKET or TAKE_PROFIT_MARKET order that meets the book at market once triggered; raises RefusedError."""
    kind = required(query, "type")
    if kind not in ("STOP_MARKET", "TAKE_PROFIT_MARKET"):
        raise RefusedError(-1116, "Invalid orderType.")
    close_all = query.get("closePosition") == "true"
    quantity = (Decimal(1) if _buys(query) else Decimal(-1)) if close_all else signed(query, "quantity")
    trigger, mark = number(query, "triggerPrice"), account.mark(symbol)
    rises = _buys(query) == (kind == "STOP_MARKET")
    if (trigger <= mark) if rises else (trigger >= mark):
        raise RefusedError(-2021, "Order would immediately trigger.")
    reduce_only = close_all or _flag(query, "reduceOnly", account)
    told = Ticket(symbol, quantity, force=Force.IOC, side=side(query), reduce_only=reduce_only)
    name = client_id(query, "clientAlgoId")
    return Ticket(**vars(told) | {"trigger": trigger, "close_all": close_all, "client_id": name})


def side(query: Query) -> Side:
    """positionSide; BOTH where none is named."""
    told = query.get("positionSide", "BOTH")
    if told not in ("BOTH", "LONG", "SHORT"):
        raise RefusedError(-4060, "Invalid position side.")
    return Side(told.lower())


def number(query: Query, name: str) -> Decimal:
    """A parameter that is a finite decimal; raises RefusedError -1102."""
    try:
        value = Decimal(required(query, name))
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise RefusedError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    return value


def signed(query: Query, name: str) -> Decimal:
    """A quantity, below zero where the order sells; raises RefusedError -1102, -1117 or -4003."""
    size = number(query, name)
    if size <= ZERO:
        raise RefusedError(-4003, "Quantity less than or equal to zero.")
    return size if _buys(query) else -size


def client_id(query: Query, name: str) -> str:
    """The client's own id; empty where none is sent. Raises RefusedError -4015."""
    told = query.get(name, "")
    if told and not _CLIENT_ID.match(told):
        raise RefusedError(-4015, "Client order id length should not be more than 36 chars")
    return told


def _buys(query: Query) -> bool:
    told = required(query, "side")
    if told not in ("BUY", "SELL"):
        raise RefusedError(-1117, "Invalid side.")
    return told == "BUY"


def _force(query: Query, kind: str) -> Force:
    if kind == "MARKET":
        return Force.IOC
    told = required(query, "timeInForce")
    if told not in FORCES:
        raise RefusedError(-1115, "Invalid timeInForce.")
    return FORCES[told]


def _flag(query: Query, name: str, account: Account) -> bool:
    if name in query and account.state.hedge:
        raise RefusedError(-1106, f"Parameter '{name.lower()}' sent when not required.")
    return query.get(name) == "true"


def _check_reach(limit: Decimal, quantity: Decimal, mark: Decimal) -> None:
    highest, lowest = mark * (1 + FARTHEST), mark * (1 - FARTHEST)
    if quantity > 0 and limit > highest:
        raise RefusedError(-4016, f"Limit price can't be higher than {highest:f}.")
    if quantity < 0 and 0 < limit < lowest:
        raise RefusedError(-4024, f"Limit price can't be lower than {lowest:f}.")
