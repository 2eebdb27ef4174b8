"""Histories of an account in pages, as Binance USD-M gives them: trades, income, orders. Used by `binance_account`.

Source: developers.binance.com, usds-margined-futures: account trade list (seven days at a time; fromId), income history
(100 rows by default), all orders. Oldest first; a page that begins somewhere has the first rows from there, any other
the last ones.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import Order
from backtest.sandbox.binance_account_rows import INCOMES, income_row, trade_row
from backtest.sandbox.binance_rules import RefusedError, integer, whole_number
from backtest.sandbox.candles import DAY_MS

Query = Mapping[str, str]
Row = TypeVar("Row")
WEEK_MS = 7 * DAY_MS
MOST = 1000


def trades(query: Query, account: Account, symbol: str, name: str) -> list[dict[str, Any]]:
    """The account's trades in a contract; the venue calls it `name`."""
    made = [fill for fill in account.fills() if fill.symbol == symbol]
    number = whole_number(query, "orderId")
    made = [fill for fill in made if number in (None, fill.order)]
    page = _page(query, made, account.now_ms, "fromId", lambda fill: (fill.number, fill.time_ms), WEEK_MS)
    return [trade_row(fill, name, account.quote) for fill in page]


def past_orders(query: Query, account: Account, symbol: str) -> list[Order]:
    """The account's orders in a contract, live or not; stops are not among them."""
    made = [order for order in account.orders() if order.ticket.symbol == symbol and order.ticket.trigger is None]
    return _page(query, made, account.now_ms, "orderId", lambda order: (order.number, order.created_ms), WEEK_MS)


def incomes(query: Query, account: Account, symbol: str | None, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Payments, of a type if one is named; `names` are the venue's own of contracts."""
    kind = query.get("incomeType")
    made = [
        payment
        for payment in account.histories.payments
        if symbol in (None, payment.symbol) and kind in (None, INCOMES[payment.kind])
    ]
    page = _page(query, made, account.now_ms, "", lambda payment: (payment.number, payment.time_ms), None, 100)
    return [income_row(payment, names[payment.symbol], account.quote) for payment in page]


def _page(
    query: Query,
    rows: Sequence[Row],
    now_ms: int,
    cursor: str,
    place: Callable[[Row], tuple[int, int]],
    longest_ms: int | None,
    default: int = 500,
) -> list[Row]:
    """The rows that a query means; `place` gives the number and the time of one."""
    limit = integer(query, "limit", default=default, most=MOST)
    if cursor and (first := whole_number(query, cursor)) is not None:
        return [row for row in rows if place(row)[0] >= first][:limit]
    since, until = whole_number(query, "startTime"), whole_number(query, "endTime")
    begin, end = _window(since, until, now_ms, longest_ms)
    fitting = [row for row in rows if begin <= place(row)[1] <= end]
    return fitting[-limit:] if since is None else fitting[:limit]


def _window(since: int | None, until: int | None, now_ms: int, longest_ms: int | None) -> tuple[int, int]:
    if since is not None and until is not None:
        if since > until:
            raise RefusedError(-1023, "Start time is greater than end time.")
        if longest_ms is not None and until - since > longest_ms:
            raise RefusedError(-4165, "Invalid time interval. Maximum time interval is 7 days.")
        return since, until
    if since is not None:
        return since, now_ms if longest_ms is None else since + longest_ms
    end = now_ms if until is None else until
    return end - WEEK_MS, end
