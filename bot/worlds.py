"""Which market the bot meets: the embedded sandbox or the real venues, opened and closed as one block.

A rehearsal of live trading meets a sandbox that is served: its clock and its addresses, as if they were real.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from backtest.sandbox.client import SandboxClock, SandboxProcess, loopback_only
from bot.identity import Bounds, identity, world_file
from bot.run_folder import lake_place
from bot.settings import Settings
from data.clock import Clock, WallClock
from data.collection import Watch
from data.errors import ConfigurationError, VenueError
from data.exchange import Venue
from data.ingest import Collector
from data.lake import Lake
from data.settings import VenueSettings
from data.stream import QuoteStream
from data.types import Instrument
from data.venue_collector import PRICE_TABLES


@dataclass(frozen=True)
class World:
    """An open market: its clock, its venues by name, and where the bot keeps what it collects from it."""

    clock: Clock
    venues: Mapping[str, Venue]
    lake: str
    """A folder or a URL."""
    closing: AsyncExitStack
    """What is entered here ends before the venues are closed."""
    end_ms: int | None = None
    """When a simulated market ends; None for real venues."""
    episode: str = ""
    """What is unusual in a simulated market."""
    told: Mapping[str, VenueSettings] = field(default_factory=dict)
    """The venues with the addresses at which they are reached."""


@asynccontextmanager
async def open_world(settings: Settings, bounds: Bounds, *, fresh: bool) -> AsyncIterator[World]:
    """Start or reach the market. A `fresh` sandbox begins at its beginning. Raises VenueError if it is unreachable,
    ConfigurationError if the sandbox profile would talk to anything but this machine."""
    async with AsyncExitStack() as stack:
        name = identity(settings, bounds)
        venues = dict(settings.data.venues)
        clock: Clock = WallClock()
        end_ms, episode = None, ""
        if settings.profile == "sandbox":
            url = settings.sandbox.url or stack.enter_context(_embedded(settings, bounds, name, fresh)).url
            clock = sandbox = await stack.enter_async_context(SandboxClock(url))
            end_ms, episode = await sandbox.end_ms(), await sandbox.episode()
            venues = at(url, venues)
        elif bounds.from_ms is not None or bounds.to_ms is not None:
            raise ConfigurationError(
                "--from and --to belong to the sandbox: real venues are traded from now on, bounded by --hours"
            )
        elif settings.rehearsal:
            url = settings.sandbox.url or ""
            clock, venues = await stack.enter_async_context(SandboxClock(url)), at(url, venues)
        opened = {v: await stack.enter_async_context(_venue(v, told, settings)) for v, told in venues.items()}
        yield World(clock, opened, lake_place(settings), stack, end_ms, episode, told=venues)


def at(url: str, venues: Mapping[str, VenueSettings]) -> dict[str, VenueSettings]:
    """The venues as the sandbox at `url` serves them."""
    return {v: told.model_copy(update={"base_url": f"{url.rstrip('/')}/{v}"}) for v, told in venues.items()}


def _embedded(settings: Settings, bounds: Bounds, name: str, fresh: bool) -> SandboxProcess:
    state = settings.var / "sandbox" / f"{name}.json"
    if fresh:
        state.unlink(missing_ok=True)
    return SandboxProcess(world_file(settings, bounds), state)


def _venue(name: str, told: VenueSettings, settings: Settings) -> Venue:
    if settings.profile == "sandbox" or settings.rehearsal:
        loopback_only(told.base_url or "")
    return Venue(name, told, timeout_s=settings.data.timeout_s, concurrency=settings.data.concurrency)


async def listed(world: World, lake: Lake) -> tuple[list[Instrument], list[VenueError]]:
    """What the venues list; of those that cannot be asked, which are given too, what the lake knows of it."""
    answers = await asyncio.gather(*(venue.instruments() for venue in world.venues.values()), return_exceptions=True)
    found: list[Instrument] = []
    absent: list[VenueError] = []
    for name, answer in zip(world.venues, answers, strict=True):
        if isinstance(answer, VenueError):
            absent.append(answer)
            found += lake.instruments([name])
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found += answer
    return found, absent


def make_collector(
    settings: Settings,
    venues: Mapping[str, Venue],
    lake: Lake,
    instruments: Sequence[Instrument],
    history_hours: int,
    watch: Watch | None = None,
    streams: Mapping[str, QuoteStream] | None = None,
) -> Collector:
    """The collector of what the settings want collected, with the prices of `streams` in its snapshots."""
    tables = [table for table, price in PRICE_TABLES.items() if price in settings.data.candles]
    return Collector(
        venues,
        lake,
        instruments,
        history_hours,
        tables=tables,
        snapshots=settings.data.snapshots,
        streams=streams,
        watch=watch,
    )


async def open_streams(settings: Settings, world: World, instruments: Sequence[Instrument]) -> dict[str, QuoteStream]:
    """Each venue's stream of best prices, which ends with the world; none where the settings do not want them."""
    if not (settings.data.stream and settings.data.snapshots):
        return {}
    streams = {}
    for name, venue in world.venues.items():
        symbols = [instrument.symbol for instrument in instruments if instrument.venue == name]
        stream = QuoteStream(venue, symbols, stale_s=settings.data.stale_s)
        streams[name] = await world.closing.enter_async_context(stream)
    return streams
