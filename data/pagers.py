"""Pages of a venue's history joined, each row once: by our own cursors, since ccxt's own paging loses rows.

Rows are tuples that begin with their stamp, ms. `what` names them in errors. A page that brings nothing new although
it is not empty raises VenueRefused: the history behind it cannot be had.
"""

from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, TypeVar

from data.errors import VenueRefused
from data.types import HOUR_MS

STALE_PAGES = 3
"""So many numbered pages without an older row are a venue that does not page."""
Row = TypeVar("Row", bound=Sequence[Any])


async def forward(
    read: Callable[[int], Awaitable[Sequence[Row]]], since: int, until: int | None, page: int, what: str
) -> list[Row]:
    """Rows from `since` to `until` (None: now), where `read(begin)` gives the first `page` rows from `begin`, until
    `until` is reached or a page is not full."""
    rows: dict[int, Row] = {}
    begin = since
    while True:
        answer = await read(begin)
        new = {row[0]: row for row in answer if row[0] >= begin}
        if answer and not new:
            raise _stuck(what)
        rows |= new
        if len(answer) < page or (until is not None and max(new) >= until):
            return _between(rows, since, until)
        begin = max(new) + 1


async def backward(
    read: Callable[[int | None], Awaitable[Sequence[Row]]], since: int, until: int | None, what: str
) -> list[Row]:
    """Rows from `since` to `until` (None: now), where `read(end)` gives the last rows up to and with `end`, until
    `since` is reached or a page is empty, as at the end of a limited history."""
    rows: dict[int, Row] = {}
    end = until
    while answer := await read(end):
        new = {row[0]: row for row in answer if end is None or row[0] <= end}
        if not new:
            raise _stuck(what)
        rows |= new
        if min(new) <= since:
            break
        end = min(new) - 1
    return _between(rows, since, until)


async def numbered(
    read: Callable[[int], Awaitable[Sequence[Row]]], since: int, until: int | None, page: int, what: str
) -> list[Row]:
    """Rows from `since` to `until` (None: now), where `read(n)` gives page n = 1, 2, ... of `page` rows, newest first.
    Rows that arrive meanwhile push others to the next page, where they are met again: a few pages may bring nothing
    older, but not many in a row."""
    rows: dict[int, Row] = {}
    stale = 0
    for number in count(1):
        answer = await read(number)
        older = [row for row in answer if not rows or row[0] < min(rows)]
        rows |= {row[0]: row for row in answer}
        if len(answer) < page or min(rows) <= since:
            break
        stale = 0 if older else stale + 1
        if stale == STALE_PAGES:
            raise _stuck(what)
    return _between(rows, since, until)


async def hourly(
    read: Callable[[int, int], Awaitable[Sequence[Row]]], since: int, until: int, page: int, what: str
) -> list[Row]:
    """Rows stamped with full hours in [`since`, `until`), where `read(begin, end)` gives what of [begin, end) fits
    into one answer. Whatever an answer leaves out before or after its rows is asked for by itself, so a venue may
    begin at either end and give fewer rows than it promises."""
    rows: dict[int, Row] = {}
    span = page * HOUR_MS
    begins = range(since, until, span)
    pending = [(begin, min(begin + span, until)) for begin in reversed(begins)]
    while pending:
        begin, end = pending.pop()
        answer = await read(begin, end)
        new = {row[0]: row for row in answer if begin <= row[0] < end}
        if answer and not new:
            raise _stuck(what)
        rows |= new
        if new:
            edges = (begin, min(new)), (max(new) + HOUR_MS, end)
            pending += [edge for edge in edges if edge[0] < edge[1]]
    return _between(rows, since, until)


def _between(rows: dict[int, Row], since: int, until: int | None) -> list[Row]:
    return [rows[stamp] for stamp in sorted(rows) if stamp >= since and (until is None or stamp <= until)]


def _stuck(what: str) -> VenueRefused:
    return VenueRefused(
        f"{what}: a page of the history has nothing of the time that was asked for, so what lies beyond it cannot be "
        "had: ask for less history, or leave the contract out"
    )
