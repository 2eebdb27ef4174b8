"""What waits to be sent: a bounded queue that outlives an outage of Telegram and never holds anybody up.

Used by everything that speaks. Where it is full the oldest silent message goes, then the oldest of all, and the chat is
told how many went.
"""

import asyncio
import logging
from collections import Counter, deque
from dataclasses import dataclass, replace

from bot.alerts import TELEGRAM
from bot.telegram.api import BotApi, Message, Refused, SlowDown, Unavailable

LOG = logging.getLogger(TELEGRAM)

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
"""Between attempts; it doubles."""


@dataclass(frozen=True)
class _Waiting:
    message: Message
    done: asyncio.Future[None]
    """Set once the message was delivered, refused for good, or dropped."""


class Outbox:
    """Messages in order, one sent at a time. One event loop; `run` sends until it is cancelled."""

    def __init__(self, api: BotApi, size: int, first_wait_s: float = FIRST_WAIT_S) -> None:
        self._api = api
        self._size = size
        self._first_wait_s = first_wait_s
        self._queue: deque[_Waiting] = deque()
        self._dropped: Counter[int] = Counter()
        self._filled = asyncio.Event()
        self._sending: _Waiting | None = None

    def put(self, message: Message) -> asyncio.Future[None]:
        """Queue a message; the future ends when it is delivered, refused or dropped."""
        waiting = _Waiting(message, asyncio.get_running_loop().create_future())
        if len(self._queue) >= self._size:
            self._drop()
        self._queue.append(waiting)
        self._filled.set()
        return waiting.done

    async def run(self) -> None:
        """Send, one after the other, each until it is through or can never be."""
        while True:
            while not self._queue:
                self._filled.clear()
                await self._filled.wait()
            self._sending = self._queue.popleft()
            await self._send(self._sending.message)
            self._sending.done.set_result(None)
            self._sending = None

    async def flush(self) -> None:
        """Return once nothing waits."""
        while last := (self._queue[-1] if self._queue else self._sending):
            await asyncio.wait([last.done])  # whoever gives up waiting must not end the future

    def _drop(self) -> None:
        silent = next((one for one in self._queue if one.message.silent), None)
        gone = silent or self._queue[0]
        self._queue.remove(gone)
        self._dropped[gone.message.chat] += 1
        gone.done.set_result(None)

    async def _send(self, message: Message) -> None:
        wait_s = self._first_wait_s
        while True:
            missing = self._dropped[message.chat]
            note = f"<i>{missing} earlier messages were dropped: Telegram was away too long</i>\n" if missing else ""
            try:
                await self._api.send(replace(message, html=note + message.html))
            except SlowDown as told:
                await asyncio.sleep(told.wait_s)
            except Unavailable as told:
                LOG.warning("%s in %g s", told, wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            except Refused as told:
                LOG.warning("a message to chat %d is given up: %s", message.chat, told)
                return
            else:
                self._dropped[message.chat] -= missing
                return
