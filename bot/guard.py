"""The guard: looks at the venues every minute beside the trader's hours, and acts where waiting would cost.

It trades nothing by itself: what it wants goes through the trader's hands, so that both never trade at once, and
through risk and the executor like everything else. It opens nothing. What differs from the books halts entries until a
person has looked; what a venue's own history explains is booked, and the other leg follows.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import numpy as np

from backtest.accounting import OPEN, Books, revalue
from backtest.events import Mark, apply
from backtest.settlement import KILLED, LOST, mark_forced_exits
from bot.alerts import LOG, Kind
from bot.bans import BanList
from bot.execution.looks import Look, Wrong, failures, glance, look
from bot.execution.mending import excess, halves, shares
from bot.execution.reconcile import Difference, unexplained
from bot.guard_settings import GuardSettings
from bot.kill_journal import is_kill
from bot.latch import LatchFile, LatchState
from bot.risk.liquidation import distance
from bot.troubles import Troubles
from bot.venue_orders import VenueFill
from bot.watching import Comparison, Watched, lasting
from data.errors import FundingBotError
from data.types import HOUR_MS, Instrument

RETRY_S = 5.0
"""A round that failed is tried again after so many real seconds."""


class Guard:
    """One account's guard. One event loop; `minute` is one round, `run` goes on until it is cancelled."""

    def __init__(
        self, watched: Watched, settings: GuardSettings, latch: LatchFile, halt: LatchFile, bans: BanList
    ) -> None:
        self.watched = watched
        self._settings = settings
        self._latch = latch
        self._halt = halt
        self._bans = bans
        self._rounds = 0
        self._troubles = Troubles()
        self._comparison = Comparison(watched)

    async def run(self) -> None:
        """Round after round. What a venue, the ledger or the disk fails in is told and tried again; a defect of ours
        ends it."""
        while True:
            try:
                now = await self.watched.clock.now_ms()
                await self.minute()
                await self.watched.clock.sleep_until(now + round(1000 * self._settings.every_s))
            except (FundingBotError, OSError) as error:
                LOG.warning("%s; the guard looks again in %g s", error, RETRY_S)
                await asyncio.sleep(RETRY_S)

    async def minute(self) -> None:
        """One round: dead man's timers, clocks, then the account; while orders rest, only what cannot wait for them."""
        trouble = await self._keep_alive()
        if self._rounds % self._settings.clock_every == 0:
            trouble |= await self._clocks()
        self._rounds += 1
        if self.watched.trader.behind:
            return
        async with self.watched.trader.alone_unless_at_rest() as tick:
            trouble |= {} if tick is None else await self._look(tick)
        if tick is None:
            trouble |= await self._glance()
        now = await self.watched.clock.now_ms()
        told = [text for cause, text in sorted(trouble.items()) for text in self._troubles.meet(cause, text, now)]
        for text in (*told, *self._troubles.over(now)):
            self._tell(Kind.TROUBLE, text)

    async def _look(self, tick: int) -> Wrong:
        """Compare, book what is explained, and bring what is held within its bounds; what is wrong."""
        now = await self.watched.clock.now_ms()
        looks, troubles = await look(self._comparison.asked(tick))
        found = self._comparison.differences(looks, tick)
        if found:
            await asyncio.sleep(self._settings.confirm_s)
            looks, again = await look(self._comparison.asked(tick))
            troubles |= again
            found = lasting(found, self._comparison.differences(looks, tick))
        # What is not settled with a venue yet is read again from where it was.
        self._comparison.read([name for name in looks if name not in {one.venue for one in found}], now, tick)
        self._halt_for(found)
        self._adopt(found, tick)
        await self._mend(looks)
        return troubles | {difference.text: difference.text for difference in found}

    async def _glance(self) -> Wrong:
        """While orders rest: where something cannot wait, such as a kill, a stop-loss, a leg that is gone or close to
        its liquidation, have them rest no longer, and look then; what is wrong."""
        watched, books = self.watched, self.watched.trader.at_rest
        looks, troubles = await glance(watched.accounts)
        rests = books is not None and watched.trader.at_rest is books  # not if they came to an end meanwhile
        if books is not None and rests and watched.hurry is not None and self._presses(books, looks):
            watched.hurry()
            async with watched.trader.alone() as tick:
                troubles |= await self._look(tick)
        return troubles

    def _presses(self, books: Books, looks: Mapping[str, Look]) -> bool:
        marked = _marked(books, looks, self.watched.instruments)
        mark_forced_exits(marked, self.watched.rules)
        return (
            self._latch.read().state is LatchState.KILLED
            or bool(((marked.closing != OPEN) & (books.closing == OPEN)).any())
            or self._comparison.moved(books, looks)
            or bool(self._near_liquidation(books, looks))
        )

    def _halt_for(self, found: Sequence[Difference]) -> None:
        """Any difference that the kill switch did not make holds entries back until a person has looked."""
        killed = {(one.venue, one.symbol) for one in found if one.fill is not None and is_kill(one.fill.client_id)}
        grave = [one for one in found if (one.venue, one.symbol) not in killed]
        why = f"venues and books differ: {'; '.join(one.text for one in grave[:5])}"
        if grave and self._kept(lambda: self._halt.pause(why)):
            self._tell(Kind.TROUBLE, f"entries are halted: {grave[0].text}; then `bot resume`")

    def _kept(self, write: Callable[[], Any]) -> Any:
        """What a write to the disk gives; None, and told, where the disk takes nothing: exits go on all the same, and
        entries need the disk as well."""
        try:
            return write()
        except OSError as error:
            LOG.error("what holds entries back cannot be written (%s): make room", error)
            return None

    def _adopt(self, found: Sequence[Difference], tick: int) -> None:
        """Book trades that the bot did not order into the legs that they reduced, where they explain what changed."""
        watched = self.watched
        columns = {one.key: column for column, one in enumerate(watched.instruments)}
        for venue in {one.venue for one in found}:
            here = [one for one in found if one.venue == venue]
            bare = unexplained(here, {one.symbol: one.lot_step for one in watched.instruments if one.venue == venue})
            for fill in (one.fill for one in here if one.fill is not None):
                if fill.symbol not in bare and (venue, fill.symbol) in columns:
                    self._book(fill, columns[venue, fill.symbol], tick)

    def _book(self, fill: VenueFill, column: int, tick: int) -> None:
        trader, reason = self.watched.trader, KILLED if is_kill(fill.client_id) else LOST
        parts, left = shares(trader.books, column, fill.quantity)
        step = self.watched.instruments[column].lot_step
        for share in parts:
            after = abs(trader.books.quantity[share.slot, share.leg]) - abs(share.quantity)
            gone = after < step / 2
            remark = f"{fill.venue} {fill.symbol}: {share.quantity:+g} at {fill.price:g} traded by others"
            if reason == KILLED:
                remark = f"{fill.venue} {fill.symbol}: {share.quantity:+g} at {fill.price:g} closed by the kill switch"
            else:
                self._ban(share.slot, tick)
            trader.adopt(share, reason if gone or reason == KILLED else OPEN, fill, remark)
        if not parts or abs(left) > step / 2:
            self.watched.journal.note_fills([fill])
            self._tell(
                Kind.TROUBLE, f"{fill.venue} {fill.symbol}: {left:+g} at {fill.price:g} traded by others, not ours"
            )

    def _ban(self, slot: int, tick: int) -> None:
        pair = [self.watched.instruments[int(c)].key for c in self.watched.trader.books.instrument[slot]]
        self._kept(lambda: self._bans.ban(pair, tick + self._settings.ban_hours * HOUR_MS))

    async def _mend(self, looks: Mapping[str, Look]) -> None:
        """Exits that cannot wait for the hour: what the kill switch wants, what is half gone, stop-losses, margin; then
        legs that differ, and legs close to their liquidation, always both together."""
        trader, rules = self.watched.trader, self.watched.rules
        marked = _marked(trader.books, looks, self.watched.instruments)
        if self._latch.read().state is LatchState.KILLED:
            marked.closing[(marked.opened_at != 0) & (marked.closing == OPEN)] = KILLED
        mark_forced_exits(marked, rules)
        for slot in np.flatnonzero((marked.opened_at != 0) & (marked.closing != OPEN)).tolist():
            await trader.leave(slot, int(marked.closing[slot]))
        for share in excess(trader.books, rules):
            await trader.leave(share.slot, OPEN, [share])
        for slot in self._near_liquidation(trader.books, looks):
            parts = halves(trader.books, slot, rules, self._settings.reduce_share)
            if parts:
                await trader.leave(slot, OPEN, parts)

    def _near_liquidation(self, books: Books, looks: Mapping[str, Look]) -> list[int]:
        """Slots with a leg that is too close, by its own venue's mark and liquidation price, or at a venue where all
        prices moving together would take the account."""
        near, least = set(), self._settings.min_liquidation_distance_pct
        for name, one in looks.items():
            together = 100 * distance(*self._at_stake(name, one))
            for held in one.held.values():
                alone = 100 * abs(held.mark - held.liquidation_price) / held.mark if held.mark > 0 else np.inf
                if held.quantity != 0 and min(alone, together) < least:
                    near |= set(np.argwhere(self._holding(books, (name, held.symbol)))[:, 0].tolist())
                    far = f"{alone:.1f} %" if alone < least else f"with all of {name} {together:.1f} %"
                    self._tell(Kind.TROUBLE, f"{name} {held.symbol} is {far} from its liquidation: reducing")
        return sorted(near)

    def _at_stake(self, name: str, one: Look) -> tuple[list[float], float, float]:
        """A venue's legs at its own marks, what stands behind them, and the margin that is demanded."""
        legs = [held.quantity * held.mark for held in one.held.values() if held.mark > 0]
        maintenance = float(self.watched.rules.venues["maintenance"][sorted(self.watched.accounts).index(name)])
        return legs, one.equity, maintenance

    def _holding(self, books: Books, key: tuple[str, str]) -> np.ndarray:
        columns = [column for column, one in enumerate(self.watched.instruments) if one.key == key]
        return np.isin(books.instrument, columns) & (books.quantity != 0.0)

    async def _keep_alive(self) -> Wrong:
        """Renew the venues' dead man's timers."""
        if not self._settings.dead_man_s:
            return {}
        calls = (account.dead_man(self._settings.dead_man_s) for account in self.watched.accounts.values())
        answers = await asyncio.gather(*calls, return_exceptions=True)
        return failures(dict(zip(self.watched.accounts, answers, strict=True)))

    async def _clocks(self) -> Wrong:
        """Clocks that are too far apart."""
        names = list(self.watched.accounts)
        answers = await asyncio.gather(
            *(account.standing() for account in self.watched.accounts.values()), return_exceptions=True
        )
        off = {
            f"{name} clock": f"{name}: this machine's clock is {one.clock_ms / 1000:+.1f} s off: have it kept by NTP"
            for name, one in zip(names, answers, strict=True)
            if not isinstance(one, BaseException) and abs(one.clock_ms) > self._settings.max_clock_skew_ms
        }
        return off | failures(dict(zip(names, answers, strict=True)))

    def _tell(self, kind: Kind, text: str) -> None:
        LOG.warning(text, extra={"kind": kind.value})
        self.watched.trader.tell(kind, text)


@asynccontextmanager
async def guarded(guard: Guard | None, stop: asyncio.Event) -> AsyncIterator[None]:
    """The guard beside the block: one round before it, then one after another until it ends. A defect of the guard sets
    `stop`, and is raised after the block: nobody trades unguarded."""
    if guard is None:
        yield
        return
    await guard.minute()
    task = asyncio.create_task(guard.run())
    task.add_done_callback(lambda ended: None if ended.cancelled() else stop.set())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def _marked(books: Books, looks: Mapping[str, Look], instruments: Sequence[Instrument]) -> Books:
    """The books at the venues' own marks, where they were seen."""
    for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
        venue, symbol = instruments[int(books.instrument[slot, leg])].key
        held = looks[venue].held.get(symbol) if venue in looks else None
        if held is not None and held.mark > 0:
            books = apply(books, Mark(slot, leg, held.mark))
    marked = books.copy()
    revalue(marked)
    return marked
