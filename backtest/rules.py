"""The rules of trading: what an order must obey, how a pair is sized in whole lots, what margin lets in.

Shared by the environment and by the bot's own risk gate and executors.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import Books, free_cash, venue_equity, venue_gross
from data.compiled import compiled, record

ENTRY_MARGIN, EXIT_MARGIN = 4.0, 2.0
"""Multiples of the maintenance margin: no entry may leave a venue below the first, and below the second the position
that loses most there is closed, both legs together, before the venue would liquidate one of them."""


INSTRUMENT = record(
    [
        ("venue", np.int64),
        # Taker fee, fraction of notional.
        ("fee_rate", np.float64),
        # A power of ten, as is tick_size.
        ("lot_step", np.float64),
        ("tick_size", np.float64),
        ("min_notional", np.float64),
        # Fraction; also the distance between levels of the order book.
        ("half_spread", np.float64),
        # Quote currency that rests on every level of a side, and how many levels there are.
        ("level_quote", np.float64),
        ("levels", np.int64),
    ]
)
"""What an order on one instrument must obey and what it meets."""
VENUE = record(
    [
        # Equity below this share of gross notional is liquidated; 0 on a spot venue.
        ("maintenance", np.float64),
        # Of isolated margin; 0: cross margin. 1 on a spot venue, where legs are fully paid.
        ("leverage", np.float64),
        # Maker fee, fraction of notional; below zero for a rebate.
        ("maker_fee_rate", np.float64),
    ]
)
"""What holding on one venue demands, and what an order that rested there pays."""


class Rules(NamedTuple):
    """What an order must obey and what holding costs; N instruments on V venues."""

    instruments: NDArray[np.record]
    """[N] of INSTRUMENT."""
    venues: NDArray[np.record]
    """[V] of VENUE."""
    slot_notional: float
    """Notional of one leg, quote currency."""
    stop_loss: float
    """Largest loss of a position, as a share of its leg notional."""
    price_collar: float
    """Largest move from the last close at which an entry still fills, fraction."""
    rebalance_below: float
    """Share of an even split below which a venue is sent money."""
    transfer_cost: float
    transfer_ms: int
    """How long money is on its way."""


@compiled
def pair_quantity(long: int, short: int, long_close: float, short_close: float, rules: Rules) -> float:
    """Quantity of both legs: the slot's notional at the dearer leg's last close, in whole steps of the coarser lot.

    0 where that is less than a venue's smallest order, or where a leg has no price.
    """
    if not (np.isfinite(long_close) and np.isfinite(short_close)):
        return 0.0
    quantity = rules.slot_notional / max(long_close, short_close)
    return pair_lots(quantity, long, short, long_close, short_close, rules)


@compiled
def pair_lots(quantity: float, long: int, short: int, long_close: float, short_close: float, rules: Rules) -> float:
    """`quantity` in whole steps of the coarser lot; 0 where that is less than a venue's smallest order."""
    lots = whole_lots(quantity, long, short, rules)
    if lots * long_close < rules.instruments[long].min_notional:
        return 0.0
    return 0.0 if lots * short_close < rules.instruments[short].min_notional else lots


@compiled
def whole_lots(quantity: float, long: int, short: int, rules: Rules) -> float:
    """`quantity` rounded down to steps of the coarser lot."""
    step = max(rules.instruments[long].lot_step, rules.instruments[short].lot_step)
    return decimal_multiple(np.floor(quantity / step + 1e-9), step)


@compiled
def decimal_multiple(count: float, step: float) -> float:
    """`count` steps of a power of ten: the double nearest to the decimal, as a venue would read it."""
    return count / np.round(1.0 / step) if step < 1.0 else count * step


@compiled
def margin_allows(
    books: Books, long: int, short: int, quantity: float, long_close: float, short_close: float, rules: Rules
) -> bool:
    """Whether both venues could bear the entry: under cross margin at ENTRY_MARGIN times their maintenance margin,
    under isolated margin with free cash for the leg's own margin and both of its fees."""
    if not _venue_allows(books, long, quantity * long_close, rules):
        return False
    return _venue_allows(books, short, quantity * short_close, rules)


@compiled
def _venue_allows(books: Books, instrument: int, notional: float, rules: Rules) -> bool:
    venue = rules.instruments[instrument].venue
    leverage = rules.venues[venue].leverage
    if leverage > 0.0:
        needed = notional * (1.0 / leverage + 2.0 * rules.instruments[instrument].fee_rate)
        return free_cash(books, venue) >= needed
    gross = venue_gross(books, venue) + notional
    return venue_equity(books, venue) >= ENTRY_MARGIN * rules.venues[venue].maintenance * gross
