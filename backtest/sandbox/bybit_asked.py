"""Which contracts and which order a request to a Bybit account means. Used by `bybit_orders` and `bybit_lists`.

Source: bybit-exchange.github.io/docs/v5/order/open-order, which ranks orderId before orderLinkId before symbol.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import Order
from backtest.sandbox.bybit_account_rows import number_of
from backtest.sandbox.bybit_rules import LINEAR, RefusedError, category, invalid, symbol_id

Told = Mapping[str, Any]
"""A query, or the JSON of a body."""


def asked_symbol(account: Account, told: Told) -> str:
    """The listed linear contract that is named; raises RefusedError 10001."""
    named = str(told.get("symbol", "")) if category(told) == LINEAR else ""
    found = [symbol for symbol in account.prices.symbols if market_id(account, symbol) == named]
    if not found or not account.prices.is_listed(found[0], account.now_ms):
        raise invalid("symbol")
    return found[0]


def asked_symbols(account: Account, told: Told, *, all_by_default: bool = False) -> Sequence[str]:
    """The contract that is named, or all that are on a coin or settle in one, delisted ones too; raises RefusedError
    where none of these is told and no order either."""
    if category(told) != LINEAR:
        return ()
    named, base, settle = (told.get(name) or "" for name in ("symbol", "baseCoin", "settleCoin"))
    if not (named or base or settle or all_by_default or names_order(told)):
        raise RefusedError("params error: symbol or settleCoin or baseCoin is required")
    listed = [symbol for symbol in account.prices.symbols if named in ("", market_id(account, symbol))]
    if not listed:
        raise invalid("symbol")
    return [symbol for symbol in listed if base in ("", symbol.partition("/")[0]) and settle in ("", account.quote)]


def names_order(told: Told) -> bool:
    """Whether one order is meant."""
    return bool(told.get("orderId") or told.get("orderLinkId"))


def named_order(account: Account, told: Told, symbol: str | None = None) -> Order:
    """The order by the venue's id if there is one, else by the client's. Raises OrderRefused UNKNOWN_ORDER."""
    if told.get("orderId"):
        return account.find(symbol=symbol, number=number_of(str(told["orderId"])))
    return account.find(symbol=symbol, client_id=str(told["orderLinkId"]))


def market_id(account: Account, symbol: str) -> str:
    """The venue's name of a contract."""
    return symbol_id(account.prices.instrument(symbol))
