"""What has to be traded and booked where a venue took part of a position: pure plans, carried out by the guard."""

from dataclasses import dataclass

import numpy as np

from backtest.accounting import LONG, OPEN, SHORT, Books
from backtest.rules import Rules, decimal_multiple

EPSILON = 1e-9
"""Of a lot step: what division into lots may leave over."""


@dataclass(frozen=True)
class Share:
    """What one leg takes of a trade."""

    slot: int
    leg: int
    quantity: float
    """Signed as the trade is."""


def shares(books: Books, column: int, quantity: float) -> tuple[tuple[Share, ...], float]:
    """Which legs a trade of signed `quantity` in an instrument reduced, slot by slot, and what is left of it that
    reduced none: an extra position."""
    taken, left = [], quantity
    for slot, leg in np.argwhere((books.instrument == column) & (books.quantity * quantity < 0.0)).tolist():
        part = float(np.sign(quantity) * min(abs(left), abs(books.quantity[slot, leg])))
        if part:
            taken.append(Share(slot, leg, part))
            left -= part
    return tuple(taken), left


def excess(books: Books, rules: Rules) -> tuple[Share, ...]:
    """What to trade so that no position has one leg larger than the other by a lot step or more: the larger leg is
    reduced, in whole lots of its own. What is below its venue's smallest order stays. Positions that are being closed
    are gone on with elsewhere."""
    wanted = []
    for slot in np.flatnonzero((books.opened_at != 0) & (books.closing == OPEN)).tolist():
        larger = LONG if abs(books.quantity[slot, LONG]) > abs(books.quantity[slot, SHORT]) else SHORT
        held, other = (float(books.quantity[slot, leg]) for leg in (larger, 1 - larger))
        rule = rules.instruments[int(books.instrument[slot, larger])]
        over = _whole(abs(held) - abs(other), float(rule.lot_step))
        if over and over * books.mark[slot, larger] >= rule.min_notional:
            wanted.append(Share(slot, larger, -over if held > 0 else over))
    return tuple(wanted)


def halves(books: Books, slot: int, rules: Rules, share: float) -> tuple[Share, ...]:
    """`share` of both legs of a position, to be traded together, in whole steps of the coarser lot; all of it where
    the rest would be less than a venue's smallest order. Empty for a position without two legs."""
    held = books.quantity[slot]
    if not np.all(held):
        return ()
    long, short = (rules.instruments[int(column)] for column in books.instrument[slot])
    step, least = max(long.lot_step, short.lot_step), min(abs(held))
    part = _whole(share * least, float(step))
    rest = (least - part) * min(books.mark[slot])
    if rest < max(long.min_notional, short.min_notional) or part * min(books.mark[slot]) < max(
        long.min_notional, short.min_notional
    ):
        part = float(least)
    return tuple(Share(slot, leg, float(-np.sign(held[leg]) * part)) for leg in (LONG, SHORT))


def _whole(quantity: float, step: float) -> float:
    """`quantity` rounded down to whole steps."""
    return float(decimal_multiple(np.floor(quantity / step + EPSILON), step))
