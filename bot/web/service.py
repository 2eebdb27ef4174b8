"""Serves the page until it is asked to stop: `bot web`, and the process that a service keeps beside its trader."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import uvicorn
import uvloop
from threadpoolctl import threadpool_limits

from bot.settings import Settings
from bot.web.application import make_application
from bot.web.token import read_token
from data.errors import StateError
from data.secrets import Secrets

T = TypeVar("T")
LEAVE_S = 3
MOST_AT_ONCE = 200
"""Connections beyond that are turned away."""


def run(serving: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` on uvloop: eight clients that ask for predictions at once wait a sixth as long as on asyncio's own
    loop, whose every answer gives the processor to the client that it wakes."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serving)


class _Server(uvicorn.Server):
    """Signals are its caller's."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()


async def serve(settings: Settings, stop: asyncio.Event, started: Callable[[str], None]) -> None:
    """Serve until `stop`; `started` is told the address. Raises ConfigurationError where a token is missing, StateError
    where the port cannot be had."""
    token = read_token(settings.web, Secrets())
    listening = _listening(settings.web.host, settings.web.port)
    config = uvicorn.Config(
        make_application(settings, token), log_config=None, access_log=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=LEAVE_S, limit_concurrency=MOST_AT_ONCE, ws="none", proxy_headers=False,
    )  # fmt: skip
    server = _Server(config)
    with threadpool_limits(limits=1):  # a decision is small: more threads would only take time from the trader
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        stopping = asyncio.create_task(stop.wait())
        while not server.started and not serving.done():
            await asyncio.sleep(0.01)
        started(_address(settings.web.host, listening))
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        server.should_exit = True
        stopping.cancel()
        await serving


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise StateError(
            f"the web page cannot listen at {host} port {port} ({error.strerror}): set web.port to a free one, or end "
            "the program that has it"
        ) from error


def _address(host: str, listening: socket.socket) -> str:
    port = listening.getsockname()[1]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
