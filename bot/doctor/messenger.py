"""Checks of Telegram: the token, and every chat. Run by the doctor where Telegram is wanted."""

from collections.abc import Mapping

from bot.doctor.finding import Finding, Verdict
from bot.settings import Settings
from data.errors import ConfigurationError, FundingBotError


async def messenger(settings: Settings, environment: Mapping[str, str]) -> list[Finding]:
    """A finding for the token and one for each chat; none where Telegram is off. Trading may begin without it."""
    if not settings.telegram.enabled:
        return []
    from bot.telegram.api import bot_api
    from bot.telegram.token import read_token

    try:
        token = read_token(environment)
    except ConfigurationError as error:
        return [_bad("telegram", str(error), "docs/telegram.md says how to get one")]
    async with bot_api(settings.telegram.api_url, token) as api:
        try:
            found = [Finding("telegram", Verdict.OK, f"the token is that of @{await api.name()}")]
        except FundingBotError as error:
            return [_bad("telegram", str(error), "ask BotFather for a token that works")]
        for chat in settings.telegram.chats:
            try:
                found.append(Finding(f"telegram chat {chat}", Verdict.OK, f"it is {await api.reach(chat)}"))
            except FundingBotError as error:
                remedy = "open the chat with the bot and press Start, or take its id out of telegram.chats"
                found.append(_bad(f"telegram chat {chat}", str(error), remedy))
    return found


def _bad(check: str, text: str, remedy: str) -> Finding:
    """Nobody would hear of trouble: worth a warning, and no reason to leave positions alone."""
    return Finding(check, Verdict.WARNING, text, remedy)
