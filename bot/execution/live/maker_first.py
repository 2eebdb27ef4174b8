"""Live trading that rests first: a post-only order on one leg of each pair, its fills taken at once on the other leg.

The same rule as `bot.execution.paper_maker`, at real venues; used by the trader where the settings say `maker_first`.
"""

import asyncio
from collections.abc import Sequence

from backtest.resting import Patience
from backtest.rules import Rules
from bot.execution.live.executor import LiveExecutor, Places
from bot.execution.live.resting import Resting, can_rest
from bot.latch import Holding, LatchState
from bot.orders import Outcome, Proposal, Unfilled
from bot.risk import ApprovedOrder


class LiveMaker:
    """Implements `execution.port.SideBySide`. One event loop, one call of `rest` at a time."""

    def __init__(
        self,
        executor: LiveExecutor,
        places: Places,
        rules: Rules,
        patience: Patience,
        latch: Holding,
        *,
        leaves: bool,
    ) -> None:
        """`latch` is read at every look: while it holds entries back none rests, and exits that a kill wants take at
        once. With `leaves`, entries that were not filled are left, not crossed."""
        self._executor = executor
        self._places = places
        self._rules = rules
        self._patience = patience
        self._latch = latch
        self._leaves = leaves
        self._hurried = asyncio.Event()

    def hurry(self) -> None:
        """Have nothing rest any longer: entries keep what they got, exits take. Holds for what rests now, or for what
        would rest next where nothing does."""
        self._hurried.set()

    async def rest(self, orders: Sequence[ApprovedOrder]) -> Sequence[Outcome]:
        """What became of the orders, one outcome each, when the last of them is filled or given up."""
        begin_ms = await self._places.clock.now_ms()
        working = [asyncio.ensure_future(self._carry_out(order, begin_ms)) for order in orders]
        try:
            return await asyncio.gather(*working)
        finally:
            self._hurried.clear()
            for one in working:
                one.cancel()

    async def _carry_out(self, order: ApprovedOrder, begin_ms: int) -> Outcome:
        proposal = order.proposal
        if proposal.entry and (why := self._over(proposal)):
            return Unfilled(why)
        pair = await self._executor.begin(order)
        if isinstance(pair, Unfilled):
            return pair
        if not can_rest(pair):
            await pair.take()
            return await self._executor.end(pair)
        resting = Resting(pair, self._places.venues, self._rules)
        why = await self._look_again_and_again(resting, proposal, begin_ms)
        await resting.withdraw()
        if resting.done or (proposal.entry and (self._leaves or why or self._over(proposal))):
            await pair.balance()
        else:
            await resting.cross(self._executor.stale)
        if not any(sent.report.filled for sent in pair.work.sent.values()):
            pair.remarks.insert(0, why or resting.told)
        return await self._executor.end(pair)

    async def _look_again_and_again(self, resting: Resting, proposal: Proposal, begin_ms: int) -> str:
        """Until it is filled, patience ends, or nothing may rest any longer: why that is so, or nothing."""
        patience = self._patience
        for look in range(patience.looks):
            if why := self._over(proposal):
                return why
            if look % patience.reprice_looks == 0:
                await (resting.reprice() if look else resting.place())
            if not resting.done:
                await self._pause(begin_ms + (look + 1) * patience.look_ms)
                await resting.look()
            if resting.done:
                break
        return ""

    def _over(self, proposal: Proposal) -> str:
        """Why an order must not rest, or not any longer; empty where it may."""
        if self._hurried.is_set():
            return "the bot had no time to wait for a fill"
        latch = self._latch.read()
        if latch.state is LatchState.KILLED:
            return f"killed: {latch.reason}"
        if not proposal.entry:
            return ""
        held_back = "" if latch.state is LatchState.NONE else f"entries are held back: {latch.reason}"
        return held_back or self._executor.halted or self._executor.slowed_down(proposal)

    async def _pause(self, until_ms: int) -> None:
        """Until that market time, or until there is a hurry."""
        clock, hurried = self._places.clock, self._hurried
        waits: list[asyncio.Future[object]] = [
            asyncio.ensure_future(clock.sleep_until(until_ms)),
            asyncio.ensure_future(hurried.wait()),
        ]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in done:
                one.result()
        finally:
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
