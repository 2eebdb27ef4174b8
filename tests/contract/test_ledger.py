"""The ledger keeps exact numbers, whole ticks, and one row per intent, in whatever database it lies."""

import json
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError

from backtest.accounting import new_books
from backtest.events import Fill, apply
from bot.alerts import Event, Kind
from bot.ledger.database import Place
from bot.ledger.models import Exact, Run, Snapshot
from bot.ledger.store import Ledger, TickRecord
from bot.orders import LegFill, LegOrder, Payment, Proposal
from data.errors import StateError
from data.types import HOUR_MS, Asset, Instrument
from tests.fakes.ledger_places import query

TICK = 1_000_000 * HOUR_MS
ONE = Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8)
LEG = LegOrder(0, ONE, 0, 0, 3.0, 100.0, 0.03)
ENTRY = Proposal(entry=True, slot=0, tick=TICK, reason=0, legs=(LEG,), columns=(0, 1))


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
    assert {(TICK, 0, "binance", ONE.symbol): 0.001} == ledger.paid(number)
    with pytest.raises(StateError):
        ledger.record_tick(number, TickRecord(TICK + HOUR_MS, 1.0, payments=[(ONE, payment), (ONE, payment)]), books)


def test_a_part_of_funding_that_comes_later_is_a_row_of_its_own(ledger: Ledger, place: Place) -> None:
    number, books = run(ledger), new_books(2, 3, 1.0)
    for tick, rate in ((TICK, 0.001), (TICK + HOUR_MS, 0.0025)):
        ledger.record_tick(number, TickRecord(tick, 1.0, payments=[(ONE, Payment(TICK, 0, 0, 0, rate, -rate))]), books)
    assert {(TICK, 0, "binance", ONE.symbol): 0.0035} == ledger.paid(number)
    assert [(TICK, TICK, "0.001"), (TICK, TICK + HOUR_MS, "0.0025")] == query(
        place, "select due, tick, rate from funding order by tick"
    )


def test_a_new_run_ends_the_unfinished_one_of_its_world_only(ledger: Ledger) -> None:
    first, other, second = run(ledger), run(ledger, "another"), run(ledger)
    unfinished = [row.id for world in ("w", "another") if (row := ledger.unfinished(world))]
    assert [second, other] == unfinished
    assert first not in unfinished
    ledger.finish(second)
    assert ledger.unfinished("w") is None


def test_books_of_another_version_are_refused_and_say_what_to_do(ledger: Ledger, place: Place) -> None:
    number = run(ledger)
    ledger.record_tick(number, TickRecord(TICK, 10_000.0), new_books(2, 3, 10_000.0))
    ((kept,),) = query(place, "select cast(books as text) from snapshots")
    older = {name: values for name, values in json.loads(kept).items() if name != "margin"}
    with ledger.connection(writing=True) as connection:
        connection.execute(update(Snapshot).values(books=older))
    with pytest.raises(StateError, match="another version"):
        ledger.snapshot(number)


def test_an_order_of_which_part_was_taken_back_is_one_row_with_what_is_left_and_all_its_fees(
    ledger: Ledger, place: Place
) -> None:
    number = run(ledger)
    ledger.record_intents(number, ENTRY, ("id",))
    bought, sold = LegFill("id", 0, 3.0, 101.0, 100.0, 5e-4, 0.0), LegFill("id", 0, -1.0, 97.0, 98.0, 1e-3, 0.0)
    ledger.record_tick(number, TickRecord(TICK, 1.0, fills=[bought, sold]), new_books(2, 3, 1.0))
    ((quantity, price, mid, fee),) = query(place, "select quantity, price, mid, fee from fills")
    assert (2.0, 100.0, 99.5) == (float(quantity), float(price), float(mid))
    assert pytest.approx(-(3 * 101 * 5e-4 + 97 * 1e-3)) == float(fee)
