"""Hyperliquid's websocket of order books, over a `World`: subscriptions to l2Book by coin, and pings in JSON.

Source: hyperliquid.gitbook.io, API, websocket; ccxt 4.5.90. Left out: the other subscriptions.
"""

import json
from typing import Any

from backtest.sandbox.hyperliquid import HyperliquidMarket
from backtest.sandbox.hyperliquid_request import UnknownCoinError
from backtest.sandbox.streams import Speaker
from backtest.sandbox.text import json_text
from backtest.sandbox.world import World

PATHS = ("/hyperliquid/ws",)
METHODS = ("subscribe", "unsubscribe")


def speaker(world: World) -> Speaker:
    """Makes the dialect of each connection."""
    market = HyperliquidMarket(world)
    return lambda: HyperliquidStream(world, market)


class HyperliquidStream:
    """One connection."""

    def __init__(self, world: World, market: HyperliquidMarket) -> None:
        """Nothing is subscribed yet; `market` tells the books."""
        self._world = world
        self._market = market
        self._wanted: dict[str, None] = {}

    def answer(self, message: str) -> str:
        """A pong, the subscription again as its confirmation, or what is wrong with the message."""
        try:
            asked: Any = json.loads(message)
            method = asked["method"]
            if method == "ping":
                return json_text({"channel": "pong"})
            told = asked["subscription"]
            coin, known = told["coin"], method in METHODS and told["type"] == "l2Book"
        except (ValueError, KeyError, TypeError):
            return _error(f"Error parsing JSON into valid websocket request: {message}")
        if not known or not self._has(coin):
            return _error(f"Invalid subscription {json_text(told)}")
        if (method == "subscribe") == (coin in self._wanted):
            return _error(f"Already {method}d: {json_text(told)}")
        if method == "subscribe":
            self._wanted[coin] = None
        else:
            del self._wanted[coin]
        return json_text({"channel": "subscriptionResponse", "data": {"method": method, "subscription": told}})

    def prices(self, now_ms: int) -> list[str]:
        """The book of each coin, at most 20 levels of each side; empty in a gap."""
        books = (self._market.l2_book({"coin": coin}, now_ms) for coin in self._wanted)
        return [f'{{"channel":"l2Book","data":{book}}}' for book in books]

    def _has(self, coin: Any) -> bool:
        try:
            self._market.l2_book({"coin": coin}, self._world.now_ms())
        except UnknownCoinError:
            return False
        return True


def _error(message: str) -> str:
    return json_text({"channel": "error", "data": message})
