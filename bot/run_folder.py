"""The folder of everything written at run time: what lies where, and the ledger, which may lie elsewhere."""

import os
from pathlib import Path

from bot.identity import market_name
from bot.instance import LOCK, is_running
from bot.latch import HALT, LATCH, Latches, LatchFile
from bot.ledger.database import Place
from bot.ledger.feed import LEDGER
from bot.ledger.schema import is_there
from bot.ledger.store import Ledger
from bot.settings import Settings
from data.errors import StateError
from data.secrets import LEDGER_URL, Secrets
from pbt_online.registry import Registry


def ledger_path(settings: Settings) -> Path:
    """Where the ledger is, unless it is in PostgreSQL."""
    return settings.var / LEDGER


def ledger_place(settings: Settings) -> Place:
    """Where the ledger is. Raises ConfigurationError for an address that is none."""
    url = Secrets().get(LEDGER_URL) or settings.ledger.url
    return Place.postgres(url, settings.ledger.account) if url else Place.file(ledger_path(settings))


def open_ledger(settings: Settings) -> Ledger:
    """The ledger, made where there is none, migrated where it is older, but not while another process trades by it.
    Raises StateError and ConfigurationError."""
    return Ledger(ledger_place(settings), upgrade=not _another_trades(settings.var))


def looked_at_ledger(settings: Settings) -> Ledger:
    """The ledger, by which nothing can be written, and which waits for nobody for long. Raises StateError where there
    is none."""
    place = ledger_place(settings)
    if not is_there(place):
        raise StateError(f"there is no ledger at {place} yet: start a run first")
    return Ledger(place, read_only=True)


def existing_ledger(settings: Settings) -> Ledger | None:
    """The ledger where there is one, opened as by `open_ledger`."""
    return open_ledger(settings) if is_there(ledger_place(settings)) else None


def latch_file(settings: Settings) -> LatchFile:
    """What pauses and kills every bot on this folder."""
    return LatchFile(settings.var / LATCH)


def halt_file(settings: Settings) -> LatchFile:
    """What the guard sets where venues and books disagree: of its own, so that lifting a pause does not lift it."""
    return LatchFile(settings.var / HALT)


def latches(settings: Settings) -> Latches:
    """Everything that may hold entries back."""
    return Latches((latch_file(settings), halt_file(settings)))


def registry_of(settings: Settings) -> Registry:
    """The policies of this market: what was learnt in one is never traded in another."""
    return Registry(settings.var / "registry" / market_name(settings))


def lake_place(settings: Settings) -> str:
    """Where this market's lake lies: a folder or a URL."""
    name = market_name(settings)
    return str(settings.var / "lake" / name) if not settings.data.lake else f"{settings.data.lake}/{name}"


def _another_trades(var: Path) -> bool:
    return is_running(var) and (var / LOCK).read_text() != str(os.getpid())
