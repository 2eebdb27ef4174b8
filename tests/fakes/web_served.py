"""The web page served by a thread of this process, over a folder that a test fills: real HTTP, no browser."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from bot.settings import Settings
from bot.web.service import serve
from bot.web_settings import WebSettings

WAIT_S = 60


def web_settings(var: Path) -> Settings:
    """Of a page on a free port."""
    return Settings(var=var, web=WebSettings(port=0))


@contextmanager
def web_served(settings: Settings) -> Iterator[httpx.Client]:
    """Who asks it."""
    stop, loop, address = asyncio.Event(), asyncio.new_event_loop(), list[str]()
    up = threading.Event()

    def started(told: str) -> None:
        address.append(told)
        up.set()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(settings, stop, started)))
    thread.start()
    try:
        assert up.wait(WAIT_S)
        with httpx.Client(base_url=address[0], timeout=WAIT_S) as client:
            yield client
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(WAIT_S)
        loop.close()
