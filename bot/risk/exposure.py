"""Whether an account can bear an entry: its size, what it adds up to, margin, leverage, the way to liquidation."""

from collections import defaultdict

from backtest.accounting import equity, venue_equity
from backtest.rules import margin_allows
from bot.orders import LegOrder
from bot.risk.denial import Denial
from bot.risk.liquidation import distance
from bot.risk.review import Entry


def too_large(entry: Entry) -> Denial | None:
    """The order's own size, and what it adds up to with what is held."""
    limits, legs, notionals = entry.limits, entry.legs, entry.notionals
    for leg, notional in zip(legs, notionals, strict=True):
        if notional < leg.instrument.min_notional or abs(leg.quantity) < leg.instrument.min_quantity:
            return Denial.BELOW_MINIMUM
    if not max(notionals) <= limits.max_leg_notional:
        return Denial.LEG_NOTIONAL
    if not sum(abs(worth) for _, _, worth in entry.held) + sum(notionals) <= limits.max_gross_notional:
        return Denial.GROSS_NOTIONAL
    if not _on_asset(entry) <= limits.max_asset_notional:
        return Denial.ASSET_NOTIONAL
    ours = zip(legs, notionals, strict=True)
    if not all(_on_venue(leg.venue, entry) + notional <= limits.max_venue_notional for leg, notional in ours):
        return Denial.VENUE_NOTIONAL
    return None


def overstretched(entry: Entry) -> Denial | None:
    """What would stand behind the legs on the two venues."""
    (long, short), (long_close, short_close) = entry.legs, entry.closes
    if not margin_allows(entry.books, long.column, short.column, long.quantity, long_close, short_close, entry.rules):
        return Denial.MARGIN
    worth = [float(venue_equity(entry.books, leg.venue)) for leg in entry.legs]
    ours = list(zip(entry.legs, entry.notionals, worth, strict=True))
    most = entry.limits.max_venue_leverage
    if not all(_on_venue(leg.venue, entry) + notional <= most * behind for leg, notional, behind in ours):
        return Denial.LEVERAGE
    least = entry.limits.min_liquidation_distance_pct / 100
    if not all(_liquidation_distance(leg, notional, behind, entry) >= least for leg, notional, behind in ours):
        return Denial.LIQUIDATION_DISTANCE
    return None


def lost_too_much(entry: Entry, day_open: float | None) -> Denial | None:
    """Equity, marked to market with funding, against its peak and against `day_open`, where that is known."""
    worth = float(equity(entry.books))
    if not worth >= (1 - entry.limits.max_drawdown_pct / 100) * float(entry.books["peak"]):
        return Denial.DRAWDOWN
    if day_open is not None and not worth >= (1 - entry.limits.max_daily_loss_pct / 100) * day_open:
        return Denial.DAILY_LOSS
    return None


def _on_asset(entry: Entry) -> float:
    instruments, asset = entry.panel.instruments, entry.legs[0].instrument.asset
    held = sum(abs(worth) for column, _, worth in entry.held if instruments[column].asset == asset)
    return held + sum(entry.notionals)


def _on_venue(venue: int, entry: Entry) -> float:
    return sum(abs(worth) for _, where, worth in entry.held if where == venue)


def _liquidation_distance(new: LegOrder, notional: float, behind: float, entry: Entry) -> float:
    """The least move of prices, a fraction, that would have a leg on the new leg's venue liquidated after the entry.

    Under cross margin the equity of the venue is `behind` all its legs, and one price may move or all of them together
    (`liquidation.distance`). Under isolated margin 1 / leverage of its notional stands behind the new leg alone.
    """
    leverage = float(entry.rules.venues["leverage"][new.venue])
    maintenance = float(entry.rules.venues["maintenance"][new.venue])
    if leverage > 0.0:
        return (1 / leverage - maintenance) / (1 + maintenance)
    by_column = defaultdict(float, {new.column: notional if new.quantity > 0 else -notional})
    for column, venue, worth in entry.held:
        if venue == new.venue:
            by_column[column] += worth
    return distance(list(by_column.values()), behind, maintenance)
