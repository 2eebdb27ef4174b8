"""What the population last did, read from its folder without touching it: for who shows it while it may be training."""

from dataclasses import dataclass
from pathlib import Path

from bot.identity import market_name
from bot.ledger.models import Run
from bot.settings import Settings
from data.errors import StateError
from pbt_online.memory import Entry, read_entries


@dataclass(frozen=True)
class PopulationStatus:
    """The newest round."""

    folder: Path
    cycle: int
    round: int
    entries: tuple[Entry, ...]
    """Of its members, best score first; failures last."""
    members: int
    """Of the round before, or of this one: fewer entries mean that it is under way."""


def read_population(settings: Settings, run: Run | None) -> PopulationStatus:
    """That of the run, or else that of `bot train`; raises StateError where nobody has trained yet."""
    folders = [settings.var / "population" / market_name(settings)]
    if run is not None:
        folders.insert(0, settings.var / "population" / f"run-{run.world}")
    for folder in folders:
        if entries := read_entries(folder):
            return _newest(folder, entries)
    raise StateError("nobody has trained yet: the bot does so by its schedule, or `bot train` does")


def _newest(folder: Path, entries: list[Entry]) -> PopulationStatus:
    rounds: dict[tuple[int, int], list[Entry]] = {}
    for entry in entries:
        rounds.setdefault((entry.cycle, entry.round), []).append(entry)
    *_, (cycle, number) = rounds
    newest = sorted(rounds[cycle, number], key=_rank)
    return PopulationStatus(folder, cycle, number, tuple(newest), max(len(one) for one in rounds.values()))


def _rank(entry: Entry) -> tuple[bool, float, int]:
    value = 0.0 if entry.score is None else -float(entry.score["value"])
    return (entry.score is None, value, entry.member)
