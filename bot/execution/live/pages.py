"""An account's history joined from pages, each row once: rows of one instant are kept apart by their ids.

Used by the venues' dialects. `data.pagers` joins what one stamp identifies; two trades can have the same.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from data.errors import VenueRefused

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class Row(Generic[Entry]):
    """One line of a history."""

    time_ms: int
    key: str
    """Unique in the history."""
    entry: Entry


async def forward(
    read: Callable[[int], Awaitable[Sequence[Row[Entry]]]], since_ms: int, page: int, what: str
) -> list[Row[Entry]]:
    """Rows from `since_ms` on, oldest first, where `read(begin)` gives the first `page` rows from `begin` on. The
    last instant of a full page is asked for again. Raises VenueRefused where one instant has more rows than a page."""
    rows: dict[str, Row[Entry]] = {}
    begin = since_ms
    while True:
        answer = await read(begin)
        new = {row.key: row for row in answer if row.key not in rows}
        rows |= new
        if len(answer) < page:
            return _in_order(rows, since_ms)
        if not new:
            raise VenueRefused(f"{what}: more than {page} rows at one instant, and no way behind them: read by hand")
        begin = max(row.time_ms for row in answer)


async def chained(
    read: Callable[[str], Awaitable[tuple[Sequence[Row[Entry]], str]]], since_ms: int, what: str
) -> list[Row[Entry]]:
    """Rows from `since_ms` on, oldest first, where `read(cursor)` gives a page and the cursor of the next one: empty
    at first, and empty or with an empty page at the end. Raises VenueRefused where a page is followed by itself."""
    rows: dict[str, Row[Entry]] = {}
    cursor, passed = "", {""}
    while True:
        answer, cursor = await read(cursor)
        rows |= {row.key: row for row in answer}
        if not answer or not cursor:
            return _in_order(rows, since_ms)
        if cursor in passed:
            raise VenueRefused(f"{what}: a page of the history is followed by itself: read it by hand")
        passed.add(cursor)


def _in_order(rows: dict[str, Row[Entry]], since_ms: int) -> list[Row[Entry]]:
    return sorted((row for row in rows.values() if row.time_ms >= since_ms), key=lambda row: row.time_ms)
