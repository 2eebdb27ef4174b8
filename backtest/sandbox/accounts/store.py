"""Accounts on disk: one SQLite file beside the clock's, changed whole or not at all before any answer goes out.

A kill -9 loses nothing that was answered. Used by `held`.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backtest.sandbox.accounts.account import Account, Histories
from backtest.sandbox.accounts.records import Fill, Order, Payment
from backtest.sandbox.accounts.state import State
from data.errors import StateError

STATE: TypeAdapter[State] = TypeAdapter(State)
ORDER: TypeAdapter[Order] = TypeAdapter(Order)
FILL: TypeAdapter[Fill] = TypeAdapter(Fill)
PAYMENT: TypeAdapter[Payment] = TypeAdapter(Payment)
_TABLES = """
CREATE TABLE IF NOT EXISTS world (fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS states (venue TEXT PRIMARY KEY, json BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS orders (venue TEXT, number INTEGER, json BLOB NOT NULL, PRIMARY KEY (venue, number));
CREATE TABLE IF NOT EXISTS fills (venue TEXT, number INTEGER, json BLOB NOT NULL, PRIMARY KEY (venue, number));
CREATE TABLE IF NOT EXISTS payments (venue TEXT, number INTEGER, json BLOB NOT NULL, PRIMARY KEY (venue, number));
"""


class AccountStore:
    """The file; in memory without a path. Raises StateError for a file of another world, or one that cannot be used."""

    def __init__(self, path: Path | None, fingerprint: str) -> None:
        """Open it, or make it."""
        self._path = path
        self._written: dict[str, tuple[bytes, int, int]] = {}
        try:
            self._file = sqlite3.connect(path or ":memory:", isolation_level=None)
            # What was handed to the system outlives this process; only the machine's own death could take it.
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = NORMAL")
            self._file.executescript(_TABLES)
            known = self._file.execute("SELECT fingerprint FROM world").fetchone()
            if known is None:
                self._file.execute("INSERT INTO world VALUES (?)", (fingerprint,))
        except sqlite3.DatabaseError as error:
            raise StateError(
                f"{path} cannot be used for sandbox accounts ({error}): make room, or delete it if it is none"
            ) from error
        if known is not None and known[0] != fingerprint:
            raise StateError(f"{path} holds the accounts of another world: go back to its settings, or delete it")

    def load(self, venue: str) -> tuple[State, Histories] | None:
        """The account at `venue` as it was last saved; None if it never was."""
        row = self._file.execute("SELECT json FROM states WHERE venue = ?", (venue,)).fetchone()
        if row is None:
            return None
        orders = (ORDER.validate_json(json) for json in self._rows("orders", venue))
        fills = [FILL.validate_json(json) for json in self._rows("fills", venue)]
        payments = [PAYMENT.validate_json(json) for json in self._rows("payments", venue)]
        self._written[venue] = row[0], len(fills), len(payments)
        return STATE.validate_json(row[0]), Histories({order.number: order for order in orders}, fills, payments)

    def save(self, account: Account) -> bool:
        """Write what has changed since the last time; gives whether anything had. Raises StateError."""
        venue, histories, state = account.venue, account.histories, STATE.dump_json(account.state)
        before, fills, payments = self._written.get(venue, (b"", 0, 0))
        if state == before and not account.changed:
            return False
        orders = [(venue, number, ORDER.dump_json(histories.orders[number])) for number in sorted(account.changed)]
        try:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT OR REPLACE INTO states VALUES (?, ?)", (venue, state))
            self._add("orders", orders)
            self._add("fills", [(venue, fill.number, FILL.dump_json(fill)) for fill in histories.fills[fills:]])
            paid = histories.payments[payments:]
            self._add("payments", [(venue, payment.number, PAYMENT.dump_json(payment)) for payment in paid])
            self._file.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(f"{self._path}: cannot be written ({error}); make room and start again") from error
        self._written[venue] = state, len(histories.fills), len(histories.payments)
        account.changed.clear()
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _rows(self, table: str, venue: str) -> Iterable[bytes]:
        found = self._file.execute(f"SELECT json FROM {table} WHERE venue = ? ORDER BY number", (venue,))
        return (row[0] for row in found)

    def _add(self, table: str, rows: list[tuple[str, int, Any]]) -> None:
        self._file.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", rows)
