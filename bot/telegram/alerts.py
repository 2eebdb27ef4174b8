"""Tells one chat the news: events of the ledger, latches, whether a trader runs. Used by `service`, one for each chat.

Nothing is kept in memory that matters: what was told is on disk once Telegram has it, and the rest is in the ledger.
While Telegram is away it waits there, and comes as one message.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.alerts import LOG, Kind
from bot.ledger.feed import LedgerFeed, News
from bot.settings import Settings
from bot.telegram.api import Message
from bot.telegram.digest import digest
from bot.telegram.facts import Fact, facts
from bot.telegram.outbox import Outbox
from bot.telegram.told import ChatMemory, Told
from data.errors import StateError

REPEATING = frozenset({Kind.TROUBLE, Kind.DATA, Kind.DENIED, Kind.UNFILLED})
"""Kinds that come again and again while something is wrong."""
KINDS = tuple(kind.value for kind in Kind)
MOST = 1000
"""Events of one message."""
MINUTE_S = 60.0


@dataclass(frozen=True)
class _Seen:
    """What one look found."""

    news: list[News]
    facts: dict[str, Fact]
    newest: int


class Alerts:
    """The news for one chat. One event loop; `run` goes on until it is cancelled."""

    def __init__(self, settings: Settings, chat: int, feed: LedgerFeed, told: Told, outbox: Outbox) -> None:
        self._settings = settings
        self._loudness = settings.telegram.loudness.model_dump()
        self._chat = chat
        self._feed = feed
        self._told = told
        self._outbox = outbox
        self._quiet_until = dict.fromkeys(REPEATING, 0.0)

    async def run(self) -> None:
        """Look, tell, remember."""
        while True:
            try:
                await self.look()
            except (StateError, OSError) as error:
                LOG.warning("alerts: %s", error)
            await asyncio.sleep(self._settings.telegram.poll_s)

    async def look(self) -> None:
        """Tell what is new; returns once it is delivered and remembered."""
        memory = self._told.of(self._chat)
        now = time.monotonic()
        due = [kind for kind in KINDS if self._quiet_until.get(Kind(kind), 0.0) <= now]
        seen = await asyncio.to_thread(self._seen, memory, due)
        if memory is None:  # a chat that is new hears what happens from now on
            await self._remember(dict.fromkeys(KINDS, seen.newest), seen.facts)
            return
        changed = {name: one for name, one in seen.facts.items() if memory.facts.get(name) != one.state}
        await self._tell(seen.news, list(changed.values()))
        cursors = _cursors(memory, seen.newest)
        await self._remember(cursors | {one.kind: one.number for one in seen.news}, seen.facts)
        for kind in REPEATING & {Kind(one.kind) for one in seen.news if self._loudness[one.kind] != "off"}:
            self._quiet_until[kind] = now + MINUTE_S * self._settings.telegram.repeat_minutes

    def _seen(self, memory: ChatMemory | None, due: Sequence[str]) -> _Seen:
        """In a thread: what is new of the kinds that are due."""
        newest, found = self._feed.newest(), facts(self._settings, self._feed)
        if memory is None:
            return _Seen([], found, newest)
        cursors = _cursors(memory, newest)
        rows = self._feed.after(min(cursors[kind] for kind in due), due, MOST)
        return _Seen([one for one in rows if one.number > cursors[one.kind]], found, newest)

    async def _remember(self, cursors: dict[str, int], found: dict[str, Fact]) -> None:
        """In a thread, as a disk may hang."""
        memory = ChatMemory(cursors, {name: one.state for name, one in found.items()})
        await asyncio.to_thread(self._told.remember, self._chat, memory)

    async def _tell(self, news: Sequence[News], changed: Sequence[Fact]) -> None:
        """A loud message and a silent one, whichever there is something for; returns once both are through."""
        waiting = []
        for loudness in ("loud", "silent"):
            events = [one for one in news if self._loudness[one.kind] == loudness]
            stand = [one.text for one in changed if self._loudness[one.topic] == loudness]
            if events or stand:
                message = Message(self._chat, digest(events, stand), silent=loudness == "silent")
                waiting.append(self._outbox.put(message))
        if waiting:
            await asyncio.wait(waiting)


def _cursors(memory: ChatMemory, newest: int) -> dict[str, int]:
    """Where each kind was read to: from the beginning in a ledger that was begun anew."""
    last = max(memory.cursors.values(), default=0)
    if newest < last:
        return dict.fromkeys(KINDS, 0)
    return {kind: memory.cursors.get(kind, last) for kind in KINDS}
