"""`bot telegram`: commands and alerts without a trader in the same program, until Ctrl-C."""

import asyncio
import signal

import typer

from bot.alerts import start_logging
from bot.settings import Settings
from bot.telegram.service import telegram
from data.errors import ConfigurationError


def serve_telegram(settings: Settings) -> None:
    """Until Ctrl-C or SIGTERM. Raises ConfigurationError where the settings do not want it or the token is missing."""
    if not settings.telegram.enabled:
        raise ConfigurationError("Telegram is off: set telegram.enabled and telegram.chats; docs/telegram.md says how")
    start_logging(settings.var / "logs", "telegram")
    asyncio.run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with telegram(settings):
        typer.secho(f"answering {len(settings.telegram.chats)} chats; Ctrl-C ends it", err=True)
        await stop.wait()
