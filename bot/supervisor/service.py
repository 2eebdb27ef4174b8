"""The service from its start to its end: what `bot run` does where trading is supervised.

    supervisor ── trader (bot.trader_process) ── training cycle (bot.cycle_process)
               ├─ collector (bot.collector_process)
               ├─ web page (bot.web_process)
               └─ in its own event loop: Telegram, health, systemd's watchdog

It loads neither torch nor ccxt nor numba, so that it stands at once and cannot hang with them.
"""

import asyncio
import logging
import signal
import sys
from contextlib import suppress
from typing import Any, TextIO, cast

from bot.alerts import LOG, start_logging
from bot.instance import SERVICE_LOCK, is_running, single_instance
from bot.latch import HALT, LATCH, Latches, LatchFile, LatchState
from bot.redaction import RedactedStream, redactor
from bot.settings import Settings
from bot.supervisor.beside import SERVICES, kept
from bot.supervisor.child import Child, environment, python
from bot.supervisor.condition import Condition
from bot.supervisor.keeper import LASTING, Keeper, State, end_all
from bot.supervisor.notify import Notifier
from data.errors import ConfigurationError, ExitCode, StateError, VenueError
from data.secrets import LEDGER_URL, SECRETS
from data.settings import DataSettings

LOOK_S = 0.2
ORPHAN_S = 10.0
"""A trader whose supervisor was killed is gone by then."""
REFUSED = LASTING | {VenueError.exit_code}
"""A trader that never came up is not started again after these: who started the service is told at once. A live account
that exists waits for its venues by itself."""


def wants_supervision(settings: Settings, hours: int | None, asked: bool | None) -> bool:
    """Whether to trade supervised. Raises ConfigurationError for a service that is to end after so many `hours`."""
    real = settings.profile != "sandbox"
    wanted = settings.service.supervised if asked is None else asked
    if wanted == "auto":
        return real and hours is None
    if wanted and real and hours is not None:
        raise ConfigurationError("a service has no bound on real venues: leave out --hours, or add --no-supervised")
    return bool(wanted)


def serve(settings: Settings, bounds: dict[str, Any], *, fresh: bool) -> int:
    """Trade until the run is over, a signal, or what no start can mend; gives the exit code. Raises StateError where
    another service or bot has the folder."""
    with single_instance(settings.var, SERVICE_LOCK):
        start_logging(settings.var / "logs", "supervisor")
        for handler in _terminal():
            LOG.addHandler(handler)
        return asyncio.run(Service(settings, bounds, fresh=fresh).run())


def _terminal() -> list[logging.Handler]:
    """What people see: on stderr what is wrong, on stdout the rest."""
    hide = redactor()
    news, wrong = (logging.StreamHandler(cast(TextIO, RedactedStream(s, hide))) for s in (sys.stdout, sys.stderr))
    news.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    news.addFilter(lambda record: record.levelno < logging.ERROR)
    wrong.setFormatter(logging.Formatter("bot: %(message)s"))
    wrong.setLevel(logging.ERROR)
    return [news, wrong]


class Service:
    """One life of the supervisor."""

    def __init__(self, settings: Settings, bounds: dict[str, Any], *, fresh: bool) -> None:
        self._settings = settings
        self._job = {"settings": settings.model_dump(mode="json"), "bounds": bounds}
        self._fresh = fresh
        self._latch = LatchFile(settings.var / LATCH)
        self._stop, self._now = asyncio.Event(), asyncio.Event()
        keepers = [Keeper("trader", self._start_trader, settings.service, self._killed, REFUSED)]
        if settings.service.collect and settings.profile != "sandbox":
            keepers.append(Keeper("collector", self._start_collector, settings.service))
        if settings.web.enabled:
            keepers.append(Keeper("web", self._start_web, settings.service))
        self._keepers = {keeper.name: keeper for keeper in keepers}
        latches = Latches((self._latch, LatchFile(settings.var / HALT)))
        self._condition = Condition(self._keepers, latches, settings.service.hang_s)

    async def run(self) -> int:
        """From the first start to the last end."""
        await self._folder_is_free()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._asked)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that is closed ends nothing
        wanted = [one for one in SERVICES if one.wanted(self._settings)]
        beside = [asyncio.create_task(kept(one, self._settings, self._condition)) for one in wanted]
        tasks = {name: asyncio.create_task(self._keep(keeper)) for name, keeper in self._keepers.items()}
        code = 0
        LOG.info("the service has begun; `bot logs --follow` shows what it does")
        try:
            code = await self._until_over(tasks)
        finally:
            Notifier().tell("STOPPING=1")
            await end_all(list(self._keepers.values()), list(tasks.values()), self._settings.service.stop_s, self._now)
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            goes_on = "; `bot status` shows how the account stands, the next start goes on"
            LOG.info("the service has ended%s", "" if code else goes_on)
        return ExitCode.INTERRUPTED if self._now.is_set() else code

    async def _keep(self, keeper: Keeper) -> int:
        """At once, but the collector once the trader is up: what that lacks at its beginning it asks for alone."""
        trader = self._keepers["trader"]
        while keeper.name == "collector" and trader.state is not State.UP:
            if keeper.ending:
                return 0
            await asyncio.sleep(LOOK_S)
        return await keeper.keep()

    async def _until_over(self, tasks: dict[str, asyncio.Task[int]]) -> int:
        """Wait for the trader's last exit code or a signal. A collector that does not come back is told."""
        asked = asyncio.ensure_future(self._stop.wait())
        waiting = {asked, *tasks.values()}
        trader = tasks["trader"]
        while not (asked.done() or trader.done()):
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for name, task in tasks.items():
                if task in done and task is not trader and task.result():
                    LOG.error("the %s does not come back: %s", name, self._words(name))
        if asked.done():
            LOG.info("the service was asked to end")
            return 0
        asked.cancel()
        with suppress(asyncio.CancelledError):
            await asked
        code = trader.result()
        if code:
            LOG.error("trading cannot begin: %s", self._words("trader"))
        return code

    def _words(self, name: str) -> str:
        child = self._keepers[name].child
        return (child.last_words() if child else "") or f"var/logs/{name}.out says why"

    def _asked(self) -> None:
        """The first signal asks the processes to end; the second one ends them."""
        (self._now if self._stop.is_set() else self._stop).set()

    async def _folder_is_free(self) -> None:
        for _ in range(round(ORPHAN_S / 0.1)):
            if not is_running(self._settings.var):
                return
            await asyncio.sleep(0.1)
        raise StateError(f"another bot is running on {self._settings.var}: stop it first, or choose another --var")

    async def _start_trader(self) -> Child:
        """A fresh account is begun once: by the first process that got so far."""
        before = self._keepers["trader"].child
        self._fresh = self._fresh and (before is None or before.pulse.get("run") is None)
        return await self._start("trader", self._job | {"fresh": self._fresh}, ())

    async def _start_collector(self) -> Child:
        """Without the keys of accounts and of the ledger: it has no use for them."""
        job = {"settings": collector_settings(self._settings).model_dump(mode="json")}
        return await self._start("collector", job, (*SECRETS, LEDGER_URL, "PGPASSWORD"))

    async def _start_web(self) -> Child:
        """With every key: the kill switch that it starts needs them."""
        return await self._start("web", {"settings": self._settings.model_dump(mode="json")}, ())

    async def _start(self, name: str, job: dict[str, Any], without: tuple[str, ...]) -> Child:
        child = Child(name, self._settings.var / "logs" / f"{name}.out")
        await child.start(python(f"bot.{name}_process"), job, environment(without))
        LOG.info("the %s is process %s", name, child.pid)
        return child

    def _killed(self) -> str:
        """Why the trader may not be started again: what the kill switch ended, a person begins again."""
        if self._settings.profile != "live" or self._latch.read().state is not LatchState.KILLED:
            return ""
        return "the kill switch was used; `bot resume` lets it start, and it books what was closed"


def collector_settings(settings: Settings) -> Settings:
    """What the collector is told: every asset, every price and snapshots, in `archive` beside the trader's lake, within
    what the trader leaves of the venues' limits."""
    service, data = settings.service, settings.data
    venues = {
        name: venue.model_copy(update={"budget_share": max(0.05, round(1.0 - venue.budget_share, 3))})
        for name, venue in data.venues.items()
    }
    update = {
        "venues": venues,
        "assets": service.collect_assets,
        "candles": ("last", "mark", "index"),
        "snapshots": True,
        "history_hours": max(24 * service.collect_days, DataSettings().history_hours),
        "lake": f"{data.lake}/archive" if data.lake else str(settings.var / "archive"),
    }
    return settings.model_copy(update={"data": data.model_copy(update=update)})
