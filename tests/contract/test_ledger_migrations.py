"""Every ledger that a version of the bot has ever made is brought to what this one reads, and no row is lost."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Inspector, inspect, text

from bot.ledger.database import Place, alone, open_engine
from bot.ledger.models import Base
from bot.ledger.schema import NEWEST, REVISIONS, copy_of, migrate, revision_at
from bot.ledger.store import Ledger
from data.errors import StateError
from tests.fakes.ledger_places import change, query, reaching

FIRST = Path(__file__).parents[1] / "fakes" / "ledger_0001.sql"
TABLES = ("runs", "ticks", "intents", "fills", "funding", "trades", "events", "snapshots")


def statements() -> list[str]:
    return [part for part in FIRST.read_text().split(";\n") if part.strip()]


def old_ledger(place: Place) -> None:
    """The first version's tables and rows; in PostgreSQL by the first revision, as no version made them there."""
    if place.path is not None:
        with closing(sqlite3.connect(place.path)) as old:
            old.executescript(FIRST.read_text())
        return
    at_revision(place, "0001")
    change(place, *(one for one in statements() if one.startswith("INSERT")), "DROP TABLE alembic_version")


def at_revision(place: Place, revision: str) -> None:
    """A ledger without rows, made by the migrations alone."""
    engine = open_engine(place)
    with alone(engine, place.account) as connection:
        if place.account:
            connection.exec_driver_sql(f'CREATE SCHEMA "{place.account}"')
        migrate(connection, revision)
    engine.dispose()


def described(database: Inspector) -> dict[str, Any]:
    """Every table, apart from the names of its constraints and the order of its columns."""
    return {
        table: {
            "columns": {
                (one["name"], str(one["type"]), one["nullable"], one["default"] if one["name"] != "id" else "counted")
                for one in database.get_columns(table)
            },
            "key": set(database.get_pk_constraint(table)["constrained_columns"]),
            "foreign": {
                (*one["constrained_columns"], one["referred_table"]) for one in database.get_foreign_keys(table)
            },
            "indexes": {
                (one["name"], *one["column_names"])
                for one in database.get_indexes(table)
                if not one.get("duplicates_constraint")
            },
            "unique": {tuple(one["column_names"]) for one in database.get_unique_constraints(table)},
        }
        for table in database.get_table_names()
    }  # fmt: skip


def test_the_revisions_are_those_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", "bot.ledger:migrations")
    scripts = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(REVISIONS) == scripts[::-1]


def test_the_migrations_end_where_the_models_are(place: Place) -> None:
    at_revision(place, NEWEST)
    with reaching(place) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert [] == compare_metadata(context, Base.metadata)
        migrated = described(inspect(connection))
        made = described(inspect(_made(connection, place)))
    assert made == migrated


def _made(connection: Connection, place: Place) -> Connection:
    """The same database with tables that the models made."""
    for table in ("alembic_version", *reversed([table.name for table in Base.metadata.sorted_tables])):
        connection.execute(text(f"DROP TABLE {table}"))
    connection.commit()
    Ledger(place).close()
    return connection


def test_every_row_of_the_first_version_is_kept(place: Place) -> None:
    old_ledger(place)
    before = {table: query(place, f"select * from {table} order by 1, 2") for table in TABLES}
    columns = {table: _columns(place, table) for table in TABLES}
    Ledger(place).close()
    for table, rows in before.items():
        kept = query(place, f"select {', '.join(columns[table])} from {table} order by 1, 2")
        assert [_texts(row) for row in rows] == [_texts(row) for row in kept], table
    assert [("3",), (None,)] == query(place, "select action from ticks where run_id = 2 order by tick")
    assert [(0, 0)] == query(place, "select min(tick - due), max(tick - due) from funding")


def _columns(place: Place, table: str) -> list[str]:
    with reaching(place) as connection:
        return [column["name"] for column in inspect(connection).get_columns(table)]


def _texts(row: tuple[Any, ...]) -> list[str]:
    return [str(value) for value in row]


def test_an_old_ledger_goes_on(place: Place) -> None:
    old_ledger(place)
    ledger = Ledger(place)
    run = ledger.unfinished("w")
    assert run is not None
    assert (2, "") == (run.id, run.episode)
    assert [3600000000, 3603600000] == ledger.equity(2)[0].tolist()
    (trade,) = ledger.trades(2)
    assert (0.0, "policy") == (trade.saved, trade.reason)
    assert 0.0001 == ledger.paid(2)[3603600000, 0, "binance", "X/USDT:USDT"]
    ledger.finish(2)
    assert NEWEST == revision_at(place)


@pytest.mark.parametrize("revision", REVISIONS[: REVISIONS.index("0007")])
def test_a_ledger_from_before_revisions_were_written_down_is_recognised(tmp_path: Path, revision: str) -> None:
    place = Place.file(tmp_path / "ledger.sqlite")
    at_revision(place, revision)
    change(place, "DROP TABLE alembic_version")
    assert revision == revision_at(place)
    Ledger(place).close()
    assert NEWEST == revision_at(place)


def test_a_ledger_that_a_later_version_has_added_tables_and_a_column_to_is_mended(tmp_path: Path) -> None:
    place = Place.file(tmp_path / "ledger.sqlite")
    at_revision(place, "0005")
    change(
        place, "DROP TABLE alembic_version", "DROP TABLE ticks",
        "CREATE TABLE ticks (run_id BIGINT, tick BIGINT, equity VARCHAR, action BIGINT, PRIMARY KEY (run_id, tick))",
        "ALTER TABLE trades ADD COLUMN saved VARCHAR(64) DEFAULT '0.0'",
    )  # fmt: skip
    assert "0003" == revision_at(place)
    Ledger(place).close()
    with reaching(place) as connection:
        saved = {column["name"]: column for column in inspect(connection).get_columns("trades")}["saved"]
    assert (NEWEST, False) == (revision_at(place), saved["nullable"])


def test_a_file_is_copied_before_it_is_migrated(tmp_path: Path) -> None:
    place = Place.file(tmp_path / "ledger.sqlite")
    old_ledger(place)
    before = query(place, "select * from funding")
    Ledger(place).close()
    copy = Place.file(copy_of(tmp_path / "ledger.sqlite", "0001"))
    assert before == query(copy, "select * from funding")
    assert "0001" == revision_at(copy)


def test_a_migration_that_fails_leaves_everything_as_it_was(place: Place) -> None:
    old_ledger(place)
    change(place, "CREATE TABLE venue_fills (mine INTEGER)", "CREATE TABLE funding_before (in_the_way INTEGER)")
    with pytest.raises(StateError, match="cannot be opened"):
        Ledger(place)
    assert "0001" == revision_at(place)
    assert 3 == len(query(place, "select run_id, tick, action + 0 from ticks"))


def test_a_ledger_of_a_newer_version_is_refused_and_left_alone(place: Place) -> None:
    Ledger(place).close()
    change(place, "UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StateError, match="written by a newer version"):
        Ledger(place)
    assert "0999" == revision_at(place)


def test_a_ledger_is_not_migrated_under_a_bot_that_runs_on_it(place: Place) -> None:
    old_ledger(place)
    with pytest.raises(StateError, match="a bot runs on it"):
        Ledger(place, upgrade=False)
    assert "0001" == revision_at(place)
