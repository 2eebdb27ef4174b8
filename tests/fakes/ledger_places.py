"""Places for ledgers in every database that they can lie in: a SQLite file, and an account of its own in PostgreSQL."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text

from bot.ledger.database import Place, open_engine

DATABASES = ("sqlite", "postgresql")


def postgres_url() -> str:
    """Of the database for tests; skips the test, saying so, where there is none."""
    url = os.environ.get("LEDGER_POSTGRES")
    if not url:
        pytest.skip("LEDGER_POSTGRES is not set: no PostgreSQL to test on; `.ci/postgres make test` starts one")
    return url


@contextmanager
def ledger_place(database: str, folder: Path) -> Iterator[Place]:
    """A place without a ledger; an account in PostgreSQL is gone at the end."""
    if database == "sqlite":
        yield Place.file(folder / "ledger.sqlite")
        return
    place = Place.postgres(postgres_url(), f"t_{uuid.uuid4().hex[:16]}")
    try:
        yield place
    finally:
        change(place, f'DROP SCHEMA IF EXISTS "{place.account}" CASCADE')


def query(place: Place, statement: str) -> list[tuple[Any, ...]]:
    """What lies in the database, past the ledger."""
    with reaching(place) as connection:
        return [tuple(row) for row in connection.execute(text(statement))]


def change(place: Place, *statements: str) -> None:
    """Change the database, past the ledger."""
    with reaching(place) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
        connection.commit()


@contextmanager
def reaching(place: Place) -> Iterator[Connection]:
    """A connection past the ledger."""
    engine = open_engine(place)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
