"""The ledger keeps exact numbers, whole ticks, and one row per intent."""

import json
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from sqlite3 import connect

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from backtest.accounting import new_books
from backtest.events import Fill, apply
from bot.alerts import Event, Kind
from bot.ledger.models import Exact, Run
from bot.ledger.store import Ledger, TickRecord
from bot.orders import LegFill, LegOrder, Payment, Proposal
from data.errors import StateError
from data.types import HOUR_MS, Asset, Instrument

TICK = 1_000_000 * HOUR_MS
ONE = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8)
LEG = LegOrder(0, ONE, 0, 0, 3.0, 100.0, 0.03)
ENTRY = Proposal(entry=True, slot=0, tick=TICK, reason=0, legs=(LEG,), columns=(0, 1))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def run(ledger: Ledger, world: str = "w") -> int:
    row = Run(
        world=world, profile="sandbox", description="", episode="", champion="rule", capital=Decimal(10_000),
        from_ms=TICK, to_ms=None, state="running", instruments={"instruments": []},
    )  # fmt: skip
    return ledger.start_run(row).id


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_comes_back_to_the_bit(number: float) -> None:
    kind, dialect = Exact(), sqlite.dialect()
    text = kind.process_bind_param(number, dialect)
    assert number == float(kind.process_result_value(text, dialect) or 0)


def test_every_field_of_the_books_comes_back_to_the_bit(ledger: Ledger) -> None:
    number, books, random = run(ledger), new_books(2, 3, 10_000 / 3), np.random.default_rng(1)
    for name in books.dtype.names or ():
        values = books[name]
        whole = np.issubdtype(values.dtype, np.integer)
        books[name] = random.integers(-9, 10**15, values.shape) if whole else random.standard_normal(values.shape) / 3
    ledger.record_tick(number, TickRecord(TICK, 1 / 3), books)
    tick, back = ledger.snapshot(number) or (0, books)
    assert TICK == tick
    assert books.dtype == back.dtype
    for name in books.dtype.names or ():
        np.testing.assert_array_equal(books[name], back[name], err_msg=name)


def test_what_becomes_of_the_books_afterwards_does_not_change_what_was_kept(ledger: Ledger) -> None:
    number, books = run(ledger), new_books(2, 3, 10_000.0)
    ledger.record_tick(number, TickRecord(TICK, 1.0), books)
    books.cash[0] = -1.0
    _, back = ledger.snapshot(number) or (0, books)
    back = apply(back, Fill(1, 0, 0, 0, 0.1, 1 / 3, 0.3, 1e-4, 0.0, TICK))
    _, again = ledger.snapshot(number) or (0, books)
    assert (5_000.0, 0.1) == (again.cash[0], back.quantity[1, 0])


def test_an_intent_written_again_is_the_same_row_and_is_filled_once(ledger: Ledger) -> None:
    number, fill = run(ledger), LegFill("id", 0, 3.0, 101.0, 100.0, 5e-4, 0.0)
    ledger.record_intents(number, ENTRY, ("id",))
    ledger.record_intents(number, ENTRY, ("id",))
    ledger.record_tick(number, TickRecord(TICK, 1.0, fills=[fill]), new_books(2, 3, 1.0))
    with pytest.raises((StateError, IntegrityError)):
        ledger.record_tick(number, TickRecord(TICK + HOUR_MS, 1.0, fills=[fill]), new_books(2, 3, 1.0))


def test_a_tick_is_written_whole_or_not_at_all(ledger: Ledger) -> None:
    number, books = run(ledger), new_books(2, 3, 1.0)
    ledger.record_tick(number, TickRecord(TICK, 1.0), books)
    orphan = LegFill("never intended", 0, 3.0, 101.0, 100.0, 5e-4, 0.0)
    event = Event(TICK + HOUR_MS, Kind.DATA, "lost with its tick")
    with pytest.raises((StateError, IntegrityError)):
        ledger.record_tick(number, TickRecord(TICK + HOUR_MS, 2.0, fills=[orphan], events=[event]), books)
    assert ([TICK], [1.0]) == tuple(column.tolist() for column in ledger.equity(number))
    assert TICK == (ledger.snapshot(number) or (0, None))[0]


def test_funding_is_booked_once(ledger: Ledger) -> None:
    number, books = run(ledger), new_books(2, 3, 1.0)
    payment = Payment(TICK, 0, 0, 0, 0.001, -0.3)
    ledger.record_tick(number, TickRecord(TICK, 1.0, payments=[(ONE, payment)]), books)
    assert {(TICK, 0, "binance", ONE.symbol)} == ledger.paid(number)
    with pytest.raises((StateError, IntegrityError)):
        ledger.record_tick(number, TickRecord(TICK + HOUR_MS, 1.0, payments=[(ONE, payment)]), books)


def test_a_new_run_ends_the_unfinished_one_of_its_world_only(ledger: Ledger) -> None:
    first, other, second = run(ledger), run(ledger, "another"), run(ledger)
    unfinished = [row.id for world in ("w", "another") if (row := ledger.unfinished(world))]
    assert [second, other] == unfinished
    assert first not in unfinished
    ledger.finish(second)
    assert ledger.unfinished("w") is None


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"nonsense" * 1000)
    with pytest.raises(StateError, match=r"ledger\.sqlite"):
        Ledger(path)


def test_books_of_another_version_are_refused_and_say_what_to_do(ledger: Ledger, tmp_path: Path) -> None:
    number = run(ledger)
    ledger.record_tick(number, TickRecord(TICK, 10_000.0), new_books(2, 3, 10_000.0))
    with closing(connect(tmp_path / "ledger.sqlite")) as database, database:
        (kept,) = database.execute("select books from snapshots").fetchone()
        older = {name: values for name, values in json.loads(kept).items() if name != "margin"}
        database.execute("update snapshots set books = ?", (json.dumps(older),))
    with pytest.raises(StateError, match="another version"):
        ledger.snapshot(number)


def test_a_ledger_from_before_costs_were_kept_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with closing(connect(path)) as old:
        old.execute("alter table trades drop column saved")
        old.execute(
            "insert into runs (id, world, profile, description, episode, champion, capital, from_ms, state,"
            " instruments) values (1, 'w', 'sandbox', '', '', 'rule', '1', 0, 'finished', '{}')"
        )
        old.execute(
            "insert into trades values (1, 1, 1, 'X', 'a', 'x', 'b', 'x', '1', 0, 1, '1', '1', '1', '1', '1000',"
            " '0', '0', '-2', '-1', 'policy')"
        )
        old.commit()
    (kept,) = Ledger(path).trades(1)
    assert (30.0, 30.0) == (kept.cost_bps, kept.taker_cost_bps)
