"""Rows of an account as Bybit v5 writes them: orders, executions, positions, the wallet. Used by its endpoints.

Sources: bybit-exchange.github.io/docs/v5 (order/open-order, order/execution, position, account/wallet-balance) and the
answers that ccxt 4.5.90 quotes. An order that a person or the venue made has no orderLinkId.
"""

from typing import Any
from uuid import UUID

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, Fill, Force, Order, Origin, Payment, Side, Status
from backtest.sandbox.accounts.state import Position
from backtest.sandbox.bybit_rules import symbol_id
from backtest.sandbox.text import plain

_FORCES = {Force.GTC: "GTC", Force.IOC: "IOC", Force.FOK: "FOK", Force.POST_ONLY: "PostOnly"}
_STATUSES = {
    Status.WAITING: "Untriggered",
    Status.OPEN: "New",
    Status.PARTLY_FILLED: "PartiallyFilled",
    Status.FILLED: "Filled",
    Status.CANCELLED: "Cancelled",
    Status.EXPIRED: "Cancelled",
}
_CREATED = {
    Origin.LIQUIDATION: "CreateByLiq",
    Origin.DELEVERAGING: "CreateByAdl_PassThrough",
    Origin.DELISTING: "CreateBySettle",
}
_EXECUTED = {Origin.LIQUIDATION: "BustTrade", Origin.DELEVERAGING: "AdlTrade", Origin.DELISTING: "Settle"}
POSITION_INDEX = {Side.BOTH: 0, Side.LONG: 1, Side.SHORT: 2}


def venue_id(number: int) -> str:
    """The venue's name of an order or execution."""
    return str(UUID(int=number))


def number_of(name: str) -> int:
    """The number behind such a name; 0, which nothing has, for what is none."""
    try:
        return UUID(name).int
    except ValueError:
        return 0


def names(order: Order) -> dict[str, str]:
    """All that is answered to who creates or cancels an order."""
    return {"orderId": venue_id(order.number), "orderLinkId": order.ticket.client_id}


def order_row(account: Account, order: Order) -> dict[str, Any]:
    """An order; what is cancelled may have filled before."""
    ticket, left = order.ticket, abs(order.left) if order.live else ZERO
    fee = sum((fill.fee for fill in account.fills_of(order)), ZERO)
    cancelled, reason = _ended(order)
    return names(order) | {
        "symbol": _market(account, ticket.symbol),
        "price": "0" if ticket.limit is None else plain(ticket.limit),
        "qty": plain(abs(ticket.quantity)),
        "side": _side(ticket.quantity > 0),
        "orderType": "Market" if ticket.limit is None else "Limit",
        "timeInForce": "IOC" if ticket.limit is None else _FORCES[ticket.force],
        "orderStatus": _STATUSES[order.status],
        "cancelType": cancelled,
        "rejectReason": reason,
        "createType": _CREATED.get(order.origin, "CreateByUser"),
        "avgPrice": plain(order.average) if order.filled else "",
        "cumExecQty": plain(abs(order.filled)),
        "cumExecValue": plain(order.spent),
        "cumExecFee": plain(fee),
        "cumFeeDetail": {account.quote: plain(fee)} if order.filled else {},
        "leavesQty": plain(left),
        "leavesValue": plain(left * (ticket.limit or ZERO)),
        "reduceOnly": ticket.reduce_only,
        "closeOnTrigger": False,
        "positionIdx": POSITION_INDEX[ticket.side],
        "createdTime": str(order.created_ms),
        "updatedTime": str(order.updated_ms),
        "triggerDirection": 0,
        "smpType": "None",
        "smpGroup": 0,
        **dict.fromkeys(("tpslMode", "stopOrderType", "triggerPrice", "takeProfit", "stopLoss", "isLeverage"), ""),
        **dict.fromkeys(("triggerBy", "tpTriggerBy", "slTriggerBy", "blockTradeId", "smpOrderId", "orderIv"), ""),
    }


def execution_type(one: Fill | Payment) -> str:
    """Of a trade or a funding payment."""
    return "Funding" if isinstance(one, Payment) else _EXECUTED.get(one.origin, "Trade")


def trade_row(account: Account, fill: Fill) -> dict[str, Any]:
    """An execution that traded; liquidations and deleveraging have types of their own."""
    order = account.histories.orders[fill.order]
    return _execution(account, fill.symbol, fill.number, fill.time_ms, execution_type(fill)) | {
        "orderId": venue_id(fill.order),
        "orderLinkId": fill.client_id,
        "orderType": "Market" if order.ticket.limit is None else "Limit",
        "orderPrice": "0" if order.ticket.limit is None else plain(order.ticket.limit),
        "orderQty": plain(abs(order.ticket.quantity)),
        "side": _side(fill.quantity > 0),
        "execPrice": plain(fill.price),
        "execQty": plain(abs(fill.quantity)),
        "execValue": plain(abs(fill.quantity) * fill.price),
        "execFee": plain(fill.fee),
        "feeRate": plain(account.maker_fee if fill.maker else account.taker_fee),
        "isMaker": fill.maker,
    }


def funding_row(account: Account, payment: Payment) -> dict[str, Any]:
    """An execution that is a funding payment: its fee is what was PAID, and below zero what was received."""
    held_long = payment.quantity > 0
    return _execution(account, payment.symbol, payment.number, payment.time_ms, execution_type(payment)) | {
        "orderId": venue_id(payment.number),
        "orderLinkId": "",
        "orderType": "UNKNOWN",
        "orderPrice": "0",
        "orderQty": "0",
        "side": _side(held_long),
        "execPrice": plain(payment.price),
        "execQty": plain(abs(payment.quantity)),
        "execValue": plain(abs(payment.quantity) * payment.price),
        "execFee": plain(-payment.amount),
        "feeRate": plain(payment.rate if held_long else -payment.rate),
        "isMaker": False,
    }


def position_row(account: Account, position: Position) -> dict[str, Any]:
    """What is held of a contract, or that nothing is: a size of 0 and no side."""
    mark, size = account.mark(position.symbol), abs(position.quantity)
    liquidated_at = account.liquidation_price(position) if size else ZERO
    return {
        "symbol": _market(account, position.symbol),
        "positionIdx": POSITION_INDEX[position.side],
        "side": _side(position.quantity > 0) if size else "",
        "size": plain(size),
        "avgPrice": plain(position.entry) if size else "0",
        "positionValue": plain(size * position.entry) if size else "",
        "markPrice": plain(mark),
        "liqPrice": plain(liquidated_at) if liquidated_at else "",
        "unrealisedPnl": plain(account.unrealised(position)) if size else "",
        "leverage": str(account.leverage(position.symbol)),
        "positionIM": plain(account.initial_margin(position.symbol, size * mark)),
        "positionMM": plain(account.maintenance * size * mark),
        "tradeMode": 0,
        "positionStatus": "Normal",
        "createdTime": str(position.changed_ms),
        "updatedTime": str(position.changed_ms),
        **dict.fromkeys(("bustPrice", "takeProfit", "stopLoss", "positionBalance", "riskLimitValue"), ""),
    }


def wallet(account: Account) -> dict[str, Any]:
    """The unified account with its one coin; its stable coins are worth a dollar."""
    equity, cash = plain(account.equity()), plain(account.cash)
    unrealised = plain(account.equity() - account.cash)
    position_margin, order_margin = plain(account.position_margin()), plain(account.order_margin())
    maintenance = plain(account.maintenance_margin())
    return {
        "accountType": "UNIFIED",
        "totalEquity": equity,
        "totalWalletBalance": cash,
        "totalMarginBalance": equity,
        "totalAvailableBalance": plain(account.free()),
        "totalPerpUPL": unrealised,
        "totalInitialMargin": plain(account.position_margin() + account.order_margin()),
        "totalMaintenanceMargin": maintenance,
        "coin": [
            {
                "coin": account.quote,
                "equity": equity,
                "usdValue": equity,
                "walletBalance": cash,
                "unrealisedPnl": unrealised,
                "totalPositionIM": position_margin,
                "totalOrderIM": order_margin,
                "totalPositionMM": maintenance,
                "availableToWithdraw": "",
                "locked": "0",
                "bonus": "0",
                "accruedInterest": "0",
                "borrowAmount": "0",
            }
        ],
    }


def _execution(account: Account, symbol: str, number: int, time_ms: int, kind: str) -> dict[str, Any]:
    return {
        "symbol": _market(account, symbol),
        "execId": venue_id(number),
        "execTime": str(time_ms),
        "execType": kind,
        "seq": number,
        "leavesQty": "0",
        **dict.fromkeys(("stopOrderType", "blockTradeId", "markPrice", "indexPrice", "underlyingPrice"), ""),
        "createType": "",
    }


def _ended(order: Order) -> tuple[str, str]:
    """(cancelType, rejectReason), which say why what is left of an order is gone."""
    if order.status is Status.CANCELLED:
        return "CancelByUser", "EC_PerCancelRequest"
    if order.status is not Status.EXPIRED:
        return "UNKNOWN", "EC_NoError"
    if order.ticket.force is Force.POST_ONLY and order.updated_ms == order.created_ms:
        return "UNKNOWN", "EC_PostOnlyWillTakeLiquidity"
    if order.ticket.force is Force.IOC or order.ticket.limit is None:
        return "UNKNOWN", "EC_NoImmediateQtyToFill"
    if order.ticket.force is Force.FOK:
        return "UNKNOWN", "EC_NoEnoughQtyToFill"
    return ("CancelByReduceOnly", "EC_NoError") if order.ticket.reduce_only else ("CancelBySmp", "EC_BySelfMatch")


def _market(account: Account, symbol: str) -> str:
    return symbol_id(account.prices.instrument(symbol))


def _side(buys: bool) -> str:
    return "Buy" if buys else "Sell"
