"""Small venues of a test's own on this machine, and the gateway in front of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from aiohttp import web

from data.exchange import Venue
from data.settings import VenueSettings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = TypeVar("Result")


@asynccontextmanager
async def listening(answer: Answer) -> AsyncIterator[str]:
    """A server that answers everything by `answer`; gives its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def read_from(
    name: str,
    answer: Answer,
    read: Callable[[Venue], Awaitable[Result]],
    *,
    backoff_s: float = 0.001,
    concurrency: int = 4,
    **settings: Any,
) -> Result:
    """What `read` gives on a venue that answers by `answer`."""

    async def talk() -> Result:
        async with listening(answer) as url:
            told = VenueSettings(base_url=url, **settings)
            async with Venue(name, told, timeout_s=5, concurrency=concurrency, backoff_s=backoff_s) as venue:
                return await read(venue)

    return asyncio.run(talk())
