"""Stock ccxt clients with keys, for the tests of the sandbox's accounts."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World

Trade = Callable[[Any, str], Awaitable[Any]]
"""What a test does with a client and the sandbox's URL."""


def binance_at(url: str, **options: Any) -> Any:
    """The stock client of Binance USD-M with the account's key, its hosts replaced. What it raises goes by the futures'
    own table, which it would choose by the host."""
    told = {"enableRateLimit": False, "apiKey": "sandbox-key", "secret": "sandbox-secret", "timeout": 10_000} | options
    client = ccxt.binanceusdm(told)
    paths = {api: urlsplit(address).path for api, address in client.urls["api"].items()}
    client.urls["api"] = {api: f"{url}/binance{path}" for api, path in paths.items()}
    client.exceptions["exact"].update(client.exceptions["linear"]["exact"])
    return client


@asynccontextmanager
async def trading(world: World, accounts: Accounts | None = None, **options: Any) -> AsyncIterator[tuple[Any, str]]:
    """A client of Binance with an account in `world`, and the sandbox's URL."""
    network = Network(world, SandboxSettings())
    async with listening(world, network=network, accounts=accounts) as url:
        client = binance_at(url, **options)
        try:
            yield client, url
        finally:
            await client.close()
