"""Which market the bot meets: the embedded sandbox or the real venues, opened and closed as one block."""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from backtest.sandbox.client import SandboxClock, SandboxProcess, loopback_only
from backtest.sandbox.world import WorldFile
from bot.settings import Settings
from data.clock import Clock, WallClock
from data.errors import ConfigurationError
from data.exchange import Venue
from data.settings import VenueSettings


@dataclass(frozen=True)
class Bounds:
    """From when to when a run trades, market time, ms. `hours` bounds it from its start."""

    from_ms: int | None = None
    to_ms: int | None = None
    hours: int | None = None


@dataclass(frozen=True)
class World:
    """An open market: its clock, its venues by name, and where the bot keeps what it collects from it."""

    clock: Clock
    venues: Mapping[str, Venue]
    lake: Path
    end_ms: int | None = None
    """When a simulated market ends; None for real venues."""
    episode: str = ""
    """What is unusual in a simulated market."""


def identity(settings: Settings, bounds: Bounds) -> str:
    """Names the account: a restart with the same identity continues it. Real venues: the account's shape. Sandbox: also
    the market and the bounds, so that another window or seed is another account."""
    shape: dict[str, object] = {
        "profile": settings.profile,
        "venues": sorted(settings.data.venues),
        "capital": settings.environment.initial_capital,
        "slots": settings.environment.max_positions,
    }
    if settings.profile == "sandbox":
        shape |= {
            "world": world_file(settings, bounds).model_dump_json(),
            "bounds": [bounds.from_ms, bounds.to_ms, bounds.hours],
            "environment": settings.environment.model_dump_json(),
        }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:12]


def describe(settings: Settings) -> str:
    """The market in a few words, for people."""
    if settings.profile == "paper":
        return f"real venues {', '.join(settings.data.venues)}, public data, paper orders"
    if settings.sandbox.url is not None:
        return f"sandbox at {settings.sandbox.url}, {', '.join(settings.data.venues)}"
    if settings.sandbox.replay is not None:
        return f"replay of recorded files, {', '.join(settings.data.venues)}"
    return f"synthetic market, seed {settings.sandbox.synthetic.seed}, {', '.join(settings.data.venues)}"


def world_file(settings: Settings, bounds: Bounds) -> WorldFile:
    """What the sandbox process is told."""
    begin = settings.sandbox.begin if bounds.from_ms is None else datetime.fromtimestamp(bounds.from_ms / 1000, UTC)
    return WorldFile(
        settings=settings.sandbox.model_copy(update={"begin": begin}),
        venues=settings.data.venues,
        assets=settings.data.assets,
    )


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
            venues = {v: told.model_copy(update={"base_url": f"{url.rstrip('/')}/{v}"}) for v, told in venues.items()}
        elif bounds.from_ms is not None or bounds.to_ms is not None:
            raise ConfigurationError(
                "--from and --to belong to the sandbox: real venues are traded from now on, bounded by --hours"
            )
        opened = {v: await stack.enter_async_context(_venue(v, told, settings)) for v, told in venues.items()}
        yield World(clock, opened, settings.var / "lake" / market_name(settings), end_ms, episode)


def market_name(settings: Settings) -> str:
    """Names the market whose rows a lake holds: real venues, or a simulated market wherever a run begins in it."""
    if settings.profile != "sandbox":
        return "venues"
    shown = settings.sandbox.model_dump_json(include={"synthetic", "replay", "url"})
    return hashlib.sha256(shown.encode()).hexdigest()[:12]


def _embedded(settings: Settings, bounds: Bounds, name: str, fresh: bool) -> SandboxProcess:
    state = settings.var / "sandbox" / f"{name}.json"
    if fresh:
        state.unlink(missing_ok=True)
    return SandboxProcess(world_file(settings, bounds), state)


def _venue(name: str, told: VenueSettings, settings: Settings) -> Venue:
    if settings.profile == "sandbox":
        loopback_only(told.base_url or "")
    return Venue(name, told, timeout_s=settings.data.timeout_s, concurrency=settings.data.concurrency)
