"""Tells one chat the news: events of the ledger, warnings of the log, latches, whether a trader runs.

Used by `service`, one for each chat. Nothing is kept in memory that matters: what was told is on disk once Telegram has
it, and the rest is where it was read from. While Telegram is away it waits there, and comes as one message.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bot.alerts import TELEGRAM, Kind
from bot.ledger.feed import LedgerFeed, News
from bot.log_feed import LogFeed
from bot.settings import Settings
from bot.telegram.api import Message
from bot.telegram.digest import digest
from bot.telegram.facts import Fact, facts
from bot.telegram.outbox import Outbox
from bot.telegram.told import ChatMemory, Told
from data.errors import StateError

LOG = logging.getLogger(TELEGRAM)
REPEATING = frozenset({Kind.TROUBLE, Kind.DATA, Kind.DENIED, Kind.UNFILLED})
"""Kinds that come again and again while something is wrong."""
KINDS = tuple(kind.value for kind in Kind)
MOST = 1000
"""Events of one message."""
MOST_WARNED = 200
MINUTE_S = 60.0


@dataclass(frozen=True)
class _Seen:
    """What one look found, and what is to be remembered once it is told."""

    news: list[News]
    changed: list[Fact]
    memory: ChatMemory


class Alerts:
    """The news for one chat. One event loop; `run` goes on until it is cancelled."""

    def __init__(
        self, settings: Settings, chat: int, feed: LedgerFeed, logs: LogFeed, told: Told, outbox: Outbox
    ) -> None:
        self._settings = settings
        self._loudness = settings.telegram.loudness.model_dump()
        self._chat = chat
        self._feed = feed
        self._logs = logs
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
        now = time.monotonic()
        due = [kind for kind in Kind if self._quiet_until.get(kind, 0.0) <= now]
        seen = await asyncio.to_thread(self._seen, self._told.of(self._chat), due)
        await self._tell(seen.news, seen.changed)
        await asyncio.to_thread(self._told.remember, self._chat, seen.memory)
        for kind in REPEATING & {Kind(one.kind) for one in seen.news if self._loudness[one.kind] != "off"}:
            self._quiet_until[kind] = now + MINUTE_S * self._settings.telegram.repeat_minutes

    def _seen(self, memory: ChatMemory | None, due: Sequence[Kind]) -> _Seen:
        """In a thread: what is new of the kinds that are due."""
        newest, found = self._feed.newest(), facts(self._settings, self._feed)
        states = {name: fact.state for name, fact in found.items()}
        if memory is None:  # a chat that is new hears what happens from now on
            return _Seen([], [], ChatMemory(dict.fromkeys(KINDS, newest), states, dict(self._logs.end())))
        cursors, places, warned = _cursors(memory, newest), memory.places, list(memory.warned)
        rows = self._feed.after(min(cursors[kind] for kind in due), due, MOST)
        news, passed = _without([one for one in rows if one.number > cursors[one.kind]], warned)
        if Kind.TROUBLE in due:
            lines, ends = self._logs.after(places)
            news += [News(0, line.time_ms, Kind.TROUBLE, line.text) for line in lines[-MOST:]]
            places, warned = dict(ends), (warned + [line.text for line in lines])[-MOST_WARNED:]
        cursors |= {one.kind: one.number for one in rows if one.number > cursors[one.kind]}
        warned = [text for text in warned if text not in passed]
        changed = [fact for name, fact in found.items() if memory.facts.get(name) != fact.state]
        return _Seen(news, changed, ChatMemory(cursors, states, places, warned))

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


def _without(news: list[News], warned: Sequence[str]) -> tuple[list[News], set[str]]:
    """What the log has not told yet, and what it had: trouble is logged at once, and is in the ledger an hour later."""
    passed = {one.text for one in news if one.kind == Kind.TROUBLE and one.text in warned}
    return [one for one in news if one.kind != Kind.TROUBLE or one.text not in passed], passed
