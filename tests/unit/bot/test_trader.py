"""The trader's hour: closes that go only part of the way, lost legs, and orders that fail."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.accounting import LONG, OPEN, SHORT, Books, equity, new_books
from backtest.events import Closing, Fill, Liquidation, apply
from backtest.policies import plain_policy
from backtest.schema import Schema, schema_of
from backtest.settings import EnvironmentSettings
from backtest.settlement import LIQUIDATED, POLICY
from backtest.simulated_venue import FLAT, IN, KEEP
from backtest.tape import make_rules
from bot.alerts import Event, Kind
from bot.execution.paper import PaperExecutor
from bot.latch import LATCH, LatchFile
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord, instruments_to_json
from bot.risk import RiskGate
from bot.settings import Settings
from bot.trader import Account, Trader
from data.errors import ConfigurationError, StateError
from data.ingest import Collector
from data.lake import Lake
from data.settings import DataSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements
from tests.fakes.scripted_policy import Scripted
from tests.fakes.shown_books import ShownBooks, around

HISTORY_H = 192
START = 1_736_150_400_000
"""2025-01-06 08:00 UTC: the first tick is no midnight, when the collector would tell of such odd rates."""
FIRST = START + (HISTORY_H + 24) * HOUR_MS
PRICE = 100.0
QUOTES = {"binance": "USDT", "hyperliquid": "USDC"}
COINS = {"AAA": 3e-4, "BBB": 1e-4}
"""What Hyperliquid's longs pay each hour: AAA ranks first."""
INSTRUMENTS = tuple(
    Instrument(venue, f"{code}/{quote}:{quote}", Asset(code), quote, 1.0, 0.01, 10.0, 1)
    for code in COINS
    for venue, quote in QUOTES.items()
)


class StoppedClock:
    """Shows the time that it is set to."""

    def __init__(self) -> None:
        self.ms = 0

    async def now_ms(self) -> int:
        return self.ms

    async def sleep_until(self, target_ms: int) -> None:
        self.ms = max(self.ms, target_ms)


class Desk:
    """A trader by pair over a market at one price, on venues whose order books are set by hand."""

    def __init__(
        self, path: Path, answers: Sequence[Sequence[int]], books: Books | None = None, **told: object
    ) -> None:
        environment = EnvironmentSettings.model_validate({"formulation": "pairs"} | told)
        data = DataSettings(history_hours=HISTORY_H)
        schema = schema_of(environment)
        rules = make_rules(INSTRUMENTS, data.venues, environment)
        self.path = path / "ledger.sqlite"
        self.ledger, self.clock, self.hour = Ledger(self.path), StoppedClock(), 0
        self.venues = {venue: ShownBooks() for venue in QUOTES}
        self.show(1e6)
        run = self.ledger.start_run(
            Run(
                world="w", profile="sandbox", description="", episode="", champion="rule-1", capital=Decimal(10_000),
                from_ms=FIRST, to_ms=None, state="running", instruments=instruments_to_json(INSTRUMENTS),
            )
        ).id  # fmt: skip
        lake = Lake(path / "lake")
        self.trader = Trader(
            account=Account(run, INSTRUMENTS, 10_000.0, "rule-1"),
            books=new_books(2, 3, 10_000.0) if books is None else books,
            policy=Scripted(schema, np.array(answers, dtype=np.int64)),
            collector=Collector({}, recorded(lake), INSTRUMENTS, HISTORY_H),
            lake=lake,
            executor=PaperExecutor(self.venues, rules, {}, environment.delisted_after_hours),  # type: ignore[arg-type]
            gate=RiskGate(Settings().risk, rules, run, LatchFile(path / LATCH)),
            ledger=self.ledger,
            settings=Settings(data=data, environment=environment),
            rules=rules,
            clock=self.clock,
            publish=lambda event: None,
        )

    def show(self, units: float, *codes: str) -> None:
        """So much rests on the best level of these coins, or of all."""
        for instrument in INSTRUMENTS:
            if not codes or str(instrument.asset) in codes:
                self.venues[instrument.venue].books[instrument.symbol] = around(PRICE, units)

    def tick(self, late_ms: int = 60_000) -> TickRecord:
        """The next hour."""
        tick = FIRST + self.hour * HOUR_MS
        self.clock.ms, self.hour = tick + late_ms, self.hour + 1
        return asyncio.run(self.trader.tick(tick, decide=True))

    def intents(self) -> list[tuple[str, str, int]]:
        """(symbol, state, number of fills) of every order, as they were written."""
        with closing(sqlite3.connect(self.path)) as connection:
            filled = "(select count(*) from fills where fills.client_id = intents.client_id)"
            return connection.execute(f"select symbol, state, {filled} from intents order by symbol").fetchall()

    @property
    def books(self) -> Books:
        return self.trader.books

    def asked(self) -> int:
        return sum(venue.asked for venue in self.venues.values())


def recorded(lake: Lake) -> Lake:
    """The lake with 300 hours of every coin at one price and steady funding."""
    times = START + HOUR_MS * np.arange(300, dtype=np.int64)
    flat = np.full(300, PRICE)
    for one in INSTRUMENTS:
        rate = COINS[str(one.asset)] if one.venue == "hyperliquid" else 0.0
        lake.append_bars(one.venue, {one.symbol: Bars(times, flat, flat, flat, flat, np.full(300, 1e4))})
        lake.append_settlements(one.venue, {one.symbol: Settlements(times, np.zeros_like(times), np.full(300, rate))})
    return lake


def holding(paid: float = PRICE) -> Books:
    """AAA in slot 0: long 30 on Binance at `paid`, short 30 on Hyperliquid."""
    books = new_books(2, 3, 10_000.0)
    for leg, quantity, price in ((LONG, 30.0, paid), (SHORT, -30.0, PRICE)):
        books = apply(books, Fill(0, leg, leg, leg, quantity, price, price, 0.0, 0.0, FIRST - HOUR_MS))
    return books


def test_what_ranks_first_is_entered_first_and_both_pairs_if_both_are_wanted(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN]])
    desk.tick()
    assert [[0, 1], [2, 3]] == desk.books.instrument[:2].tolist()


def test_an_entry_takes_what_the_thinner_order_book_holds(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, KEEP]])
    desk.venues["hyperliquid"].books[INSTRUMENTS[1].symbol] = around(PRICE, 7.5)
    desk.tick()
    assert [7.0, -7.0] == desk.books.quantity[0].tolist()


def test_an_exit_that_goes_part_of_the_way_is_gone_on_with_whatever_the_policy_says(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[FLAT, KEEP], [IN, KEEP]], holding())
    desk.show(12.0)
    first = desk.tick()
    assert [18.0, -18.0] == desk.books.quantity[0].tolist()
    assert (POLICY, []) == (desk.books.closing[0], first.trades)
    second = desk.tick()
    assert [6.0, -6.0] == desk.books.quantity[0].tolist()
    assert [] == second.trades
    desk.show(1e6)
    (trade,) = desk.tick().trades
    assert (30.0, "policy", FIRST - HOUR_MS, FIRST + 2 * HOUR_MS) == (
        trade.quantity, trade.reason, trade.opened_ms, trade.closed_ms,
    )  # fmt: skip
    assert 0 == desk.books.opened_at[0]


def test_an_exit_that_finds_nothing_has_not_begun(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[FLAT, KEEP]], holding())
    desk.show(0.0)
    record = desk.tick()
    assert [Kind.UNFILLED] == [event.kind for event in record.events]
    assert OPEN == desk.books.closing[0]
    desk.show(1e6)
    desk.tick()
    assert [30.0, -30.0] == desk.books.quantity[0].tolist()


def test_a_position_whose_legs_are_both_gone_is_cleared_without_an_order(tmp_path: Path) -> None:
    lost = holding()
    for leg in (LONG, SHORT):
        lost = apply(lost, Liquidation(0, leg, leg, 5e-4, 1.0, 0.0))
    desk = Desk(tmp_path, [[KEEP, KEEP]], apply(lost, Closing(0, LIQUIDATED)))
    record = desk.tick()
    assert (["liquidated"], [30.0]) == ([one.reason for one in record.trades], [one.quantity for one in record.trades])
    assert 0 == desk.books.opened_at[0]
    assert ([], 0) == (desk.intents(), desk.asked())
    assert pytest.approx(float(equity(lost))) == record.equity


def test_the_leg_that_is_left_is_closed_alone(tmp_path: Path) -> None:
    lost = apply(apply(holding(), Liquidation(0, LONG, 0, 5e-4, 1.0, 0.0)), Closing(0, LIQUIDATED))
    desk = Desk(tmp_path, [[IN, KEEP]], lost)
    (trade,) = desk.tick().trades
    assert ("liquidated", 0) == (trade.reason, desk.books.opened_at[0])
    assert [(INSTRUMENTS[1].symbol, "filled", 1)] == desk.intents()


def test_what_is_closed_by_force_is_not_entered_again_at_that_tick(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, KEEP], [IN, KEEP]], holding(paid=110.0))
    (trade,) = desk.tick().trades
    assert ("stop_loss", 0) == (trade.reason, desk.books.opened_at[0])
    desk.tick()
    assert FIRST + HOUR_MS == desk.books.opened_at[0]


def test_after_a_kill_every_position_is_closed_at_the_next_hour_and_none_is_entered(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN], [IN, IN]], holding())
    LatchFile(tmp_path / LATCH).kill("a test")
    (trade,) = desk.tick().trades
    assert "killed" == trade.reason
    assert [] == desk.tick().trades
    assert [0, 0, 0] == desk.books.opened_at.tolist()


def test_a_pause_closes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[KEEP, IN]], holding())
    LatchFile(tmp_path / LATCH).pause("a test")
    assert [] == desk.tick().trades
    assert [True, False, False] == (desk.books.opened_at != 0).tolist()


def test_between_decisions_the_policy_is_not_asked_and_losses_are_still_stopped(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN], [IN, IN]], decision_hours=8)
    assert "1 1" == desk.tick().action
    desk.trader.books = holding(paid=110.0)
    record = desk.tick()
    assert record.action is None
    assert ["stop_loss"] == [trade.reason for trade in record.trades]


def test_an_hour_that_is_over_is_not_traded(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN]])
    record = desk.tick(late_ms=HOUR_MS)
    assert (None, 0) == (record.action, desk.asked())


def test_an_order_that_failed_and_the_next_one_into_the_same_slot_are_two_orders(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN]])
    desk.show(0.0, "AAA")
    desk.tick()
    assert [2, 3] == desk.books.instrument[0].tolist()
    states = {"AAA": ("unfilled", 0), "BBB": ("filled", 1)}
    assert sorted((one.symbol, *states[str(one.asset)]) for one in INSTRUMENTS) == desk.intents()


def test_another_champion_decides_from_the_next_tick_on_by_its_own_schema(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, KEEP]], decision_hours=8)
    assert "1 0" == desk.tick().action
    ranked = Schema(3, 5)
    exit_slot_0 = 1 + ranked.opportunities
    desk.trader.set_policy(Scripted(ranked, np.array([0, exit_slot_0])), "ppo-1", "it won")
    first, second = desk.tick(), desk.tick()
    assert ("0", str(exit_slot_0)) == (first.action, second.action), "hourly now, one action"
    assert [FIRST + 2 * HOUR_MS] == [trade.closed_ms for trade in second.trades]
    told = Event(FIRST + HOUR_MS, Kind.PROMOTED, "champion ppo-1 takes over from rule-1: it won")
    assert ([told], "ppo-1") == ([one for one in first.events if one.kind is Kind.PROMOTED], desk.trader.champion)
    assert Kind.PROMOTED not in [one.kind for one in second.events]
    run = desk.ledger.latest()
    assert run is not None
    assert "ppo-1" == run.champion


def test_a_slow_policy_by_pair_takes_over_an_hourly_account(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [], formulation="ranked")
    desk.trader.set_policy(Scripted(Schema(3, 5, "pairs", 8), np.array([[IN, IN]])), "ppo-2", "")
    assert ["1 1", *[None] * 7, "0 0"] == [desk.tick().action for _ in range(9)]


def test_flat_leaves_the_market(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, IN]])
    desk.tick()
    desk.trader.set_policy(plain_policy("flat", Schema(3, 5), 0), "flat", "the champion lost too much")
    exits = [len(desk.tick().trades) for _ in range(3)]
    assert ([1, 1, 0], [0, 0, 0]) == (exits, desk.books.opened_at.tolist())


def test_a_champion_that_does_not_fit_the_account_changes_nothing(tmp_path: Path) -> None:
    desk = Desk(tmp_path, [[IN, KEEP]])
    with pytest.raises(ConfigurationError, match="cannot trade with environment.max_positions 3"):
        desk.trader.set_policy(Scripted(Schema(4, 5), np.array([0])), "ppo-1", "it won")
    record = desk.tick()
    assert ("1 0", "rule-1", None) == (record.action, desk.trader.champion, record.champion)
    assert Kind.PROMOTED not in [one.kind for one in record.events]


def test_a_change_is_told_by_the_tick_that_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick that fails is done again, and tells it then."""
    desk = Desk(tmp_path, [[KEEP, KEEP], [KEEP, KEEP]])
    desk.trader.set_policy(Scripted(Schema(3, 5), np.array([0, 0])), "ppo-1", "it won")
    with monkeypatch.context() as broken, pytest.raises(StateError):
        broken.setattr(desk.ledger, "record_tick", _refuse)
        desk.tick()
    desk.hour = 0
    assert [Kind.PROMOTED] == [one.kind for one in desk.tick().events]


def test_what_is_told_amid_a_tick_is_told_by_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard looks at venues all the time."""
    desk = Desk(tmp_path, [[KEEP, KEEP], [KEEP, KEEP]])
    settle = desk.trader._executor.settle

    async def amid(*told: Any) -> Any:
        desk.trader.tell(Kind.TROUBLE, "binance does not answer")
        return await settle(*told)

    desk.trader.tell(Kind.DENIED, "before")
    with monkeypatch.context() as busy:
        busy.setattr(desk.trader._executor, "settle", amid)
        assert ["before"] == [one.text for one in desk.tick().events]
    assert ["binance does not answer"] == [one.text for one in desk.tick().events]
    assert [] == desk.tick().events


def _refuse(*_: object) -> None:
    raise StateError("the disk is full")
