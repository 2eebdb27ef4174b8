"""News of the ledger for who must not hang with the trader: read straight from the file, and nothing heavy is loaded.

Used by the alerts. Short reads only: in WAL mode they keep nobody from writing.
"""

import sqlite3
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.errors import StateError

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
    """The ledger at `path`, which may not be there yet. Every method raises StateError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self._path = path

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
        if not self._path.exists():
            return []
        try:
            with closing(looking_at(self._path)) as connection:
                return connection.execute(query, values).fetchall()
        except sqlite3.Error as error:
            if "no such table" in str(error):  # it is being made
                return []
            raise StateError(f"the ledger {self._path} cannot be read ({error}): it is asked again") from error


def looking_at(path: Path) -> sqlite3.Connection:
    """A connection to a ledger that is there, by which nothing can be written, and which waits for nobody for long."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE_S)
    connection.execute("PRAGMA query_only=ON")
    return connection
