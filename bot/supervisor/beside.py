"""What runs in the supervisor's own event loop beside the processes: each answers also while the trader hangs.

One that fails is told and begun again; it never ends the service.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bot.alerts import LOG
from bot.settings import Settings
from bot.supervisor.condition import Condition
from bot.supervisor.keeper import pause_s
from bot.supervisor.notify import Notifier
from data.errors import ConfigurationError

STATUS_S = 5.0


@dataclass(frozen=True)
class Beside:
    """One of them."""

    name: str
    wanted: Callable[[Settings], bool]
    run: Callable[[Settings, Condition], Awaitable[None]]
    """Goes on until it is cancelled."""


async def _health(settings: Settings, condition: Condition) -> None:
    from bot.supervisor.health import serve_health

    await serve_health(settings, condition)


async def _systemd(settings: Settings, condition: Condition) -> None:
    notifier = Notifier()
    notifier.tell("READY=1")
    while True:
        condition.look()
        notifier.tell("WATCHDOG=1", f"STATUS={condition.line()}")
        await asyncio.sleep(min(notifier.every_s or STATUS_S, STATUS_S))


async def _telegram(settings: Settings, condition: Condition) -> None:
    from bot.telegram.service import telegram

    async with telegram(settings):
        await asyncio.Event().wait()


SERVICES = (
    Beside("systemd", lambda settings: True, _systemd),
    Beside("telegram", lambda settings: settings.telegram.enabled, _telegram),
    Beside("health", lambda settings: settings.service.health_port is not None, _health),
)
"""Each loads what it needs only where it is wanted."""


async def kept(one: Beside, settings: Settings, condition: Condition) -> None:
    """Run it until cancelled, again and again, unless it is not set up rightly."""
    failures = 0
    while True:
        try:
            await one.run(settings, condition)
            return
        except ConfigurationError as error:
            LOG.error("%s does not run: %s", one.name, error)
            return
        except Exception as error:  # whatever is wrong with it must not end trading
            failures += 1
            seconds = pause_s(failures, settings.service.restart_s)
            LOG.exception("%s failed (%s); it begins again in %g s", one.name, error, seconds)
            await asyncio.sleep(seconds)
