"""Keeps the books between two snapshots: each outcome is in the journal before they change. Used by the trader.

On paper there is no journal: a tick that is broken off is done again as if nothing had happened.
"""

from collections.abc import Sequence

import numpy as np

from backtest.accounting import Books
from backtest.events import Closing, SlotCleared, apply
from backtest.events import Event as BooksEvent
from backtest.simulated_venue import closings_layout, note_closed
from backtest.trades import closed_trades
from bot.alerts import Event, Kind
from bot.consequences import consequences
from bot.ledger.executions import Completed
from bot.ledger.journal import Journal
from bot.ledger.store import TickRecord
from bot.orders import Executed, LegFill, Proposal, Unfilled
from bot.proposals import Proposals
from bot.venue_orders import VenueFill
from data.types import Instrument


class Bookkeeper:
    """Books outcomes, in memory and, with a `journal`, on the disk."""

    def __init__(
        self, instruments: tuple[Instrument, ...], proposals: Proposals, journal: Journal | None = None
    ) -> None:
        self._instruments = instruments
        self._proposals = proposals
        self._journal = journal
        self._unbooked: list[Completed] = [] if journal is None else journal.unbooked()

    @property
    def numbers(self) -> list[int]:
        """Of the outcomes that no snapshot contains yet."""
        return [done.number for done in self._unbooked]

    def snapshot_taken(self) -> None:
        """Every outcome so far is contained in one."""
        self._unbooked.clear()

    def pairs_of(self, tick: int) -> set[tuple[int, int]]:
        """The pairs, as columns, whose outcomes belong to `tick`."""
        return {done.columns for done in self._unbooked if done.tick == tick}

    def later(self, books: Books, tick: int) -> Books:
        """`books` with what was traded after a tick that they are not settled to: what the venues hold by now."""
        for done in self._unbooked:
            for event in done.events if done.tick > tick else ():
                books = apply(books, event)
        return books

    def behind(self, tick: int) -> bool:
        """Whether there are outcomes of a later tick."""
        return any(done.tick > tick for done in self._unbooked)

    def resumed(self, books: Books, record: TickRecord) -> Books:
        """The books with the outcomes of this tick that are in the journal and not in them."""
        for done in self._unbooked:
            if done.tick == record.tick:
                record.events += [Event(record.tick, Kind(kind), text) for kind, text in done.texts]
                books = self._with(done, books, record)
        return books

    def book(self, proposal: Proposal, outcome: Executed | Unfilled, books: Books, record: TickRecord) -> Books:
        """The books with an outcome, which the journal has before they do."""
        if self._journal is None and isinstance(outcome, Executed):
            record.fills += outcome.fills
        return self._with(self.complete(proposal, outcome, books, record), books, record)

    def complete(self, proposal: Proposal, outcome: Executed | Unfilled, books: Books, record: TickRecord) -> Completed:
        """What an outcome does to the books and what people are told of it, in the journal where orders are real."""
        fills = outcome.fills if isinstance(outcome, Executed) else ()
        events = consequences(proposal, fills, books)
        texts = self._texts(proposal, outcome, events)
        record.events += [Event(record.tick, kind, text) for kind, text in texts]
        told = tuple((kind.value, text) for kind, text in texts)
        done = Completed(outcome.number, record.tick, events, proposal.columns, told)
        if self._journal is not None and outcome.number:
            more = (outcome.venue_fills, outcome.naked) if isinstance(outcome, Executed) else ((), 0.0)
            self._journal.complete(done, *more, filled=bool(fills))
            self._unbooked.append(done)
        return done

    def adopt(
        self, proposal: Proposal, fill: LegFill, source: VenueFill, remark: str, books: Books, record: TickRecord
    ) -> Books:
        """The books with what somebody else traded in a leg, as the venue's history has it."""
        events = consequences(proposal, (fill,), books)
        done = Completed(0, record.tick, events, proposal.columns, ((Kind.TROUBLE.value, remark),))
        if self._journal is not None:
            done = self._journal.adopt(proposal, done, (source,))
            self._unbooked.append(done)
        record.events.append(Event(record.tick, Kind.TROUBLE, remark))
        return self._with(done, books, record)

    def apply(self, event: BooksEvent, books: Books, record: TickRecord) -> Books:
        """The books after `event`; a position that leaves its slot is noted as a trade."""
        if isinstance(event, SlotCleared):
            closings = np.zeros(1, dtype=closings_layout(1))[0]
            note_closed(books, event.slot, record.tick, closings)
            (trade,) = closed_trades(closings, self._instruments)
            record.trades.append(trade)
            text = f"exited {trade.asset} after {trade.hours:g} h: {trade.pnl:+.2f} ({trade.reason})"
            record.events.append(Event(record.tick, Kind.EXITED, text))
        return apply(books, event)

    def _with(self, done: Completed, books: Books, record: TickRecord) -> Books:
        for event in done.events:
            books = self.apply(event, books, record)
        return books

    def _texts(
        self, proposal: Proposal, outcome: Executed | Unfilled, events: Sequence[BooksEvent]
    ) -> list[tuple[Kind, str]]:
        title = self._proposals.title(proposal)
        if isinstance(outcome, Unfilled):
            return [(Kind.UNFILLED, f"{title}: {outcome.cause}")]
        texts = [(Kind.TROUBLE, f"{title}: {remark}") for remark in outcome.remarks]
        if proposal.entry and not any(isinstance(event, Closing) for event in events):
            texts.append((Kind.ENTERED, f"entered {title}"))
        return texts
