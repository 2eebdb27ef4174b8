"""Stock ccxt.pro clients of a sandbox's venues, and what the tests of streams share."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ccxt.pro

from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World, fingerprint
from data.market import Market
from data.venues import venue_profile
from tests.contract.clients import NOW_MS
from tests.contract.conftest import SHOWN

PUSH_MS = 20.0
SYMBOLS = {
    "binance": ("BTC/USDT:USDT", "DOGE/USDT:USDT", "1000PEPE/USDT:USDT"),
    "bybit": ("BTC/USDT:USDT", "DOGE/USDT:USDT", "1000PEPE/USDT:USDT"),
    "hyperliquid": ("BTC/USDC:USDC", "DOGE/USDC:USDC", "KPEPE/USDC:USDC"),
}
"""What is watched on each venue that streams."""


def world_of(market: Market, folder: Path, now_ms: int = NOW_MS) -> World:
    """A stepped world over the hand-made market, with Bybit's and OKX's contracts as Binance's."""
    listed = [i for i in market.instruments if i.venue == "binance"]
    more = [replace(one, venue=venue) for venue in ("bybit", "okx") for one in listed]
    bars = {one.key: market.bars["binance", one.symbol] for one in more}
    settlements = {one.key: market.settlements["binance", one.symbol] for one in more}
    wider = Market((*market.instruments, *more), {**market.bars, **bars}, {**market.settlements, **settlements})
    identity = WorldIdentity(fingerprint(wider, now_ms), "hand-made")
    clock = MarketClock(folder / "clock.json", identity, begin_ms=now_ms, end_ms=wider.end_ms)
    return World(wider, clock, SHOWN)


@asynccontextmanager
async def sandbox(world: World, *faults: Mapping[str, Any], push_ms: float = PUSH_MS) -> AsyncIterator[str]:
    """The URL of a sandbox that tells prices every `push_ms`."""
    settings = SandboxSettings.model_validate({"stream_ms": push_ms, "faults": faults})
    async with listening(world, network=Network(world, settings)) as url:
        yield url


@asynccontextmanager
async def streaming(url: str, venue: str, ping_ms: int = 5000) -> AsyncIterator[Any]:
    """The stock ccxt.pro client of `venue`, its hosts replaced, that pings every `ping_ms`."""
    profile = venue_profile(venue)
    client = getattr(ccxt.pro, profile.ccxt_id)({"enableRateLimit": False, **profile.ccxt_config})
    client.streaming["keepAlive"] = ping_ms
    client.urls["api"] = _moved(client.urls["api"], f"{url}/{venue}")
    try:
        await client.load_markets()
        yield client
    finally:
        await client.close()


async def touches(client: Any, venue: str) -> dict[str, tuple[float, float, int]]:
    """(bid, ask, time) of each symbol that is watched, streamed."""
    symbols = SYMBOLS[venue]
    if venue == "hyperliquid":
        books = [await client.watch_order_book(symbol) for symbol in symbols]
        return {book["symbol"]: (book["bids"][0][0], book["asks"][0][0], book["timestamp"]) for book in books}
    while True:
        await client.watch_bids_asks(list(symbols))
        if len(client.bidsasks) == len(symbols):
            return {s: (row["bid"], row["ask"], row["timestamp"]) for s, row in client.bidsasks.items()}


async def eventually(holds: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Return as soon as it holds."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it never held"
        await asyncio.sleep(0.005)


def _moved(api: Any, base: str) -> Any:
    if isinstance(api, str):
        parts = urlsplit(api)
        return (base.replace("http", "ws", 1) if parts.scheme == "wss" else base) + parts.path
    return {name: _moved(entry, base) for name, entry in api.items()}
