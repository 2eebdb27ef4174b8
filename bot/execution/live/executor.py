"""Live trading: proposals become orders at the venues, settlement is what the venues say.

Given to the trader in the place of the paper executor; `recover` is what makes a restart safe.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np

from backtest.accounting import Books
from backtest.maker_first import saved_by_resting
from backtest.rules import Rules
from bot.execution.account import VenueAccount
from bot.execution.live.ahead import Ahead
from bot.execution.live.asking import SKEW_MS
from bot.execution.live.desk import Desk, Shown, Work
from bot.execution.live.pairs import Pair, Side, sides_of
from bot.execution.live.settling import Settling
from bot.execution.sizing import Sized, average, size, size_exit, sized
from bot.execution_settings import ExecutionSettings
from bot.ledger.executions import Sent, Task
from bot.ledger.journal import Journal
from bot.orders import Executed, LegFill, Outcome, Payment, Pending, Proposal, Unfilled
from bot.risk import ApprovedOrder
from bot.venue_orders import Style, VenueFill
from data.clock import Clock
from data.errors import VenueError
from data.exchange import OrderBook, Venue
from data.panel import Panel
from data.types import Instrument

HISTORY_S = 5.0
"""A venue's history of trades may be this late."""
STORM_S = 60.0


@dataclass(frozen=True)
class Places:
    """Where live trading happens."""

    venues: Mapping[str, Venue]
    accounts: Mapping[str, VenueAccount]
    instruments: tuple[Instrument, ...]
    clock: Clock


class LiveExecutor:
    """Implements `execution.port.Executor` on accounts at venues. One event loop, one call at a time.

    While the outcome of an order is not known, nothing is entered, and its slot is left alone.
    """

    def __init__(
        self,
        run: str,
        places: Places,
        rules: Rules,
        journal: Journal,
        settling: Settling,
        settings: ExecutionSettings,
    ) -> None:
        """`run` names the run in the names of its orders, at most seven letters and digits."""
        self._places = places
        self._rules = rules
        self._journal = journal
        self._settling = settling
        self._desk = Desk(run, places.accounts, journal, settings)
        self._ahead = Ahead(places.venues, places.clock, settings.answer_s)
        self._pending: list[Work] | None = None
        """Whose outcome is not known; None before the journal was asked."""

    @property
    def halted(self) -> str:
        """Why nothing is entered; empty where it is."""
        if not self._pending:
            return ""
        return f"entries wait for the outcome of {len(self._pending)} executions that no venue has told yet"

    async def settle(self, books: Books, panel: Panel, tick: int) -> tuple[Books, tuple[Payment, ...]]:
        """Funding as the venues paid it, and marks. Liquidations and transfers are theirs to tell."""
        return await self._settling.settle(books, panel, tick)

    async def read_ahead(self, instruments: Iterable[Instrument]) -> None:
        """Read their order books now, for entries of the next moment."""
        await self._ahead.read(instruments)

    async def execute(self, order: ApprovedOrder) -> Outcome:
        """Both legs at the venues, thin leg first."""
        pair = await self.begin(order)
        if isinstance(pair, Unfilled):
            return pair
        await pair.take()
        return await self.end(pair)

    async def begin(self, order: ApprovedOrder) -> Pair | Unfilled:
        """The legs as they can be traded now, with nothing sent; or why nothing is."""
        proposal = order.proposal
        if self._pending and (proposal.entry or any(w.task.proposal.slot == proposal.slot for w in self._pending)):
            return Unfilled(self.halted)
        try:
            now_ms, sizes = await self._sized(proposal)
        except VenueError as error:
            return Unfilled(str(error))
        if proposal.entry and (slowed := self.slowed_down(proposal)):
            return Unfilled(slowed)
        if isinstance(sizes, Unfilled):
            return sizes
        if proposal.entry and (stale := self._stale(proposal, sizes.books, now_ms)):
            return Unfilled(stale)
        least = max(leg.instrument.min_quantity for leg in proposal.legs)
        if proposal.entry and min(sizes.quantities) < least:
            return Unfilled(f"{min(sizes.quantities):g} is less than the smallest order of {least:g}")
        work = self._desk.begin(self._journal.begin(proposal), order.client_ids, now_ms)
        return Pair(self._desk, work, sides_of(proposal, sizes), self._rules)

    async def _sized(self, proposal: Proposal) -> tuple[int, Sized | Unfilled]:
        """Market time, and what the order books take as they are now; of an entry, as they were read ahead. Raises
        VenueError where the time is not known."""
        if proposal.entry and (ahead := self._ahead.take(proposal.legs)):
            now_ms, books = ahead
            return now_ms, sized(proposal, books, self._rules)
        sizing = (size if proposal.entry else size_exit)(proposal, self._places.venues, self._rules)
        return await asyncio.gather(self._places.clock.now_ms(), sizing)

    async def stale(self, proposal: Proposal, books: Sequence[OrderBook]) -> str:
        """Which order book is too old to enter on, by its venue's own word; empty where none is. Raises VenueError."""
        return self._stale(proposal, books, await self._places.clock.now_ms())

    def _stale(self, proposal: Proposal, books: Sequence[OrderBook], now_ms: int) -> str:
        for leg, book in zip(proposal.legs, books, strict=True):
            if book.time_ms is not None and now_ms - book.time_ms > 1000 * self._desk.settings.max_book_age_s:
                date = datetime.fromtimestamp(book.time_ms / 1000, UTC).isoformat(timespec="seconds")
                return (
                    f"{leg.instrument.venue} {leg.instrument.symbol}: its order book is of {date}, too old to enter on"
                )
        return ""

    def slowed_down(self, proposal: Proposal) -> str:
        """Which venue has enough to do with what must be asked of it; empty where none has."""
        places, most = self._places, self._desk.settings.max_slow_downs
        for name in (leg.instrument.venue for leg in proposal.legs):
            told = max(one.slowed_down(STORM_S) for one in (places.venues[name], places.accounts[name]))
            if told >= most:
                return f"{name} asked to slow down {told} times in {STORM_S:g} s: entries wait, exits go on"
        return ""

    async def recover(self, books: Books) -> Sequence[tuple[Proposal, Executed | Unfilled]]:
        """Ask for every order without an outcome, then balance its pair; what stays unknown stays pending."""
        if self._pending is None:
            self._pending = [self._resumed(task) for task in self._journal.tasks()]
        self._expect(books)
        outcomes: list[tuple[Proposal, Executed | Unfilled]] = []
        for work in list(self._pending):
            proposal = work.task.proposal
            sides = [Side(leg, await self._book(leg.instrument), leg.quantity) for leg in proposal.legs]
            pair = Pair(self._desk, work, tuple(sides), self._rules)
            await pair.ask()
            if not pair.unknown:
                await pair.balance()
            outcome = await self.end(pair)
            if not isinstance(outcome, Pending):
                self._pending.remove(work)
                outcomes.append((proposal, outcome))
        return outcomes

    def _resumed(self, task: Task) -> Work:
        return self._desk.begin(task, (), min((sent.sent_ms for sent in task.sent), default=task.tick))

    def _expect(self, books: Books) -> None:
        """What every account must hold: the books' legs, and what executions without an outcome have filled."""
        net: dict[tuple[str, str], float] = {}
        for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
            key = self._places.instruments[int(books.instrument[slot, leg])].key
            net[key] = net.get(key, 0.0) + float(books.quantity[slot, leg])
        for work in self._pending or ():
            for sent in work.sent.values():
                key = sent.order.instrument.key
                net[key] = net.get(key, 0.0) + sent.report.filled
        self._desk.net = net

    async def _book(self, instrument: Instrument) -> OrderBook:
        """The order book, or an empty one where the venue does not answer: limits then lie around the last price."""
        try:
            return await self._places.venues[instrument.venue].book(instrument.symbol)
        except VenueError:
            return OrderBook((), ())

    async def end(self, pair: Pair) -> Outcome:
        """What the pair came to; where that is not known yet, it is asked for by `recover`."""
        work = pair.work
        if pair.unknown:
            if self._pending is not None and work not in self._pending:
                self._pending.append(work)
            return Pending("an order's outcome is not known yet: it is asked for, and nothing is entered meanwhile")
        filled = [sent for sent in work.sent.values() if sent.report.filled != 0.0]
        remarks = tuple(dict.fromkeys(pair.remarks))
        if not filled:
            written = work.task.number if work.sent else 0
            return Unfilled("; ".join(remarks) or "nothing was filled", number=written)
        trades = await self._trades(filled)
        sides = {side.order.leg: side for side in pair.sides}
        fills = tuple(
            self._fill(sent, trades.get(sent.order.client_id, []), shown_at(work, sent, sides[sent.leg]))
            for sent in filled
        )
        if missing := [sent for sent in filled if not _whole(sent, trades.get(sent.order.client_id, []))]:
            remarks += (f"{len(missing)} fills are not in the venues' histories yet: their fees are assumed",)
        told = tuple(fill for one in trades.values() for fill in one)
        return Executed(closing_exactly(work.task.proposal, fills), work.task.number, work.naked, remarks, told)

    async def _trades(self, filled: Sequence[Sent]) -> dict[str, list[VenueFill]]:
        """The venues' own rows of these orders, by client id, as far as they show them in time."""
        wanted = {sent.order.client_id for sent in filled}
        since = min(sent.sent_ms for sent in filled) - SKEW_MS
        places = {sent.order.instrument.venue: sent.order.instrument for sent in filled}
        deadline, pause = time.monotonic() + HISTORY_S, 0.02
        while True:
            asked = [self._places.accounts[venue].fills([one], since) for venue, one in places.items()]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            found: dict[str, dict[str, VenueFill]] = {}
            for answer in answers:
                if isinstance(answer, BaseException):
                    if not isinstance(answer, VenueError):
                        raise answer
                    continue
                for fill in answer:
                    if fill.client_id in wanted:
                        found.setdefault(fill.client_id, {})[fill.trade_id] = fill
            trades = {name: list(rows.values()) for name, rows in found.items()}
            if all(_whole(sent, trades.get(sent.order.client_id, [])) for sent in filled):
                return trades
            if time.monotonic() + pause > deadline:
                return trades
            await asyncio.sleep(pause)
            pause *= 2

    def _fill(self, sent: Sent, trades: Sequence[VenueFill], shown: Shown) -> LegFill:
        """The order as the books take it: by the venue's trades where they are all known, by its report else."""
        rule = self._rules.instruments[self._column(sent)]
        venue, taker, rested = self._rules.venues[rule.venue], float(rule.fee_rate), sent.order.style is Style.MAKE
        quantity, price = sent.report.filled, sent.report.average
        fee_rate = float(venue.maker_fee_rate) if rested else taker
        if _whole(sent, trades):
            value = sum(abs(fill.quantity) * fill.price for fill in trades)
            price = value / sum(abs(fill.quantity) for fill in trades) if len(trades) > 1 else trades[0].price
            fee_rate = sum(fill.fee for fill in trades) / value
        saved = float(saved_by_resting(quantity, price, shown.taken, fee_rate, taker)) if rested else 0.0
        return LegFill(
            sent.order.client_id, sent.leg, quantity, price, shown.mid, fee_rate, float(venue.leverage), saved
        )

    def _column(self, sent: Sent) -> int:
        return self._places.instruments.index(sent.order.instrument)


def shown_at(work: Work, sent: Sent, side: Side) -> Shown:
    """What the order book showed as the order was filled; as it shows now where a process before this one sent it."""
    known = work.seen.get(sent.order.client_id)
    return known or Shown(side.mid, average(side.book, sent.report.filled) or sent.report.average)


def closing_exactly(proposal: Proposal, fills: Sequence[LegFill]) -> tuple[LegFill, ...]:
    """The fills, with one that closes its leg but for what floats leave over closing it entirely: the books would take
    the rest for a position."""
    held = {leg.leg: leg.held for leg in proposal.legs}
    exact = []
    for fill in fills:
        before = held[fill.leg]
        closes = abs(before + fill.quantity) <= 1e-9 * abs(fill.quantity)
        exact.append(replace(fill, quantity=-before) if closes else fill)
        held[fill.leg] = 0.0 if closes else before + fill.quantity
    return tuple(exact)


def _whole(sent: Sent, trades: Sequence[VenueFill]) -> bool:
    """Whether the trades are all that the order filled."""
    total = sum(fill.quantity for fill in trades)
    return bool(trades) and abs(total - sent.report.filled) < sent.order.instrument.lot_step / 2
