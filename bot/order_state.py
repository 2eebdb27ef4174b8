"""What is known of an order once one more piece of evidence has come: pure, and the same in whatever order it comes.

Used by live execution, reconciliation and the kill switch; the ledger keeps what it gives.
"""

from collections.abc import Iterable
from decimal import Decimal

from bot.venue_orders import OrderReport, OrderState, VenueFill, VenueOrder

FINAL = frozenset({OrderState.FILLED, OrderState.ENDED, OrderState.REJECTED, OrderState.ABSENT})
_NEVER = frozenset({OrderState.REJECTED, OrderState.ABSENT})
"""States of an order that never was."""
_ENDED = frozenset({OrderState.FILLED, OrderState.ENDED})
"""States of an order that was, and that will fill no more."""
_RANK = {
    OrderState.UNKNOWN: 0,
    OrderState.ABSENT: 1,
    OrderState.REJECTED: 2,
    OrderState.OPEN: 4,
    OrderState.ENDED: 5,
    OrderState.FILLED: 6,
}
_KNOWN_BY_ITS_FILLS = 3


def advance(known: OrderReport, evidence: OrderReport) -> OrderReport:
    """What is known of an order after `evidence`.

    Filled never shrinks, and a final state changes only where the venue shows that the order was there after all, or
    filled more than it said in the end; that is a contradiction, `contradicted` says so and stays. The result is the
    least that implies both, so evidence may come twice and in any order.

    A venue that does not show an order yet proves nothing: ABSENT is evidence only once its fills and positions agree.
    """
    fuller = max(known, evidence, key=_fullness)
    further = max(known, evidence, key=lambda report: (_rank(report), report.reason))
    return OrderReport(
        state=further.state,
        filled=fuller.filled,
        average=fuller.average,
        venue_id=max(known.venue_id, evidence.venue_id),
        reason=further.reason,
        contradicted=any((known.contradicted, evidence.contradicted, _contradictory(known, evidence))),
    )


def filled_by(order: VenueOrder, fills: Iterable[VenueFill]) -> OrderReport:
    """What an account's history proves of an order: FILLED where its trades add up to all of it, else UNKNOWN with what
    they add up to. Each trade counts once, however often and in whatever order it is told."""
    mine = {(f.venue, f.symbol, f.trade_id): f for f in fills if f.client_id == order.client_id}
    filled = sum((_exact(fill.quantity) for fill in mine.values()), Decimal(0))
    if not filled:
        return OrderReport(OrderState.UNKNOWN)
    paid = sum((_exact(fill.quantity) * _exact(fill.price) for fill in mine.values()), Decimal(0))
    whole = abs(filled) >= abs(_exact(order.quantity))
    return OrderReport(OrderState.FILLED if whole else OrderState.UNKNOWN, float(filled), float(paid / filled))


def _rank(report: OrderReport) -> int:
    if report.state is OrderState.UNKNOWN and report.filled:
        return _KNOWN_BY_ITS_FILLS
    return _RANK[report.state]


def _fullness(report: OrderReport) -> tuple[float, float, float]:
    return abs(report.filled), report.filled, report.average


def _contradictory(one: OrderReport, other: OrderReport) -> bool:
    """Whether both cannot be true."""
    ids = {one.venue_id, other.venue_id} - {""}
    return (
        len(ids) > 1  # two orders under one name
        or one.filled * other.filled < 0
        or any(_denied(report, by) for report in (one, other) for by in (one, other))
    )


def _denied(report: OrderReport, by: OrderReport) -> bool:
    if report.state in _NEVER:
        return _rank(by) >= _KNOWN_BY_ITS_FILLS or by.filled != 0
    return report.state in _ENDED and abs(by.filled) > abs(report.filled)


def _exact(number: float) -> Decimal:
    return Decimal(repr(float(number)))
