"""What is traded while the ledger takes nothing: no entry, every exit, and the next process knows of it."""

from pathlib import Path

import pytest

from bot.ledger.executions import Completed
from bot.ledger.journal import Journal
from bot.ledger.spare import SpareJournal
from bot.orders import Executed
from data.errors import StateError
from tests.fakes.pair_table import LEGS, STAMP, TICK
from tests.unit.bot.conftest import Seated


def test_nothing_is_entered_that_the_ledger_does_not_take(seated: Seated) -> None:
    table = seated()
    table.ledger.left = 0
    with pytest.raises(StateError):
        table.enter()
    assert [] == [order for account in table.accounts.values() for order in account.sent]


def test_a_first_leg_is_taken_back_where_the_second_cannot_be_written(seated: Seated) -> None:
    table = seated()
    table.ledger.left = 1
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert (0.0, 0.0) == table.held()
    assert "disk full" in outcome.remarks[0]
    table.ledger.left = 1_000_000
    ((_, again),) = table.recover(table.restarted())
    assert isinstance(again, Executed)
    assert [30.0, -30.0] == [fill.quantity for fill in again.fills], "the unwind was kept elsewhere"


def test_an_exit_waits_for_no_disk_and_the_next_process_knows_it(seated: Seated, tmp_path: Path) -> None:
    table = seated()
    table.ledger.left = 0
    assert isinstance(table.leave(), Executed)
    assert (0.0, 0.0) == table.held()
    table.ledger.left = 1_000_000
    ((proposal, outcome),) = table.recover(table.restarted())
    assert not proposal.entry
    assert isinstance(outcome, Executed)
    assert [-30.0, 30.0] == [fill.quantity for fill in outcome.fills]
    assert [] == SpareJournal(tmp_path / "exits.journal").rows(), "it is in the ledger now"


def test_an_outcome_that_the_ledger_did_not_take_waits_and_is_in_it_once_with_the_next_write(
    seated: Seated, tmp_path: Path
) -> None:
    table = seated()
    table.ledger.left = 0
    outcome = table.leave()
    assert isinstance(outcome, Executed)
    done = Completed(outcome.number, TICK, (), (0, 1), ())
    table.journal.complete(done, outcome.venue_fills, 0.0, filled=True)
    names = {(fill.venue, fill.symbol, fill.trade_id) for fill in outcome.venue_fills}
    assert (2, names, names) == (len(names), table.journal.booked_fills(), table.journal.booked_fills() & names)
    assert {fill.client_id for fill in outcome.venue_fills} == table.journal.filled()
    with pytest.raises(StateError):
        table.journal.catch_up()
    table.ledger.left = 1_000_000
    table.journal.catch_up()
    again = Journal(table.ledger, table.run, LEGS, lambda: STAMP, SpareJournal(tmp_path / "exits.journal"))
    assert ([], [done.number], names) == (again.tasks(), [one.number for one in again.unbooked()], again.booked_fills())
