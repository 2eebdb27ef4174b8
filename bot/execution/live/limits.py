"""The worst price that an order may trade at. Used by `pairs`."""

import math

from bot.execution.sizing import side
from bot.orders import LegOrder
from data.exchange import OrderBook


def entry_limit(leg: LegOrder, book: OrderBook, quantity: float) -> float:
    """The leg's collar, about the last price or the mid of now, whichever is closer: venues refuse limits that are far
    from their price. Or the last level that signed `quantity` needs where that lies beyond it: the collar is about the
    average price, which was found within it."""
    towards = 1 if quantity > 0 else -1
    middles = [price for price in (leg.reference, book.mid) if not math.isnan(price)]
    about = min(middles) if towards > 0 else max(middles)
    collar = about * (1 + towards * leg.collar) if math.isfinite(leg.collar) else 0.0
    return _wider(collar, _last_level(book, quantity), towards)


def exit_limit(leg: LegOrder, book: OrderBook, quantity: float, collar: float) -> float:
    """So far (a fraction) beyond the mid, or the last level that signed `quantity` needs where that lies further."""
    towards = 1 if quantity > 0 else -1
    mid = leg.reference if math.isnan(book.mid) else book.mid
    return _wider(mid * (1 + towards * min(collar, 0.5)), _last_level(book, quantity), towards)


def _wider(one: float, other: float, towards: int) -> float:
    known = [price for price in (one, other) if price > 0]
    return max(known) if towards > 0 else min(known)


def _last_level(book: OrderBook, quantity: float) -> float:
    """Price of the last level that is needed; 0 of an empty side."""
    left, last = abs(quantity), 0.0
    for price, size in side(book, quantity):
        left, last = left - size, price
        if left <= 0.0:
            break
    return last
