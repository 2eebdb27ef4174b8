"""Rows of many instruments as a mapping that holds one venue at a time: years of all do not fit into memory."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from data.partitions import Rows
from data.types import Bars, InstrumentKey, Settlements

Kind = TypeVar("Kind", Bars, Settlements)


class VenueByVenue(Mapping[InstrumentKey, Kind]):
    """Rows of many instruments, read when the first one of a venue is asked for, and kept until the next venue is."""

    def __init__(
        self,
        parts: Callable[[str], list[Rows]],
        keys: Sequence[InstrumentKey],
        pick: Callable[[list[Rows], str], Kind],
    ) -> None:
        """`parts` reads a venue, `pick` makes one symbol's rows of that."""
        self._parts = parts
        self._keys = keys
        self._pick: Callable[[list[Rows], str], Kind] = pick
        self._venue = ""
        self._held: list[Rows] = []

    def __getitem__(self, key: InstrumentKey) -> Kind:
        venue, symbol = key
        if venue != self._venue:
            self._held.clear()  # before the next ones are read
            self._venue, self._held = venue, self._parts(venue)
        return self._pick(self._held, symbol)

    def __iter__(self) -> Iterator[InstrumentKey]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)
