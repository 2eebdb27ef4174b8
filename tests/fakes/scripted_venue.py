"""A venue of one Binance contract that answers what it is told to, and remembers what it was asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from bot.execution.live.account import LiveAccount
from data.credentials import Credentials
from data.settings import VenueSettings
from data.types import Asset, Instrument
from tests.contract.loopback import listening

BTC = Instrument("binance", "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.1, 5.0, 8)
KEYS = Credentials({"apiKey": "the-key-of-the-account", "secret": "the-secret-of-the-account"})
CONTRACT = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "deliveryDate": 4133404800000,
    "onboardDate": 1569398400000, "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT", "marginAsset": "USDT",
    "pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8,
    "underlyingType": "COIN", "underlyingSubType": [], "orderTypes": ["LIMIT", "MARKET"], "timeInForce": ["GTC", "IOC"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.1", "maxPrice": "1000000", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
        {"filterType": "MIN_NOTIONAL", "notional": "5"},
    ],
}  # fmt: skip


class Scripted:
    """Answers in turn; the last one stays. None: never answers."""

    def __init__(self, *answers: tuple[int, str] | None) -> None:
        self._answers = deque(answers)
        self.asked: list[str] = []
        """"METHOD path" of what is not public."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/exchangeInfo"):
            return web.json_response({"symbols": [CONTRACT]})
        self.asked.append(f"{request.method} {request.path.rpartition('/')[2]}")
        told: Any = self._answers[0] if len(self._answers) == 1 else self._answers.popleft()
        if told is None:
            await asyncio.sleep(30)
        status, text = told
        kind = "text/html" if text.startswith("<") else "application/json"
        return web.Response(status=status, text=text, content_type=kind)


@asynccontextmanager
async def scripted(venue: Scripted, *, timeout_s: float = 2.0) -> AsyncIterator[LiveAccount]:
    """An account at it."""
    async with listening(venue.answer) as url:
        settings = VenueSettings(base_url=url)
        async with LiveAccount(
            "binance", settings, KEYS, timeout_s=timeout_s, backoff_s=0.001, loopback=True
        ) as account:
            yield account
