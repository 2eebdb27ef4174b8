"""What the gate has to know of the past: the port that the ledger fills, and what was read through it at this tick.

Kept by the ledger and not by the gate, so that neither a restart nor another policy makes anything forgotten.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from data.types import HOUR_MS, InstrumentKey

DAY_MS = 24 * HOUR_MS


class History(Protocol):
    """One account's past. Raises StateError where it cannot be read."""

    def day_open(self, midnight_ms: int) -> float | None:
        """Equity at the last tick up to `midnight_ms`, or at the first tick after it; None before the first one."""

    def unwound(self, since_ms: int) -> Sequence[tuple[InstrumentKey, InstrumentKey]]:
        """(long, short) of every entry since then that had to be unwound, as its second leg was not filled."""

    def ordered(self, tick: int) -> Sequence[str]:
        """Client ids of the orders that were approved at `tick`."""


class NoHistory:
    """An account without a past."""

    def day_open(self, midnight_ms: int) -> float | None:
        """Not known."""
        return None

    def unwound(self, since_ms: int) -> Sequence[tuple[InstrumentKey, InstrumentKey]]:
        """None."""
        return ()

    def ordered(self, tick: int) -> Sequence[str]:
        """None."""
        return ()


class Recent:
    """The past as it stands at one tick: read once for all of its entries; exits do without."""

    def __init__(self, history: History, failed_entries_hours: int) -> None:
        self._history = history
        self._failed_entries_hours = failed_entries_hours
        self._tick = -1
        self._ordered: set[str] = set()
        self._unwound: Counter[frozenset[InstrumentKey]] = Counter()
        self.day_open: float | None = None
        """Equity at 00:00 UTC of the tick's day; None where it is not known."""

    def read(self, tick: int) -> None:
        """Bring everything to `tick`."""
        if tick == self._tick:
            return
        midnight = tick - tick % DAY_MS
        self.day_open = None if tick == midnight else self._history.day_open(midnight)
        since = tick - self._failed_entries_hours * HOUR_MS
        self._unwound = Counter(frozenset(pair) for pair in self._history.unwound(since))
        self._ordered = set(self._history.ordered(tick))
        self._tick = tick

    def approved(self, tick: int, client_ids: Sequence[str]) -> None:
        """Count orders. The same order counts once, however often it is approved."""
        if tick == self._tick:
            self._ordered.update(client_ids)

    def orders_with(self, client_ids: Sequence[str]) -> int:
        """How many orders there would be at this tick."""
        return len(self._ordered.union(client_ids))

    def failed(self, pair: Sequence[InstrumentKey]) -> int:
        """How many entries of the pair, either way round, had to be unwound lately."""
        return self._unwound[frozenset(pair)]
