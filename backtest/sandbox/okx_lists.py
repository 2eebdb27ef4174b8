"""Lists of an account at OKX v5: open and ended orders, fills, funding bills. Used by `okx_account`.

Newest first, 100 at a time, by ids of `after` and `before`. Sources: okx.com/docs-v5: ended orders go back 7 days or 3
months, fills 3 days or 3 months, bills 7 days or 3 months. Left out: bills other than those of funding.
"""

from collections.abc import Callable
from typing import Any

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.candles import DAY_MS
from backtest.sandbox.okx_account_rows import fill_row, funding_row, order_row, order_type
from backtest.sandbox.okx_asked import Told, asked_symbols, named_order, page, window
from backtest.sandbox.okx_rules import instrument_type

THREE_DAYS_MS, WEEK_MS, THREE_MONTHS_MS = 3 * DAY_MS, 7 * DAY_MS, 90 * DAY_MS
FUNDING = "8"
Rows = Callable[[Account, Told], list[dict[str, Any]]]
"""(account, query) -> rows; refuses by RefusedError and OrderRefused."""


def order(account: Account, told: Told) -> list[dict[str, Any]]:
    """One order, open or ended. Raises RefusedError and OrderRefused."""
    return [order_row(account, named_order(account, told))]


def pending(account: Account, told: Told) -> list[dict[str, Any]]:
    """Open orders, of some types if these are told. Raises RefusedError."""
    symbols, types = asked_symbols(account, told), str(told.get("ordType") or "")
    found = [
        one
        for one in account.open_orders()
        if one.ticket.symbol in symbols and (not types or order_type(one) in types.split(","))
    ]
    return [order_row(account, one) for one in page(told, found)]


def ended(longest_ms: int) -> Rows:
    """Orders that ended, by the time of their making."""

    def rows(account: Account, told: Told) -> list[dict[str, Any]]:
        instrument_type(told)
        symbols, (begin, end) = asked_symbols(account, told), window(told, account.now_ms, longest_ms)
        found = [
            one
            for one in account.orders()
            if not one.live and one.ticket.symbol in symbols and begin <= one.created_ms <= end
        ]
        return [order_row(account, one) for one in page(told, found)]

    return rows


def fills(longest_ms: int) -> Rows:
    """Trades, of one order if it is told; liquidations and deleveraging are among them."""

    def rows(account: Account, told: Told) -> list[dict[str, Any]]:
        symbols, (begin, end) = asked_symbols(account, told), window(told, account.now_ms, longest_ms)
        named = told.get("ordId")
        found = [
            one
            for one in account.fills()
            if one.symbol in symbols and begin <= one.time_ms <= end and named in (None, "", str(one.order))
        ]
        return [dict(fill_row(account, one)) for one in page(told, found)]

    return rows


def bills(longest_ms: int) -> Rows:
    """Funding payments."""

    def rows(account: Account, told: Told) -> list[dict[str, Any]]:
        symbols, (begin, end) = asked_symbols(account, told), window(told, account.now_ms, longest_ms)
        asked = told.get("type") in (None, "", FUNDING) and told.get("ccy") in (None, "", account.quote)
        every = account.payments() if asked else []
        found = [one for one in every if one.symbol in symbols and begin <= one.time_ms <= end]
        return [dict(funding_row(account, one)) for one in page(told, found)]

    return rows
