"""What holds now and is worth telling when it changes: each latch, and whether a trader runs. Seen without the trader.

Used by the alerts.
"""

from dataclasses import dataclass

from bot.instance import is_running
from bot.latch import HALT, LATCH, LatchFile, LatchState, latch_line
from bot.ledger.feed import LedgerFeed
from bot.settings import Settings


@dataclass(frozen=True)
class Fact:
    """How something stands."""

    state: str
    """What a change is noticed by."""
    topic: str
    """Of `LoudnessSettings`."""
    text: str


def facts(settings: Settings, feed: LedgerFeed) -> dict[str, Fact]:
    """By name. Raises StateError where the ledger cannot be read."""
    found = {name: _latch(LatchFile(settings.var / name)) for name in (LATCH, HALT)}
    return found | {"trader": _trader(settings, feed)}


def _latch(file: LatchFile) -> Fact:
    latch = file.read()
    if latch.state is LatchState.NONE:
        return Fact("none", "latch", f"▶️ {file.path.name} is lifted")
    return Fact(f"{latch.state} {latch.since}", "latch", f"⛔️ {latch_line(latch)}")


def _trader(settings: Settings, feed: LedgerFeed) -> Fact:
    state = feed.run_state()
    if settings.var.is_dir() and is_running(settings.var):
        goes_on = state is not None and state == ("running", True)
        return Fact("running", "resumed" if goes_on else "started", "🟢 a trader runs")
    if state is not None and state[0] == "finished":
        return Fact("gone", "finished", "⚪️ no trader runs any more: the run reached its bound")
    return Fact("gone", "stopped", "🔴 no trader runs any more")
