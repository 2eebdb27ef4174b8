"""What the venues say when they refuse or fail: bodies of answers by venue and status. Used by faults and limits.

Words and codes: Binance USD-M error codes and HTTP return codes (developers.binance.com, usds-margined-futures), Bybit
v5 error and rate-limit pages (bybit-exchange.github.io/docs/v5), OKX v5 error codes (okx.com/docs-v5), Hyperliquid's
bare `null`. What a venue does not document is the page of the proxy before it.
"""

from aiohttp import web

from backtest.sandbox.text import json_text

_BINANCE = {
    429: (-1003, "Too many requests; current limit of IP(127.0.0.1) is 2400 requests per minute."),
    418: (-1003, "Way too many requests; IP(127.0.0.1) banned until {until_ms}."),
    500: (-1001, "Internal error; unable to process your request. Please try again."),
    503: (-1000, "Unknown error, please check your request or try again later."),
    504: (-1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
}
_BYBIT = {
    429: (10006, "Too many visits!"),
    500: (10016, "Server error."),
    503: (10016, "Server error."),
    504: (10000, "Server Timeout"),
}
_OKX = {
    429: ("50011", "Too Many Requests"),
    500: ("50026", "System error. Try again later"),
    503: ("50001", "Service temporarily unavailable. Try again later"),
    504: ("50004", "API endpoint request timeout"),
}


def refusal(venue: str, status: int, *, until_ms: int = 0) -> web.Response:
    """An answer with this status as `venue` words it; `until_ms` is when a ban ends, ms since 1970."""
    body: str | None = None
    if venue == "binance" and status in _BINANCE:
        code, message = _BINANCE[status]
        body = json_text({"code": code, "msg": message.format(until_ms=until_ms)})
    elif venue == "bybit" and status in _BYBIT:
        number, message = _BYBIT[status]
        body = json_text({"retCode": number, "retMsg": message, "result": {}, "retExtInfo": {}})
    elif venue == "okx" and status in _OKX:
        text, message = _OKX[status]
        body = json_text({"code": text, "data": [], "msg": message})
    elif venue == "hyperliquid" and status in (429, 500):
        body = "null"
    return page(status) if body is None else web.Response(status=status, text=body, content_type="application/json")


def page(status: int) -> web.Response:
    """The HTML page of a proxy in front of a venue."""
    reason = web.Response(status=status).reason
    text = f"<html><head><title>{status} {reason}</title></head><body><h1>{status} {reason}</h1></body></html>"
    return web.Response(status=status, text=text, content_type="text/html")
