"""How the sandbox's Hyperliquid writes an account's orders, fills, payments and positions.

Used by `hyperliquid_account` and `hyperliquid_exchange`. Shapes: hyperliquid.gitbook.io, info endpoint, and what ccxt
4.5.90 parses. Amounts of money are written to all their digits where the venue rounds to a millionth, so that sums of
them are exact. There are no blocks here, so every `hash` is zeros.
"""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, Fill, Force, Order, Origin, Payment, Status
from backtest.sandbox.accounts.trades import size_left

NO_HASH = "0x" + 64 * "0"
TIFS = {Force.GTC: "Gtc", Force.IOC: "Ioc", Force.POST_ONLY: "Alo"}
DIRECTIONS = {Origin.DELEVERAGING: "Auto-Deleveraging", Origin.DELISTING: "Settlement"}
"""Of fills that are no trade of the account's own; a liquidation's are told as trades."""
Row = dict[str, Any]


def plain(number: Decimal) -> str:
    """A number as the venue writes it: never scientific, one decimal at least."""
    text = f"{number.normalize():f}"
    return text if "." in text else f"{text}.0"


def side_of(quantity: Decimal) -> str:
    """B buys, A sells ("ask")."""
    return "B" if quantity > 0 else "A"


def open_order_row(account: Account, order: Order, coin: str) -> Row:
    """As `openOrders` tells it: `sz` of a reduce-only one that rests is no more than there is to reduce."""
    ticket = order.ticket
    left = size_left(account, order) if order.live else abs(order.left)
    row: Row = {
        "coin": coin,
        "side": side_of(ticket.quantity),
        "limitPx": plain(ticket.limit or ZERO),
        "sz": plain(left),
        "oid": order.number,
        "timestamp": order.created_ms,
        "origSz": plain(abs(ticket.quantity)),
    }
    return row | ({"reduceOnly": True} if ticket.reduce_only else {}) | _client_id(ticket.client_id)


def order_row(account: Account, order: Order, coin: str) -> Row:
    """As `frontendOpenOrders`, `historicalOrders` and `orderStatus` tell it."""
    ticket = order.ticket
    trigger: Row = {"triggerCondition": "N/A", "isTrigger": False, "triggerPx": "0.0", "children": []}
    kind: Row = {
        "isPositionTpsl": False,
        "reduceOnly": ticket.reduce_only,
        "orderType": "Market" if ticket.limit is None else "Limit",
        "tif": TIFS.get(ticket.force),
        "cloid": ticket.client_id or None,
    }
    return open_order_row(account, order, coin) | trigger | kind


def status_of(order: Order) -> str:
    """Where it stands, in the venue's words. What an IOC filled in part ends as filled; what the venue ends by itself
    is named for the likeliest reason."""
    if order.live:
        return "open"
    if order.status is Status.CANCELLED:
        return "scheduledCancel" if order.by_dead_man else "canceled"
    if order.status is Status.FILLED or order.ticket.force is Force.IOC:
        return "filled" if order.filled else "iocCancelRejected"
    return "reduceOnlyCanceled" if order.ticket.reduce_only else "selfTradeCanceled"


def status_row(account: Account, order: Order, coin: str, status: str = "") -> Row:
    """An order with where it stands, or with `status`."""
    told = status or status_of(order)
    return {"order": order_row(account, order, coin), "status": told, "statusTimestamp": order.updated_ms}


def fill_rows(fills: Iterable[Fill], coins: dict[str, str], user: str) -> Iterator[Row]:
    """Trades, in their order: all of them, for each tells what was held before it."""
    held: dict[str, Decimal] = {}
    for fill in fills:
        start = held.get(fill.symbol, ZERO)
        held[fill.symbol] = start + fill.quantity
        yield _fill_row(fill, coins[fill.symbol], start, user)


def funding_row(payment: Payment, coin: str) -> Row:
    """One payment of funding; its amount is what was received."""
    delta = {
        "type": "funding",
        "coin": coin,
        "usdc": plain(payment.amount),
        "szi": plain(payment.quantity),
        "fundingRate": plain(payment.rate),
        "nSamples": None,
    }
    return {"time": payment.time_ms, "hash": NO_HASH, "delta": delta}


def _fill_row(fill: Fill, coin: str, start: Decimal, user: str) -> Row:
    row: Row = {
        "coin": coin,
        "px": plain(fill.price),
        "sz": plain(abs(fill.quantity)),
        "side": side_of(fill.quantity),
        "time": fill.time_ms,
        "startPosition": plain(start),
        "dir": DIRECTIONS.get(fill.origin) or _direction(start, fill.quantity),
        "closedPnl": plain(fill.realised),
        "hash": NO_HASH,
        "oid": fill.order,
        "crossed": not fill.maker,
        "fee": plain(fill.fee),
        "tid": fill.number,
        "feeToken": "USDC",
        "twapId": None,
    }
    if fill.origin is Origin.LIQUIDATION:
        row["liquidation"] = {"liquidatedUser": user, "markPx": plain(fill.price), "method": "market"}
    return row | _client_id(fill.client_id)


def _direction(start: Decimal, quantity: Decimal) -> str:
    held, traded = ("Long" if amount > 0 else "Short" for amount in (start, quantity))
    if start * quantity >= 0:
        return f"Open {traded}"
    return f"Close {held}" if abs(quantity) <= abs(start) else f"{held} > {traded}"


def _client_id(client_id: str) -> Row:
    return {"cloid": client_id} if client_id else {}
