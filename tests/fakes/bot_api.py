"""Telegram's Bot API on loopback, as far as the bot uses it: updates are put in, messages are read out.

It is as strict as the real one where that matters: the token, HTML that does not parse, texts that are too long, chats
that never wrote. Faults are scripted: 429 with `retry_after`, an outage, any status, answers that are no JSON, latency.
"""

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from aiohttp import web

from tests.functional.commands import eventually

TOKEN = "123456789:AAF-a_token_that_nothing_may_show_0"
TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote"}
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Sent:
    """A message that was accepted."""

    chat: int
    text: str
    """As people see it: without markup."""
    html: str
    silent: bool
    picture: bytes | None
    at: float
    """Monotonic, s."""


@dataclass
class Fault:
    """What goes wrong with requests of a method, or of every one, so many times."""

    kind: str
    """429, outage, status, json (none), no result, odd (result), latency."""
    method: str = ""
    times: int = 1
    value: float = 1.0
    """Seconds of 429 and latency; the status."""


@dataclass
class BotApiServer:
    """One bot. Everything may be used from any thread."""

    chats: dict[int, str] = field(default_factory=dict)
    """Those that pressed Start, by id: their names."""
    url: str = ""
    sent: list[Sent] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Method of every request, in order."""
    commands: list[dict[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _updates: list[dict[str, Any]] = field(default_factory=list)
    _newest: dict[str, Any] = field(default_factory=dict)
    _number: int = 1000

    def say(self, chat: int, text: str, who: str = "ann", *, ago_s: float = 0.0) -> None:
        """Somebody writes to the bot, or did so while nobody listened."""
        self._put({"message": {
            "message_id": self._number, "date": int(time.time() - ago_s), "chat": {"id": chat, "type": "private"},
            "from": {"id": 7, "is_bot": False, "first_name": who, "username": who}, "text": text,
        }})  # fmt: skip

    def forget_what_was_confirmed(self) -> None:
        """The newest update is told again, as where its confirmation never came."""
        self._updates.append(self._newest)

    def say_something_odd(self) -> None:
        """An update that nobody understands."""
        self._put({"message": {"chat": "nowhere"}})

    def fail(self, *faults: Fault) -> None:
        """From now on, one after the other for each request that they fit."""
        self.faults.extend(faults)

    def told(self, chat: int) -> list[str]:
        """Texts that a chat got, oldest first."""
        return [one.text for one in self.sent if one.chat == chat]

    def heard(self, chat: int, words: str, timeout_s: float = 60, after: int = 0) -> Sent:
        """The first message to a chat with these words, after so many messages; waits for it."""

        def found() -> list[Sent]:
            return [one for one in self.sent[after:] if one.chat == chat and words in one.text]

        try:
            first: Sent = eventually(found, timeout_s)[0]
        except AssertionError:
            raise AssertionError(f"'{words}' was not sent to {chat}: {self.told(chat)}") from None
        return first

    def _put(self, update: dict[str, Any]) -> None:
        self._number += 1
        self._newest = {"update_id": self._number, **update}
        self._updates.append(self._newest)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        method = request.match_info["method"]
        self.asked.append(method)
        if request.match_info["token"] != TOKEN:
            return _error(404, "Not Found")
        for fault in [one for one in self.faults if one.method in ("", method)][:1]:
            fault.times -= 1
            if fault.times <= 0:
                self.faults.remove(fault)
            if (broken := await _broken(fault, request)) is not None:
                return broken
        told = dict(await request.post())
        match method:
            case "getMe":
                return _ok({"id": 123456789, "is_bot": True, "first_name": "Funding", "username": "funding_bot"})
            case "getChat":
                return self._chat(int(str(told["chat_id"])))
            case "setMyCommands":
                self.commands = json.loads(str(told["commands"]))
                return _ok(True)
            case "deleteWebhook":
                return _ok(True)
            case "getUpdates":
                return await self._waited(told)
            case "sendMessage" | "sendPhoto":
                return self._send(told)
        return _error(404, f"nobody knows {method}")

    def _chat(self, chat: int) -> web.Response:
        if chat not in self.chats:
            return _error(400, "Bad Request: chat not found")
        return _ok({"id": chat, "type": "private", "first_name": self.chats[chat], "accent_color_id": 0,
                    "max_reaction_count": 11, "accepted_gift_types": {
                        "unlimited_gifts": False, "limited_gifts": False, "unique_gifts": False,
                        "premium_subscription": False, "gifts_from_channels": False}})  # fmt: skip

    async def _waited(self, told: dict[str, Any]) -> web.Response:
        """A long poll; what came before the offset is forgotten."""
        offset, until = int(told.get("offset") or 0), time.monotonic() + float(told.get("timeout") or 0)
        self._updates = [one for one in self._updates if one["update_id"] >= offset]
        while not self._updates and time.monotonic() < until:
            await asyncio.sleep(0.01)
        return _ok(self._updates)

    def _send(self, told: dict[str, Any]) -> web.Response:
        chat, picture = int(str(told["chat_id"])), told.get("photo")
        html = str(told.get("text") or told.get("caption") or "")
        if chat not in self.chats:
            return _error(403, "Forbidden: bot was blocked by the user")
        try:
            text = read_html(html) if told.get("parse_mode") == "HTML" else html
        except ValueError as error:
            return _error(400, f"Bad Request: can't parse entities: {error}")
        if not text or len(text) > (4096 if picture is None else 1024):
            return _error(400, "Bad Request: message is too long" if text else "Bad Request: message text is empty")
        content = None if picture is None else picture.file.read()
        if content is not None and not content.startswith(PNG):
            return _error(400, "Bad Request: IMAGE_PROCESS_FAILED")
        self.sent.append(Sent(chat, text, html, told.get("disable_notification") == "true", content, time.monotonic()))
        message = {"message_id": len(self.sent), "date": int(time.time()), "chat": {"id": chat, "type": "private"}}
        return _ok({**message, "text": text})


@contextmanager
def bot_api_server(**chats: int) -> Iterator[BotApiServer]:
    """Serve from a thread of its own; `chats` pressed Start: name=id."""
    server = BotApiServer({number: name for name, number in chats.items()})
    ready, ends = threading.Event(), list[Callable[[], object]]()

    async def serve() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        ends.append(lambda: loop.call_soon_threadsafe(stop.set))
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/bot{token}/{method}", server.answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="bot-api", daemon=True)
    thread.start()
    assert ready.wait(30)
    try:
        yield server
    finally:
        ends[0]()
        thread.join(30)


async def _broken(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    match fault.kind:
        case "429":
            parameters = {"retry_after": int(fault.value)}
            return _error(429, f"Too Many Requests: retry after {fault.value:g}", parameters)
        case "status":
            return _error(int(fault.value), "Internal Server Error")
        case "json":
            return web.Response(text="<html>502 somewhere on the way</html>")
        case "no result":
            return web.json_response({"ok": True})
        case "odd":
            return _ok({"not": "what was asked for"})
        case "latency":
            await asyncio.sleep(fault.value)
            return None
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


def _ok(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _error(status: int, text: str, parameters: dict[str, Any] | None = None) -> web.Response:
    more = {} if parameters is None else {"parameters": parameters}
    return web.json_response({"ok": False, "error_code": status, "description": text, **more}, status=status)


class _Html(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            raise ValueError(f'Unsupported start tag "{tag}"')
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise ValueError(f'Unexpected end tag "{tag}"')

    def handle_data(self, data: str) -> None:
        self.text += data


def read_html(html: str) -> str:
    """The text of Telegram's HTML; raises ValueError where Telegram would not take it."""
    if re.search(r"&(?!lt;|gt;|amp;|quot;|#\d+;|#x[0-9a-f]+;)", html) or re.search(r"<(?![a-z/])", html):
        raise ValueError("a character is not escaped")
    parser = _Html()
    parser.feed(html)
    parser.close()
    if parser.open:
        raise ValueError(f"Can't find end tag of {parser.open[-1]}")
    return parser.text
