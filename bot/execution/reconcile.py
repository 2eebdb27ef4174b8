"""Compares what the venues show with what the books and the ledger know: at every start, and every minute by the guard.

Nothing is asked and nothing is done here. A venue that could not be asked has no `Seen`, so it can differ in nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from bot.venue_orders import VenueFill, VenueFunding

Row = TypeVar("Row", VenueFill, VenueFunding)
WITHIN = 0.5
"""Quantities that differ by less than this share of a lot step are equal."""


class Kind(StrEnum):
    """How a venue differs from the books, each with what to do."""

    EXTRA_POSITION = "a position that the books do not have: close it at the venue by hand, or by `bot kill`"
    MISSING_LEG = "a leg is gone: see what the venue says of it (liquidation, delisting, a trade by hand)"
    REDUCED_LEG = "a leg is smaller than in the books: see what the venue says (auto-deleveraging, a trade by hand)"
    ORPHAN_ORDER = "an order rests there that the bot did not leave: cancel it at the venue"
    UNBOOKED_FILL = "a trade that the ledger does not have: see who traded on this account"
    UNBOOKED_FUNDING = "a funding payment that was never booked: compare the ledger with the venue's history"


@dataclass(frozen=True)
class Seen:
    """One venue in one look."""

    venue: str
    positions: Mapping[str, float]
    """Signed quantity by symbol, in units of the asset."""
    orders: Sequence[tuple[str, str]] = ()
    """(symbol, client id) of what rests there; the id is empty for orders that are not ours."""
    fills: Sequence[VenueFill] = ()
    funding: Sequence[VenueFunding] = ()


@dataclass(frozen=True)
class Known:
    """What the bot knows of one venue."""

    positions: Mapping[str, float]
    """Signed quantity by symbol, summed over the slots."""
    steps: Mapping[str, float]
    """Lot step by symbol, in units of the asset."""
    resting: frozenset[str] = frozenset()
    """Client ids of orders that may rest there."""
    fills: frozenset[tuple[str, str]] = frozenset()
    """(symbol, trade id) of what is booked."""
    funding: frozenset[tuple[str, int, str]] = frozenset()
    """(symbol, time, payment id) of what is booked."""
    funding_until_ms: int = 0
    """Payments stamped later than this need not be booked yet."""


@dataclass(frozen=True)
class Difference:
    """One thing in which a venue and the books disagree."""

    kind: Kind
    venue: str
    symbol: str
    change: float = 0.0
    """What the venue has more than the books, signed; 0 for what is no position."""
    name: str = ""
    """Of the order, the trade or the payment."""
    fill: VenueFill | None = None
    """Of an unbooked fill."""

    @property
    def text(self) -> str:
        """In a line: where, what, and what to do."""
        amount = f" {self.change:+g}" if self.change else ""
        return f"{self.venue} {self.symbol}{amount}{f' ({self.name})' if self.name else ''}: {self.kind.value}"


def compare(seen: Seen, known: Known) -> tuple[Difference, ...]:
    """Everything in which they differ, by symbol; rows that a history shows twice count once.

    Of positions: books + the sum of the changes = venue. A leg that turned is one that is gone and an extra position.
    """
    kinds = (_positions(seen, known), _orders(seen, known), _fills(seen, known), _funding(seen, known))
    return tuple(difference for kind in kinds for difference in kind)


def unexplained(differences: Iterable[Difference], steps: Mapping[str, float]) -> dict[str, float]:
    """By symbol, what positions of one venue changed and no unbooked fill accounts for."""
    rest: dict[str, float] = {}
    for difference in differences:
        moved = difference.change - (0.0 if difference.fill is None else difference.fill.quantity)
        rest[difference.symbol] = rest.get(difference.symbol, 0.0) + moved
    return {symbol: amount for symbol, amount in rest.items() if abs(amount) > WITHIN * steps.get(symbol, 0.0)}


def _positions(seen: Seen, known: Known) -> Iterable[Difference]:
    for symbol in sorted(seen.positions.keys() | known.positions.keys()):
        there, here = seen.positions.get(symbol, 0.0), known.positions.get(symbol, 0.0)
        if abs(there - here) < WITHIN * known.steps.get(symbol, 0.0) or there == here:
            continue
        if there * here <= 0.0:
            if here != 0.0:
                yield Difference(Kind.MISSING_LEG, seen.venue, symbol, -here)
            if there != 0.0:
                yield Difference(Kind.EXTRA_POSITION, seen.venue, symbol, there)
        else:
            kind = Kind.REDUCED_LEG if abs(there) < abs(here) else Kind.EXTRA_POSITION
            yield Difference(kind, seen.venue, symbol, there - here)


def _orders(seen: Seen, known: Known) -> Iterable[Difference]:
    for symbol, client_id in sorted(seen.orders):  # every one that is not ours counts: their ids are empty
        if client_id not in known.resting:
            yield Difference(Kind.ORPHAN_ORDER, seen.venue, symbol, name=client_id or "not by the bot")


def _fills(seen: Seen, known: Known) -> Iterable[Difference]:
    for fill in _once(seen.fills, lambda fill: (fill.symbol, fill.trade_id)):
        if (fill.symbol, fill.trade_id) not in known.fills:
            yield Difference(Kind.UNBOOKED_FILL, seen.venue, fill.symbol, name=fill.trade_id, fill=fill)


def _funding(seen: Seen, known: Known) -> Iterable[Difference]:
    for paid in _once(seen.funding, lambda paid: (paid.symbol, paid.time_ms, paid.payment_id)):
        booked = (paid.symbol, paid.time_ms, paid.payment_id) in known.funding
        if not booked and paid.time_ms <= known.funding_until_ms:
            name = f"{paid.amount:+g} at {paid.time_ms}"
            yield Difference(Kind.UNBOOKED_FUNDING, seen.venue, paid.symbol, name=name)


def _once(rows: Iterable[Row], key: Callable[[Row], tuple[str | int, ...]]) -> Iterable[Row]:
    """Each row once, in the order of their keys."""
    return [row for _, row in sorted({key(row): row for row in rows}.items())]
