"""`bot telegram`: commands and alerts without a trader in the same program, until Ctrl-C."""

import asyncio
import signal

import typer

from bot.alerts import start_logging
from bot.settings import Settings
from bot.telegram.api import BotApi, Refused, Unavailable, bot_api
from bot.telegram.service import telegram
from bot.telegram.token import VARIABLE, read_token
from data.errors import ConfigurationError
from data.secrets import Secrets


def serve_telegram(settings: Settings) -> None:
    """Until Ctrl-C or SIGTERM. Raises ConfigurationError where the settings do not want it, or the token is missing or
    Telegram does not know it. A chat that cannot be reached is told and waited for."""
    if not settings.telegram.enabled:
        raise ConfigurationError("Telegram is off: set telegram.enabled and telegram.chats; docs/telegram.md says how")
    start_logging(settings.var / "logs", "telegram")
    asyncio.run(_until_signal(settings))


async def _until_signal(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with bot_api(settings.telegram.api_url, read_token(Secrets())) as api:
        for line in await _mistakes(api, settings):
            typer.secho(line, err=True)
    async with telegram(settings):
        typer.secho(f"answering chats {', '.join(map(str, settings.telegram.chats))}; Ctrl-C ends it", err=True)
        await stop.wait()


async def _mistakes(api: BotApi, settings: Settings) -> list[str]:
    """What is wrong with the chats that are listed; nothing where Telegram cannot be asked: it may come back."""
    try:
        await api.name()
    except Refused as refused:
        raise ConfigurationError(
            f"Telegram knows no bot of this token ({refused}): set {VARIABLE} to the one that BotFather gave"
        ) from refused
    except Unavailable as away:
        return [str(away)]
    return [told for chat in settings.telegram.chats if (told := await _unreached(api, chat))]


async def _unreached(api: BotApi, chat: int) -> str | None:
    try:
        await api.reach(chat)
    except Refused as refused:
        return f"chat {chat} hears nothing ({refused}): press Start there, or take its id out of telegram.chats"
    except Unavailable as away:
        return str(away)
    return None
