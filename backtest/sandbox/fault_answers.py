"""How a fault reaches the client: what is sent instead of the venue's answer, or done to the connection.

Used by `network`.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from backtest.sandbox.faults import (
    CutFault,
    DelayFault,
    DownFault,
    Fault,
    NoAnswerFault,
    NoJsonFault,
    RowsFault,
    StatusFault,
    TextFault,
)
from backtest.sandbox.refusals import page, refusal

GONE_AFTER_S = 0.05
"""How often it is looked whether a client that waits in vain has given up."""
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, with zero seconds: closing sends a reset."""

Answer = Callable[[], Awaitable[web.StreamResponse]]
"""Lets the request take effect, and gives the venue's answer."""


async def inflict(fault: Fault, venue: str, request: web.Request, answer: Answer) -> web.StreamResponse:
    """What the client of `request` gets under `fault`."""
    if isinstance(fault, DownFault):
        return reset(request)
    if isinstance(fault, CutFault):
        return await _cut(fault, request, await answer())
    if isinstance(fault, DelayFault):
        return await _delayed(fault, request, answer)
    if isinstance(fault, TextFault):
        return web.Response(text=fault.text, content_type="application/json")
    if isinstance(fault, RowsFault):
        return _doubled(await answer())
    if fault.after:
        await answer()
    if isinstance(fault, StatusFault):
        return _status(fault, venue)
    if isinstance(fault, NoJsonFault):
        return page(200) if fault.kind == "html" else web.Response(content_type="application/json")
    if isinstance(fault, NoAnswerFault):
        return await _nothing(request)
    return reset(request)


def _status(fault: StatusFault, venue: str) -> web.Response:
    if fault.body is not None:
        answer = web.Response(status=fault.status, text=fault.body, content_type="application/json")
    else:
        answer = page(fault.status) if fault.page else refusal(venue, fault.status)
    if fault.retry_after_s is not None:
        answer.headers["Retry-After"] = str(fault.retry_after_s)
    return answer


async def _delayed(fault: DelayFault, request: web.Request, answer: Answer) -> web.StreamResponse:
    await request.read()  # a client that gives up meanwhile takes nothing back
    given = await answer() if fault.after else None
    await asyncio.sleep(fault.ms / 1000)
    return await answer() if given is None else given


async def _cut(fault: CutFault, request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    body = whole.body if isinstance(whole, web.Response) else None
    text = body if isinstance(body, bytes) else b"{}"
    half = text[: len(text) // 2]
    if fault.kind == "cut_json":
        return web.Response(status=whole.status, body=half, content_type=whole.content_type)
    broken = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.content_type})
    broken.content_length = len(text)
    await broken.prepare(request)
    await broken.write(half)
    if request.transport is not None:
        request.transport.close()
    return broken


def _doubled(whole: web.StreamResponse) -> web.StreamResponse:
    """The answer with its list's rows told twice, the last one first; as it is where it has no list of rows."""
    body = whole.body if isinstance(whole, web.Response) else None
    told = json.loads(body) if whole.status == 200 and isinstance(body, bytes) else None
    if not (rows := _rows(told)):
        return whole
    rows[:] = [row for row in reversed(rows) for _ in range(2)]
    return web.Response(text=json.dumps(told), content_type="application/json")


def _rows(told: Any) -> list[Any] | None:
    """The list in an answer: all of it, `data` at OKX, `result.list` at Bybit."""
    for name in ("data", "result", "list"):
        told = told.get(name, told) if isinstance(told, dict) else told
    return told if isinstance(told, list) else None


async def _nothing(request: web.Request) -> web.Response:
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(GONE_AFTER_S)
    return web.Response()  # nobody reads it


def reset(request: web.Request) -> web.Response:
    """Reset the TCP connection of `request`, as the reset of whatever it is answered by."""
    if (transport := request.transport) is not None:
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        transport.abort()
    return web.Response()  # nobody reads it
