"""Bybit and OKX in a few lines: contracts, settlements and candles of one coin, newest first and in pages."""

from collections.abc import Callable, Sequence
from typing import Any

from aiohttp import web

from data.types import HOUR_MS

Query = Any
START = 1_735_689_600_000
NOW = START + 1500 * HOUR_MS + 60_000
SETTLED = [START + hours * HOUR_MS for hours in (*range(0, 1000, 8), *range(1000, 1500))]
"""Every 8 hours, then every hour."""
OPENED = [START + hour * HOUR_MS for hour in range(1501) if hour not in range(700, 720)]
"""A gap of 20 hours; the last one is still open."""


def rate(stamp: int) -> str:
    """What settled then."""
    return f"{(stamp // HOUR_MS % 89 - 44) * 1e-6:.8f}"


class Bybit:
    """Linear BTC: a page ends at endTime, a startTime alone is an error."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        kind = request.path.removeprefix("/v5/market/")
        self.asked.append((kind, dict(request.query)))
        answers: dict[str, Callable[[Query], Any]] = {
            "time": lambda query: {"timeSecond": str(NOW // 1000)},
            "instruments-info": lambda query: listed([] if query.get("status") == "PreLaunch" else [BYBIT_CONTRACT]),
            "tickers": lambda query: listed([BYBIT_TICKER]),
            "orderbook": lambda query: {
                "s": "BTCUSDT",
                "ts": NOW,
                "b": [["99", "3"]],
                "a": [["101", "2"], ["102", "5"]],
            },
            "funding/history": self.settlements,
            "kline": self.candles,
            "mark-price-kline": self.candles,
            "index-price-kline": self.candles,
        }
        result = answers[kind](request.query)
        if result is None:
            return web.json_response({"retCode": 10001, "retMsg": "Time is invalid", "result": {}, "time": NOW})
        return web.json_response({"retCode": 0, "retMsg": "OK", "result": result, "time": NOW})

    def settlements(self, query: Query) -> Any:
        """The last rows up to endTime."""
        if "startTime" in query and "endTime" not in query:
            return None
        rows = bounded(SETTLED, query.get("startTime"), query.get("endTime"))[-min(int(query["limit"]), 200) :]
        told = ({"symbol": "BTCUSDT", "fundingRate": rate(s), "fundingRateTimestamp": str(s)} for s in rows[::-1])
        return listed(list(told))

    def candles(self, query: Query) -> Any:
        """The last rows up to `end`."""
        rows = bounded(OPENED, query.get("start"), query.get("end"))[-min(int(query["limit"]), 1000) :]
        return listed([[str(opened), "100", "101", "99", "100.5", "7", "700"] for opened in rows[::-1]])


class Okx:
    """BTC in contracts of 0.01: `after` is older than, `before` is newer than, three months of funding."""

    oldest = START + 300 * HOUR_MS

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        kind = request.path.removeprefix("/api/v5/")
        self.asked.append((kind, dict(request.query)))
        answers: dict[str, Callable[[Query], Any]] = {
            "public/time": lambda query: [{"ts": str(NOW)}],
            "public/instruments": lambda query: [OKX_CONTRACT],
            "public/funding-rate": lambda query: [OKX_RATE],
            "public/funding-rate-history": self.settlements,
            "public/open-interest": lambda query: [{"instId": OKX_ID, "oi": "300", "oiCcy": "3", "ts": str(NOW)}],
            "market/tickers": lambda query: [OKX_TICKER],
            "market/books": lambda query: [OKX_BOOK],
            "market/history-candles": lambda query: self.candles(query, most=100),  # fewer than is asked for
            "market/history-mark-price-candles": lambda query: self.candles(query, most=100),
        }  # fmt: skip
        return web.json_response({"code": "0", "msg": "", "data": answers[kind](request.query)})

    def settlements(self, query: Query) -> list[Any]:
        """What was announced is not what was realized."""
        rows = [s for s in SETTLED if s >= self.oldest and s < int(query.get("after", NOW))][-int(query["limit"]) :]
        return [
            {"instId": OKX_ID, "fundingRate": "9", "realizedRate": rate(s), "fundingTime": str(s)} for s in rows[::-1]
        ]

    def candles(self, query: Query, most: int) -> list[list[str]]:
        """The last rows between, without both ends."""
        rows = bounded(OPENED, int(query["before"]) + 1, int(query["after"]) - 1)[-min(int(query["limit"]), most) :]
        return [[str(opened), "100", "101", "99", "100.5", "700", "7", "700", "1"] for opened in rows[::-1]]


def bounded(stamps: Sequence[int], first: Any, last: Any) -> list[int]:
    """Those from `first` to `last`, where given, and by now."""
    return [s for s in stamps if int(first or 0) <= s <= min(int(last or NOW), NOW)]


def listed(rows: list[Any]) -> dict[str, Any]:
    return {"category": "linear", "list": rows}


BYBIT_CONTRACT = {
    "symbol": "BTCUSDT", "contractType": "LinearPerpetual", "status": "Trading", "baseCoin": "BTC", "quoteCoin": "USDT",
    "settleCoin": "USDT", "launchTime": str(START), "deliveryTime": "0", "fundingInterval": 480,
    "priceFilter": {"minPrice": "0.1", "maxPrice": "199999", "tickSize": "0.1"},
    "lotSizeFilter": {"qtyStep": "0.001", "minOrderQty": "0.005", "maxOrderQty": "100", "minNotionalValue": "5"},
    "leverageFilter": {"minLeverage": "1", "maxLeverage": "100"},
}  # fmt: skip
BYBIT_TICKER = {
    "symbol": "BTCUSDT", "lastPrice": "100", "bid1Price": "99", "bid1Size": "3", "ask1Price": "101", "ask1Size": "2",
    "openInterest": "50", "openInterestValue": "5000", "turnover24h": "123456", "volume24h": "1234",
    "fundingRate": "0.0002", "nextFundingTime": str(START + 1501 * HOUR_MS), "fundingIntervalHour": "1",
}  # fmt: skip
OKX_ID = "BTC-USDT-SWAP"
OKX_CONTRACT = {
    "instType": "SWAP", "instId": OKX_ID, "uly": "BTC-USDT", "instFamily": "BTC-USDT", "settleCcy": "USDT",
    "ctType": "linear", "ctVal": "0.01", "ctMult": "1", "ctValCcy": "BTC", "lotSz": "0.1", "minSz": "0.5",
    "tickSz": "0.1", "lever": "100", "state": "live", "listTime": str(START), "expTime": "",
}  # fmt: skip
OKX_BOOK = {"ts": str(NOW), "bids": [["99", "300", "0", "1"]], "asks": [["101", "200", "0", "1"]]}
OKX_RATE = {
    "instId": OKX_ID, "instType": "SWAP", "fundingRate": "0.0003", "fundingTime": str(START + 1502 * HOUR_MS),
    "nextFundingTime": str(START + 1504 * HOUR_MS), "nextFundingRate": "", "method": "current_period",
}  # fmt: skip
OKX_TICKER = {
    "instType": "SWAP", "instId": OKX_ID, "last": "100", "bidPx": "99", "bidSz": "300", "askPx": "101", "askSz": "200",
    "open24h": "90", "high24h": "110", "low24h": "80", "vol24h": "200000", "volCcy24h": "2000", "ts": str(NOW),
}  # fmt: skip
