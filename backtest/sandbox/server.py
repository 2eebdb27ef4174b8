"""The HTTP server of the sandbox: the venues' endpoints, and the clock's, on a loopback address and no other.

`/sandbox/clock` GET answers {"now_ms", "speed", "end_ms"}; POST {"advance_to": ms} moves a stepped clock and answers
the same (409 if the clock runs by itself, 400 if it is not understood). `/sandbox/world` GET says which world this is.
What `network` adds: `/sandbox/faults`, `/sandbox/requests` and the venues' websockets; what `accounts.control` adds:
`/sandbox/accounts` and `/sandbox/distortions`.
"""

import ipaddress
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from backtest.sandbox import (
    binance,
    binance_account,
    binance_stream,
    bybit,
    bybit_stream,
    hyperliquid_account,
    hyperliquid_stream,
    hyperliquid_universe,
    okx,
)
from backtest.sandbox.accounts.control import AccountControl
from backtest.sandbox.accounts.held import Accounts
from backtest.sandbox.answers import json_response
from backtest.sandbox.network import Network
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.streams import Speaker
from backtest.sandbox.text import json_text
from backtest.sandbox.world import World
from data.errors import ConfigurationError, StateError

LOOPBACK = "127.0.0.1"
SPEAKERS: dict[str, Callable[[World], list[web.RouteDef]]] = {
    binance.NAME: binance.routes,
    bybit.NAME: bybit.routes,
    okx.NAME: okx.routes,
}
"""Venue -> its public endpoints; those of Hyperliquid, which has one path for both, are below."""
ACCOUNT_SPEAKERS: dict[str, Callable[[Accounts], list[web.RouteDef]]] = {
    binance.NAME: binance_account.routes,
    hyperliquid_universe.NAME: hyperliquid_account.routes,
}
"""Venue -> its signed endpoints."""
STREAMS: dict[str, tuple[tuple[str, ...], Callable[[World], Speaker]]] = {
    binance.NAME: (binance_stream.PATHS, binance_stream.speaker),
    bybit.NAME: (bybit_stream.PATHS, bybit_stream.speaker),
    hyperliquid_universe.NAME: (hyperliquid_stream.PATHS, hyperliquid_stream.speaker),
}
"""Venue -> where its websockets are, and what speaks there."""


def application(world: World, network: Network | None = None, accounts: Accounts | None = None) -> web.Application:
    """The application that serves `world` by way of `network`, by default an undisturbed one, with `accounts`, by
    default new ones in memory. Raises ConfigurationError for a venue that the sandbox does not speak."""
    spoken = sorted(SPEAKERS.keys() | ACCOUNT_SPEAKERS.keys())
    if unknown := [venue for venue in world.venues if venue not in spoken]:
        raise ConfigurationError(f"the sandbox has no {', '.join(unknown)}: choose from {', '.join(spoken)}")
    network = network or Network(world, SandboxSettings())
    accounts = accounts or Accounts(world)
    app = web.Application(middlewares=[network.middleware()])
    app.add_routes(_clock_routes(world, network.streams.moved))
    app.add_routes(network.routes())
    app.add_routes(AccountControl(accounts).routes())
    for venue in world.venues:
        if venue in SPEAKERS:
            app.add_routes(SPEAKERS[venue](world))
        if venue in ACCOUNT_SPEAKERS:
            app.add_routes(ACCOUNT_SPEAKERS[venue](accounts))
        if venue in STREAMS:
            paths, speaker_over = STREAMS[venue]
            app.add_routes(network.streams.routes(venue, paths, speaker_over(world)))
    app.on_shutdown.append(network.streams.close)
    return app


@asynccontextmanager
async def listening(
    world: World,
    port: int = 0,
    host: str = LOOPBACK,
    network: Network | None = None,
    accounts: Accounts | None = None,
) -> AsyncIterator[str]:
    """Serve `world` inside the block and give its URL; port 0 is any free one. Raises ConfigurationError for a host
    that is not a loopback address and for a port that cannot be had."""
    if not ipaddress.ip_address(host).is_loopback:
        raise ConfigurationError(
            f"the sandbox serves this machine only: {host} is not a loopback address, use {LOOPBACK}"
        )
    runner = web.AppRunner(application(world, network, accounts), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise ConfigurationError(f"port {port} cannot be used ({error.strerror}): choose another, or 0") from error
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _clock_routes(world: World, moved: Callable[[], None]) -> list[web.RouteDef]:
    clock = world.clock

    def shown() -> web.Response:
        return json_response(json_text({"now_ms": clock.now_ms(), "speed": clock.speed, "end_ms": clock.end_ms}))

    async def read(request: web.Request) -> web.Response:
        return shown()

    async def advance(request: web.Request) -> web.Response:
        target = _target(await request.read())
        if target is None:
            return _refusal(400, 'send {"advance_to": milliseconds since 1970}')
        if clock.speed > 0:
            return _refusal(409, "the clock runs by itself")
        try:
            clock.advance_to(target)
        except StateError as error:
            return _refusal(500, str(error))
        moved()
        return shown()

    async def describe(request: web.Request) -> web.Response:
        identity = {"fingerprint": clock.identity.fingerprint, "label": clock.identity.label}
        return json_response(json_text({"episode": world.market.episode, "venues": world.venues} | identity))

    return [
        web.get("/sandbox/clock", read),
        web.post("/sandbox/clock", advance),
        web.get("/sandbox/world", describe),
    ]


def _target(body: bytes) -> int | None:
    """The time in a request to advance; None if there is none."""
    try:
        asked = json.loads(body)
    except ValueError:
        return None
    target = asked.get("advance_to") if isinstance(asked, dict) else None
    return target if type(target) is int else None


def _refusal(status: int, message: str) -> web.Response:
    return json_response(json_text({"error": message}), status=status)
