"""Rows of an account as Binance USD-M writes them: orders, trades, income, positions, money. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures, trade and account endpoints.
"""

from decimal import Decimal
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import ZERO, Fill, Force, Kind, Order, Payment, Status
from backtest.sandbox.accounts.state import Position

STATUSES = {
    Status.WAITING: "NEW",
    Status.OPEN: "NEW",
    Status.PARTLY_FILLED: "PARTIALLY_FILLED",
    Status.FILLED: "FILLED",
    Status.CANCELLED: "CANCELED",
    Status.EXPIRED: "EXPIRED",
}
FORCES = {Force.GTC: "GTC", Force.IOC: "IOC", Force.FOK: "FOK", Force.POST_ONLY: "GTX"}
INCOMES = {Kind.FUNDING: "FUNDING_FEE", Kind.TRANSFER: "TRANSFER", Kind.INSURANCE: "INSURANCE_CLEAR"}


def text(value: Decimal) -> str:
    """A decimal as the venue writes it: never scientific, and no zeros behind."""
    return f"{value.normalize():f}" if value else "0"


def order_row(order: Order, symbol: str) -> dict[str, Any]:
    """An order."""
    ticket = order.ticket
    kind = "MARKET" if ticket.limit is None else "LIMIT"
    return {
        "orderId": order.number,
        "symbol": symbol,
        "status": STATUSES[order.status],
        "clientOrderId": ticket.client_id,
        "price": text(ticket.limit or ZERO),
        "avgPrice": text(order.average),
        "origQty": text(abs(ticket.quantity)),
        "executedQty": text(abs(order.filled)),
        "cumQty": text(abs(order.filled)),
        "cumQuote": text(order.spent),
        "timeInForce": FORCES[ticket.force],
        "type": kind,
        "reduceOnly": ticket.reduce_only,
        "closePosition": ticket.close_all,
        "side": "BUY" if ticket.quantity > 0 else "SELL",
        "positionSide": ticket.side.upper(),
        "stopPrice": "0",
        "workingType": "CONTRACT_PRICE",
        "priceProtect": False,
        "origType": kind,
        "priceMatch": "NONE",
        "selfTradePreventionMode": "EXPIRE_MAKER",
        "goodTillDate": 0,
        "time": order.created_ms,
        "updateTime": order.updated_ms,
    }


def acknowledged(row: dict[str, Any]) -> dict[str, Any]:
    """The row of a new order for who did not ask for its result (newOrderRespType ACK): nothing of its fills."""
    zeros = dict.fromkeys(("executedQty", "cumQty", "cumQuote", "avgPrice"), "0")
    return {name: value for name, value in row.items() if name != "time"} | zeros | {"status": "NEW"}


def algo_row(order: Order, symbol: str) -> dict[str, Any]:
    """A conditional order."""
    ticket = order.ticket
    rises = (ticket.quantity > 0) == order.triggers_above
    waits = order.status is Status.WAITING
    ended = {Status.CANCELLED: "CANCELED", Status.EXPIRED: "EXPIRED"}.get(order.status, "FINISHED")
    return {
        "algoId": order.number,
        "clientAlgoId": ticket.client_id,
        "algoType": "CONDITIONAL",
        "orderType": "STOP_MARKET" if rises else "TAKE_PROFIT_MARKET",
        "symbol": symbol,
        "side": "BUY" if ticket.quantity > 0 else "SELL",
        "positionSide": ticket.side.upper(),
        "timeInForce": "GTC",
        "quantity": text(abs(ticket.quantity)),
        "algoStatus": "NEW" if waits else ended,
        "triggerPrice": text(ticket.trigger or ZERO),
        "price": "0",
        "workingType": "MARK_PRICE",
        "closePosition": ticket.close_all,
        "reduceOnly": ticket.reduce_only,
        "createTime": order.created_ms,
        "updateTime": order.updated_ms,
    }


def trade_row(fill: Fill, symbol: str, quote: str) -> dict[str, Any]:
    """A trade."""
    buys = fill.quantity > 0
    return {
        "symbol": symbol,
        "id": fill.number,
        "orderId": fill.order,
        "side": "BUY" if buys else "SELL",
        "price": text(fill.price),
        "qty": text(abs(fill.quantity)),
        "realizedPnl": text(fill.realised),
        "quoteQty": text(abs(fill.quantity) * fill.price),
        "commission": text(fill.fee),
        "commissionAsset": quote,
        "time": fill.time_ms,
        "positionSide": fill.side.upper(),
        "buyer": buys,
        "maker": fill.maker,
    }


def income_row(payment: Payment, symbol: str, quote: str) -> dict[str, Any]:
    """A payment; below zero: paid."""
    kind = INCOMES[payment.kind]
    names = {"symbol": symbol, "incomeType": kind, "asset": quote, "info": kind}
    return names | {"income": text(payment.amount), "time": payment.time_ms, "tranId": payment.number, "tradeId": ""}


def risk_row(account: Account, position: Position, symbol: str) -> dict[str, Any]:
    """A position as positionRisk has it, the fields of its versions 2 and 3 together."""
    mark = account.mark(position.symbol)
    notional = position.quantity * mark
    isolated = account.is_isolated(position.symbol)
    initial = account.initial_margin(position.symbol, notional)
    return {
        "symbol": symbol,
        "positionSide": position.side.upper(),
        "positionAmt": text(position.quantity),
        "entryPrice": text(position.entry),
        "breakEvenPrice": text(position.entry),
        "markPrice": text(mark),
        "unRealizedProfit": text(account.unrealised(position)),
        "liquidationPrice": text(account.liquidation_price(position)),
        "isolatedMargin": text(initial) if isolated else "0",
        "notional": text(notional),
        "marginAsset": account.quote,
        "isolatedWallet": text(initial) if isolated else "0",
        "initialMargin": text(initial),
        "maintMargin": text(abs(notional) * account.maintenance),
        "positionInitialMargin": text(initial),
        "openOrderInitialMargin": "0",
        "adl": 1,
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.changed_ms,
    }


def older_risk_row(account: Account, row: dict[str, Any], symbol: str) -> dict[str, Any]:
    """What version 2 of positionRisk has besides."""
    isolated = account.is_isolated(symbol)
    return row | {
        "leverage": str(account.leverage(symbol)),
        "marginType": "isolated" if isolated else "cross",
        "isolated": isolated,
        "isAutoAddMargin": "false",
        "maxNotionalValue": "100000000",
        "adlQuantile": 1,
    }


def money_row(account: Account) -> dict[str, Any]:
    """The account's one asset."""
    cash, equity = account.cash, account.equity()
    positions, orders = account.position_margin(), account.order_margin()
    return {
        "asset": account.quote,
        "walletBalance": text(cash),
        "unrealizedProfit": text(equity - cash),
        "marginBalance": text(equity),
        "maintMargin": text(account.maintenance_margin()),
        "initialMargin": text(positions + orders),
        "positionInitialMargin": text(positions),
        "openOrderInitialMargin": text(orders),
        "crossWalletBalance": text(cash),
        "crossUnPnl": text(equity - cash),
        "availableBalance": text(account.free()),
        "maxWithdrawAmount": text(account.free()),
        "marginAvailable": True,
        "updateTime": account.now_ms,
    }


def account_row(account: Account, positions: list[dict[str, Any]]) -> dict[str, Any]:
    """The account, the fields of its versions 2 and 3 together."""
    row = money_row(account)
    totals = {f"total{name[0].upper()}{name[1:]}": row[name] for name in _TOTALS}
    rights = {"canTrade": account.state.may_trade, "canDeposit": True, "canWithdraw": account.state.may_withdraw}
    rest = {"feeTier": 0, "multiAssetsMargin": False, "tradeGroupId": -1, "updateTime": 0}
    available = {name: row[name] for name in ("availableBalance", "maxWithdrawAmount")}
    return (
        totals
        | {"totalCrossUnPnl": row["crossUnPnl"]}
        | available
        | rights
        | rest
        | {
            "assets": [row],
            "positions": [position | {"unrealizedProfit": position["unRealizedProfit"]} for position in positions],
        }
    )


_TOTALS = (
    "initialMargin",
    "maintMargin",
    "walletBalance",
    "unrealizedProfit",
    "marginBalance",
    "positionInitialMargin",
    "openOrderInitialMargin",
    "crossWalletBalance",
)
