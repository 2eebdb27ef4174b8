"""News of the ledger for who must not hang with the trader: read by the database's own driver, and nothing heavy is
loaded.

Used by the alerts. Short reads only: in WAL mode they keep nobody from writing.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bot.ledger.address import read_address
from bot.settings import Settings
from data.errors import ConfigurationError, StateError
from data.secrets import LEDGER_URL

LEDGER = "ledger.sqlite"
"""Name of the file, below the run-time folder."""
PATIENCE_S = 2.0


@dataclass(frozen=True)
class News:
    """One event of the ledger."""

    number: int
    """Counted up over all runs."""
    tick: int
    """Market time, ms."""
    kind: str
    text: str


class LedgerFeed:
    """A ledger that may not be there yet. Every method raises StateError where it cannot be read."""

    def __init__(self, rows: Callable[[str, Sequence[object]], list[Any]]) -> None:
        """`rows` answers a query whose values stand as `?`; StateError as above."""
        self._read = rows

    @classmethod
    def file(cls, path: Path) -> "LedgerFeed":
        """Of SQLite."""
        return cls(partial(_rows_of_file, path))

    @classmethod
    def postgres(cls, url: str, account: str) -> "LedgerFeed":
        """Of the schema `account` of the database at `url`."""
        return cls(partial(_rows_of_postgres, url, account))

    def newest(self) -> int:
        """The number of the newest event; 0 before the first."""
        rows = self._rows("SELECT max(id) FROM events")
        return int(rows[0][0] or 0) if rows else 0

    def after(self, number: int, kinds: Collection[str], most: int) -> list[News]:
        """Events of these kinds after `number`, oldest first, up to `most`."""
        marks = ", ".join("?" * len(kinds))
        query = f"SELECT id, tick, kind, text FROM events WHERE id > ? AND kind IN ({marks}) ORDER BY id LIMIT ?"
        return [News(*row) for row in self._rows(query, number, *kinds, most)]

    def run_state(self) -> tuple[str, bool] | None:
        """Of the newest run: its state, and whether it has a complete hour; None before the first run."""
        query = (
            "SELECT state, EXISTS (SELECT 1 FROM snapshots WHERE run_id = runs.id) FROM runs ORDER BY id DESC LIMIT 1"
        )
        rows = self._rows(query)
        return (str(rows[0][0]), bool(rows[0][1])) if rows else None

    def _rows(self, query: str, *values: object) -> list[Any]:
        return self._read(query, values)


def ledger_url(settings: Settings) -> str | None:
    """The address of a ledger in PostgreSQL, by the environment before the setting; None for one in a file."""
    return os.environ.get(LEDGER_URL) or settings.ledger.url


def ledger_feed(settings: Settings) -> LedgerFeed:
    """Of the ledger of these settings."""
    if url := ledger_url(settings):
        return LedgerFeed.postgres(url, settings.ledger.account)
    return LedgerFeed.file(settings.var / LEDGER)


def _rows_of_file(path: Path, query: str, values: Sequence[object]) -> list[Any]:
    if not path.exists():
        return []
    try:
        with closing(looking_at(path)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.Error as error:
        if "no such table" in str(error):  # it is being made
            return []
        raise StateError(f"the ledger {path} cannot be read ({error}): it is asked again") from error


def _rows_of_postgres(url: str, account: str, query: str, values: Sequence[object]) -> list[Any]:
    import psycopg  # an extra, for those who have it there

    options = f'-c search_path="{account}" -c default_transaction_read_only=on -c statement_timeout={PATIENCE_S:g}s'
    try:
        told: dict[str, Any] = read_address(url).arguments()
        told |= {"options": options, "connect_timeout": round(PATIENCE_S)}
        with psycopg.connect(**told) as connection:
            return list(connection.execute(query.replace("?", "%s").encode(), values).fetchall())
    except psycopg.errors.UndefinedTable:  # it is being made
        return []
    except ConfigurationError as error:  # who only looks goes on without
        raise StateError(str(error)) from None
    except psycopg.Error as error:
        # what the driver says of its own arguments may quote them
        hidden = isinstance(error, psycopg.ProgrammingError)
        cause = type(error).__name__ if hidden else (str(error).splitlines() or [""])[0]
        raise StateError(f"the ledger of {account} cannot be read ({cause}): it is asked again") from None


def looking_at(path: Path) -> sqlite3.Connection:
    """A connection to a ledger that is there, by which nothing can be written, and which waits for nobody for long."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE_S)
    connection.execute("PRAGMA query_only=ON")
    return connection
