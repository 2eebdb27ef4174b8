"""Tasks end although a cancellation of theirs is lost."""

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import pytest

from data.cancelling import cancel
from data.stream import QuoteStream

STEPS = range(8)
"""Of the event loop, after a connection broke: at some of these a TaskGroup drops what cancels it."""


class Feed:
    """Breaks when `broke` is set."""

    timeout_s = 1.0

    def __init__(self, broke: asyncio.Event) -> None:
        self._broke = broke

    async def run(self, tell: object) -> None:
        await self._broke.wait()
        raise ConnectionError("dropped")

    async def close(self) -> None: ...


def venue(broke: asyncio.Event) -> Any:
    async def feed(symbols: object) -> Feed:
        return Feed(broke)

    return SimpleNamespace(name="venue", profile=SimpleNamespace(stream="told", quotes="books"), feed=feed)


@pytest.mark.parametrize("steps", STEPS)
def test_a_stream_is_left_whatever_step_its_broken_connection_is_at(steps: int) -> None:
    async def left() -> None:
        broke = asyncio.Event()
        async with QuoteStream(venue(broke), ["BTC"], stale_s=30, backoff_s=0.01):
            await asyncio.sleep(0.01)
            broke.set()
            for _ in range(steps):
                await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(left(), 10))


def test_who_drops_a_cancellation_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("data.cancelling.AGAIN_S", 0.01)

    async def deaf() -> str:
        for _ in range(3):
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                continue
        return "heard"

    async def ended() -> str:
        task = asyncio.create_task(deaf())
        await asyncio.sleep(0)
        await cancel([task])
        return task.result()

    assert "heard" == asyncio.run(ended())


def test_what_fails_as_it_ends_is_not_logged_as_unheard(caplog: pytest.LogCaptureFixture) -> None:
    async def fails() -> None:
        try:
            await asyncio.sleep(600)
        finally:
            raise OSError("the disk is full")

    async def ended() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await cancel([task])

    asyncio.run(ended())
    gc.collect()
    assert [] == caplog.messages


def test_to_cancel_nobody_takes_no_time() -> None:
    asyncio.run(asyncio.wait_for(cancel([]), 1))
