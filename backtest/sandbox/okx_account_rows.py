"""Rows of an account as OKX v5 writes them, sizes in contracts: orders, fills, bills, positions, the balance.

Used by the account's endpoints. Sources: okx.com/docs-v5 (Order Book Trading > Trade, Trading Account) and the answers
that ccxt 4.5.90 quotes; `cancelSource` 31 in nautilus_trader's constants. Fees and bills are below zero for what was
paid.
"""

from decimal import Decimal
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, Fill, Force, Order, Origin, Payment, Side, Status
from backtest.sandbox.accounts.state import Position
from backtest.sandbox.okx_rules import contract_exponent, instrument_id
from backtest.sandbox.text import plain

POSITION_SIDES = {Side.BOTH: "net", Side.LONG: "long", Side.SHORT: "short"}
_TYPES = {Force.GTC: "limit", Force.IOC: "ioc", Force.FOK: "fok", Force.POST_ONLY: "post_only"}
_STATES = {
    Status.WAITING: "live",
    Status.OPEN: "live",
    Status.PARTLY_FILLED: "partially_filled",
    Status.FILLED: "filled",
    Status.CANCELLED: "canceled",
    Status.EXPIRED: "canceled",
}
_CATEGORIES = {Origin.LIQUIDATION: "full_liquidation", Origin.DELEVERAGING: "adl", Origin.DELISTING: "delivery"}
_SUB_TYPES = {Origin.LIQUIDATION: ("106", "107"), Origin.DELEVERAGING: ("127", "128")}
"""Of a fill that buys, and of one that sells; 1 and 2 where nothing is said."""
BY_SYSTEM, BY_CLIENT, IOC_LEFT, FOK_LEFT, WOULD_TAKE, SELF_TRADE = "0", "1", "14", "13", "31", "32"


def contracts(account: Account, symbol: str, quantity: Decimal) -> str:
    """Units of the asset as contracts."""
    return plain(quantity.scaleb(-contract_exponent(account.prices.instrument(symbol))))


def names(order: Order) -> dict[str, str]:
    """How an order is called."""
    return {"ordId": str(order.number), "clOrdId": order.ticket.client_id, "tag": ""}


def order_row(account: Account, order: Order) -> dict[str, Any]:
    """An order; what is canceled may have filled before."""
    ticket = order.ticket
    filled = account.fills_of(order)
    last = filled[-1] if filled else None
    return names(order) | {
        "instType": "SWAP",
        "instId": _market(account, ticket.symbol),
        "side": _side(ticket.quantity > 0),
        "posSide": POSITION_SIDES[ticket.side],
        "tdMode": _margin_mode(account, ticket.symbol),
        "ordType": order_type(order),
        "sz": contracts(account, ticket.symbol, abs(ticket.quantity)),
        "px": "" if ticket.limit is None else plain(ticket.limit),
        "state": _STATES[order.status],
        "cancelSource": _cancel_source(order),
        "category": _CATEGORIES.get(order.origin, "normal"),
        "accFillSz": contracts(account, ticket.symbol, abs(order.filled)),
        "avgPx": plain(order.average) if order.filled else "",
        "fillSz": "0" if last is None else contracts(account, ticket.symbol, abs(last.quantity)),
        "fillPx": "" if last is None else plain(last.price),
        "fillTime": "" if last is None else str(last.time_ms),
        "tradeId": "" if last is None else str(last.number),
        "fee": plain(-sum((fill.fee for fill in filled), ZERO)),
        "feeCcy": account.quote,
        "pnl": plain(sum((fill.realised for fill in filled), ZERO)),
        "reduceOnly": "true" if ticket.reduce_only else "false",
        "lever": str(account.leverage(ticket.symbol)),
        "cTime": str(order.created_ms),
        "uTime": str(order.updated_ms),
        "rebate": "0",
        "rebateCcy": account.quote,
        "attachAlgoOrds": [],
        **dict.fromkeys(("ccy", "source", "tgtCcy", "stpId", "stpMode", "cancelSourceReason", "quickMgnType"), ""),
    }


def order_type(order: Order) -> str:
    """Of an order: market, limit, post_only, ioc, fok."""
    return "market" if order.ticket.limit is None else _TYPES[order.ticket.force]


def fill_row(account: Account, fill: Fill) -> dict[str, str]:
    """A trade, whoever made its order."""
    rate = account.maker_fee if fill.maker else account.taker_fee
    return {
        "instType": "SWAP",
        "instId": _market(account, fill.symbol),
        "tradeId": str(fill.number),
        "billId": str(fill.number),
        "ordId": str(fill.order),
        "clOrdId": fill.client_id,
        "tag": "",
        "subType": _SUB_TYPES.get(fill.origin, ("1", "2"))[fill.quantity < 0],
        "side": _side(fill.quantity > 0),
        "posSide": POSITION_SIDES[fill.side],
        "fillPx": plain(fill.price),
        "fillSz": contracts(account, fill.symbol, abs(fill.quantity)),
        "fillPnl": plain(fill.realised),
        "fee": plain(-fill.fee),
        "feeRate": plain(-rate),
        "feeCcy": account.quote,
        "execType": "M" if fill.maker else "T",
        "ts": str(fill.time_ms),
        "fillTime": str(fill.time_ms),
    }


def funding_row(account: Account, payment: Payment) -> dict[str, str]:
    """The bill of a funding payment: below zero for what was paid."""
    return {
        "billId": str(payment.number),
        "type": "8",
        "subType": "174" if payment.amount >= 0 else "173",
        "instType": "SWAP",
        "instId": _market(account, payment.symbol),
        "ccy": account.quote,
        "mgnMode": _margin_mode(account, payment.symbol),
        "balChg": plain(payment.amount),
        "pnl": plain(payment.amount),
        "sz": contracts(account, payment.symbol, abs(payment.quantity)),
        "px": plain(payment.price),
        "posBal": "0",
        "posBalChg": "0",
        "fee": "0",
        "interest": "0",
        "ts": str(payment.time_ms),
        **dict.fromkeys(("bal", "ordId", "clOrdId", "tradeId", "tag", "from", "to", "notes", "execType"), ""),
    }


def position_row(account: Account, position: Position) -> dict[str, str]:
    """What is held of a contract: signed in net mode, above zero in hedge mode."""
    symbol, mark, unrealised = position.symbol, account.mark(position.symbol), account.unrealised(position)
    notional = abs(position.quantity) * mark
    liquidated_at = account.liquidation_price(position)
    held = position.quantity if position.side is Side.BOTH else abs(position.quantity)
    return {
        "instType": "SWAP",
        "instId": _market(account, symbol),
        "posId": f"{symbol}-{position.side}",
        "posSide": POSITION_SIDES[position.side],
        "pos": contracts(account, symbol, held),
        "availPos": contracts(account, symbol, abs(held)),
        "avgPx": plain(position.entry),
        "markPx": plain(mark),
        "last": plain(mark),
        "liqPx": plain(liquidated_at) if liquidated_at else "",
        "upl": plain(unrealised),
        "uplRatio": plain(unrealised / (account.initial_margin(symbol, notional) or 1)),
        "lever": str(account.leverage(symbol)),
        "mgnMode": _margin_mode(account, symbol),
        "mgnRatio": plain(account.equity() / (account.maintenance_margin() or 1)),
        "imr": plain(account.initial_margin(symbol, notional)),
        "mmr": plain(account.maintenance * notional),
        "notionalUsd": plain(notional),
        "ccy": account.quote,
        "cTime": str(position.changed_ms),
        "uTime": str(position.changed_ms),
        "adl": "1",
        "interest": "0",
        **dict.fromkeys(("margin", "liab", "liabCcy", "optVal", "posCcy", "tradeId", "bizRefId"), ""),
    }


def balance_row(account: Account) -> dict[str, Any]:
    """The trading account with its one currency, which is worth a dollar."""
    equity, used = plain(account.equity()), account.position_margin() + account.order_margin()
    now = str(account.now_ms)
    detail = {
        "ccy": account.quote,
        "eq": equity,
        "eqUsd": equity,
        "cashBal": plain(account.cash),
        "availEq": plain(account.free()),
        "availBal": plain(account.free()),
        "frozenBal": plain(used),
        "ordFrozen": plain(account.order_margin()),
        "upl": plain(account.equity() - account.cash),
        "isoEq": "0",
        "uTime": now,
        **dict.fromkeys(("liab", "crossLiab", "isoLiab", "interest", "maxLoan", "mgnRatio"), ""),
    }
    return {
        "totalEq": equity,
        "adjEq": equity,
        "imr": plain(used),
        "mmr": plain(account.maintenance_margin()),
        "ordFroz": plain(account.order_margin()),
        "details": [detail],
        "uTime": now,
    }


def _cancel_source(order: Order) -> str:
    """Why what is left of an order is gone; empty where nothing is said."""
    if order.status is Status.CANCELLED:
        return BY_CLIENT
    if order.status is not Status.EXPIRED:
        return ""
    if order.ticket.force is Force.POST_ONLY and order.updated_ms == order.created_ms:
        return WOULD_TAKE
    if order.ticket.force is Force.IOC or order.ticket.limit is None:
        return IOC_LEFT
    if order.ticket.force is Force.FOK:
        return FOK_LEFT
    return BY_SYSTEM if order.ticket.reduce_only else SELF_TRADE


def _margin_mode(account: Account, symbol: str) -> str:
    return "isolated" if account.is_isolated(symbol) else "cross"


def _market(account: Account, symbol: str) -> str:
    return instrument_id(account.prices.instrument(symbol))


def _side(buys: bool) -> str:
    return "buy" if buys else "sell"
