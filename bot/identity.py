"""Names of the market that settings describe and of the account that trades in it."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime

from backtest.sandbox.settings import DISTURBANCES
from backtest.sandbox.world import WorldFile
from bot.settings import Settings


@dataclass(frozen=True)
class Bounds:
    """From when to when a run trades, market time, ms. `hours` bounds it from its start."""

    from_ms: int | None = None
    to_ms: int | None = None
    hours: int | None = None


def identity(settings: Settings, bounds: Bounds) -> str:
    """Names the account: a restart with the same identity continues it. Real venues: the account's shape. Sandbox: also
    the market and the bounds, so that another window or seed is another account; faults on the way to it are not. A
    rehearsal: also where its sandbox is."""
    shape: dict[str, object] = {
        "profile": settings.profile,
        "venues": sorted(settings.data.venues),
        "capital": settings.environment.initial_capital,
        "slots": settings.environment.max_positions,
    }
    if settings.rehearsal:
        shape["sandbox"] = settings.sandbox.url
    if settings.profile == "sandbox":
        shape |= {
            "world": world_file(settings, bounds).model_dump_json(exclude={"settings": set(DISTURBANCES)}),
            "bounds": [bounds.from_ms, bounds.to_ms, bounds.hours],
            "environment": settings.environment.model_dump_json(),
        }
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:12]


def describe(settings: Settings) -> str:
    """The market in a few words, for people."""
    if settings.profile == "paper":
        return f"real venues {', '.join(settings.data.venues)}, public data, paper orders"
    if settings.profile == "live" and not settings.rehearsal:
        return f"real venues {', '.join(settings.data.venues)}, real orders"
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


def market_name(settings: Settings) -> str:
    """Names the market whose rows a lake holds: real venues, or a simulated market wherever a run begins in it."""
    if settings.profile != "sandbox" and not settings.rehearsal:
        return "venues"
    shown = settings.sandbox.model_dump_json(include={"synthetic", "replay", "url"})
    return hashlib.sha256(shown.encode()).hexdigest()[:12]
