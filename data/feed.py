"""One websocket of a venue's best prices, through ccxt.pro. Made by the gateway, kept alive by `data/stream.py`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from data import readings
from data.profile import VenueProfile
from data.quotes import Quote

Tell = Callable[[str, Quote | None], None]
"""Hears (symbol, its quote; None while a side of its book is empty)."""
_LOOK_S = 0.02


class PriceFeed:
    """The best prices of some contracts until the connection ends. One event loop; `run` it once, then `close`."""

    def __init__(self, client: Any, profile: VenueProfile, symbols: Sequence[str], timeout_s: float) -> None:
        """`client` is a ccxt.pro client that knows the markets and belongs to this feed."""
        self.timeout_s = timeout_s
        """Longest wait for the connection to be made."""
        self._client = client
        self._profile = profile
        self._symbols = list(symbols)

    async def run(self, tell: Tell) -> None:
        """Connect, subscribe and tell every price that comes. Raises what ccxt raises when the connection breaks; a
        connection that says nothing raises nothing."""
        if self._profile.stream == "bids_asks":
            await self._table(tell)
            return
        async with asyncio.TaskGroup() as group:
            for symbol in self._symbols:
                group.create_task(self._book(symbol, tell))

    async def close(self) -> None:
        """End the connection, also one that is being made."""
        lines = list(self._client.clients.values())
        await self._client.close()
        while any(line.connecting and line.error is None for line in lines):
            await asyncio.sleep(_LOOK_S)  # ccxt ends its attempt when that fails or times out, and not before

    async def _table(self, tell: Tell) -> None:
        told: dict[str, Any] = {}
        while True:
            await self._client.watch_bids_asks(self._symbols)
            # It names one contract; what others said meanwhile is in its table.
            for symbol in self._symbols:
                row = self._client.bidsasks.get(symbol)
                if row is not None and row is not told.get(symbol):
                    told[symbol] = row
                    tell(symbol, readings.quote(row, row["timestamp"]))

    async def _book(self, symbol: str, tell: Tell) -> None:
        while True:
            book = await self._client.watch_order_book(symbol)
            bid, ask = (side[0][0] if side else None for side in (book["bids"], book["asks"]))
            row = {"bid": bid, "ask": ask, "timestamp": book["timestamp"]}
            tell(symbol, readings.quote(row, row["timestamp"]))
