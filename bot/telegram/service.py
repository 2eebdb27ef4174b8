"""Puts commands and alerts together: `async with telegram(settings) as desk`, beside whatever else the process does.

Used by the program that runs the trader and by `bot telegram`. It shares no object with the trader: it reads what that
has written, and starts processes of its own.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from html import escape

from bot.alerts import TELEGRAM
from bot.instance import single_instance
from bot.ledger.feed import ledger_feed
from bot.log_feed import LogFeed
from bot.settings import Settings
from bot.telegram.alerts import Alerts
from bot.telegram.api import BotApi, Message, bot_api
from bot.telegram.commands import Command, Request
from bot.telegram.controls import helped, pause, resume, sent_at
from bot.telegram.handled import Handled
from bot.telegram.inbox import Inbox
from bot.telegram.kill import Kill
from bot.telegram.outbox import Outbox
from bot.telegram.reader import Reader
from bot.telegram.token import read_token
from bot.telegram.told import Told
from data.cancelling import cancel
from data.secrets import Secrets

LOG = logging.getLogger(TELEGRAM)
FOLDER = "telegram"
"""Below the run-time folder: what was told, and a lock, as one token serves one process."""
QUESTIONS = 20
"""Commands that wait for their answer; more are turned away."""
AGAIN_S = 5.0
LEAVE_S, LEAVE_KILL_S = 3.0, 15.0
"""At the end: so long for what waits to be sent, and for a kill switch to tell what became of it."""


class Telegram:
    """What speaks with people. `tell` is for who runs it; all else comes by itself."""

    def __init__(self, settings: Settings, api: BotApi) -> None:
        told = settings.telegram
        self._settings = settings
        self._outbox = Outbox(api, told.queue)
        self._reader = Reader(settings)
        self._switch = Kill(settings)
        self._handled = Handled(settings.var / FOLDER / "handled.json")
        self._questions: asyncio.Queue[Request] = asyncio.Queue(QUESTIONS)
        self._kill: asyncio.Task[None] | None = None
        self._pulled: list[Request] = []
        """What the kill at work answers."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox = Inbox(api, told.chats, told.commands_per_minute, self._take, self._reply, self._stranger)
        feed, logs = ledger_feed(settings), LogFeed(settings.var / "logs")
        memory = Told(settings.var / FOLDER / "told.json")
        self._alerts = [Alerts(settings, chat, feed, logs, memory, self._outbox) for chat in told.chats]

    def tell(self, topic: str, text: str) -> None:
        """Tell every chat a plain text, as loud as `telegram.loudness` has its topic, one of its fields. Waits for
        nothing."""
        self._tell_all(topic, escape(text))

    def start(self) -> None:
        """Everything that goes on beside."""
        self._switch.prepare()
        loops = [self._outbox.run, self._inbox.run, self._answer, *(one.run for one in self._alerts)]
        for loop in loops:
            self._beside(_for_ever(loop))

    async def close(self) -> None:
        """Tell what is left to tell, shortly, and end."""
        if self._kill is not None and not self._kill.done():
            await asyncio.wait([self._kill], timeout=LEAVE_KILL_S)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._outbox.flush(), LEAVE_S)
        await cancel(self._tasks)
        await self._reader.close()
        self._switch.close()

    def _take(self, request: Request) -> None:
        """A command of a listed chat: what is urgent now, the rest in its turn."""
        LOG.info("/%s of %s in chat %d", request.command, request.who, request.chat)
        match request.command:
            case Command.KILL:
                self._pull(request)
            case Command.PAUSE:
                self._beside(self._control(request, pause))
            case Command.RESUME:
                self._beside(self._control(request, resume))
            case Command.HELP:
                self._reply(request.chat, helped())
            case _:
                try:
                    self._questions.put_nowait(request)
                except asyncio.QueueFull:
                    self._reply(request.chat, f"too many questions wait: /{request.command} is not answered")

    def _pull(self, request: Request) -> None:
        if self._handled.has(request):
            self._reply(
                request.chat, f"/kill of {sent_at(request)} was carried out before: send it again if you mean it"
            )
            return
        self._pulled.append(request)
        if self._kill is not None and not self._kill.done():
            self._reply(request.chat, "the kill switch is at work already; what becomes of it is told")
            return
        self._kill = self._beside(self._killed(request))
        self._tell_chats(f"⛔️ <b>the kill switch is at work</b>, pulled by {escape(request.who)}", silent=False)

    async def _killed(self, request: Request) -> None:
        told, ended = await self._switch.pull(request.who)
        self._tell_chats(told, silent=False)
        pulled, self._pulled = self._pulled, []
        if ended:
            await asyncio.to_thread(self._handled.add, pulled)
        self._switch.prepare()

    async def _control(self, request: Request, act: Callable[[Settings, Request], str]) -> None:
        self._reply(request.chat, await asyncio.to_thread(act, self._settings, request))

    async def _answer(self) -> None:
        """Questions, one after the other."""
        while True:
            request = await self._questions.get()
            for part in await self._reader.ask(request.command.value, request.words):
                self._outbox.put(Message(request.chat, part.html, picture=part.picture))

    def _stranger(self, html: str) -> None:
        self._tell_all("stranger", html)

    def _reply(self, chat: int, html: str) -> None:
        self._outbox.put(Message(chat, html))

    def _tell_all(self, topic: str, html: str) -> None:
        loudness = getattr(self._settings.telegram.loudness, topic)
        if loudness != "off":
            self._tell_chats(html, silent=loudness == "silent")

    def _tell_chats(self, html: str, *, silent: bool) -> None:
        for chat in self._settings.telegram.chats:
            self._outbox.put(Message(chat, html, silent=silent))

    def _beside(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@asynccontextmanager
async def telegram(settings: Settings, secrets: Mapping[str, str] | None = None) -> AsyncIterator[Telegram]:
    """Answer and alert while the block runs. Nothing that Telegram does, or fails to do, reaches the block.

    Raises ConfigurationError for a token that is missing or malformed, StateError where another process does this on
    the same folder.
    """
    token = read_token(Secrets() if secrets is None else secrets)
    with single_instance(settings.var / FOLDER):
        async with bot_api(settings.telegram.api_url, token) as api:
            desk = Telegram(settings, api)
            desk.start()
            try:
                yield desk
            finally:
                await desk.close()


async def _for_ever(loop: Callable[[], Awaitable[None]]) -> None:
    """A defect of one loop is logged, and the loop begun again: it must not end what else is told."""
    while True:
        try:
            await loop()
        except Exception:
            LOG.exception("Telegram: a loop failed and is begun again in %g s", AGAIN_S)
            await asyncio.sleep(AGAIN_S)
