"""What a SQLite file may be, other than a ledger: nothing, something else, damaged."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from backtest.accounting import new_books
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from data.errors import StateError
from data.types import HOUR_MS

TICK = 1_000_000 * HOUR_MS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def start(ledger: Ledger) -> int:
    row = Run(
        world="w", profile="sandbox", description="", episode="", champion="rule", capital=Decimal(1), from_ms=TICK,
        to_ms=None, state="running", instruments={},
    )  # fmt: skip
    return ledger.start_run(row).id


def query(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


def test_a_file_that_is_no_database_is_said_so(path: Path) -> None:
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(StateError, match=r"ledger\.sqlite"):
        Ledger(path)


def test_tables_that_are_no_ledgers_are_left_alone(path: Path) -> None:
    query(path, "create table runs (id integer, miles real)")
    with pytest.raises(StateError, match="no ledger's"):
        Ledger(path)
    assert [("runs",)] == query(path, "select name from sqlite_master")


def test_what_is_committed_is_on_the_disk(path: Path) -> None:
    ledger = Ledger(path)
    with ledger.connection() as connection:
        told = [connection.exec_driver_sql(f"pragma {name}").scalar() for name in ("journal_mode", "synchronous")]
    assert ["wal", 2] == told


@pytest.mark.parametrize(
    "read",
    [
        lambda ledger, run: ledger.equity(run),
        lambda ledger, run: ledger.snapshot(run),
        lambda ledger, run: ledger.trades(run),
        lambda ledger, run: ledger.paid(run),
        lambda ledger, run: ledger.latest(),
        lambda ledger, run: ledger.unfinished("w"),
    ],
    ids=["equity", "snapshot", "trades", "paid", "latest", "unfinished"],
)
def test_a_damaged_database_is_a_state_error_wherever_it_is_read(
    path: Path, read: Callable[[Ledger, int], object]
) -> None:
    ledger = Ledger(path)
    run = start(ledger)
    for number in range(3):
        ledger.record_tick(run, TickRecord(TICK + number * HOUR_MS, 1.0), new_books(2, 3, 1.0))
    ledger.close()
    query(path, "pragma wal_checkpoint(truncate)")
    pages = [page for (page,) in query(path, "select rootpage from sqlite_master where rootpage > 0")]
    size = query(path, "pragma page_size")[0][0]
    damaged = bytearray(path.read_bytes())
    for page in pages:
        damaged[(page - 1) * size : page * size] = b"\xa5" * size
    path.write_bytes(damaged)

    with pytest.raises(StateError):
        read(Ledger(path), run)


def test_a_database_whose_tables_are_not_these_is_a_state_error_when_it_is_written(path: Path) -> None:
    ledger = Ledger(path)
    run = start(ledger)
    ledger.close()
    query(path, "drop table snapshots")
    query(path, "create table snapshots (other integer)")

    with pytest.raises(StateError, match="cannot be written"):
        Ledger(path).record_tick(run, TickRecord(TICK, 1.0), new_books(2, 3, 1.0))
    assert [] == query(path, "select * from ticks")
