"""What lies between a client and the sandbox's venues: latency, scripted faults, request limits; and their control.

Used by `server`, whose every request to a venue passes `Network.middleware`. `/sandbox/faults`: GET shows the script
and what was injected by venue and kind; POST {"replace": [...]} or {"add": [...]} scripts faults and DELETE none,
answering the same (400 and a sentence for what is not understood). `/sandbox/requests` GET counts the requests of every
venue.
"""

import asyncio
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from pydantic import TypeAdapter, ValidationError

from backtest.sandbox.answers import json_response
from backtest.sandbox.asked import asked_of
from backtest.sandbox.fault_answers import inflict
from backtest.sandbox.fault_script import FaultScript
from backtest.sandbox.limits import RequestMeter
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.stream_faults import AnyFault
from backtest.sandbox.streams import Streams
from backtest.sandbox.text import json_text
from backtest.sandbox.world import World
from data.errors import ConfigurationError

_SCRIPT: TypeAdapter[dict[str, tuple[AnyFault, ...]]] = TypeAdapter(dict[str, tuple[AnyFault, ...]])
SEND = 'send {"replace": [faults]} or {"add": [faults]}, each of them with a `kind`'


class Network:
    """The way to the venues of one world. One event loop; not thread-safe."""

    def __init__(self, world: World, settings: SandboxSettings, real_s: Callable[[], float] = time.time) -> None:
        """As `settings` script it; `real_s` is seconds since 1970. Raises ConfigurationError for a fault of a venue
        that the world does not have."""
        self._latency_s = settings.latency_ms / 1000
        self._script = FaultScript(world.venues, world.now_ms, real_s)
        self._script.add(settings.faults)
        self._meter = RequestMeter(world.venues, real_s, refuses=settings.limits)
        self._venues = frozenset(world.venues)
        self.streams = Streams(world.now_ms, self._script.strike_stream, settings.stream_ms / 1000)
        """The websockets of all venues."""

    def middleware(self) -> Middleware:
        """For the application: every request to a venue is counted, delayed, perhaps refused, perhaps struck."""

        @web.middleware
        async def pass_on(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.split("/")[1] not in self._venues:
                return await handler(request)
            asked = await asked_of(request)
            refused = None if asked.opens_stream else self._meter.charge(asked)

            async def answer() -> web.StreamResponse:
                given = await handler(request) if refused is None else refused
                if not asked.opens_stream:
                    self._meter.answered(asked, given)
                return given

            if self._latency_s:
                await asyncio.sleep(self._latency_s)
            fault = self._script.strike(asked)
            return await answer() if fault is None else await inflict(fault, asked.venue, request, answer)

        return pass_on

    def routes(self) -> list[web.RouteDef]:
        """The control's endpoints."""
        return [
            web.get("/sandbox/faults", self._show),
            web.post("/sandbox/faults", self._tell),
            web.delete("/sandbox/faults", self._clear),
            web.get("/sandbox/requests", self._count),
        ]

    async def _show(self, request: web.Request) -> web.Response:
        return json_response(json_text({"script": self._script.shown(), "injected": self._script.injected}))

    async def _tell(self, request: web.Request) -> web.Response:
        try:
            told = _SCRIPT.validate_json(await request.read())
            if len(told) != 1 or not told.keys() <= {"replace", "add"}:
                return _refused(SEND)
            (action, faults) = told.popitem()
            (self._script.replace if action == "replace" else self._script.add)(faults)
        except ValidationError as error:
            return _refused(_sentence(error))
        except ConfigurationError as error:
            return _refused(str(error))
        return await self._show(request)

    async def _clear(self, request: web.Request) -> web.Response:
        self._script.replace(())
        return await self._show(request)

    async def _count(self, request: web.Request) -> web.Response:
        return json_response(json_text(self._meter.shown()))


def _refused(message: str) -> web.Response:
    return json_response(json_text({"error": message}), status=400)


def _sentence(error: ValidationError) -> str:
    """What is wrong with a script, and what to do."""
    first = error.errors()[0]
    where = first["loc"]
    if len(where) < 2:
        return f"that is no script of faults ({first['msg']}): {SEND}"
    name = ".".join(str(part) for part in where[2:]) or "the whole of it"
    return f"fault {where[1]} is not understood ({name}: {first['msg']}): correct it; nothing was changed"
