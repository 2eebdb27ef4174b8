"""Looks at every account at once, for the guard: what each venue shows, or why it could not be asked."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.execution.account import VenueAccount
from bot.execution.reconcile import Seen
from bot.venue_orders import Held
from data.errors import VenueError
from data.types import Instrument

Wrong = dict[str, str]
"""What is wrong, in words, by its cause: what two such troubles have in common."""


@dataclass(frozen=True)
class Look:
    """What one venue showed."""

    seen: Seen
    held: Mapping[str, Held]
    """Every position, by symbol."""
    equity: float
    """What lies there, with what positions are worth, quote currency."""


@dataclass(frozen=True)
class Asked:
    """What is asked of one venue."""

    account: VenueAccount
    listed: Sequence[Instrument]
    """All that may be traded there."""
    in_play: Sequence[Instrument]
    """Of those, whose trades are read."""
    fills_since_ms: int
    funding_since_ms: int | None
    """None: payments are not read."""


async def look(asked: Mapping[str, Asked]) -> tuple[dict[str, Look], Wrong]:
    """What the venues show, and what failed: a venue that could not be asked is in no look at all, so that nobody takes
    it for empty."""
    answers = await asyncio.gather(*(_look(one) for one in asked.values()), return_exceptions=True)
    looks = dict(zip(asked, answers, strict=True))
    wrong = failures(looks)
    return {name: one for name, one in looks.items() if isinstance(one, Look)}, wrong


async def glance(accounts: Mapping[str, VenueAccount]) -> tuple[dict[str, Look], Wrong]:
    """The same of positions and money alone, for prices that cannot wait until the rest may be compared."""

    async def one(account: VenueAccount) -> Look:
        held, balance = await asyncio.gather(account.positions(), account.balance())
        return Look(Seen(account.name, {}), held, balance.equity)

    answers = await asyncio.gather(*(one(account) for account in accounts.values()), return_exceptions=True)
    looks = dict(zip(accounts, answers, strict=True))
    return {name: told for name, told in looks.items() if isinstance(told, Look)}, failures(looks)


def failures(answers: Mapping[str, object]) -> Wrong:
    """Which venues failed, of what each gave or raised; whatever else was raised is raised."""
    for one in answers.values():
        if isinstance(one, BaseException) and not isinstance(one, VenueError):
            raise one
    failed = {name: one for name, one in answers.items() if isinstance(one, VenueError)}
    return {f"{name} {type(one).__name__}": str(one) for name, one in failed.items()}


async def _look(asked: Asked) -> Look:
    """Trades are read after positions: what moved a position that is seen is then in the history."""
    account = asked.account
    held, orders, balance = await asyncio.gather(
        account.positions(), account.open_orders(asked.listed), account.balance()
    )
    fills = await account.fills(asked.in_play, asked.fills_since_ms)
    since = asked.funding_since_ms
    funding = [] if since is None else await account.funding(asked.listed, since)
    positions = {symbol: one.quantity for symbol, one in held.items() if one.quantity != 0}
    return Look(Seen(account.name, positions, orders, fills, funding), held, balance.equity)
