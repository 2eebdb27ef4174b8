"""Compares the accounts with the books and the ledger as the guard finds them between two ticks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.accounting import Books
from backtest.rules import Rules
from bot.execution.account import VenueAccount
from bot.execution.looks import Asked, Look
from bot.execution.reconcile import Difference, Known, compare
from bot.ledger.journal import Journal
from bot.trader import Trader
from bot.venue_orders import VenueFill
from data.clock import Clock
from data.types import HOUR_MS, Instrument, InstrumentKey

HISTORY_MS = HOUR_MS
"""Trades are read from so long before the last look: a venue's history may be late."""
FUNDING_LATE_MS, FUNDING_REACH_MS = 24 * HOUR_MS, 72 * HOUR_MS
"""Settling books what is up to a day late; between that and the reach, nothing may be unbooked."""


@dataclass(frozen=True)
class Watched:
    """What the guard watches over."""

    trader: Trader
    journal: Journal
    accounts: Mapping[str, VenueAccount]
    instruments: tuple[Instrument, ...]
    """Of the account, by column."""
    rules: Rules
    clock: Clock
    from_ms: int
    """When the account began."""
    hurry: Callable[[], None] | None = None
    """Has orders rest no longer; None where none ever rests."""


class Comparison:
    """What is asked of the venues, and in what their answers differ; remembers how far it has read."""

    def __init__(self, watched: Watched) -> None:
        self._watched = watched
        self._since: dict[str, int] = {}
        """From when trades are read, by venue."""
        self._funding_tick = 0
        """At which payments were read last."""
        self._played: set[int] = set()
        """Columns whose trades are read."""

    def read(self, names: Sequence[str], now_ms: int, tick: int) -> None:
        """These venues have been read at `now_ms`."""
        for name in names:
            self._since[name] = now_ms - HISTORY_MS
        self._funding_tick = tick

    def asked(self, tick: int) -> dict[str, Asked]:
        """What is asked of each venue; payments once for each tick."""
        books, watched = self._watched.trader.books, self._watched
        self._played |= set(books.instrument[books.quantity != 0.0].tolist())
        asked = {}
        for name, account in watched.accounts.items():
            listed = [one for one in watched.instruments if one.venue == name]
            played = [watched.instruments[column] for column in sorted(self._played)]
            since = self._since.get(name, max(watched.from_ms, tick - FUNDING_REACH_MS))
            funding = None if self._funding_tick == tick else max(watched.from_ms, tick - FUNDING_REACH_MS)
            asked[name] = Asked(account, listed, [one for one in played if one.venue == name], since, funding)
        return asked

    def differences(self, looks: Mapping[str, Look], tick: int) -> list[Difference]:
        """In all venues that showed themselves, but for contracts with orders whose outcome is being asked for. Trades
        of our own orders may come into the history after those were booked, and are noted."""
        journal, known = self._watched.journal, self._known(tick)
        sent = [sent for task in journal.tasks() for sent in task.sent]
        open_keys = {one.order.instrument.key for one in sent}
        ours = journal.filled() - {one.order.client_id for one in sent}
        found: list[Difference] = []
        for name, one in looks.items():
            late: list[VenueFill] = []
            for difference in compare(one.seen, known[name]):
                if difference.fill is not None and difference.fill.client_id in ours:
                    late.append(difference.fill)
                elif (name, difference.symbol) not in open_keys:
                    found.append(difference)
            journal.note_fills(late)
        return found

    def moved(self, books: Books, looks: Mapping[str, Look]) -> bool:
        """Whether a venue shows another position than `books` have, in a contract without orders on their way."""
        watched, held = self._watched, self._held(books)
        traded = {sent.order.instrument.key for task in watched.journal.tasks() for sent in task.sent}
        for one in watched.instruments:
            if one.venue in looks and one.key not in traded:
                there = looks[one.venue].held.get(one.symbol)
                if abs((there.quantity if there else 0.0) - held.get(one.key, 0.0)) > one.lot_step / 2:
                    return True
        return False

    def _held(self, books: Books) -> dict[InstrumentKey, float]:
        """By contract, what all slots hold together."""
        held: dict[InstrumentKey, float] = {}
        for slot, leg in np.argwhere(books.quantity != 0.0).tolist():
            key = self._watched.instruments[int(books.instrument[slot, leg])].key
            held[key] = held.get(key, 0.0) + float(books.quantity[slot, leg])
        return held

    def _known(self, tick: int) -> dict[str, Known]:
        watched = self._watched
        held = self._held(watched.trader.books)
        fills, funding = watched.journal.booked_fills(), watched.journal.booked_funding()
        resting = frozenset(sent.order.client_id for task in watched.journal.tasks() for sent in task.sent)
        return {
            name: Known(
                positions={symbol: quantity for (venue, symbol), quantity in held.items() if venue == name},
                steps={one.symbol: one.lot_step for one in watched.instruments if one.venue == name},
                resting=resting,
                fills=frozenset((symbol, trade) for venue, symbol, trade in fills if venue == name),
                funding=frozenset((symbol, time, paid) for venue, symbol, time, paid in funding if venue == name),
                funding_until_ms=tick - FUNDING_LATE_MS,
            )
            for name in watched.accounts
        }


def lasting(before: Sequence[Difference], after: Sequence[Difference]) -> list[Difference]:
    """Positions that differ in both looks alike, and everything else that the second one shows."""
    moved = {(one.kind, one.venue, one.symbol, one.change) for one in before}
    return [one for one in after if not one.change or (one.kind, one.venue, one.symbol, one.change) in moved]
