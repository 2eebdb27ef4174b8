"""The trader with real orders: a process that dies anywhere in an hour, and what the next one makes of it."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.accounting import FUNDING, LONG, SHORT, Books, new_books
from backtest.schema import schema_of
from backtest.settings import EnvironmentSettings
from backtest.simulated_venue import FLAT, IN, KEEP
from backtest.tape import make_rules
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.settling import Settling
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Stamp
from bot.ledger.journal import Journal
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord, instruments_to_json
from bot.risk import RiskGate
from bot.settings import Settings
from bot.trader import Account, Trader
from bot.venue_orders import VenueFunding
from data.ingest import Collector
from data.lake import Lake
from data.settings import DataSettings
from data.types import HOUR_MS
from tests.fakes.scripted_account import ScriptedAccount
from tests.fakes.scripted_policy import Scripted
from tests.fakes.shown_books import ShownBooks, around
from tests.unit.bot.test_trader import FIRST, HISTORY_H, INSTRUMENTS, PRICE, QUOTES, StoppedClock, recorded

ENVIRONMENT = EnvironmentSettings(formulation="pairs", rebalance_below=0.0)
DATA = DataSettings(history_hours=HISTORY_H)
QUICK = ExecutionSettings(leg_deadline_s=0.2, ask_s=0.3, absent_after_s=0.0)


class Killed(BaseException):
    """The process ends here."""


class LiveDesk:
    """Two scripted accounts that outlive the traders, and a ledger that does too."""

    def __init__(self, path: Path, answers: Sequence[Sequence[int]]) -> None:
        self.rules = make_rules(INSTRUMENTS, DATA.venues, ENVIRONMENT)
        self.ledger, self.clock = Ledger(path / "ledger.sqlite"), StoppedClock()
        self.accounts = {name: ScriptedAccount(name, PRICE) for name in sorted(QUOTES)}
        self.venues = {name: ShownBooks() for name in QUOTES}
        for one in INSTRUMENTS:
            self.venues[one.venue].books[one.symbol] = around(PRICE, 1e6)
        self.lake = recorded(Lake(path / "lake"))
        self.answers = list(answers)
        run = Run(
            world="w", profile="live", description="", episode="", champion="rule-1", capital=Decimal(10_000),
            from_ms=FIRST, to_ms=None, state="running", instruments=instruments_to_json(INSTRUMENTS),
        )  # fmt: skip
        self.run = self.ledger.start_run(run).id
        self.start()

    def start(self) -> None:
        """A process that goes on where the last one ended."""
        saved = self.ledger.snapshot(self.run)
        self.hour = 0 if saved is None else (saved[0] - FIRST) // HOUR_MS + 1
        stamp = Stamp("rule-1", "model", "configuration", "code")
        self.journal = Journal(self.ledger, self.run, INSTRUMENTS, lambda: stamp)
        places = Places(self.venues, self.accounts, INSTRUMENTS, self.clock)  # type: ignore[arg-type]
        settling = Settling(self.accounts, INSTRUMENTS, self.journal.booked_funding(), FIRST, DATA.decision_delay_s)
        told = np.array(self.answers[self.hour :], dtype=np.int64)
        self.trader = Trader(
            account=Account(self.run, INSTRUMENTS, 10_000.0, "rule-1"),
            books=new_books(2, 3, 10_000.0) if saved is None else saved[1],
            policy=Scripted(schema_of(ENVIRONMENT), told),
            collector=Collector({}, self.lake, INSTRUMENTS, HISTORY_H),
            lake=self.lake,
            executor=LiveExecutor(str(self.run), places, self.rules, self.journal, settling, QUICK),
            gate=RiskGate(Settings().risk, self.rules, self.run),
            ledger=self.ledger,
            settings=Settings(data=DATA, environment=ENVIRONMENT),
            rules=self.rules,
            clock=self.clock,
            publish=lambda event: None,
            journal=self.journal,
        )
        asyncio.run(self.trader.resume(FIRST - HOUR_MS if saved is None else saved[0]))

    def tick(self) -> TickRecord:
        tick = FIRST + self.hour * HOUR_MS
        self.clock.ms, self.hour = tick + 60_000, self.hour + 1
        return asyncio.run(self.trader.tick(tick, decide=True))

    def held(self) -> dict[tuple[str, str], float]:
        held = {(name, s): q for name, account in self.accounts.items() for s, q in account.held.items()}
        return {key: quantity for key, quantity in held.items() if quantity}

    def booked(self) -> dict[tuple[str, str], float]:
        books = self.trader.books
        return {
            INSTRUMENTS[int(books.instrument[slot, leg])].key: float(books.quantity[slot, leg])
            for slot, leg in np.argwhere(books.quantity != 0).tolist()
        }


TAPE = [[IN, IN], [KEEP, FLAT], [FLAT, KEEP], [KEEP, KEEP]]
"""Both pairs, one left, the other left, nothing."""


def undisturbed(path: Path) -> Books:
    desk = LiveDesk(path, TAPE)
    for _ in TAPE:
        desk.tick()
    return desk.trader.books


def test_what_the_venues_hold_is_what_the_books_hold_hour_after_hour(tmp_path: Path) -> None:
    desk = LiveDesk(tmp_path, TAPE)
    for pairs in (2, 1, 0, 0):
        desk.tick()
        assert 2 * pairs == len(desk.held())
        assert desk.held() == desk.booked()


@pytest.mark.parametrize("sent", [False, True], ids=["before it is sent", "after it is sent"])
@pytest.mark.parametrize("orders", range(1, 9))
def test_a_process_that_dies_at_any_order_leaves_the_next_one_with_equal_legs_and_true_books(
    tmp_path: Path, orders: int, sent: bool
) -> None:
    desk, left = LiveDesk(tmp_path, TAPE), orders
    for account in desk.accounts.values():
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
        for _ in TAPE:
            desk.tick()
    desk.start()
    net = [sum(q for (_, symbol), q in desk.held().items() if symbol.startswith(code)) for code in ("AAA", "BBB")]
    assert [0.0, 0.0] == net, "hedged or flat as soon as it is back"
    while desk.hour < len(TAPE):
        desk.tick()
        assert desk.held() == desk.booked()
    assert [] == desk.journal.tasks()
    assert [] == desk.journal.unbooked()


def test_a_process_that_dies_before_the_hour_is_written_trades_none_of_it_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = undisturbed(tmp_path / "undisturbed")
    desk = LiveDesk(tmp_path / "killed", TAPE)

    def dying(*_: object) -> None:
        raise Killed

    for _ in TAPE:
        with monkeypatch.context() as patched:
            patched.setattr(desk.ledger, "record_tick", dying)
            with pytest.raises(Killed):
                desk.tick()
        desk.start()
        desk.tick()
        assert desk.held() == desk.booked()
    assert 8 == sum(len(account.sent) for account in desk.accounts.values())
    for name in expected.dtype.names or ():
        np.testing.assert_array_equal(expected[name], desk.trader.books[name], err_msg=name)
    assert 2 == len(desk.ledger.trades(desk.run))


def paid(symbol: str, hour: int, amount: float, name: str = "") -> VenueFunding:
    return VenueFunding("hyperliquid", symbol, name, FIRST + hour * HOUR_MS + 120, amount)


def test_funding_is_what_the_venue_paid_once_however_late_it_tells(tmp_path: Path) -> None:
    desk, (aaa,) = LiveDesk(tmp_path, [[IN, KEEP]] + [[KEEP, KEEP]] * 4), (INSTRUMENTS[1],)
    desk.tick()
    venue = desk.accounts["hyperliquid"].payments
    venue.append(paid(aaa.symbol, 1, 1.25))
    desk.tick()
    assert 1.25 == desk.trader.books.pnl[FUNDING]
    assert 1.25 == desk.trader.books.paid[0].sum()
    venue.append(paid(aaa.symbol, 3, -0.5))
    desk.tick()
    assert 1.25 == desk.trader.books.pnl[FUNDING], "the payment of the next hour waits for it"
    venue += [paid(aaa.symbol, 2, 0.25, "late"), paid(aaa.symbol, 2, 0.125, "another of the same instant")]
    desk.start()
    desk.tick()
    assert 1.25 + 0.25 + 0.125 - 0.5 == desk.trader.books.pnl[FUNDING]
    desk.tick()
    assert 1.125 == desk.trader.books.pnl[FUNDING]
    assert 4 == len(desk.journal.booked_funding())


def test_funding_of_a_position_that_is_closed_by_now_goes_to_the_account(tmp_path: Path) -> None:
    desk = LiveDesk(tmp_path, [[IN, KEEP], [FLAT, KEEP], [KEEP, KEEP]])
    desk.tick()
    desk.tick()
    desk.accounts["hyperliquid"].payments.append(paid(INSTRUMENTS[1].symbol, 1, 2.0))
    before = desk.trader.books.cash.copy()
    desk.tick()
    assert 2.0 == desk.trader.books.pnl[FUNDING]
    assert [0.0, 2.0] == (desk.trader.books.cash - before).tolist()


def test_what_was_paid_before_the_account_began_is_not_its_own(tmp_path: Path) -> None:
    desk = LiveDesk(tmp_path, [[IN, KEEP], [KEEP, KEEP]])
    desk.accounts["hyperliquid"].payments.append(paid(INSTRUMENTS[1].symbol, -1, 9.0))
    desk.tick()
    desk.tick()
    assert 0.0 == desk.trader.books.pnl[FUNDING]
    assert {LONG, SHORT} == set(np.flatnonzero(desk.trader.books.quantity[0]).tolist())
