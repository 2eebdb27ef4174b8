"""Brings a ledger's tables to what this version of the bot reads and writes. Used by `store` when it opens one.

A new ledger is made as the models have it. An older one is migrated by alembic in one transaction, a SQLite file after
a copy beside it. One of a newer version is refused. Ledgers from before their revision was written down are recognised
by their tables and columns.
"""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sqlalchemy import Column, Connection, Engine, Inspector, MetaData, String, Table, insert, inspect, select
from sqlalchemy.types import String as Text

from bot.ledger.account_lock import ACCOUNT_FREE
from bot.ledger.database import Place, alone, open_engine, told_as
from bot.ledger.live_models import OrderRow
from bot.ledger.models import Base
from data.errors import StateError

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008")
"""Oldest first, as in `migrations/versions`; written down here, so that alembic is loaded only to migrate."""
NEWEST = REVISIONS[-1]
_KEPT = Table("alembic_version", MetaData(), Column("version_num", String(32), nullable=False, primary_key=True))
_LIVE = {"executions", "venue_fills", "venue_funding", OrderRow.__tablename__}


def bring_up(engine: Engine, place: Place, *, upgrade: bool) -> None:
    """Make or migrate the tables. Raises StateError for a ledger of a newer version, for tables that are not a
    ledger's, and for an older ledger unless it may be changed (`upgrade`)."""
    with engine.connect() as connection:
        if _kept(connection) == NEWEST:
            return
    with alone(engine, place.account) as connection:
        if place.account:
            connection.exec_driver_sql(f'CREATE SCHEMA IF NOT EXISTS "{place.account}"')
        kept = _kept(connection)  # another process may have done it meanwhile
        found = kept or _recognised(inspect(connection), place)
        if found is None:
            Base.metadata.create_all(connection)
            _KEPT.create(connection)
            connection.execute(insert(_KEPT).values(version_num=NEWEST))
        elif found not in REVISIONS:
            raise StateError(
                f"the ledger {place} was written by a newer version of the bot (its schema is {found}, this version "
                f"knows {NEWEST}): use that version, or restore a backup from before"
            )
        elif found != NEWEST:
            if not (upgrade and _nobody_trades(connection, place)):
                raise StateError(
                    f"the ledger {place} is of an older version (schema {found}, not {NEWEST}) and a bot runs on it: "
                    "stop that bot, and start it again with this version"
                )
            if place.path is not None:
                _copy(place.path, copy_of(place.path, found))
            migrate(connection, NEWEST, None if kept else found)


def revision_at(place: Place) -> str | None:
    """The revision of the ledger at `place`, which is left as it is; None where there is none. Raises StateError."""
    if place.path is not None and not place.path.exists():
        return None
    engine = open_engine(place)
    try:
        with told_as("read", "see whether the database answers"), engine.connect() as connection:
            return _kept(connection) or _recognised(inspect(connection), place)
    finally:
        engine.dispose()


def is_there(place: Place) -> bool:
    """Whether a ledger lies at `place`, or a file that should be one."""
    return place.path.exists() if place.path is not None else revision_at(place) is not None


def copy_of(path: Path, revision: str) -> Path:
    """Where the copy lies that was made of a SQLite file before it was migrated from `revision`."""
    return path.with_name(f"{path.name}.{revision}.bak")


def _kept(connection: Connection) -> str | None:
    there = inspect(connection).has_table(_KEPT.name)
    return connection.scalar(select(_KEPT.c.version_num)) if there else None


def migrate(connection: Connection, to: str, recognised: str | None = None) -> None:
    """Run the migrations up to the revision `to`, from the one that is written down or was `recognised`, in the
    connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "bot.ledger:migrations")
    config.attributes["connection"] = connection
    if recognised is not None:
        command.stamp(config, recognised)
    command.upgrade(config, to)


def _nobody_trades(connection: Connection, place: Place) -> bool:
    """Whether no bot, on whatever machine, holds the account of a shared database."""
    return place.path is not None or bool(connection.scalar(ACCOUNT_FREE, {"account": place.account}))


def _copy(path: Path, to: Path) -> None:
    """A whole copy on the disk, or none."""
    half = to.with_name(f".{to.name}.tmp")
    half.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(half)) as target:
        source.backup(target)
    with half.open("rb") as file:
        os.fsync(file.fileno())
    half.replace(to)


def _recognised(database: Inspector, place: Place) -> str | None:
    """The revision of a ledger from before revisions were written down; None for a database without a ledger."""
    tables = set(database.get_table_names())
    if "runs" not in tables:
        return None
    first = {"runs", "ticks", "intents", "fills", "funding", "trades", "events", "snapshots"}
    if not first <= tables or "world" not in _columns(database, "runs"):
        raise StateError(f"{place} has tables that are no ledger's: move it away, or name another place")
    features: dict[str, Callable[[], bool]] = {
        "0002": lambda: "episode" in _columns(database, "runs"),
        "0003": lambda: "due" in _columns(database, "funding"),
        "0004": lambda: isinstance(_columns(database, "ticks")["action"]["type"], Text),
        "0005": lambda: tables >= _LIVE,
        "0006": lambda: _columns(database, "trades").get("saved", {"nullable": True})["nullable"] is False,
    }
    found = "0001"
    for revision, there in features.items():
        if not there():
            break
        found = revision
    return found


def _columns(database: Inspector, table: str) -> dict[str, dict[str, Any]]:
    return {column["name"]: dict(column) for column in database.get_columns(table)}
