"""The kill switch: latches, ends the bot, and brings every account to flat; used by `bot kill` and nothing else.

A process of its own that asks neither the trader nor the ledger: what the venues show is all that it goes by. In order:
the latch is on disk; the bot has ended; then on all venues at once orders are cancelled and positions closed, until the
venues themselves show nothing or the deadline is over. What fails on the way is told, and stops nothing that follows.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.execution.flatten import Flattened, Flattening
from bot.kill_journal import JOURNAL, KILL_MARK, KillJournal
from bot.latch import LatchFile
from bot.stopping import stop_bot
from data.errors import ConfigurationError, FundingBotError, StateError

if TYPE_CHECKING:
    from bot.access import Access

RETRY_S = 1.0
"""A venue that cannot be opened is tried again after this long."""


OpenAccess = Callable[[str], AbstractAsyncContextManager["Access"]]


@dataclass(frozen=True)
class Killed:
    """What became of it all."""

    kill: str
    """Begins the client ids of its orders."""
    latch: str
    bot: str
    """What became of the process, in words."""
    troubles: tuple[str, ...]
    """What failed apart from the venues."""
    venues: tuple[Flattened, ...]

    @property
    def complete(self) -> bool:
        """Latched, no bot left, and flat by every venue's own word."""
        return not self.troubles and all(venue.flat for venue in self.venues)


class Killer:
    """One use of the kill switch on the bot of `var`."""

    def __init__(self, var: Path, latch: LatchFile) -> None:
        self._latch = latch
        self._var = var
        self._journal = KillJournal(var / JOURNAL)
        self._name = f"{KILL_MARK}{time.time_ns() // 1_000_000:x}x"
        self.troubles: list[str] = []
        """What failed so far, apart from the venues."""

    def latch(self, reason: str) -> bool:
        """Whether it could be done: nothing is entered from now on."""
        try:
            self._latch.kill(reason)
        except OSError as error:
            self.troubles.append(f"the latch could not be set ({error}): the bot must not be started again")
        self._write({"event": "latched", "reason": reason, "done": not self.troubles})
        return not self.troubles

    def stop(self, grace_s: float) -> str:
        """End the bot, whether or not it could be latched; says what became of it."""
        try:
            bot = stop_bot(self._var, grace_s)
        except (OSError, StateError) as error:
            bot = str(error)
            self.troubles.append(bot)
        self._write({"event": "bot", "text": bot})
        return bot

    async def flatten(self, venues: Sequence[str], open_access: OpenAccess, bot: str, deadline_s: float) -> Killed:
        """Every venue to flat, all at once."""
        results = await asyncio.gather(*(self._venue(venue, open_access, deadline_s) for venue in venues))
        if self._journal.trouble:
            self.troubles.append(self._journal.trouble)
        killed = Killed(self._name, self._latch.read().state.value, bot, tuple(self.troubles), tuple(results))
        self._write({"event": "done", "complete": killed.complete, "troubles": killed.troubles})
        return killed

    async def _venue(self, name: str, open_access: OpenAccess, deadline_s: float) -> Flattened:
        until, failed = time.monotonic() + deadline_s, Flattened(name)
        while True:
            try:
                async with open_access(name) as access:
                    instruments = {instrument.symbol: instrument for instrument in access.instruments}
                    flattening = Flattening(access.account, instruments, access.book, self._write, self._name)
                    return await flattening.run(until - time.monotonic())
            except Exception as error:  # even a defect at one venue must not leave the others open
                failed.trouble = str(error) if isinstance(error, FundingBotError) else repr(error)
                self._write({"event": "trouble", "venue": name, "text": failed.trouble})
                if isinstance(error, ConfigurationError) or time.monotonic() + RETRY_S > until:
                    return failed
            await asyncio.sleep(RETRY_S)

    def _write(self, line: dict[str, Any]) -> None:
        self._journal.write({"kill": self._name, "time_ms": time.time_ns() // 1_000_000, **line})
