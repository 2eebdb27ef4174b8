"""Keeps one process of the service running: starts it again when it ends, ends it when it hangs.

Pauses grow with every failure in a row, and a process that lived for a while has none behind it. What cannot get better
by starting again ends the keeping.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import StrEnum

from bot.alerts import LOG
from bot.service_settings import ServiceSettings
from bot.supervisor.child import Child
from data.errors import ConfigurationError, DataError, StateError

LONGEST_PAUSE_S = 300.0
HEALTHY_S = 600.0
"""A process that lived for so long begins anew with its pauses."""
LOOK_S = 1.0
START_S = 300.0
"""Until it is up a process may be silent for so long."""
STACK_S = 0.5
"""A process that hangs has so long to write down where it stands."""
LASTING = frozenset(kind.exit_code for kind in (ConfigurationError, DataError, StateError))
"""Exit codes of a process that never came up which another start would only repeat: keys that are missing, an asset
that nobody lists, another bot's folder. Once it was up they are weather too: a disk that is full for a while."""


class State(StrEnum):
    """How a process of the service stands."""

    STARTING = "starting"
    UP = "up"
    PAUSING = "pausing"
    HELD = "held"
    """Not started again while something holds it back."""
    ENDED = "ended"


def pause_s(failures: int, first_s: float) -> float:
    """How long to wait after so many failures in a row."""
    return float(min(first_s * 2 ** min(failures - 1, 30), LONGEST_PAUSE_S))


class Keeper:
    """One process, kept. `keep` is its life; `end` ends it. One event loop."""

    def __init__(
        self,
        name: str,
        start: Callable[[], Awaitable[Child]],
        settings: ServiceSettings,
        held: Callable[[], str] = lambda: "",
        lasting: frozenset[int] = LASTING,
    ) -> None:
        """`lasting`: exit codes after which one that never came up is not started again. `held` says why it may not be
        started again just now, if there is a reason."""
        self.name = name
        self.child: Child | None = None
        self.restarts = 0
        self.ending = False
        self._start = start
        self._settings = settings
        self._held = held
        self._lasting = lasting
        self._was_up = False
        self._state = State.STARTING

    @property
    def state(self) -> State:
        """How it stands."""
        up = self._state is State.STARTING and self.child is not None and self.child.pulse.get("up")
        return State.UP if up else self._state

    @property
    def silent_s(self) -> float:
        """How long it has not been heard of."""
        return 0.0 if self.child is None else time.monotonic() - self.child.heard_s

    async def keep(self) -> int:
        """Start it again and again; gives the exit code of the one that was the last: 0, one that lasts, or any once it
        was asked to end."""
        failures = 0
        while True:
            begun, self._state = time.monotonic(), State.STARTING
            code = await self._lived()
            if self.ending or code == 0 or (code in self._lasting and not self._was_up):
                self._state = State.ENDED
                return code
            failures = 1 if time.monotonic() - begun > HEALTHY_S else failures + 1
            await self._pause(code, pause_s(failures, self._settings.restart_s))
            if self.ending:
                self._state = State.ENDED
                return code
            self.restarts += 1

    def end(self, number: signal.Signals) -> None:
        """Ask it to end, or end it, for good."""
        self.ending = True
        if self.child is not None:
            self.child.send(number)
            self.child.send(signal.SIGCONT)  # one that was stopped could not hear it

    async def _lived(self) -> int:
        """Start it, and wait for its end: its exit code, or 1 where the machine could not start it now."""
        try:
            self.child = await self._start()
        except OSError as error:
            LOG.error("the %s cannot be started: %s", self.name, error)
            return 1
        if self.ending:
            self.child.send(signal.SIGTERM)
        code = await self._watched(self.child)
        self._was_up = self._was_up or bool(self.child.pulse.get("up"))
        return code

    def _patience_s(self, child: Child) -> float:
        """How long it may be silent."""
        return self._settings.hang_s if child.pulse.get("up") else max(self._settings.hang_s, START_S)

    async def _watched(self, child: Child) -> int:
        """Its exit code; one that has not been heard of for too long is made to end."""
        ended = asyncio.ensure_future(child.ended())
        while not ended.done():
            await asyncio.wait({ended}, timeout=LOOK_S)
            if not ended.done() and time.monotonic() - child.heard_s > self._patience_s(child):
                LOG.error("the %s has given no sign of life for %g s: it is started anew", self.name, self.silent_s)
                child.send(signal.SIGUSR1)
                await asyncio.wait({ended}, timeout=STACK_S)
                child.send(signal.SIGKILL)
        return ended.result()

    async def _pause(self, code: int, seconds: float) -> None:
        """Say how it ended, and wait until it may be started again."""
        words = "" if self.child is None else self.child.last_words()
        LOG.warning(
            "the %s ended with %s; it is started again in %g s%s",
            self.name, _ending(code), seconds, f"; its last words: {words}" if words else "",
        )  # fmt: skip
        self._state = State.PAUSING
        await self._sleep(seconds)
        told = ""
        while not self.ending and (why := self._held()):
            if why != told:
                LOG.warning("the %s is not started again: %s", self.name, why)
            told, self._state = why, State.HELD
            await self._sleep(LOOK_S)

    async def _sleep(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while not self.ending and (left := until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 0.2))


async def end_all(keepers: list[Keeper], kept: list[asyncio.Task[int]], stop_s: float, now: asyncio.Event) -> None:
    """Ask all of them to end; by force after `stop_s`, or as soon as `now` is set."""
    for keeper in keepers:
        keeper.end(signal.SIGTERM)
    hurry = asyncio.ensure_future(now.wait())
    until = time.monotonic() + stop_s
    left = {task for task in kept if not task.done()}
    while left and not now.is_set() and time.monotonic() < until:
        await asyncio.wait({*left, hurry}, timeout=until - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
        left = {task for task in left if not task.done()}
    hurry.cancel()
    with suppress(asyncio.CancelledError):
        await hurry
    for keeper, task in zip(keepers, kept, strict=True):
        if not task.done():
            LOG.warning("the %s did not end when it was asked to: it is ended by force", keeper.name)
        keeper.end(signal.SIGKILL)
    await asyncio.gather(*kept, return_exceptions=True)


def _ending(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name
