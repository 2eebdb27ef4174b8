"""The gateway against servers that fail: errors of our own kinds that name the venue, reads repeated if that helps."""

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from data.errors import VenueError, VenueRefused, VenueThrottled, VenueUnreachable
from data.exchange import ATTEMPTS, Venue
from data.settings import VenueSettings
from data.venues import VENUES

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def asked(answer: Answer, *, timeout_s: float = 2.0) -> tuple[int | VenueError, int]:
    """What `Venue.time_ms` gives or raises when the server answers so, and how often it asked."""

    async def ask() -> tuple[int | VenueError, int]:
        count = 0

        async def counted(request: web.Request) -> web.StreamResponse:
            nonlocal count
            count += 1
            return await answer(request)

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", counted)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/binance"
        try:
            told = VenueSettings(base_url=url, patience_s=0.001)
            async with Venue("binance", told, timeout_s=timeout_s, concurrency=4, backoff_s=0.01) as venue:
                try:
                    return await venue.time_ms(), count
                except VenueError as error:
                    return error, count
        finally:
            await runner.cleanup()

    return asyncio.run(ask())


async def well(_: web.Request) -> web.Response:
    return web.json_response({"serverTime": 1_700_000_000_000})


async def hangs(_: web.Request) -> web.Response:
    await asyncio.sleep(30)
    return web.Response()


def always(status: int, text: str, content_type: str = "application/json") -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=content_type)

    return answer


def test_a_good_answer_is_asked_for_once() -> None:
    assert (1_700_000_000_000, 1) == asked(well)


def test_a_venue_that_recovers_is_not_an_error() -> None:
    failures = [503, 502]

    async def recovers(request: web.Request) -> web.StreamResponse:
        return await always(failures.pop(), "busy", "text/plain")(request) if failures else await well(request)

    assert (1_700_000_000_000, 3) == asked(recovers)


@pytest.mark.parametrize(
    ("answer", "kind", "times"),
    [
        (always(503, "busy", "text/plain"), VenueUnreachable, ATTEMPTS),
        (always(500, "<html>down</html>", "text/html"), VenueUnreachable, ATTEMPTS),
        (always(429, '{"code":-1003,"msg":"Too many requests."}'), VenueThrottled, 1),
        (always(418, '{"code":-1003,"msg":"banned"}'), VenueThrottled, 1),
        (always(400, '{"code":-1121,"msg":"Invalid symbol."}'), VenueRefused, 1),
        (hangs, VenueUnreachable, ATTEMPTS),
    ],
    ids=["503", "html", "429", "418", "400", "hangs"],
)
def test_a_failing_venue_is_named(answer: Answer, kind: type[VenueError], times: int) -> None:
    error, count = asked(answer, timeout_s=0.3)
    assert (kind, times) == (type(error), count)
    assert str(error).startswith("binance ")


def test_nobody_listening_is_unreachable() -> None:
    async def ask() -> None:
        told = VenueSettings(base_url="http://127.0.0.1:9")
        async with Venue("hyperliquid", told, timeout_s=1, concurrency=1) as venue:
            await venue.instruments()

    with pytest.raises(VenueUnreachable, match="hyperliquid cannot be reached"):
        asyncio.run(ask())


@pytest.mark.parametrize("name", [name for name, profile in VENUES.items() if not profile.spot])
def test_every_address_is_moved_to_the_one_that_is_set(name: str) -> None:
    async def hosts() -> set[str | None]:
        told = VenueSettings(base_url=f"http://127.0.0.1:1/{name}")
        async with Venue(name, told, timeout_s=1, concurrency=1) as venue:
            return {urlsplit(url).hostname for url in _strings(venue._client.urls["api"])}

    assert {"127.0.0.1"} == asyncio.run(hosts())


def _strings(api: object) -> list[str]:
    return [api] if isinstance(api, str) else [url for entry in api.values() for url in _strings(entry)]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "text", ["", "<html>maintenance</html>", '[[1, "2"', "null"], ids=["empty", "html", "cut", "null"]
)
def test_an_answer_that_is_not_one_is_never_read_as_no_rows(text: str) -> None:
    error, count = asked(always(200, text))
    assert (VenueUnreachable, ATTEMPTS) == (type(error), count)
