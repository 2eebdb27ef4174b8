"""A live executor over two scripted accounts: for unit tests of pairs, deaths and disks."""

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from backtest.accounting import LONG, OPEN, SHORT, Books, new_books
from backtest.events import Fill, apply
from backtest.settings import EnvironmentSettings
from backtest.settlement import POLICY
from backtest.tape import make_rules
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.settling import Settling
from bot.execution_settings import ExecutionSettings
from bot.ledger.database import Place
from bot.ledger.executions import Stamp
from bot.ledger.journal import Journal
from bot.ledger.models import Run
from bot.ledger.spare import SpareJournal
from bot.ledger.store import Ledger, instruments_to_json
from bot.orders import LegOrder, Outcome, Proposal
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
QUICK = ExecutionSettings(answer_s=0.05, leg_deadline_s=0.2, ask_s=0.3, absent_after_s=0.0)
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
        if writing and self.left < 0:
            raise StateError("the ledger cannot be written (disk full)")
        with super().connection(writing=writing) as connection:
            yield connection


class Table:
    """Two scripted accounts, order books with 1000 at one price, a journal that outlives the process."""

    def __init__(
        self, folder: Path, *scripts: Sequence[Does], told: ExecutionSettings = QUICK, place: Place | None = None
    ) -> None:
        """The ledger lies at `place`; None: in a file of `folder`."""
        self.accounts = {
            leg.venue: ScriptedAccount(leg.venue, script=list(script))
            for leg, script in zip(LEGS, scripts or ((), ()), strict=True)
        }
        self.venues = {leg.venue: ShownBooks({leg.symbol: around(100.0, 1000.0)}) for leg in LEGS}
        self.folder, self.told = folder, told
        self.ledger = StubbornLedger(place or Place.file(folder / "ledger.sqlite"))
        run = Run(
            world="w", profile="live", description="", episode="", champion="rule-1", capital=Decimal(10_000),
            from_ms=TICK, to_ms=None, state="running", instruments=instruments_to_json(LEGS),
        )  # fmt: skip
        self.run = self.ledger.start_run(run).id
        self.executor = self.restarted()

    def restarted(self) -> LiveExecutor:
        spare = SpareJournal(self.folder / "exits.journal")
        self.journal = Journal(self.ledger, self.run, LEGS, lambda: STAMP, spare)
        places = Places(self.venues, self.accounts, LEGS, Clock())  # type: ignore[arg-type]
        settling = Settling(self.accounts, LEGS, set(), TICK, 60)
        return LiveExecutor(str(self.run), places, RULES, self.journal, settling, self.told)

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
