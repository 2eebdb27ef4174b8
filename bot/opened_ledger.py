"""The ledger of a configuration: where it is, and how it is opened by those who write and those who look.

Apart from the folder's other parts, which backtests use too: those do not wait for the database's library.
"""

import os
from pathlib import Path

from bot.instance import LOCK, is_running
from bot.ledger.database import Place
from bot.ledger.feed import LEDGER, ledger_url
from bot.ledger.schema import is_there
from bot.ledger.store import Ledger
from bot.settings import Settings
from data.errors import StateError


def ledger_path(settings: Settings) -> Path:
    """Where the ledger is, unless it is in PostgreSQL."""
    return settings.var / LEDGER


def ledger_place(settings: Settings) -> Place:
    """Where the ledger is. Raises ConfigurationError for an address that is none."""
    url = ledger_url(settings)
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


def _another_trades(var: Path) -> bool:
    return is_running(var) and (var / LOCK).read_text() != str(os.getpid())
