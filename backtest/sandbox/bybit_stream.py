"""Bybit v5's websocket of linear contracts, over a `World`: subscriptions to orderbook.1.<symbol>, and pings in JSON.

Sources: bybit-exchange.github.io/docs/v5/ws/connect and /websocket/public/orderbook (one level is told whole, never as
a change), ccxt 4.5.90. Left out: the other topics.
"""

import json
from typing import Any

from backtest.sandbox.bybit_rows import levels
from backtest.sandbox.bybit_rules import symbol_id
from backtest.sandbox.streams import Speaker
from backtest.sandbox.text import json_text
from backtest.sandbox.world import World
from data.types import Instrument

NAME = "bybit"
PATHS = ("/bybit/v5/public/linear",)
TOPIC = "orderbook.1."
CONNECTION = "sandbox"


def speaker(world: World) -> Speaker:
    """Makes the dialect of each connection."""
    return lambda: BybitStream(world)


class BybitStream:
    """One connection."""

    def __init__(self, world: World) -> None:
        """Nothing is subscribed yet."""
        self._world = world
        self._by_topic = {TOPIC + symbol_id(i): i for i in world.market.instruments if i.venue == NAME}
        self._wanted: dict[str, None] = {}

    def answer(self, message: str) -> str:
        """A pong, or whether all of the topics are known; none is taken otherwise."""
        try:
            asked: Any = json.loads(message)
            kind, number = asked["op"], asked.get("req_id", "")
            topics = list(asked.get("args") or [])
        except (ValueError, KeyError, TypeError, AttributeError):
            return _told(False, "Invalid request", "", "")
        if kind == "ping":
            return _told(True, "pong", number, kind)
        if kind not in ("subscribe", "unsubscribe"):
            return _told(False, f"error:invalid op {kind}", number, kind)
        if unknown := [topic for topic in topics if topic not in self._by_topic]:
            return _told(False, f"error:handler not found,topic:{unknown[0]}", number, kind)
        kept = {topic: None for topic in self._wanted if topic not in topics}
        self._wanted = kept | dict.fromkeys(topics) if kind == "subscribe" else kept
        return _told(True, "", number, kind)

    def prices(self, now_ms: int) -> list[str]:
        """The first level of each book, empty in a gap; nothing of what is not listed."""
        wanted = ((topic, self._by_topic[topic]) for topic in self._wanted)
        return [self._book(topic, one, now_ms) for topic, one in wanted if self._world.is_listed(one, now_ms)]

    def _book(self, topic: str, instrument: Instrument, now_ms: int) -> str:
        book = self._world.book(instrument, now_ms)
        sides = {"b": levels(book.bids[:1]), "a": levels(book.asks[:1])}
        stamp = self._world.stamp(instrument, now_ms)
        data = {"s": symbol_id(instrument)} | sides | {"u": stamp, "seq": stamp}
        return json_text({"topic": topic, "type": "snapshot", "ts": stamp, "data": data, "cts": stamp})


def _told(success: bool, message: str, number: Any, kind: str) -> str:
    return json_text({"success": success, "ret_msg": message, "conn_id": CONNECTION, "req_id": number, "op": kind})
