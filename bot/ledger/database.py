"""Where a ledger lies, and connections that keep what they commit: SQLite in a file, or PostgreSQL by its address.

Used by `store`, and by whoever opens a ledger to say where it is.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from bot.ledger.address import read_address
from bot.ledger.feed import looking_at
from data.errors import ConfigurationError, StateError

SQLITE, POSTGRES = "sqlite", "postgresql"
"""Names of the dialects."""
PATIENCE_MS = 10_000
"""So long a statement waits for a lock, or for a database that does not answer."""


_REACH = {"connect_timeout": PATIENCE_MS // 1000, "keepalives_idle": 60, "tcp_user_timeout": PATIENCE_MS}
"""Of libpq: s, s, ms."""


@dataclass(frozen=True)
class Place:
    """Where a ledger lies. As text it shows no password."""

    url: URL
    account: str = ""
    """The schema of a PostgreSQL database."""

    @classmethod
    def file(cls, path: Path) -> "Place":
        """A SQLite file."""
        return cls(URL.create(SQLITE, database=str(path)))

    @classmethod
    def postgres(cls, url: str, account: str) -> "Place":
        """A schema of the database at `url`; raises ConfigurationError, which does not show it."""
        told = read_address(url)
        options = {name: values if len(values) > 1 else values[0] for name, values in told.options.items()}
        driver = f"{POSTGRES}+psycopg"
        return cls(URL.create(driver, told.user, told.password, told.host, told.port, told.database, options), account)

    @property
    def path(self) -> Path | None:
        """The SQLite file; None elsewhere."""
        return Path(self.url.database or "") if self.url.get_backend_name() == SQLITE else None

    def __str__(self) -> str:
        shown = URL.create(POSTGRES, host=self.url.host, port=self.url.port, database=self.url.database)
        return str(self.path or f"{shown.render_as_string()}, account {self.account}")


def open_engine(place: Place) -> Engine:
    """Connections to the ledger at `place`: what they commit is on the disk. Nothing is asked of the database yet.
    Raises ConfigurationError where the driver is not installed."""
    if place.path is not None:
        place.path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(place.url)
        event.listen(engine, "connect", _durable_sqlite)
        return engine
    try:
        # A connection may have died in the hour since it was used: it is tried before, and a new one made.
        engine = create_engine(place.url, pool_pre_ping=True, connect_args=_REACH)
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "a ledger in PostgreSQL needs the driver psycopg: pip install 'funding-bot[postgres]'"
        ) from error
    event.listen(engine, "connect", lambda connection, _: _durable_postgres(connection, place.account))
    return engine


def reading_engine(place: Place) -> Engine:
    """Connections by which nothing can be written, and which wait for nobody for long. Raises as `open_engine` does."""
    if (path := place.path) is not None:
        return create_engine(f"{SQLITE}://", creator=lambda: looking_at(path), poolclass=NullPool)
    return open_engine(place).execution_options(postgresql_readonly=True)


@contextmanager
def told_as(doing: str, remedy: str) -> Iterator[None]:
    """Whatever the database refuses within is a StateError: the ledger cannot be `doing`, and what to do."""
    try:
        yield
    except DBAPIError as error:
        raise StateError(f"the ledger cannot be {doing} ({reason(error)}): {remedy}") from error


def reason(error: DBAPIError) -> str:
    """What the database said, in a line."""
    return (str(error.orig).splitlines() or [""])[0]


@contextmanager
def alone(engine: Engine, account: str) -> Iterator[Connection]:
    """A transaction that no other of its kind is beside, and in SQLite no writer at all: for making and changing
    tables."""
    with engine.connect() as connection:
        if engine.dialect.name == SQLITE:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtextextended(%s, 1))", (account,))
        yield connection
        connection.commit()


def _durable_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _durable_postgres(connection: Any, account: str) -> None:
    cursor = connection.cursor()
    cursor.execute(
        f'SET application_name TO "funding-bot {account}"; SET search_path TO "{account}"; '
        f"SET synchronous_commit TO on; SET lock_timeout TO {PATIENCE_MS}; SET statement_timeout TO {PATIENCE_MS}"
    )
    cursor.close()
    connection.commit()
