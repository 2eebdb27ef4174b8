"""Which contracts, which order and which rows a request to an OKX account means. Used by `okx_orders`, `okx_lists` and
`okx_account`.

Source: okx.com/docs-v5: ordId is used where clOrdId is told as well; `after` asks for older rows, `before` for newer
ones, both by id and without that row, 100 at a time.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import Fill, Order, Payment
from backtest.sandbox.okx_rules import (
    INSTRUMENT_TYPES,
    RefusedError,
    index_id,
    instrument_id,
    page_size,
    required,
    unknown_instrument,
    whole_number,
    wrong,
)

Told = Mapping[str, Any]
"""A query, or the JSON of a body."""
Row = TypeVar("Row", Order, Fill, Payment)
MOST_ROWS = 100


def asked_symbol(account: Account, told: Told) -> str:
    """The contract that is named, delisted or not; raises RefusedError 50014 or 51001."""
    named = required(told, "instId")
    for symbol in account.prices.symbols:
        if instrument_id(account.prices.instrument(symbol)) == named:
            return symbol
    raise unknown_instrument()


def asked_symbols(account: Account, told: Told) -> Sequence[str]:
    """Those that are named, or of a family, or of a type; all where nothing is told. Raises RefusedError."""
    if (kind := told.get("instType")) and kind not in INSTRUMENT_TYPES:
        raise wrong("instType")
    if named := told.get("instId"):
        return [asked_symbol(account, {"instId": name}) for name in str(named).split(",")]
    family = told.get("instFamily") or told.get("uly")
    every = account.prices.symbols if kind in (None, "", "SWAP") else ()
    return [symbol for symbol in every if family in (None, "", index_id(account.prices.instrument(symbol)))]


def named_order(account: Account, told: Told) -> Order:
    """By the venue's id if there is one, else by the client's. Raises RefusedError and OrderRefused UNKNOWN_ORDER."""
    symbol = asked_symbol(account, told)
    if told.get("ordId"):
        number = str(told["ordId"])
        return account.find(symbol=symbol, number=int(number) if number.isdecimal() else 0)
    if not told.get("clOrdId"):
        raise RefusedError("51003", "Either client order ID or order ID is required.", 200)
    return account.find(symbol=symbol, client_id=str(told["clOrdId"]))


def page(told: Told, rows: Sequence[Row]) -> list[Row]:
    """The newest of `rows`, which are oldest first, between the ids of `before` and `after`, newest first."""
    newer, older = whole_number(told, "before"), whole_number(told, "after")
    limit = page_size(told, default=MOST_ROWS, most=MOST_ROWS)
    within = (
        row for row in reversed(rows) if (newer is None or row.number > newer) and (older is None or row.number < older)
    )
    return [row for row, _ in zip(within, range(limit), strict=False)]


def window(told: Told, now_ms: int, longest_ms: int) -> tuple[int, int]:
    """Times between `begin` and `end`, both included, no further back than the endpoint goes."""
    begin, end = whole_number(told, "begin"), whole_number(told, "end")
    oldest = now_ms - longest_ms
    return oldest if begin is None else max(begin, oldest), now_ms if end is None else end
