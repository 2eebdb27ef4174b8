"""Binance USD-M's websocket of best prices, over a `World`: SUBSCRIBE to <symbol>@bookTicker, as ccxt.pro does.

Sources: developers.binance.com, USD-M futures, websocket market streams; ccxt 4.5.90. Left out: the other streams, and
!bookTicker of all symbols. A stream that the venue does not have is confirmed, and nothing comes of it.
"""

import json
from typing import Any

from backtest.sandbox.binance_rows import levels
from backtest.sandbox.binance_rules import symbol_id
from backtest.sandbox.streams import Speaker
from backtest.sandbox.text import json_text
from backtest.sandbox.world import World
from data.types import Instrument

NAME = "binance"
PATHS = ("/binance/public/ws/{connection}",)
CHANNEL = "bookTicker"


def speaker(world: World) -> Speaker:
    """Makes the dialect of each connection."""
    return lambda: BinanceStream(world)


class BinanceStream:
    """One connection."""

    def __init__(self, world: World) -> None:
        """Nothing is subscribed yet."""
        self._world = world
        self._by_stream = {f"{symbol_id(i).lower()}@{CHANNEL}": i for i in world.market.instruments if i.venue == NAME}
        self._wanted: dict[str, None] = {}

    def answer(self, message: str) -> str:
        """{"result": null, "id"}, the subscriptions, or what is wrong with the message."""
        try:
            asked: Any = json.loads(message)
            method, number = asked["method"], asked.get("id")
            streams = asked.get("params") or []
            if not all(isinstance(stream, str) and "@" in stream for stream in streams):
                return _error(2, "Invalid request: invalid stream", number)
        except ValueError:
            return _error(3, "Invalid JSON", None)
        except (KeyError, TypeError, AttributeError):
            return _error(2, "Invalid request: missing field `method`", None)
        match method:
            case "SUBSCRIBE":
                self._wanted |= dict.fromkeys(streams)
            case "UNSUBSCRIBE":
                self._wanted = {stream: None for stream in self._wanted if stream not in streams}
            case "LIST_SUBSCRIPTIONS":
                return json_text({"result": list(self._wanted), "id": number})
            case _:
                return _error(2, f"Invalid request: unknown variant `{method}`", number)
        return json_text({"result": None, "id": number})

    def prices(self, now_ms: int) -> list[str]:
        """Best bid and ask of each; zeros while the book is empty, nothing of what is not listed."""
        wanted = (self._by_stream[stream] for stream in self._wanted if stream in self._by_stream)
        return [self._row(instrument, now_ms) for instrument in wanted if self._world.is_listed(instrument, now_ms)]

    def _row(self, instrument: Instrument, now_ms: int) -> str:
        book = self._world.book(instrument, now_ms)
        bid, ask = (levels(side[:1] or ((0.0, 0.0),))[0] for side in (book.bids, book.asks))
        stamp = self._world.stamp(instrument, now_ms)
        row = {"e": CHANNEL, "u": stamp, "E": stamp, "T": stamp, "s": symbol_id(instrument)}
        return json_text(row | {"b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]})


def _error(code: int, message: str, number: Any) -> str:
    return json_text({"error": {"code": code, "msg": message}, "id": number})
