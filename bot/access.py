"""Opens at one venue what closing and examining take: the account, what is listed, the books. For killer and doctor.

Without a trader: nothing here touches the ledger, and each access has connections of its own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from backtest.sandbox.client import loopback_only
from bot.execution.account import VenueAccount
from bot.execution.live.account import LiveAccount
from bot.settings import Settings
from data.credentials import credentials
from data.exchange import Venue
from data.quotes import OrderBook, Quote
from data.secrets import Secrets
from data.settings import VenueSettings
from data.types import Instrument


@dataclass(frozen=True)
class Access:
    """One venue, open."""

    account: VenueAccount
    instruments: Sequence[Instrument]
    """Everything that trades there."""
    book: Callable[[str], Awaitable[OrderBook]]
    quotes: Callable[[Sequence[str]], Awaitable[dict[str, Quote]]]


@asynccontextmanager
async def open_access(name: str, settings: Settings) -> AsyncIterator[Access]:
    """A venue of the settings, with the keys of the environment or the keyring. Raises ConfigurationError for missing
    keys, and in a rehearsal for any address that is not on this machine; VenueError where the venue cannot be used."""
    told = venue_settings(name, settings)
    rehearsal = settings.sandbox.url is not None
    if rehearsal:
        loopback_only(told.base_url or "")
    data, keys = settings.data, credentials(name, Secrets())
    async with (
        Venue(name, told, timeout_s=data.timeout_s, concurrency=data.concurrency) as venue,
        LiveAccount(name, told, keys, timeout_s=data.timeout_s, loopback=rehearsal, budget=venue.budget) as account,
    ):
        yield Access(account, await venue.instruments(), venue.book, venue.quotes)


def venue_settings(name: str, settings: Settings) -> VenueSettings:
    """Where the venue is: in a rehearsal at the sandbox that is served."""
    told, url = settings.data.venues[name], settings.sandbox.url
    return told if url is None else told.model_copy(update={"base_url": f"{url.rstrip('/')}/{name}"})
