"""Two legs at two venues that do as they are told: whatever happens, the legs end equal or people are told."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from backtest.accounting import LONG, SHORT
from bot.ledger.journal import Journal
from bot.orders import Executed, Pending, Unfilled
from tests.fakes.pair_table import LEGS, QUICK, STAMP, SilentBooks, Table
from tests.fakes.scripted_account import Does
from tests.unit.bot.conftest import Seated

PATIENT = QUICK.model_copy(update={"leg_deadline_s": 30.0})
"""Longer than a busy machine takes to ask meanwhile."""


def test_both_legs_are_filled_with_the_fees_that_the_venues_took(seated: Seated) -> None:
    table = seated()
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert [(LONG, 30.0), (SHORT, -30.0)] == [(fill.leg, fill.quantity) for fill in outcome.fills]
    assert [5e-4, 5e-4] == pytest.approx([fill.fee_rate for fill in outcome.fills])
    assert (30.0, -30.0) == table.held()
    assert () == outcome.remarks


def test_every_order_is_written_as_unknown_before_it_is_sent(seated: Seated) -> None:
    table, seen = seated(), []
    for account in table.accounts.values():
        place = account.place

        async def watched(order: Any, place: Any = place) -> Any:
            other = Journal(table.ledger, table.run, LEGS, lambda: STAMP)  # reads what is on the disk
            (task,) = other.tasks()
            seen.append({sent.order.client_id: sent.report.state.value for sent in task.sent}[order.client_id])
            return await place(order)

        account.place = watched  # type: ignore[method-assign]
    table.enter()
    assert ["unknown", "unknown"] == seen


@pytest.mark.parametrize("hangs", [LONG, SHORT])
def test_an_order_whose_answer_never_comes_is_asked_for_meanwhile_and_its_leg_stands_alone_no_longer(
    seated: Seated, hangs: int
) -> None:
    scripts = [[Does.HANGS] if leg == hangs else [] for leg in (LONG, SHORT)]
    table = seated(*scripts, told=PATIENT)
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert (30.0, -30.0) == table.held()
    assert outcome.naked < 3_000.0 * PATIENT.leg_deadline_s


def test_an_order_that_may_not_have_left_yet_is_not_taken_for_one_that_the_venue_never_had(seated: Seated) -> None:
    table = seated([Does.WAITS], [])
    assert isinstance(table.enter(), Pending)
    ((_, outcome),) = table.recover(table.executor)
    assert isinstance(outcome, Unfilled)
    assert (0.0, 0.0) == table.held()


def test_an_unwinding_whose_answer_never_comes_is_asked_for_meanwhile(seated: Seated) -> None:
    table = seated([Does.FILLS, Does.HANGS], [Does.REFUSES], told=PATIENT)
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert (0.0, 0.0) == table.held()
    assert outcome.naked < 3_000.0 * PATIENT.leg_deadline_s


@pytest.mark.parametrize(
    ("first", "second", "held"),
    [
        ([Does.HALF], [], (15.0, -15.0)),
        ([], [Does.HALF, Does.NOTHING, Does.NOTHING], (15.0, -15.0)),
        ([], [Does.HALF, Does.FILLS], (30.0, -30.0)),
        ([], [Does.REFUSES], (0.0, 0.0)),
        ([], [Does.NOTHING, Does.NOTHING, Does.NOTHING], (0.0, 0.0)),
        ([Does.NOTHING], [], (0.0, 0.0)),
        ([Does.LOSES_ANSWER], [Does.LOSES_ANSWER], (30.0, -30.0)),
        ([Does.LOSES_ORDER], [], (0.0, 0.0)),
        ([], [Does.LOSES_ORDER], (0.0, 0.0)),
        ([Does.HIDES], [], (30.0, -30.0)),
        ([], [Does.HIDES], (30.0, -30.0)),
        ([Does.FILLS, Does.HALF, Does.HALF], [Does.REFUSES], (8.0, 0.0)),
    ],
    ids=lambda told: "-".join(d.name for d in told) if isinstance(told, list) else "",
)
def test_an_entry_ends_with_equal_legs(
    seated: Seated, first: list[Does], second: list[Does], held: tuple[float, float]
) -> None:
    table = seated(first, second)
    outcome = table.enter()
    assert held == table.held() or abs(sum(table.held())) < 1.0
    ordered = {order.client_id for account in table.accounts.values() for order in account.sent}
    assert sum(len(account.sent) for account in table.accounts.values()) == len(ordered)
    if isinstance(outcome, Executed):
        for leg in (LONG, SHORT):
            booked = sum(fill.quantity for fill in outcome.fills if fill.leg == leg)
            assert pytest.approx(table.held()[leg]) == booked
    else:
        assert (0.0, 0.0) == table.held()


def test_what_the_second_venue_does_not_take_is_sold_again_within_the_deadline(seated: Seated) -> None:
    table = seated()
    table.accounts["hyperliquid"].down = True
    outcome = table.enter()
    assert isinstance(outcome, Pending), "the second order may still fill"
    assert (0.0, 0.0) == table.held()
    assert [30.0, -30.0] == [order.quantity for order in table.accounts["binance"].sent]
    assert table.accounts["binance"].sent[-1].reduce_only
    assert "entries wait" in table.executor.halted
    assert isinstance(table.enter(), Unfilled), "nothing is entered meanwhile"


def test_a_second_leg_that_fills_late_is_taken_back_too(seated: Seated) -> None:
    table = seated()
    slow = table.accounts["hyperliquid"]
    slow.down = True
    table.enter()
    slow.down = False
    (late,) = slow.sent
    slow.reports[late.client_id] = slow._done(late, Does.FILLS)
    ((_, outcome),) = table.recover(table.executor)
    assert isinstance(outcome, Executed)
    assert (0.0, 0.0) == table.held()
    assert "" == table.executor.halted
    least = 30.0 * 100.0 * QUICK.leg_deadline_s
    assert 0.5 * least < outcome.naked < 50 * least, "until the deadline, and while the late fill was closed"


def test_while_neither_venue_answers_nothing_more_is_sent(seated: Seated) -> None:
    table = seated()
    for account in table.accounts.values():
        account.down = True
    assert isinstance(table.enter(), Pending)
    assert [] == table.recover(table.executor)
    assert 1 == sum(len(account.sent) for account in table.accounts.values())


@pytest.mark.parametrize("second", [[], [Does.LOSES_ANSWER], [Does.HALF, Does.HALF], [Does.REFUSES]])
def test_an_exit_closes_both_legs(seated: Seated, second: list[Does]) -> None:
    table = seated([], second)
    assert isinstance(table.leave(), Executed)
    assert abs(sum(table.held())) < 1.0
    assert all(order.reduce_only for account in table.accounts.values() for order in account.sent)


def test_an_exit_does_not_begin_while_one_venue_cannot_show_its_book(seated: Seated) -> None:
    table = seated()
    table.venues["hyperliquid"] = SilentBooks()
    outcome = table.leave()
    assert Unfilled("hyperliquid does not answer") == outcome
    assert [] == table.accounts["binance"].sent


def test_each_order_bears_who_decided_and_by_what(seated: Seated) -> None:
    table = seated()
    table.enter()
    with table.ledger.connection() as connection:
        rows = connection.execute(text("select champion, model, configuration, code from orders")).all()
    assert [("rule-1", "model", "configuration", "code")] * 2 == [tuple(row) for row in rows]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", range(1, 5))
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "after it is sent"])
def test_a_restart_finds_what_a_dead_process_sent_and_takes_back_what_stands_alone(
    seated: Seated, after: int, sent: bool
) -> None:
    table, left = seated([], [Does.HALF, Does.NOTHING, Does.NOTHING]), after
    for account in table.accounts.values():
        place = account.place

        async def dying(order: Any, place: Any = place) -> Any:
            nonlocal left
            left -= 1
            if left == 0 and not sent:
                raise Killed
            report = await place(order)
            if left == 0:
                raise Killed
            return report

        account.place = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        table.enter()
    for account in table.accounts.values():
        del account.place  # type: ignore[method-assign]
    ((proposal, outcome),) = table.recover(table.restarted())
    assert proposal.entry
    assert abs(sum(table.held())) < 1.0
    booked = sum(fill.quantity for fill in outcome.fills) if isinstance(outcome, Executed) else 0.0
    assert pytest.approx(sum(table.held())) == booked


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(Does), max_size=4), st.lists(st.sampled_from(Does), max_size=4))
def test_whatever_the_venues_do_the_books_get_what_they_hold(
    tmp_path_factory: pytest.TempPathFactory, first: list[Does], second: list[Does]
) -> None:
    table = Table(tmp_path_factory.mktemp("pair"), first, second)
    outcome = table.enter()
    booked = [0.0, 0.0]
    outcomes = [outcome] if isinstance(outcome, Executed) else []
    if isinstance(outcome, Pending):
        outcomes = [one for _, one in table.recover(table.executor) if isinstance(one, Executed)]
    for one in outcomes:
        for fill in one.fills:
            booked[fill.leg] += fill.quantity
    assert list(table.held()) == pytest.approx(booked)
    if abs(sum(table.held())) >= 1.0:
        assert outcomes[-1].remarks, "legs that are not equal, and nobody was told"
