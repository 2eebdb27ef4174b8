"""Headless Chromium, spoken to by its DevTools protocol: what a page asks for, complains of, and looks like."""

import asyncio
import base64
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

SMALLEST_TEXT = """Math.min(...[...document.querySelectorAll('main *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) && e.getClientRects().length)
    .map(e => parseFloat(getComputedStyle(e).fontSize)))"""


@dataclass
class Seen:
    """What came of opening a page."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    width: int = 0
    """Of the whole document, CSS pixels: more than the window's means that it scrolls sideways."""
    smallest_text: float = 0.0
    """Font size of the smallest text that is shown, CSS pixels."""
    background: str = ""
    picture: bytes = b""


def chromium() -> str:
    """The program; skips the test, saying so, where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium: the report was opened in no browser (apt install chromium)")
    return found


def opened(path: Path, *, width: int, dark: bool, profile: Path) -> Seen:
    """Open a file in a window of `width` CSS pixels."""
    return asyncio.run(_opened(path, width, dark, profile))


async def _opened(path: Path, width: int, dark: bool, profile: Path) -> Seen:
    async with browsing(profile) as page:
        await page.look(width, dark=dark)
        await page.go(path.as_uri())
        return await page.photographed()


@asynccontextmanager
async def browsing(profile: Path) -> AsyncIterator["Page"]:
    """A tab of a browser that is ended with the block."""
    async with (
        _browser(profile) as url,
        aiohttp.ClientSession() as session,
        session.ws_connect(url, max_msg_size=0) as socket,
    ):
        page = Page(socket, Seen())
        await page.attach()
        for domain in ("Page", "Network", "Log", "Runtime"):
            await page.ask(f"{domain}.enable")
        try:
            yield page
        finally:
            await page.ask("Browser.close")


@asynccontextmanager
async def _browser(profile: Path) -> AsyncIterator[str]:
    """A browser of its own; yields where it is spoken to."""
    process = await asyncio.create_subprocess_exec(
        chromium(), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
        "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(120):
            while line := (await process.stderr.readline()).decode():
                if "DevTools listening on" in line:
                    yield line.split()[-1]
                    break
            else:
                raise AssertionError("chromium ended before it could be spoken to")
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Page:
    """A tab; events that come meanwhile are noted in `seen`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, seen: Seen) -> None:
        self._socket, self.seen = socket, seen
        self._numbers = count(1)
        self._session: dict[str, str] = {}
        self._past: list[str] = []

    async def attach(self) -> None:
        target = (await self.ask("Target.createTarget", url="about:blank"))["targetId"]
        told = await self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": told["sessionId"]}

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters, **self._session})
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def look(self, width: int, *, dark: bool) -> None:
        """A window of `width` CSS pixels in this scheme."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.ask("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.ask("Emulation.setEmulatedMedia", features=[scheme])

    async def go(self, url: str) -> None:
        """Open it, until it is loaded."""
        self._past.clear()
        await self.ask("Page.navigate", url=url)
        while "Page.loadEventFired" not in self._past:
            await self._next()

    async def photographed(self) -> Seen:
        """What there is to see now."""
        self.seen.width = await self.value("document.documentElement.scrollWidth")
        self.seen.smallest_text = await self.value(SMALLEST_TEXT)
        self.seen.background = await self.value("getComputedStyle(document.body).backgroundColor")
        shot = await self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        self.seen.picture = base64.b64decode(shot["data"])
        return self.seen

    async def value(self, expression: str) -> Any:
        """Of a JavaScript expression, awaited."""
        told = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    async def press(self, key: str) -> None:
        """A key, as a person does."""
        code = {"Tab": 9, "Enter": 13}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        told = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **told, **text)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **told)

    async def eventually(self, expression: str, timeout_s: float = 60) -> Any:
        """The first true value of a JavaScript expression."""
        async with asyncio.timeout(timeout_s):
            while not (value := await self.value(expression)):
                await asyncio.sleep(0.05)
        return value

    async def _next(self) -> dict[str, Any]:
        message = await self._socket.receive_json(timeout=120)
        name, told = message.get("method"), message.get("params", {})
        self._past.append(name)
        if name == "Network.requestWillBeSent":
            self.seen.requests.append(told["request"]["url"])
        if name in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.seen.complaints.append(str(told))
        return message
