"""Stock ccxt clients with keys, for the tests of the sandbox's accounts."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import ccxt.async_support as ccxt

from backtest.sandbox.account_client import true_accounts
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World
from tests.fakes.account_worlds import AAA

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


def traded(world: World, trade: Trade, **options: Any) -> Any:
    """What `trade(client, url)` gives in `world`."""

    async def talk() -> Any:
        async with trading(world, **options) as (client, url):
            return await trade(client, url)

    return asyncio.run(talk())


async def take(client: Any, amount: float, at: float | None = None, name: str = "a1", **params: Any) -> Any:
    """An IOC order, a sale below zero, at a price that trades at once."""
    side = "buy" if amount > 0 else "sell"
    limit = (101.0 if amount > 0 else 99.0) if at is None else at
    told = {"timeInForce": "IOC", "clientOrderId": name} | params
    return await client.create_order(AAA, "limit", side, abs(amount), limit, told)


async def rest(client: Any, amount: float, price: float, name: str = "r1", **params: Any) -> Any:
    """A post-only order."""
    side = "buy" if amount > 0 else "sell"
    told = {"postOnly": True, "clientOrderId": name} | params
    return await client.create_order(AAA, "limit", side, abs(amount), price, told)


async def filled(url: str) -> list[tuple[str, float]]:
    """(client id, quantity) of every trade that truly happened."""
    fills = (await true_accounts(url))["binance"]["fills"]
    return [(fill["client_id"], float(fill["quantity"])) for fill in fills]
