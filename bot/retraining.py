"""Training beside trading: cycles begin on schedule in a process of their own, and their verdicts reach the trader.

A cycle that is due at tick t begins once the market up to t is collected, as what it learns from must not hang on how
fast venues answer. It takes effect `promotion_lead_hours` after t. Simulated time waits there for a verdict that is not
there yet, so that runs repeat exactly; on real venues trading goes on, and the verdict takes effect when it comes.
Whatever happens to the process, trading does not notice: a cycle that dies is begun again where it was.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from bot.alerts import LOG, appended_log
from bot.pulse import Pulse
from bot.settings import Settings
from data.durable import write_whole
from data.types import HOUR_MS
from pbt_online.cycles import Cycle, cycles, effective_at, take_effect

ATTEMPTS, KILLS = 2, 10
"""A cycle that has failed so often is left out, or that was killed so often, which says less about it; the next one
begins on schedule."""


@dataclass(frozen=True)
class Plan:
    """Where the cycles of one run do their work."""

    folder: Path
    """Of the population."""
    registry: Path
    lake: str
    """A folder or a URL."""
    instruments: Mapping[str, Any]
    """As the ledger keeps them."""
    begins_ms: int
    """When the first cycle begins: the run's first tick."""
    waits: bool
    """Whether the market waits for verdicts, as simulated ones do."""


class Retraining:
    """Begins cycles and hands over their verdicts. Made inside the event loop; `close` ends a cycle in progress."""

    def __init__(self, settings: Settings, plan: Plan, pulse: Pulse | None = None) -> None:
        """`pulse` is told of a cycle in progress."""
        self._settings = settings
        self._plan = plan
        self._pulse = pulse or Pulse()
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._scheduler.start()
        self._trigger = IntervalTrigger(
            hours=settings.learning.schedule.cycle_hours, start_date=_time(plan.begins_ms), timezone=UTC
        )
        self._idle = asyncio.Event()
        self._idle.set()
        self._wanted: tuple[int, str] | None = None
        """When the newest cycle was due that was to begin, and who traded then."""
        self._process: asyncio.subprocess.Process | None = None
        self._failures: Counter[int] = Counter()
        self._kills: Counter[int] = Counter()

    async def at(self, tick: int) -> Cycle | None:
        """The newest cycle whose verdict takes effect at `tick`, if there is one."""
        lead = self._settings.learning.schedule.promotion_lead_hours * HOUR_MS
        if self._plan.waits and self._wanted is not None:
            due, champion = self._wanted
            while tick >= due + lead and not self._idle.is_set():
                await self._idle.wait()
                self._begin(due, champion)
        return effective_at(self._plan.folder, tick, lead)

    def acted(self, cycle: Cycle, tick: int) -> None:
        """The verdict of `cycle` was acted upon at `tick`. Raises StateError."""
        take_effect(self._plan.folder, cycle, tick)

    def begin(self, tick: int, champion: str) -> None:
        """Begin a cycle that is due while `champion` trades, all of the market up to `tick` being collected; one that
        has failed often is given up."""
        due = self._due(tick)
        if due is not None and not self._judged(due):
            self._wanted = due, champion
            self._begin(due, champion)

    async def close(self) -> None:
        """End a cycle in progress; the next start goes on with it."""
        if self._process is not None:
            self._process.terminate()
            await self._idle.wait()
        self._scheduler.shutdown(wait=False)

    def _due(self, tick: int) -> int | None:
        """When the newest cycle that should have begun by `tick` began."""
        last, now = None, _time(tick)
        fire = self._trigger.get_next_fire_time(None, _time(self._plan.begins_ms))
        while fire is not None and fire <= now:
            last, fire = fire, self._trigger.get_next_fire_time(fire, fire)
        return None if last is None else round(last.timestamp() * 1000)

    def _judged(self, due: int) -> bool:
        return any(cycle.judged and cycle.windows.gate.last_tick == due for cycle in cycles(self._plan.folder))

    def _begin(self, due: int, champion: str) -> None:
        """Start the cycle of `due` unless one is in progress, or it is there, or it was tried often enough."""
        hopeless = self._failures[due] >= ATTEMPTS or self._kills[due] >= KILLS
        if self._idle.is_set() and not self._judged(due) and not hopeless:
            self._idle.clear()
            # At once, however late it is: what was missed while nobody ran comes down to the newest.
            self._scheduler.add_job(self._train, args=[due, champion], misfire_grace_time=None, coalesce=True)

    async def _train(self, due: int, champion: str) -> None:
        """One attempt at the cycle of `due`; whatever becomes of it, the next one may begin."""
        self._pulse.training, code = due, 1
        try:
            code = await self._run(due, champion)
        except OSError as error:
            LOG.warning("no training cycle could be started: %s", error)
        finally:
            (self._kills if code < 0 else self._failures)[due] += 1
            self._process, self._pulse.training = None, None
            self._idle.set()

    async def _run(self, due: int, champion: str) -> int:
        """The cycle of `due` in its process, whose exit code this is. Raises OSError where it cannot be started."""
        job = self._plan.folder / "job.json"
        told = {
            "settings": self._settings.model_dump(mode="json"),
            "folder": str(self._plan.folder),
            "registry": str(self._plan.registry),
            "lake": self._plan.lake,
            "instruments": self._plan.instruments,
            "last": due,
            "champion": champion,
        }
        write_whole(job, json.dumps(told).encode())
        command = [sys.executable, "-m", "bot.cycle_process", str(job)]
        with appended_log(self._settings.var / "logs" / "training.log") as log:
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
            if code := await self._process.wait():
                LOG.warning("a training cycle ended with code %d: %s says why", code, log.name)
            return code


def _time(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
