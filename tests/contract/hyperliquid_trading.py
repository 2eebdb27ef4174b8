"""A stock ccxt client that trades at the sandbox's Hyperliquid, and what its tests share."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import ccxt.async_support as ccxt

from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.hyperliquid_signature import address_of
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World
from data.types import HOUR_MS

KEY = "0x" + 63 * "0" + "7"
"""Of these tests alone."""
OTHER_KEY = "0x" + 63 * "0" + "8"
WALLET = address_of(KEY)
NOON = 1_735_689_600_000 + 1000 * HOUR_MS
"""1000 hours into the market, when all but TON are listed."""
BTC, DOGE = "BTC/USDC:USDC", "DOGE/USDC:USDC"
BALANCE = 10_000.0
TAKER, MAKER = 0.00045, 0.00015
WALL_S = 1_900_000_000.0
"""The venue's wall clock when a test begins; the client's is set by it."""


def named(number: int) -> str:
    """A client id."""
    return f"0x{number:032x}"


@dataclass
class Trading:
    """A client, the world that it trades in, and the venue's wall clock."""

    client: Any
    world: World
    url: str
    wall_s: float = WALL_S

    async def order(self, symbol: str, quantity: float, limit: float, force: str = "IOC", **params: Any) -> Any:
        """Place a limit order, as the bot does: above zero buys."""
        side, told = ("buy" if quantity > 0 else "sell"), {"timeInForce": force} | params
        return await self.client.create_order(symbol, "limit", side, abs(quantity), limit, told)

    async def take(self, quantity: float = 0.05, **params: Any) -> Any:
        """Buy bitcoin at the touch, or sell it."""
        bid, ask = await self.touch(BTC)
        return await self.order(BTC, quantity, ask if quantity > 0 else bid, **params)

    async def touch(self, symbol: str) -> tuple[float, float]:
        """The best bid and ask."""
        book = await self.client.fetch_order_book(symbol)
        return book["bids"][0][0], book["asks"][0][0]

    async def signed(self, action: dict[str, Any], **told: Any) -> Any:
        """Send an action as it is."""
        nonce = self.client.incrementing_nonce()
        signature = self.client.sign_l1_action(action, nonce, None, told.get("expiresAfter"))
        return await self.client.privatePostExchange({"action": action, "nonce": nonce, "signature": signature} | told)

    def advance(self, hours: float) -> int:
        """Let market time pass; gives the new time."""
        self.world.clock.advance_to(self.world.now_ms() + int(hours * HOUR_MS))
        return self.world.now_ms()


@asynccontextmanager
async def trading_in(world: World, key: str = KEY, wallet: str = WALLET, **told: Any) -> AsyncIterator[Trading]:
    """A client with this key at the account of KEY; `told` are its options, `faults` of the way to the venue, and the
    key of an `agent` that may trade for the account."""
    faults, agent = told.pop("faults", ()), told.pop("agent", KEY)
    options = {"builderFee": False, "refSet": True, "fetchMarkets": {"types": ["swap"]}} | told
    client = ccxt.hyperliquid(
        {"enableRateLimit": False, "privateKey": key, "walletAddress": wallet, "options": options}
    )
    trading = Trading(client, world, "")
    client.milliseconds = lambda: int(trading.wall_s * 1000)
    accounts = Accounts(world, AccountSettings(wallet=WALLET, private_key=agent), wall_s=lambda: trading.wall_s)
    network = Network(world, SandboxSettings(faults=faults))
    async with listening(world, network=network, accounts=accounts) as trading.url:
        client.urls["api"] = dict.fromkeys(client.urls["api"], f"{trading.url}/hyperliquid")
        try:
            yield trading
        finally:
            await client.close()
            accounts.close()


def trade(world: World, call: Callable[[Trading], Awaitable[Any]], **told: Any) -> Any:
    """What `call` gives."""

    async def talk() -> Any:
        async with trading_in(world, **told) as trading:
            return await call(trading)

    return asyncio.run(talk())


async def refusal(call: Awaitable[Any]) -> tuple[type[Exception], str]:
    """(type, message) of what a call raises."""
    try:
        given = await call
    except ccxt.BaseError as error:
        return type(error), str(error)
    raise AssertionError(f"it was not refused: {given}")
