"""A live maker over two accounts at which orders rest, whose order books move as they are told."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backtest.accounting import Books
from backtest.resting import Patience
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.maker_first import LiveMaker
from bot.latch import Latch, LatchState
from bot.orders import Outcome, Proposal
from bot.risk import RiskGate
from bot.risk_settings import RiskSettings
from data.exchange import OrderBook
from data.panel import build_panel
from data.types import HOUR_MS
from tests.fakes.maker_account import MakerAccount, Meets, Taken
from tests.fakes.pair_table import BARS, LEGS, RULES, TICK, Table
from tests.fakes.scripted_account import Does
from tests.fakes.shown_books import ShownBooks

LOOKS, REPRICED_EVERY = 6, 2


def spread(price: float, half: float) -> OrderBook:
    return OrderBook(((price - half, 1000.0),), ((price + half, 1000.0),))


class LookClock:
    """Time stands still but for who waits; `now` counts looks."""

    def __init__(self) -> None:
        self.ms = TICK + 60_000

    @property
    def look(self) -> int:
        return (self.ms - TICK - 60_000) // 1000

    async def now_ms(self) -> int:
        return self.ms

    async def sleep_until(self, target_ms: int) -> None:
        await asyncio.sleep(0)
        self.ms = max(self.ms, target_ms)


@dataclass
class MovingBooks(ShownBooks):
    """Shows a book around the price of the look that it is asked at: the last price from then on."""

    clock: LookClock = field(default_factory=LookClock)
    prices: Sequence[float] = (100.0,)
    half: float = 0.05

    async def book(self, symbol: str, levels: int = 20) -> OrderBook:
        return spread(self.prices[min(self.clock.look, len(self.prices) - 1)], self.half)


@dataclass
class ScriptedLatch:
    """What holds at each look: nothing where that is not told."""

    clock: LookClock
    states: Sequence[LatchState] = ()

    def read(self) -> Latch:
        look = self.clock.look
        state = self.states[min(look, len(self.states) - 1)] if self.states else LatchState.NONE
        return Latch(state, "told to")


class MakerTable(Table):
    """The wider book is that of the first leg, on Binance, so that its order rests."""

    def __init__(
        self,
        path: Path,
        *meets: Meets,
        taken: Sequence[Taken] = (),
        takes: Sequence[Does] = (),
        prices: Sequence[float] = (100.0,),
        latch: Sequence[LatchState] = (),
        leaves: bool = False,
    ) -> None:
        """`meets` and `taken` are of the resting order, `takes` of the other leg's orders."""
        super().__init__(path)
        self.clock = LookClock()
        rests = MakerAccount("binance", meets=list(meets), taken=list(taken))
        self.accounts = {"binance": rests, "hyperliquid": MakerAccount("hyperliquid", script=list(takes))}
        self.rests = rests
        self.venues = {
            leg.venue: MovingBooks(clock=self.clock, prices=prices, half=half)
            for leg, half in zip(LEGS, (0.05, 0.02), strict=True)
        }
        self.latch, self.leaves = ScriptedLatch(self.clock, latch), leaves
        self.executor = self.restarted()
        self.maker = self.made(self.executor)

    def made(self, executor: LiveExecutor) -> LiveMaker:
        places = Places(self.venues, self.accounts, LEGS, self.clock)  # type: ignore[arg-type]
        executor._places = places
        patience = Patience(0, 1000, LOOKS, REPRICED_EVERY)
        return LiveMaker(executor, places, RULES, patience, self.latch, leaves=self.leaves)

    def execute(self, proposal: Proposal, books: Books) -> Outcome:
        async def talk() -> Outcome:
            await self.executor.recover(books)
            panel = build_panel(LEGS, {leg.key: BARS for leg in LEGS}, {}, TICK - 5 * HOUR_MS, TICK, 60)
            order = RiskGate(RiskSettings(min_edge_ratio=0.0), RULES, self.run).review(proposal, books, panel)
            (outcome,) = await self.maker.rest([order])  # type: ignore[list-item]
            return outcome

        return asyncio.run(talk())
