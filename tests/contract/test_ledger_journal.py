"""The journal of live trading: what it has written is there for the next process, once, in whatever database."""

import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from backtest.accounting import LONG, OPEN, SHORT, new_books
from backtest.events import Fill
from bot.ledger.database import Place
from bot.ledger.executions import Completed, Purpose, Sent, Task
from bot.ledger.journal import Journal
from bot.ledger.models import Run
from bot.ledger.spare import SpareJournal
from bot.ledger.store import Ledger, TickRecord, instruments_to_json
from bot.orders import LegOrder, Payment, Proposal
from bot.venue_orders import OrderReport, OrderState, VenueFill, VenueFunding, VenueOrder
from data.errors import StateError
from data.types import HOUR_MS
from tests.fakes.ledger_places import change, query
from tests.fakes.pair_table import LEGS, STAMP, TICK

PROPOSAL = Proposal(
    True, 0, TICK, OPEN,
    (LegOrder(LONG, LEGS[0], 0, 0, 3.0, 100.0, 0.03), LegOrder(SHORT, LEGS[1], 1, 1, -3.0, 100.1, math.inf)), (0, 1),
)  # fmt: skip
FILLED = OrderReport(OrderState.FILLED, 3.0, 1 / 3, "v1", "")
DONE = Completed(1, TICK, (Fill(0, 0, 0, 0, 3.0, 1 / 3, 100.0, 5e-4, 0.0, TICK),), (0, 1), (("entered", "in"),))
TRADE = VenueFill("binance", LEGS[0].symbol, "t1", "a", TICK + 5, 3.0, 1 / 3, 0.0005, False)


@pytest.fixture
def run(ledger: Ledger) -> int:
    row = Run(
        world="w", profile="live", description="", episode="", champion="rule-1", capital=Decimal(10_000),
        from_ms=TICK, to_ms=None, state="running", instruments=instruments_to_json(LEGS),
    )  # fmt: skip
    return ledger.start_run(row).id


def journal_of(ledger: Ledger, run: int, spare: SpareJournal | None = None) -> Journal:
    return Journal(ledger, run, LEGS, lambda: STAMP, spare)


def sent(task: Task, leg: int = LONG, client_id: str = "a", purpose: Purpose = Purpose.ENTER) -> Sent:
    order = VenueOrder(client_id, LEGS[leg], -3.0 if leg else 3.0, 100.5)
    return Sent(task.number, TICK, 0, leg, 1 + leg, purpose, order, TICK + 60_000)


def begun(journal: Journal) -> tuple[Task, Sent]:
    task = journal.begin(PROPOSAL)
    first = sent(task)
    journal.write_first(task, ("a", "b"), first)
    return task, first


def test_an_order_is_there_with_its_proposal_and_intents_before_it_is_sent(
    ledger: Ledger, run: int, place: Place
) -> None:
    begun(journal_of(ledger, run))
    assert [("a", 1, "unknown", "enter", "rule-1")] == query(
        place, "select client_id, execution, state, purpose, champion from orders"
    )
    assert [("a", "pending"), ("b", "pending")] == query(place, "select client_id, state from intents order by 1")
    assert [(1, None, None)] == query(place, "select id, number, events from executions")


def test_another_process_reads_the_task_as_it_was_written(ledger: Ledger, run: int, place: Place) -> None:
    task, first = begun(journal_of(ledger, run))
    second = sent(task, SHORT, "b")
    journal_of(ledger, run).write(task, second)
    (found,) = journal_of(Ledger(place), run).tasks()
    assert replace(task, sent=(first, second)) == found


def test_what_became_of_an_order_is_written_with_the_next_one_and_changes_its_row(
    ledger: Ledger, run: int, place: Place
) -> None:
    journal = journal_of(ledger, run)
    task, first = begun(journal)
    journal.note(first.told(FILLED))
    assert [("unknown",)] == query(place, "select state from orders")
    journal.write(task, sent(task, SHORT, "b"))
    states = query(place, "select client_id, state, filled, average, venue_id from orders order by client_id")
    assert [("a", "filled", "3.0", repr(1 / 3), "v1"), ("b", "unknown", "0.0", "0.0", "")] == states
    assert {"a"} == journal.filled()


def test_an_outcome_is_written_with_its_trades_once_and_closes_its_intents(
    ledger: Ledger, run: int, place: Place
) -> None:
    journal = journal_of(ledger, run)
    begun(journal)
    journal.complete(DONE, (TRADE, TRADE), 12.5, filled=True)
    journal.note_fills((TRADE,))
    assert [("t1", repr(1 / 3), False)] == [
        (name, price, bool(maker))
        for name, price, maker in query(place, "select trade_id, price, maker from venue_fills")
    ]
    assert [("filled",)] == query(place, "select distinct state from intents")
    again = journal_of(Ledger(place), run)
    assert ([DONE], []) == (again.unbooked(), again.tasks())
    assert {("binance", LEGS[0].symbol, "t1")} == again.booked_fills()


def test_an_outcome_is_booked_with_the_tick_that_contains_it(ledger: Ledger, run: int) -> None:
    journal = journal_of(ledger, run)
    begun(journal)
    journal.complete(DONE, (), 0.0, filled=True)
    ledger.record_tick(run, TickRecord(TICK, 1.0, executions=[1]), new_books(2, 3, 1.0))
    assert [] == journal.unbooked()


def test_numbers_go_on_where_the_process_before_left_off(ledger: Ledger, run: int, place: Place) -> None:
    journal = journal_of(ledger, run)
    task, _ = begun(journal)
    journal.complete(DONE, (), 0.0, filled=True)
    adopted = journal.adopt(PROPOSAL, replace(DONE, number=0), (TRADE,))
    again = journal_of(Ledger(place), run)
    assert (1, 2, 3) == (task.number, adopted.number, again.begin(PROPOSAL).number)
    assert 1 == again.attempts(TICK, 0)
    assert [(1, 1), (2, 2)] == query(place, "select id, number from executions order by id")


def test_a_payment_that_is_told_twice_is_booked_once(ledger: Ledger, run: int, place: Place) -> None:
    paid = VenueFunding("binance", LEGS[0].symbol, "p1", TICK - 5, 0.25)
    parts = [(LEGS[0], Payment(TICK, slot, 0, 0, 1e-4, 0.125, paid)) for slot in (0, 1)]
    ledger.record_tick(run, TickRecord(TICK, 1.0, payments=parts), new_books(2, 3, 1.0))
    more = VenueFunding("binance", LEGS[0].symbol, "p2", TICK - 5, 0.5)
    late = [(LEGS[0], Payment(TICK, 0, 0, 0, 1e-4, part, more)) for part in (0.2, 0.3)]
    ledger.record_tick(run, TickRecord(TICK + HOUR_MS, 1.0, payments=late), new_books(2, 3, 1.0))
    assert [("p1", "0.25"), ("p2", "0.5")] == query(place, "select payment_id, amount from venue_funding order by 1")
    rows = query(place, "select slot, tick, amount from funding order by tick, slot")
    assert [(0, TICK, "0.125"), (1, TICK, "0.125"), (0, TICK + HOUR_MS, "0.5")] == rows
    assert {("binance", LEGS[0].symbol, TICK - 5, name) for name in ("p1", "p2")} == journal_of(
        ledger, run
    ).booked_funding()


def test_what_was_written_elsewhere_is_taken_over_once(ledger: Ledger, run: int, place: Place, tmp_path: Path) -> None:
    spare = SpareJournal(tmp_path / "exits.journal")
    journal = journal_of(ledger, run, spare)
    change(place, "ALTER TABLE orders RENAME TO gone")
    task = journal.begin(replace(PROPOSAL, entry=False))
    journal.write_first(task, ("a", "b"), sent(task, purpose=Purpose.EXIT))
    with pytest.raises(StateError, match="no order is sent that is not written"):
        journal.write(task, sent(task))
    change(place, "ALTER TABLE gone RENAME TO orders")
    (row,) = spare.rows()
    for _ in range(2):
        again = journal_of(ledger, run, SpareJournal(tmp_path / "exits.journal"))
        ((found,),) = (one.sent for one in again.tasks())
        assert (1, "a", Purpose.EXIT) == (found.execution, found.order.client_id, found.purpose)
        assert 2 == again.begin(PROPOSAL).number
        SpareJournal(tmp_path / "exits.journal").append(row)  # as if the process had died before it was cleared
