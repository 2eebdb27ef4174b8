"""Lists of an account at Bybit v5: open and closed orders, executions. Used by `bybit_account`.

The venue's habits are kept: newest first and in pages by cursor; open orders come 20 at a time unless told, of closed
ones the last 500; what happened comes from seven days at most, and among executions liquidations and deleveraging are
no `Trade`. Sources: bybit-exchange.github.io/docs/v5/order/open-order, order-list, execution.
"""

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote, unquote

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import Fill, Order, Payment
from backtest.sandbox.accounts.refusals import OrderRefused
from backtest.sandbox.bybit_account_rows import execution_type, funding_row, order_row, trade_row, venue_id
from backtest.sandbox.bybit_asked import Told, asked_symbols, named_order, names_order
from backtest.sandbox.bybit_rules import LINEAR, RefusedError, invalid, page_size, time_range
from backtest.sandbox.candles import DAY_MS

Row = TypeVar("Row", Order, Fill | Payment)
RECENTLY_CLOSED = 500
WEEK_MS = 7 * DAY_MS


def realtime(account: Account, told: Told) -> dict[str, Any]:
    """Open orders; one by its id whether it is open or not; with openOnly=1 closed ones. Raises RefusedError."""
    symbols = asked_symbols(account, told)
    if names_order(told):
        return _orders(account, told, [order for order in _found(account, told) if _is_recent(account, order)])
    closed = [order for order in account.orders() if not order.live][-RECENTLY_CLOSED:]
    listed = closed if told.get("openOnly") == "1" else account.open_orders()
    return _orders(account, told, [order for order in listed if order.ticket.symbol in symbols])


def history(account: Account, told: Told) -> dict[str, Any]:
    """Closed orders; by the time of their making unless one is named. Raises RefusedError."""
    symbols, (since, until) = asked_symbols(account, told, all_by_default=True), _window(account, told)
    if names_order(told):
        return _orders(account, told, [order for order in _found(account, told) if not order.live])
    closed = [order for order in account.orders() if not order.live and order.ticket.symbol in symbols]
    return _orders(account, told, [order for order in closed if since <= order.created_ms <= until])


def executions(account: Account, told: Told) -> dict[str, Any]:
    """Trades and funding payments, of one execType or of all. Raises RefusedError."""
    symbols, (since, until) = asked_symbols(account, told, all_by_default=True), _window(account, told)
    everything: list[Fill | Payment] = sorted([*account.fills(), *account.payments()], key=lambda one: one.number)
    asked = [
        one
        for one in everything
        if one.symbol in symbols
        and since <= one.time_ms <= until
        and told.get("execType") in (None, "", execution_type(one))
        and (not names_order(told) or _is_of(told, one))
    ]
    return _page(told, asked, lambda one: _execution(account, one), default=50, most=100)


def _window(account: Account, told: Told) -> tuple[int, int]:
    """Seven days from startTime, or up to endTime, or until now; raises RefusedError for more."""
    since, until = time_range(told, "startTime", "endTime")
    if since is None:
        until = account.now_ms if until is None else until
        return until - WEEK_MS, until
    if until is not None and until - since > WEEK_MS:
        raise RefusedError("The time range between startTime and endTime cannot exceed 7 days.")
    return since, since + WEEK_MS if until is None else until


def _found(account: Account, told: Told) -> list[Order]:
    try:
        return [named_order(account, told)]
    except OrderRefused:
        return []


def _is_recent(account: Account, order: Order) -> bool:
    """Whether it is open, or among the last ones that are closed."""
    closed = (other.number for other in reversed(account.histories.orders.values()) if not other.live)
    return order.live or order.number in islice(closed, RECENTLY_CLOSED)


def _is_of(told: Told, one: Fill | Payment) -> bool:
    if isinstance(one, Payment):
        return False
    if told.get("orderId"):
        return venue_id(one.order) == told["orderId"]
    return one.client_id == told["orderLinkId"]


def _execution(account: Account, one: Fill | Payment) -> dict[str, Any]:
    return trade_row(account, one) if isinstance(one, Fill) else funding_row(account, one)


def _orders(account: Account, told: Told, orders: Sequence[Order]) -> dict[str, Any]:
    return _page(told, orders, lambda order: order_row(account, order), default=20, most=50)


def _page(
    told: Told, rows: Sequence[Row], render: Callable[[Row], dict[str, Any]], *, default: int, most: int
) -> dict[str, Any]:
    """The newest of `rows`, which are oldest first, before the cursor; a full page names the next one."""
    before, limit = _before(told), page_size(told, default=default, most=most)
    page = [row for row in reversed(rows) if before is None or row.number < before][:limit]
    cursor = quote(f"{page[0].number}:0,{page[-1].number}:0", safe="") if len(page) == limit else ""
    return {"category": LINEAR, "list": [render(row) for row in page], "nextPageCursor": cursor}


def _before(told: Told) -> int | None:
    """The last number of the page before, from the cursor; None for the first page."""
    if not (cursor := told.get("cursor", "")):
        return None
    # It comes with its percent signs where a client has encoded them once more.
    number = unquote(cursor).rpartition(",")[2].partition(":")[0]
    if not number.isdecimal():
        raise invalid("cursor")
    return int(number)
