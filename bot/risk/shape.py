"""Whether an entry is a pair at all: numbers, two equal and opposite legs, whole lots."""

import math

from backtest.accounting import LONG, SHORT
from bot.orders import LegOrder
from bot.risk.denial import Denial
from bot.risk.review import Entry

LOT_TOLERANCE = 1e-6
"""Of a lot step: what binary fractions leave over."""


def malformed(entry: Entry) -> Denial | None:
    """Before any price is looked at. Everything after it may rely on two finite legs of this account's instruments."""
    numbers = [number for leg in entry.legs for number in (abs(leg.quantity), leg.reference)]
    if not all(math.isfinite(number) and number > 0 for number in numbers):
        return Denial.NOT_FINITE
    if not _matched(entry):
        return Denial.UNMATCHED_LEGS
    return None if all(_whole_lots(leg) for leg in entry.legs) else Denial.LOT_STEP


def _matched(entry: Entry) -> bool:
    """Units of the asset are compared, so that 1000PEPE against PEPE, or contracts of ten against one, do not pass."""
    if len(entry.legs) != 2:
        return False
    long, short = entry.legs
    return (
        (long.leg, short.leg) == (LONG, SHORT)
        and long.quantity == -short.quantity
        and long.quantity > 0
        and entry.proposal.columns == (long.column, short.column)
        and long.instrument.asset == short.instrument.asset
        and long.venue != short.venue
        and not short.instrument.spot
        and all(_of_this_account(leg, entry) for leg in entry.legs)
    )


def _of_this_account(leg: LegOrder, entry: Entry) -> bool:
    instruments = entry.panel.instruments
    if not 0 <= leg.column < min(len(instruments), len(entry.rules.instruments)):
        return False
    return leg.instrument == instruments[leg.column] and leg.venue == entry.rules.instruments["venue"][leg.column]


def _whole_lots(leg: LegOrder) -> bool:
    lots = abs(leg.quantity) / leg.instrument.lot_step
    return math.isfinite(lots) and abs(lots - round(lots)) <= max(LOT_TOLERANCE, 1e-12 * lots) and round(lots) >= 1
