"""Which requests meet a scripted fault, decided by their order alone, and how many did. Used by `network`."""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from backtest.sandbox.asked import Asked
from backtest.sandbox.faults import CutFault, Fault, Losing, RowsFault, ScriptedRequest, TextFault
from backtest.sandbox.stream_faults import AnyFault, StreamFault
from data.errors import ConfigurationError


class FaultScript:
    """The faults that are scripted now. One event loop; not thread-safe.

    A request meets at most one fault: the first in the script that strikes; those after it do not see the request.
    """

    def __init__(self, venues: Sequence[str], market_ms: Callable[[], int], real_s: Callable[[], float]) -> None:
        """Nothing is scripted yet. `venues` may be named; windows are of market time and of `real_s`, seconds."""
        self._venues = tuple(venues)
        self._market_ms = market_ms
        self._real_s = real_s
        self._entries: list[_Entry] = []
        self.injected: dict[str, Counter[str]] = {venue: Counter() for venue in venues}
        """Faults that were met, by venue and kind, since the start."""

    def add(self, faults: Iterable[AnyFault]) -> None:
        """Put `faults` behind those that are there; all or none. Raises ConfigurationError for an unknown venue."""
        told = list(faults)
        if unknown := sorted({f.venue for f in told if f.venue is not None} - set(self._venues)):
            raise ConfigurationError(
                f"a fault names {', '.join(unknown)}, which the sandbox does not serve: choose from "
                f"{', '.join(self._venues)}"
            )
        now_s, first = self._real_s(), len(self._entries)
        self._entries += [_Entry(fault, first + index, now_s) for index, fault in enumerate(told)]

    def replace(self, faults: Iterable[AnyFault]) -> None:
        """Script `faults` and nothing else; raises ConfigurationError for an unknown venue, and changes nothing."""
        before, self._entries = self._entries, []
        try:
            self.add(faults)
        except ConfigurationError:
            self._entries = before
            raise

    def strike(self, asked: Asked) -> Fault | None:
        """The fault that this request meets, counted; None if it goes well."""
        fault = self._first(asked.venue, lambda fault: _concerns(fault, asked))
        return None if isinstance(fault, StreamFault) else fault

    def strike_stream(self, venue: str) -> StreamFault | None:
        """The fault that a stream of `venue` meets as it is about to tell prices, counted; None if it goes well."""
        fault = self._first(venue, lambda fault: isinstance(fault, StreamFault))
        return fault if isinstance(fault, StreamFault) else None

    def shown(self) -> list[dict[str, Any]]:
        """The script: each fault as it was told, with `matched` and `struck`, counts of requests."""
        return [
            entry.fault.model_dump(mode="json", exclude_defaults=True)
            | {"matched": entry.matched, "struck": entry.struck}
            for entry in self._entries
        ]

    def _first(self, venue: str, concerns: Callable[[AnyFault], bool]) -> AnyFault | None:
        """The first fault that strikes, of those that concern what is struck."""
        market_ms, now_s = self._market_ms(), self._real_s()
        for entry in self._entries:
            fault = entry.fault
            if fault.venue in (None, venue) and concerns(fault) and entry.strikes(market_ms, now_s):
                self.injected[venue][fault.kind] += 1
                return fault
        return None


class _Entry:
    """A fault and what it has seen."""

    def __init__(self, fault: AnyFault, index: int, told_s: float) -> None:
        self.fault = fault
        self.matched = 0
        self.struck = 0
        self._told_s = told_s
        # Two faults of the same seed must not draw alike.
        self._random = random.Random(f"{fault.seed}:{index}")

    def strikes(self, market_ms: int, now_s: float) -> bool:
        fault = self.fault
        spent = fault.times is not None and self.struck >= fault.times
        if spent or not fault.lasts(market_ms, now_s - self._told_s):
            return False
        self.matched += 1
        if self.matched % fault.every or (fault.probability < 1 and self._random.random() >= fault.probability):
            return False
        self.struck += 1
        return True


def _concerns(fault: AnyFault, asked: Asked) -> bool:
    if isinstance(fault, StreamFault):
        return False
    if asked.opens_stream and (
        isinstance(fault, CutFault | TextFault | RowsFault) or (isinstance(fault, Losing) and fault.after)
    ):
        return False  # there is no answer that could be lost: a stream begins
    if not isinstance(fault, ScriptedRequest):
        return True
    return fault.method in (None, asked.method) and asked.fits(fault.request)
