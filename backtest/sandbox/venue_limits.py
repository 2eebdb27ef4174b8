"""The venues' own request limits per IP: what a request weighs, in which bucket, and what too many lead to.

Used by `limits`.

Binance USD-M (developers.binance.com, usds-margined-futures: general info and each endpoint's request weight): 2400
weight a minute of the clock; fundingRate and fundingInfo share 500 requests per 5 minutes instead; orders weigh nothing
here (their own limits are left out). Above: 429 with
Retry-After; going on: 418, "IP bans scale from 2 minutes to 3 days". How many ignored 429s make a ban is not published;
10 is assumed here, and that each ban is twice the one before.
Hyperliquid (hyperliquid.gitbook.io, rate limits and user limits): 1200 weight a minute; 2 for l2Book, allMids,
clearinghouseState, orderStatus, spotClearinghouseState and exchangeStatus, 60 for userRole, 20 for other info requests,
plus one per 20 rows answered (60 for candles); 1 + n / 40 for n batched actions. Above: 429.
Bybit v5 (bybit-exchange.github.io/docs/v5/rate-limit): 600 requests in any 5 seconds. Above: 403 for 10 minutes.
OKX v5 (okx.com/docs-v5, each endpoint's rate limit): so many requests in any 2 seconds for each endpoint, for some of
them per instrument or type of instrument. Above: 429 with code 50011.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from backtest.sandbox.asked import Asked


@dataclass(frozen=True)
class Bucket:
    """At most `limit` of weight in any `seconds`, or in each stretch of them by the clock if `by_the_clock`."""

    name: str
    limit: int
    seconds: int
    by_the_clock: bool = False
    part: str = ""
    """What of the bucket is counted by itself, e.g. an instrument; empty: all of it together."""


@dataclass(frozen=True)
class VenueLimits:
    """How one venue limits requests."""

    charge: Callable[[Asked], tuple[Bucket, int]]
    """The bucket that a request weighs on, and its weight."""
    status: int
    """Of an answer that refuses."""
    rows_per_weight: Mapping[str, int]
    """Endpoints whose answers weigh too: one for so many rows."""
    tells_retry_after: bool = False
    used_header: str | None = None
    """The header of every answer that tells the weight used."""
    ban_status: int | None = None
    ignored_before_ban: int = 0
    """So many refusals in a row are forgiven; the next one is a ban."""
    first_ban_s: float = 0.0
    longest_ban_s: float = 0.0
    """Each ban is twice as long as the one before, up to this."""


BINANCE_WEIGHT = Bucket("weight", 2400, 60, by_the_clock=True)
BINANCE_FUNDING = Bucket("funding", 500, 300, by_the_clock=True)
_BINANCE_WEIGHTS = {
    "ticker/bookTicker": 2, "trades": 5, "aggTrades": 20, "historicalTrades": 200, "account": 5, "balance": 5,
    "positionRisk": 5, "userTrades": 5, "allOrders": 5, "income": 30, "commissionRate": 20, "batchOrders": 5,
    "countdownCancelAll": 10,
}  # fmt: skip
_BINANCE_ALL_SYMBOLS = {"ticker/24hr": 40, "ticker/bookTicker": 5, "ticker/price": 2, "openOrders": 40}
_BINANCE_BY_LIMIT = {
    "depth": ((50, 2), (100, 5), (500, 10), (1000, 20)),
    "klines": ((99, 1), (499, 2), (1000, 5), (1500, 10)),
}
_BINANCE_DEFAULT_LIMIT = 500


def _binance(asked: Asked) -> tuple[Bucket, int]:
    name = asked.endpoint.split("/", 2)[-1]  # fapi/v1/ticker/24hr is ticker/24hr
    if name in ("fundingRate", "fundingInfo"):
        return BINANCE_FUNDING, 1
    if (asked.method, name) == ("POST", "order"):
        return BINANCE_WEIGHT, 0  # orders have limits of their own
    if steps := _BINANCE_BY_LIMIT.get("klines" if name.lower().endswith("klines") else name):
        told = asked.query.get("limit", "")
        limit = int(told) if told.isdecimal() else _BINANCE_DEFAULT_LIMIT
        return BINANCE_WEIGHT, next((weight for most, weight in steps if limit <= most), steps[-1][1])
    if "symbol" not in asked.query and name in _BINANCE_ALL_SYMBOLS:
        return BINANCE_WEIGHT, _BINANCE_ALL_SYMBOLS[name]
    return BINANCE_WEIGHT, _BINANCE_WEIGHTS.get(name, 1)


HYPERLIQUID_WEIGHT = Bucket("weight", 1200, 60)
_HYPERLIQUID_LIGHT = frozenset(
    {"l2Book", "allMids", "clearinghouseState", "orderStatus", "spotClearinghouseState", "exchangeStatus"}
)
_HYPERLIQUID_ROWS = {
    f"info/{kind}": 20
    for kind in (
        "recentTrades", "historicalOrders", "userFills", "userFillsByTime", "fundingHistory", "userFunding",
        "nonUserFundingUpdates", "twapHistory", "userTwapSliceFills", "userTwapSliceFillsByTime",
    )
} | {"info/candleSnapshot": 60}  # fmt: skip


def _hyperliquid(asked: Asked) -> tuple[Bucket, int]:
    path, _, kind = asked.endpoint.partition("/")
    if path == "exchange":
        return HYPERLIQUID_WEIGHT, 1 + asked.batch // 40
    if kind == "userRole":
        return HYPERLIQUID_WEIGHT, 60
    return HYPERLIQUID_WEIGHT, 2 if kind in _HYPERLIQUID_LIGHT else 20


def _bybit(asked: Asked) -> tuple[Bucket, int]:
    return Bucket("requests", 600, 5), 1


_OKX = {
    # endpoint: requests in 2 s, and the parameter by which they are counted apart
    "public/instruments": (20, "instType"),
    "public/funding-rate": (10, "instId"),
    "public/funding-rate-history": (10, "instId"),
    "public/open-interest": (20, "instId"),
    "public/mark-price": (10, "instId"),
    "public/time": (10, ""),
    "market/books": (40, ""),
    "market/candles": (40, ""),
    "market/history-index-candles": (10, ""),
    "account/balance": (10, ""),
    "account/positions": (10, ""),
    "trade/order": (60, "instId"),
    "trade/batch-orders": (300, ""),
    "trade/fills-history": (10, ""),
    "account/bills-archive": (5, ""),
}
_OKX_USUAL = (20, "")


def _okx(asked: Asked) -> tuple[Bucket, int]:
    name = asked.endpoint.removeprefix("api/v5/")
    limit, apart = _OKX.get(name, _OKX_USUAL)
    return Bucket(name, limit, 2, part=asked.query.get(apart, "") if apart else ""), 1


LIMITS: Mapping[str, VenueLimits] = {
    "binance": VenueLimits(
        _binance,
        status=429,
        rows_per_weight={},
        tells_retry_after=True,
        used_header="X-MBX-USED-WEIGHT-1M",
        ban_status=418,
        ignored_before_ban=10,
        first_ban_s=120,
        longest_ban_s=3 * 24 * 3600,
    ),
    "hyperliquid": VenueLimits(_hyperliquid, status=429, rows_per_weight=_HYPERLIQUID_ROWS),
    "bybit": VenueLimits(_bybit, status=403, rows_per_weight={}, ban_status=403, first_ban_s=600, longest_ban_s=600),
    "okx": VenueLimits(_okx, status=429, rows_per_weight={}),
}
"""By the first part of the path. A venue that is not here is counted and never refused."""
