"""What people write: asked for by long polls, let in chat by chat, and handed on as commands. Used by `service`.

What was handed on is confirmed to Telegram by the next poll: a process that dies before it gets the same updates again.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Collection
from html import escape

from bot.alerts import TELEGRAM
from bot.telegram.api import BotApi, Refused, Said, SlowDown, TelegramError
from bot.telegram.commands import MEANINGS, START, Command, Request, parsed

LOG = logging.getLogger(TELEGRAM)
POLL_S = 25.0
"""Telegram holds a poll open this long."""
FIRST_WAIT_S, LONGEST_WAIT_S, REFUSED_WAIT_S = 1.0, 10.0, 60.0
HOUR_S = 3600.0
MINUTE_S = 60.0
MOST_STRANGERS = 20
"""Told of in an hour: a crowd must not drown what is listed."""


class Inbox:
    """The poll loop. `take` gets each command of a listed chat, `reply` its chat and HTML where there is no command to
    take, `strangers` HTML about chats that are not listed."""

    def __init__(
        self,
        api: BotApi,
        chats: Collection[int],
        per_minute: int,
        take: Callable[[Request], None],
        reply: Callable[[int, str], None],
        strangers: Callable[[str], None],
        *,
        poll_s: float = POLL_S,
        first_wait_s: float = FIRST_WAIT_S,
    ) -> None:
        self._api = api
        self._chats = frozenset(chats)
        self._take, self._reply, self._strangers = take, reply, strangers
        self._name = ""
        """The bot's own: in a group others hear what is for one of them."""
        self._poll_s, self._first_wait_s = poll_s, first_wait_s
        self._floods = {chat: Flood(per_minute) for chat in self._chats}
        self._seen: dict[int, float] = {}
        """When a stranger was last told of, by its chat."""

    async def run(self) -> None:
        """Poll for ever: no failure of Telegram and no message ends it."""
        last, wait_s, ready = None, self._first_wait_s, False
        while True:
            try:
                if not ready:
                    await self._begin()
                    ready = True
                last, heard = await self._api.updates(last, self._poll_s)
                wait_s = self._first_wait_s
            except TelegramError as error:
                pause_s = _pause(error, wait_s)
                LOG.warning("%s in %g s", error, pause_s)
                await asyncio.sleep(pause_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
                continue
            for said in heard:
                self._let_in(said)

    async def _begin(self) -> None:
        """A menu that Telegram does not want must keep nobody from sending commands."""
        self._name = await self._api.name()
        try:
            await self._api.begin({command.value: text for command, text in MEANINGS.items()})
        except Refused as error:
            LOG.warning("the menu of commands: %s", error)

    def _let_in(self, said: Said) -> None:
        if said.chat not in self._chats:
            self._stranger(said)
            return
        if (told := parsed(said.text, self._name)) is None:
            return
        name, words = told
        name = Command.HELP if name == START else name
        if name == Command.KILL:
            self._take(_request(Command.KILL, words, said))
        elif (refusal := self._floods[said.chat].refusal(time.monotonic())) is not None:
            if refusal:
                self._reply(said.chat, refusal)
        elif name in set(Command):
            self._take(_request(Command(name), words, said))
        else:
            self._reply(said.chat, f"/{escape(name)} is no command; /help lists them")

    def _stranger(self, said: Said) -> None:
        """Told to those who are listed once an hour for each chat; who asks gets no answer."""
        now = time.monotonic()
        self._seen = {chat: when for chat, when in self._seen.items() if now - when < HOUR_S}
        if said.chat in self._seen or len(self._seen) >= MOST_STRANGERS:
            return
        self._seen[said.chat] = now
        LOG.warning("chat %d, which is not in telegram.chats, wrote to the bot: ignored", said.chat)
        self._strangers(
            f"chat <code>{said.chat}</code> ({escape(said.who[:40])}) wrote to this bot and was ignored: it is not in "
            "telegram.chats"
        )


class Flood:
    """How many commands a chat may still send: so many in any minute."""

    def __init__(self, per_minute: int) -> None:
        self._times: deque[float] = deque(maxlen=per_minute)
        self._told = -MINUTE_S

    def refusal(self, now_s: float) -> str | None:
        """None where a command may pass; else what to answer, which is nothing more than once a minute."""
        if len(self._times) < (self._times.maxlen or 0) or now_s - self._times[0] >= MINUTE_S:
            self._times.append(now_s)
            return None
        if now_s - self._told < MINUTE_S:
            return ""
        self._told = now_s
        return f"more than {self._times.maxlen} commands in a minute: the rest is not answered; /kill always is"


def _request(command: Command, words: tuple[str, ...], said: Said) -> Request:
    return Request(command, words, said.chat, said.who, said.update, said.sent_s)


def _pause(error: TelegramError, wait_s: float) -> float:
    if isinstance(error, SlowDown):
        return error.wait_s
    return REFUSED_WAIT_S if isinstance(error, Refused) else wait_s
