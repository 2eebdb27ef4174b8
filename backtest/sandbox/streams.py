"""The websockets of the sandbox's venues: best prices, told at an interval and whenever the clock is moved.

Used by `server`. How a venue's messages look is told by its dialect; what goes wrong on the way, by `network`.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from backtest.sandbox.fault_answers import reset
from backtest.sandbox.stream_faults import StreamFault

PING_S = 180.0
"""How often a venue looks whether its client is still there, by a ping of the protocol."""
GOODBYE_S = 1.0
"""How long a client may take to answer that the connection ends."""


class Dialect(Protocol):
    """One connection as its venue speaks it; made anew for each."""

    def answer(self, message: str) -> str:
        """The answer to what the client says; subscriptions are noted."""

    def prices(self, now_ms: int) -> list[str]:
        """What the subscriptions tell at a market time, a message for each that has something to tell."""


Speaker = Callable[[], Dialect]


class Streams:
    """All open connections. One event loop; not thread-safe."""

    def __init__(
        self, now_ms: Callable[[], int], strike: Callable[[str], StreamFault | None], interval_s: float
    ) -> None:
        """`strike` names the fault that a venue's connection meets when it is about to tell prices."""
        self._now_ms = now_ms
        self._strike = strike
        self._interval_s = interval_s
        self._open: set[_Line] = set()

    def routes(self, venue: str, paths: Iterable[str], speaker: Speaker) -> list[web.RouteDef]:
        """The endpoints of one venue."""

        async def serve(request: web.Request) -> web.StreamResponse:
            line = _Line(request, speaker())
            self._open.add(line)
            try:
                return await line.serve(lambda: self._tell(venue, line))
            finally:
                self._open.discard(line)

        return [web.get(path, serve) for path in paths]

    def moved(self) -> None:
        """The clock was moved: tell the prices of now."""
        for line in self._open:
            line.due.set()

    async def close(self, app: web.Application) -> None:
        """End every connection; for the application's shutdown."""
        await asyncio.gather(*(line.close() for line in tuple(self._open)))

    async def _tell(self, venue: str, line: "_Line") -> None:
        """Tell prices until the connection ends or meets a fault."""
        while True:
            prices = line.dialect.prices(self._now_ms())
            fault = self._strike(venue) if prices else None
            if fault is not None:
                line.meet(fault)
                return
            await line.say(prices)
            with suppress(TimeoutError):
                await asyncio.wait_for(line.due.wait(), self._interval_s)
            line.due.clear()


class _Line:
    """One connection."""

    def __init__(self, request: web.Request, dialect: Dialect) -> None:
        self.dialect = dialect
        self.due = asyncio.Event()
        self._request = request
        self._socket = web.WebSocketResponse(heartbeat=PING_S, timeout=GOODBYE_S)
        self._silent = False

    async def serve(self, tell: Callable[[], Coroutine[Any, Any, None]]) -> web.StreamResponse:
        await self._socket.prepare(self._request)
        telling = asyncio.ensure_future(tell())
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT and not self._silent:
                    await self.say([self.dialect.answer(message.data)])
                    self.due.set()
        finally:
            telling.cancel()
            with suppress(asyncio.CancelledError):
                await telling
        return self._socket

    async def say(self, messages: Sequence[str]) -> None:
        with suppress(ConnectionResetError):  # the client has gone, which ends `serve`
            for message in messages:
                await self._socket.send_str(message)

    def meet(self, fault: StreamFault) -> None:
        if fault.kind == "drop":
            reset(self._request)
        self._silent = True

    async def close(self) -> None:
        await self._socket.close(code=WSCloseCode.GOING_AWAY)
