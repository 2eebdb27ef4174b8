"""Copies a ledger, row by row and to the last digit, out of and into any database. Used by `bot.backup`."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text
from sqlalchemy.exc import OperationalError

from bot.ledger.database import PATIENCE_MS, POSTGRES, SQLITE
from bot.ledger.models import Base
from bot.ledger.store import Ledger

_PART = 1_000
"""Rows that are in memory at once."""
_LOCKED = "55P03"
"""PostgreSQL's code for a lock that somebody has."""
_PAUSE_S = 0.005


def copy_out(ledger: Ledger, path: Path, at_that_instant: Callable[[], None]) -> None:
    """Write every row that `ledger` holds at one instant into a new SQLite file.

    At that instant nobody can write, and `at_that_instant` is called: it should be quick, as orders wait. The rows are
    copied afterwards, from a view that stays as it was. Raises StateError.
    """
    with ledger.connection() as view:
        if ledger.dialect == POSTGRES:
            view = view.execution_options(isolation_level="REPEATABLE READ")
        with _standstill(ledger):
            if ledger.dialect == SQLITE:
                view.exec_driver_sql("BEGIN")
            view.execute(text("SELECT 1 FROM runs")).all()  # from here on the view stays as it is
            at_that_instant()
        with closing(Ledger(path)) as copy, copy.connection(writing=True) as target:
            _copy_rows(view, target)


def copy_in(path: Path, ledger: Ledger) -> None:
    """Replace every row of `ledger` by those of a SQLite file, all or nothing; a file of an older version is migrated
    first. Raises StateError."""
    with closing(Ledger(path)) as copy, copy.connection() as source, ledger.connection(writing=True) as target:
        if ledger.dialect == POSTGRES:
            target.execute(text("SET LOCAL statement_timeout = 0"))
        for table in reversed(Base.metadata.sorted_tables):
            target.execute(table.delete())
        _copy_rows(source, target)
        if ledger.dialect == POSTGRES:
            _count_on(target)


@contextmanager
def _standstill(ledger: Ledger) -> Iterator[None]:
    """Whoever wants to write waits until the end of the block."""
    with ledger.connection() as connection:
        if ledger.dialect == SQLITE:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            _lock(connection)
        yield


def _lock(connection: Connection) -> None:
    """All tables of a database in PostgreSQL, at a moment at which nobody has any: whoever waited for one while holding
    another could have the bot's own transaction ended as a deadlock."""
    names = ", ".join(table.name for table in Base.metadata.sorted_tables)
    until = time.monotonic() + PATIENCE_MS / 1000
    while True:
        try:
            connection.exec_driver_sql(f"LOCK TABLE {names} IN SHARE ROW EXCLUSIVE MODE NOWAIT")
            return
        except OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", "") != _LOCKED or time.monotonic() > until:
                raise
        time.sleep(_PAUSE_S)


def _copy_rows(source: Connection, target: Connection) -> None:
    for table in Base.metadata.sorted_tables:  # those that others refer to come first
        rows = source.execution_options(yield_per=_PART).execute(select(table).order_by(*table.primary_key))
        for part in rows.mappings().partitions():
            target.execute(insert(table), [dict(row) for row in part])


def _count_on(target: Connection) -> None:
    """Have PostgreSQL count the next rows on from those that came with their numbers."""
    for table in Base.metadata.sorted_tables:
        if (number := table.autoincrement_column) is not None:
            sequence = func.pg_get_serial_sequence(table.name, number.name)
            target.execute(select(func.setval(sequence, func.coalesce(func.max(number), 0) + 1, False)))
