"""The commands that people may send: named once, for the menu, `/help`, the documentation and who answers them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Command(StrEnum):
    """What is sent, without its slash."""

    STATUS = "status"
    POSITIONS = "positions"
    PNL = "pnl"
    BALANCE = "balance"
    TRADES = "trades"
    FUNDING = "funding"
    CHAMPION = "champion"
    POPULATION = "population"
    REPORT = "report"
    PAUSE = "pause"
    RESUME = "resume"
    KILL = "kill"
    HELP = "help"


MEANINGS: Mapping[Command, str] = {
    Command.STATUS: "equity, P&L, drawdown, who trades, what holds entries back",
    Command.POSITIONS: "what is held, both legs",
    Command.PNL: "P&L of the last day, week and month",
    Command.BALANCE: "equity and exposure by venue",
    Command.TRADES: "the last closed positions; /trades 20 for more",
    Command.FUNDING: "funding by period, venue and asset",
    Command.CHAMPION: "who trades, since when and why",
    Command.POPULATION: "who learns, and how well",
    Command.REPORT: "pictures: equity, drawdown, positions",
    Command.PAUSE: "no entries from now on; /pause WHY",
    Command.RESUME: "allow entries again; after a kill: /resume yes",
    Command.KILL: "at once: stop and close everything",
    Command.HELP: "this list",
}
"""In the words of the menu."""


START = "start"
"""What Telegram's own button sends."""


@dataclass(frozen=True)
class Request:
    """A command as somebody in a listed chat sent it."""

    command: Command
    words: tuple[str, ...]
    """What followed it."""
    chat: int
    who: str
    update: int
    """Telegram's number of it, the same where it is heard again."""
    sent_s: int
    """By Telegram's clock, s since 1970; 0 where it did not say."""


def parsed(text: str, bot: str) -> tuple[str, tuple[str, ...]] | None:
    """The name and the words of `/name@bot words`; None for what is no command, or one for another bot than `bot`."""
    first, *words = text.split() or [""]
    if not first.startswith("/"):
        return None
    name, _, addressed = first[1:].partition("@")
    return (name.lower(), tuple(words)) if addressed.lower() in ("", bot.lower()) else None
