"""Stock ccxt clients of a sandbox's venues, for the tests of what goes wrong on the way to them."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World

NOW_MS = 1_737_000_000_000
"""2025-01-16 04:00 UTC."""
PATIENT_MS = 10_000
HASTY_MS = 300
LATE_MS = 3 * HASTY_MS


def client_at(url: str, venue: str, *faults: dict[str, Any]) -> Any:
    """The stock ccxt client of `venue`, its hosts replaced, hasty if one of `faults` will make it wait."""
    name = {"binance": "binanceusdm", "hyperliquid": "hyperliquid"}[venue]
    waits = any(fault["kind"] == "timeout" or fault.get("ms", 0) >= LATE_MS for fault in faults)
    timeout_ms = HASTY_MS if waits else PATIENT_MS
    client = getattr(ccxt, name)({"enableRateLimit": False, "timeout": timeout_ms, "apiKey": "key", "secret": "secret"})
    paths = {api: urlsplit(address).path for api, address in client.urls["api"].items()}
    client.urls["api"] = {api: f"{url}/{venue}{path}" for api, path in paths.items()}
    return client


@asynccontextmanager
async def served(world: World, venue: str, **settings: Any) -> AsyncIterator[tuple[Any, str]]:
    """A client of `venue` in `world`, and the sandbox's URL."""
    async with listening(world, network=Network(world, SandboxSettings(**settings))) as url:
        client = client_at(url, venue, *settings.get("faults", ()))
        try:
            yield client, url
        finally:
            await client.close()


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call gives, or the type of what it raises."""
    try:
        return await call
    except Exception as error:
        return type(error)
