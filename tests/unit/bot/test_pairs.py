"""Two legs at two venues that do as they are told: whatever happens, the legs end equal or people are told."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, text

from backtest.accounting import LONG, OPEN, SHORT, Books, new_books
from backtest.events import Fill, apply
from backtest.settings import EnvironmentSettings
from backtest.settlement import POLICY
from backtest.tape import make_rules
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.settling import Settling
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Stamp
from bot.ledger.journal import Journal
from bot.ledger.models import Run
from bot.ledger.spare import SpareJournal
from bot.ledger.store import Ledger, instruments_to_json
from bot.orders import Executed, LegOrder, Outcome, Pending, Proposal, Unfilled
from bot.risk import RiskGate
from bot.risk_settings import RiskSettings
from data.errors import StateError, VenueUnreachable
from data.exchange import OrderBook
from data.panel import build_panel
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument
from tests.fakes.scripted_account import Does, ScriptedAccount
from tests.fakes.shown_books import ShownBooks, around

TICK = 1_000_000 * HOUR_MS
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
RULES = make_rules(LEGS, {leg.venue: VenueSettings() for leg in LEGS}, EnvironmentSettings())
QUICK = ExecutionSettings(leg_deadline_s=0.2, ask_s=0.3, absent_after_s=0.0)
TIMES = TICK + HOUR_MS * np.arange(-10, 1, dtype=np.int64)
FLAT = np.full(len(TIMES), 100.0)
BARS = Bars(TIMES, FLAT, FLAT, FLAT, FLAT, FLAT)
STAMP = Stamp("rule-1", "model", "configuration", "code")


class Clock:
    async def now_ms(self) -> int:
        return TICK + 60_000

    async def sleep_until(self, target_ms: int) -> None: ...


class SilentBooks(ShownBooks):
    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        raise VenueUnreachable("hyperliquid does not answer")


class StubbornLedger(Ledger):
    """Takes no more writes once `left` of them are done."""

    left = 1_000_000

    @contextmanager
    def connection(self, *, writing: bool = False) -> Iterator[Connection]:
        self.left -= writing
        if self.left < 0:
            raise StateError("the ledger cannot be written (disk full)")
        with super().connection(writing=writing) as connection:
            yield connection


class Table:
    """Two scripted accounts, order books with 1000 at one price, a journal on disk."""

    def __init__(self, path: Path, *scripts: Sequence[Does], told: ExecutionSettings = QUICK) -> None:
        self.accounts = {
            leg.venue: ScriptedAccount(leg.venue, script=list(script))
            for leg, script in zip(LEGS, scripts or ((), ()), strict=True)
        }
        self.venues = {leg.venue: ShownBooks({leg.symbol: around(100.0, 1000.0)}) for leg in LEGS}
        self.path, self.told = path / "ledger.sqlite", told
        self.ledger = StubbornLedger(self.path)
        run = Run(
            world="w", profile="live", description="", episode="", champion="rule-1", capital=Decimal(10_000),
            from_ms=TICK, to_ms=None, state="running", instruments=instruments_to_json(LEGS),
        )  # fmt: skip
        self.run = self.ledger.start_run(run).id
        self.executor = self.restarted()

    def restarted(self) -> LiveExecutor:
        spare = SpareJournal(self.path.with_name("exits.journal"))
        self.journal = Journal(self.ledger, self.run, LEGS, lambda: STAMP, spare)
        places = Places(self.venues, self.accounts, LEGS, Clock())  # type: ignore[arg-type]
        settling = Settling(self.accounts, LEGS, set(), TICK, 60)
        return LiveExecutor(self.run, places, RULES, self.journal, settling, self.told)

    def enter(self, quantity: float = 30.0) -> Outcome:
        legs = (
            LegOrder(LONG, LEGS[0], 0, 0, quantity, 100.0, 0.03),
            LegOrder(SHORT, LEGS[1], 1, 1, -quantity, 100.0, 0.03),
        )
        return self.execute(Proposal(True, 0, TICK, OPEN, legs, (0, 1)), new_books(2, 3, 10_000.0))

    def leave(self) -> Outcome:
        legs = tuple(
            LegOrder(leg, one, leg, leg, -held, 100.0, math.inf, held)
            for leg, one, held in ((LONG, LEGS[0], 30.0), (SHORT, LEGS[1], -30.0))
        )
        return self.execute(Proposal(False, 0, TICK, POLICY, legs, (0, 1)), self.holding())

    def holding(self) -> Books:
        books = new_books(2, 3, 10_000.0)
        for leg, quantity in ((LONG, 30.0), (SHORT, -30.0)):
            self.accounts[LEGS[leg].venue].held[LEGS[leg].symbol] = quantity
            books = apply(books, Fill(0, leg, leg, leg, quantity, 100.0, 100.0, 0.0, 0.0, TICK - HOUR_MS))
        return books

    def execute(self, proposal: Proposal, books: Books) -> Outcome:
        async def talk() -> Outcome:
            await self.executor.recover(books)
            panel = build_panel(LEGS, {leg.key: BARS for leg in LEGS}, {}, TICK - 5 * HOUR_MS, TICK, 60)
            order = RiskGate(RiskSettings(min_edge_ratio=0.0), RULES, self.run).review(proposal, books, panel)
            return await self.executor.execute(order)  # type: ignore[arg-type]

        return asyncio.run(talk())

    def recover(self, executor: LiveExecutor) -> list[tuple[Proposal, Any]]:
        return list(asyncio.run(executor.recover(new_books(2, 3, 10_000.0))))

    def held(self) -> tuple[float, float]:
        one, other = (self.accounts[leg.venue].held.get(leg.symbol, 0.0) for leg in LEGS)
        return one, other


def test_both_legs_are_filled_with_the_fees_that_the_venues_took(tmp_path: Path) -> None:
    table = Table(tmp_path)
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert [(LONG, 30.0), (SHORT, -30.0)] == [(fill.leg, fill.quantity) for fill in outcome.fills]
    assert [5e-4, 5e-4] == pytest.approx([fill.fee_rate for fill in outcome.fills])
    assert (30.0, -30.0) == table.held()
    assert () == outcome.remarks


def test_every_order_is_written_as_unknown_before_it_is_sent(tmp_path: Path) -> None:
    table, seen = Table(tmp_path), []
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
    tmp_path: Path, first: list[Does], second: list[Does], held: tuple[float, float]
) -> None:
    table = Table(tmp_path, first, second)
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


def test_what_the_second_venue_does_not_take_is_sold_again_within_the_deadline(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.accounts["hyperliquid"].down = True
    outcome = table.enter()
    assert isinstance(outcome, Pending), "the second order may still fill"
    assert (0.0, 0.0) == table.held()
    assert [30.0, -30.0] == [order.quantity for order in table.accounts["binance"].sent]
    assert table.accounts["binance"].sent[-1].reduce_only
    assert "entries wait" in table.executor.halted
    assert isinstance(table.enter(), Unfilled), "nothing is entered meanwhile"


def test_a_second_leg_that_fills_late_is_taken_back_too(tmp_path: Path) -> None:
    table = Table(tmp_path)
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


def test_while_neither_venue_answers_nothing_more_is_sent(tmp_path: Path) -> None:
    table = Table(tmp_path)
    for account in table.accounts.values():
        account.down = True
    assert isinstance(table.enter(), Pending)
    assert [] == table.recover(table.executor)
    assert 1 == sum(len(account.sent) for account in table.accounts.values())


@pytest.mark.parametrize("second", [[], [Does.LOSES_ANSWER], [Does.HALF, Does.HALF], [Does.REFUSES]])
def test_an_exit_closes_both_legs(tmp_path: Path, second: list[Does]) -> None:
    table = Table(tmp_path, [], second)
    assert isinstance(table.leave(), Executed)
    assert abs(sum(table.held())) < 1.0
    assert all(order.reduce_only for account in table.accounts.values() for order in account.sent)


def test_an_exit_does_not_begin_while_one_venue_cannot_show_its_book(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.venues["hyperliquid"] = SilentBooks()
    outcome = table.leave()
    assert Unfilled("hyperliquid does not answer") == outcome
    assert [] == table.accounts["binance"].sent


def test_each_order_bears_who_decided_and_by_what(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.enter()
    with table.ledger.connection() as connection:
        rows = connection.execute(text("select champion, model, configuration, code from orders")).all()
    assert [("rule-1", "model", "configuration", "code")] * 2 == [tuple(row) for row in rows]


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", range(1, 5))
@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "after it is sent"])
def test_a_restart_finds_what_a_dead_process_sent_and_takes_back_what_stands_alone(
    tmp_path: Path, after: int, sent: bool
) -> None:
    table, left = Table(tmp_path, [], [Does.HALF, Does.NOTHING, Does.NOTHING]), after
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


def test_nothing_is_entered_that_the_ledger_does_not_take(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.ledger.left = 0
    with pytest.raises(StateError):
        table.enter()
    assert [] == [order for account in table.accounts.values() for order in account.sent]


def test_a_first_leg_is_taken_back_where_the_second_cannot_be_written(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.ledger.left = 1
    outcome = table.enter()
    assert isinstance(outcome, Executed)
    assert (0.0, 0.0) == table.held()
    assert "disk full" in outcome.remarks[0]
    table.ledger.left = 1_000_000
    ((_, again),) = table.recover(table.restarted())
    assert isinstance(again, Executed)
    assert [30.0, -30.0] == [fill.quantity for fill in again.fills], "the unwind was kept elsewhere"


def test_an_exit_waits_for_no_disk_and_the_next_process_knows_it(tmp_path: Path) -> None:
    table = Table(tmp_path)
    table.ledger.left = 0
    assert isinstance(table.leave(), Executed)
    assert (0.0, 0.0) == table.held()
    table.ledger.left = 1_000_000
    ((proposal, outcome),) = table.recover(table.restarted())
    assert not proposal.entry
    assert isinstance(outcome, Executed)
    assert [-30.0, 30.0] == [fill.quantity for fill in outcome.fills]
    assert [] == SpareJournal(tmp_path / "exits.journal").rows(), "it is in the ledger now"
