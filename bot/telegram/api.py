"""The Bot API: what the rest of the package asks of Telegram, and how a failure of it looks. Used by all loops.

The library and httpx know a placeholder instead of the token, so nothing that they log, raise or show can hold it; the
transport puts the token into the path as the very last thing.

    TelegramError        whatever went wrong
    ├── Unavailable      no answer, or none that makes sense: try again later
    │   └── SlowDown     the same, after `wait_s`
    └── Refused          this request will never be accepted
"""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from bot.telegram.token import Token
from data.errors import FundingBotError

os.environ.setdefault("PTB_TIMEDELTA", "true")  # the library warns about its old type of `retry_after` otherwise
from telegram import Bot, BotCommand, LinkPreviewOptions, error
from telegram.constants import ParseMode
from telegram.request import HTTPXRequest

Result = TypeVar("Result")
PLACEHOLDER = "hidden"
TIMEOUT_S = 10.0
SPARE_S = 5.0
"""An answer to a long poll may come so much later than it was asked for."""


class TelegramError(FundingBotError):
    """Telegram did not do what was asked; the message never holds the token."""


class Unavailable(TelegramError):
    """No answer, or none that makes sense: try again later."""


class SlowDown(Unavailable):
    """Too much was asked: try again after `wait_s`."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class Refused(TelegramError):
    """This request will never be accepted: the token, the chat or the content is wrong."""


@dataclass(frozen=True)
class Message:
    """A text, or a picture with its caption, to one chat. HTML as Telegram understands it; `silent`: without sound."""

    chat: int
    html: str
    silent: bool = False
    picture: bytes | None = None
    """PNG."""


@dataclass(frozen=True)
class Said:
    """What somebody wrote in a chat."""

    update: int
    chat: int
    text: str
    who: str
    """The name that the sender goes by there."""
    sent_s: int
    """By Telegram's clock, s since 1970; 0 where it did not say."""


class BotApi:
    """Requests to one Bot API server. Every method raises TelegramError and nothing else."""

    def __init__(self, url: str, token: Token, *, timeout_s: float = TIMEOUT_S) -> None:
        limits: dict[str, Any] = {"read_timeout": timeout_s, "connect_timeout": timeout_s, "write_timeout": timeout_s}
        self._requests = [_Request(**limits, httpx_kwargs={"transport": _WithToken(url, token)}) for _ in range(2)]
        polling, sending = self._requests
        self._bot = _Bot(PLACEHOLDER, f"{url.rstrip('/')}/bot", request=sending, get_updates_request=polling)

    async def close(self) -> None:
        """Give the connections back."""
        for request in self._requests:
            await request.shutdown()

    async def name(self) -> str:
        """The bot's user name: proves the token."""
        return str((await _asked(self._bot.get_me())).username)

    async def reach(self, chat: int) -> str:
        """The title of a chat, or its person's name: proves that the bot may write there."""
        found = await _asked(self._bot.get_chat(chat))
        return found.title or found.username or found.first_name or str(chat)

    async def begin(self, commands: Mapping[str, str]) -> None:
        """Have updates come by asking, and `commands`, name -> description, shown in the menu."""
        await _asked(self._bot.delete_webhook())
        await _asked(self._bot.set_my_commands([BotCommand(name, text) for name, text in commands.items()]))

    async def updates(self, after: int | None, wait_s: float) -> tuple[int | None, list[Said]]:
        """What was written since the update `after`, which is forgotten with all before; waits up to `wait_s` for it.
        Gives the newest update's number, too."""
        rows = await _asked(self._bot.raw_updates(after, wait_s))
        if not isinstance(rows, list):
            raise Unavailable("Telegram answered without a list of updates: asking again")
        numbers = [row["update_id"] for row in rows if isinstance(row, dict) and isinstance(row.get("update_id"), int)]
        return max(numbers, default=after), [said for row in rows if (said := _said(row)) is not None]

    async def send(self, message: Message) -> None:
        """Deliver a message."""
        chat, silent = message.chat, message.silent
        if message.picture is None:
            call: Awaitable[object] = self._bot.send_message(
                chat, message.html, parse_mode=ParseMode.HTML, disable_notification=silent,
                link_preview_options=LinkPreviewOptions(is_disabled=True),
            )  # fmt: skip
        else:
            call = self._bot.send_photo(
                chat, message.picture, caption=message.html, parse_mode=ParseMode.HTML, disable_notification=silent
            )
        await _asked(call)


@asynccontextmanager
async def bot_api(url: str, token: Token) -> AsyncIterator[BotApi]:
    """A client that is closed with the block."""
    api = BotApi(url, token)
    try:
        yield api
    finally:
        await api.close()


class _Bot(Bot):
    """With updates as they came: one that the library cannot read must not hide the others for ever."""

    async def raw_updates(self, after: int | None, wait_s: float) -> Any:
        asked = {"timeout": round(wait_s), "offset": None if after is None else after + 1}
        return await self._post("getUpdates", {**asked, "allowed_updates": ["message"]}, read_timeout=wait_s + SPARE_S)


class _Request(HTTPXRequest):
    """Says what was wrong with an answer by raising it alone: the library would log it with all its content."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        try:
            content = json.loads(payload)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise error.TelegramError("an answer that is not the Bot API's")
        return content


class _WithToken(httpx.AsyncHTTPTransport):
    """Puts the token in place of the placeholder; by the proxy of the environment, if there is one for the address."""

    def __init__(self, url: str, token: Token) -> None:
        address = urlsplit(url)
        direct = proxy_bypass(address.hostname or "")
        proxy = None if direct else getproxies().get(address.scheme)
        super().__init__(proxy=proxy, verify=address.scheme == "https")  # reading certificates takes a while
        self._token = token

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = str(request.url.raw_path, "ascii").replace(f"/bot{PLACEHOLDER}/", f"/bot{self._token.value}/", 1)
        url = request.url.copy_with(raw_path=path.encode())
        sent = httpx.Request(request.method, url, headers=request.headers, stream=request.stream)
        sent.extensions = request.extensions
        return await super().handle_async_request(sent)


async def _asked(call: Awaitable[Result]) -> Result:
    """The result, with the library's failures as ours."""
    try:
        return await call
    except error.RetryAfter as told:
        wait = told.retry_after
        wait_s = wait.total_seconds() if isinstance(wait, timedelta) else float(wait)
        raise SlowDown(f"Telegram asks for a pause of {wait_s:g} s", wait_s) from None
    except (error.BadRequest, error.Forbidden, error.InvalidToken, error.ChatMigrated) as told:
        raise Refused(f"Telegram refused ({type(told).__name__}: {told}): see docs/telegram.md") from None
    except Exception as told:  # whatever an answer makes the library do is a failure of this request, and no more
        raise Unavailable(f"Telegram could not be asked ({type(told).__name__}: {told}): trying again") from None


def _said(row: object) -> Said | None:
    """What an update says; None for what is no text in a chat."""
    try:
        message = row["message"]  # type: ignore[index]
        sender = message.get("from") or {}
        who = sender.get("username") or sender.get("first_name") or "unknown"
        update, chat = int(row["update_id"]), int(message["chat"]["id"])  # type: ignore[index]
        return Said(update, chat, str(message["text"]), str(who), _time_s(message.get("date")))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _time_s(told: object) -> int:
    return told if isinstance(told, int) and 0 < told < 2**32 else 0
