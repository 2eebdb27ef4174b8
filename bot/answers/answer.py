"""Which question is answered by what. Used by the process that answers."""

import base64
from contextlib import closing
from dataclasses import dataclass
from html import escape
from typing import Any

from bot.answers import account
from bot.run_folder import looked_at_ledger
from bot.settings import Settings
from data.errors import StateError


@dataclass(frozen=True)
class Part:
    """One message: HTML, and perhaps a picture that it is the caption of."""

    html: str
    picture: bytes | None = None
    """PNG."""

    @classmethod
    def plain(cls, text: str) -> "Part":
        """Of any text."""
        return cls(escape(text))

    def as_json(self) -> dict[str, Any]:
        """For the pipe."""
        picture = None if self.picture is None else base64.b64encode(self.picture).decode()
        return {"html": self.html, "picture": picture}


def answer(settings: Settings, command: str, words: tuple[str, ...]) -> list[Part]:
    """The answer to a command and the words after it. Raises FundingBotError where there is none to give."""
    with closing(looked_at_ledger(settings)) as ledger:
        match command:
            case "status":
                return [Part(account.status(ledger, settings))]
            case "positions":
                return [Part(account.positions(ledger))]
            case "pnl":
                return [Part(account.pnl(ledger))]
            case "balance":
                return [Part(account.balance(ledger, settings))]
            case "trades":
                return [Part(account.trades(ledger, words))]
            case "funding":
                return [Part(account.funding(ledger))]
    return _heavier(settings, command)


def _heavier(settings: Settings, command: str) -> list[Part]:
    """What loads more: the registry, or what draws."""
    match command:
        case "champion":
            from bot.answers.learning import champion

            return [Part(champion(settings))]
        case "population":
            from bot.answers.learning import population

            return [Part(population(settings))]
        case "report":
            from bot.answers.report import pictures

            return [Part(caption, picture) for caption, picture in pictures(settings)]
    raise StateError(f"nobody answers /{command}")
