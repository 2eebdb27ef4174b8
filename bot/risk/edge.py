"""Whether an entry can be expected to earn its costs, by what its legs were paid lately."""

import math

from bot.orders import LegOrder
from bot.risk.denial import Denial
from bot.risk.review import Entry

MIN_COVERAGE = 0.9
"""Of the hours looked at: with less settled funding than that nothing is expected."""


def too_thin(entry: Entry) -> Denial | None:
    """The net carry over `edge_hours`, as the observation expects it, against the round-trip cost."""
    ratio = entry.limits.min_edge_ratio
    if ratio == 0.0:
        return None
    long, short = entry.legs
    carry = (_paid_per_hour(short, entry) - _paid_per_hour(long, entry)) * entry.limits.edge_hours
    cost = sum(_round_trip(leg, entry) for leg in entry.legs)
    return None if carry - cost >= ratio * cost else Denial.NO_EDGE


def _paid_per_hour(leg: LegOrder, entry: Entry) -> float:
    """What longs paid lately, fraction of notional; NaN where too little of it is known."""
    hours = entry.limits.edge_hours
    covered = float(entry.panel.settled_hours[-hours:, leg.column].sum())
    paid = float(entry.panel.settled[-hours:, leg.column].sum())
    return paid / covered if covered >= MIN_COVERAGE * hours else math.nan


def _round_trip(leg: LegOrder, entry: Entry) -> float:
    """Two taker fees and two half spreads, fraction of notional."""
    rules = entry.rules.instruments
    return 2 * (float(rules["fee_rate"][leg.column]) + float(rules["half_spread"][leg.column]))
