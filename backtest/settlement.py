"""Settlement: what the market does to held positions at a tick, and which positions must be closed after it.

Used by the environment and the paper executor alike.
"""

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import (
    OPEN,
    Books,
    arrive,
    equity,
    fill,
    free_cash,
    is_on,
    leg_unrealised,
    liquidate,
    pay_funding,
    revalue,
    slot_total,
    transfer,
)
from backtest.rules import ENTRY_MARGIN, EXIT_MARGIN, Rules
from data.compiled import compiled, inlined, record
from data.panel import Panel

POLICY, STOP_LOSS, LIQUIDATED, MARGIN, DELISTED, UNWOUND, KILLED, LOST = range(8)
"""Why a position was closed; UNWOUND: its second leg was not filled at the entry; KILLED: by the kill switch; LOST: a
real venue, or a person there, took a leg of it."""
REASONS = ("policy", "stop_loss", "liquidated", "margin", "delisted", "unwound", "killed", "lost")


HOUR = record(
    [
        # Last closed price at the tick, quote currency; NaN in a gap.
        ("close", np.float64),
        # Funding settled since the tick before, fraction of notional.
        ("settled", np.float64),
        # Delisted: nothing has traded for long.
        ("gone", np.bool_),
    ]
)
"""What an hour did to holders of one instrument."""


def market_hours(panel: Panel, delisted_after_hours: int) -> NDArray[np.record]:
    """[T, N] of HOUR."""
    hours = np.zeros(panel.close.shape, dtype=HOUR)
    hours["close"], hours["settled"] = panel.close, panel.settled
    hours["gone"] = panel.silent_hours >= delisted_after_hours
    return hours


@inlined
def settle(books: Books, tick: int, hours: NDArray[np.record], row: int, rules: Rules) -> None:
    """Move an account to a tick: arrivals, funding on what was held, marks, delistings, liquidation, rebalancing.

    `hours` [T, N] of HOUR at `row`; where there is no close the old mark stays. Writes the funding received into
    `books.paid`.
    """
    arrive(books, tick)
    holding = False
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            books.paid[slot, leg] = 0.0
            if books.quantity[slot, leg] == 0.0:
                continue
            holding = True
            hour = hours[row, books.instrument[slot, leg]]
            price = hour.close if np.isfinite(hour.close) else books.mark[slot, leg]
            if hour.settled != 0.0:
                books.paid[slot, leg] = pay_funding(books, slot, leg, books.venue[slot, leg], hour.settled, price)
            books.mark[slot, leg] = price
    revalue(books)
    if holding:
        lost = _delist(books, hours, row, rules)
        for venue in range(books.cash.shape[0]):
            lost = _liquidate(books, venue, rules) or lost
        if lost:
            revalue(books)
    _rebalance(books, tick, rules)
    books.peak = max(books.peak, equity(books))


@compiled
def _liquidate(books: Books, venue: int, rules: Rules) -> bool:
    """Under cross margin everything on the venue goes at once, under isolated margin each leg by itself. Returns
    whether anything went."""
    leverage, maintenance = rules.venues[venue].leverage, rules.venues[venue].maintenance
    gross, worth = books.gross[venue], books.worth[venue]
    if gross == 0.0 or (leverage == 0.0 and worth >= maintenance * gross):
        return False
    lost = False
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if not is_on(books, slot, leg, venue):
                continue
            share = worth / gross if leverage == 0.0 else _isolated_share(books, slot, leg)
            if leverage == 0.0 or share < maintenance:
                fee_rate = rules.instruments[books.instrument[slot, leg]].fee_rate
                liquidate(books, slot, leg, venue, fee_rate, share, leverage)
                books.closing[slot] = LIQUIDATED
                lost = True
    return lost


@compiled
def _isolated_share(books: Books, slot: int, leg: int) -> float:
    """What stands behind an isolated leg, as a share of its notional."""
    notional = abs(books.quantity[slot, leg]) * books.mark[slot, leg]
    return (books.margin[slot, leg] + leg_unrealised(books, slot, leg)) / notional


@compiled
def _delist(books: Books, hours: NDArray[np.record], row: int, rules: Rules) -> bool:
    """A venue that ends a market settles what is held there at the last price, for a taker fee. Returns whether one
    did."""
    lost = False
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            held, quantity = books.instrument[slot, leg], books.quantity[slot, leg]
            if quantity != 0.0 and hours[row, held].gone:
                price, venue = books.mark[slot, leg], books.venue[slot, leg]
                fee_rate, leverage = rules.instruments[held].fee_rate, rules.venues[venue].leverage
                fill(books, slot, leg, held, venue, -quantity, price, price, fee_rate, leverage, 0)
                books.closing[slot] = DELISTED
                lost = True
    if lost:
        revalue(books)
    return lost


@compiled
def _rebalance(books: Books, tick: int, rules: Rules) -> None:
    """Send money from the richest venue to the poorest once the latter is below its share; one transfer at a time.

    At most what makes the poorest whole. The richest keeps an even share and, under cross margin, ENTRY_MARGIN times
    its maintenance margin; isolated margin stays where it is.
    """
    venues = books.cash.shape[0]
    total, poor, rich, least, most = 0.0, 0, 0, np.inf, -np.inf
    for venue in range(venues):
        if books.in_transit[venue] != 0.0:
            return
        worth = books.worth[venue]
        total += worth
        if worth < least:
            poor, least = venue, worth
        if worth > most:
            rich, most = venue, worth
    share = total / venues
    if least >= rules.rebalance_below * share:
        return
    needed = share
    if rules.venues[rich].leverage == 0.0:
        needed = max(needed, ENTRY_MARGIN * rules.venues[rich].maintenance * books.gross[rich])
    spare = min(most - needed, free_cash(books, rich)) - rules.transfer_cost
    amount = min(spare, share - least)
    if amount > rules.transfer_cost:
        transfer(books, rich, poor, amount, rules.transfer_cost, tick + rules.transfer_ms)
        books.worth[rich] -= amount + rules.transfer_cost


@compiled
def mark_forced_exits(books: Books, rules: Rules) -> bool:
    """Write into `closing` why positions must be closed whatever the policy says; returns whether there are any. To be
    asked right after `settle`.

    At the stop-loss; then, venue by venue, where one is short of margin, worst position first, until the rest can stay.
    Once begun, a close is gone on with: what `closing` says already stays, unless the venue takes a leg meanwhile.
    """
    forced = False
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] == 0:
            continue
        if books.closing[slot] == OPEN and slot_total(books, slot) <= -rules.stop_loss * books.notional[slot]:
            books.closing[slot] = STOP_LOSS
        forced = forced or books.closing[slot] != OPEN
    for venue in range(books.cash.shape[0]):
        maintenance = rules.venues[venue].maintenance
        enough = books.worth[venue] + books.in_transit[venue] >= EXIT_MARGIN * maintenance * books.gross[venue]
        if enough and rules.venues[venue].leverage == 0.0:
            continue
        slot = _margin_victim(books, venue, rules)
        while slot >= 0:
            books.closing[slot] = MARGIN
            forced = True
            slot = _margin_victim(books, venue, rules)
    return forced


@compiled
def _margin_victim(books: Books, venue: int, rules: Rules) -> int:
    """The slot to close because its venue is short of margin, or -1; what is being closed already counts as closed.

    Under cross margin that is the one whose leg loses most there, under isolated margin the one whose own margin is
    the shortest.
    """
    isolated = rules.venues[venue].leverage > 0.0
    victim, worst = -1, np.inf
    gross, worth = 0.0, books.cash[venue] + books.in_transit[venue]
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if not is_on(books, slot, leg, venue):
                continue
            unrealised = leg_unrealised(books, slot, leg)
            worth += unrealised
            if books.closing[slot] != OPEN:
                continue
            gross += abs(books.quantity[slot, leg]) * books.mark[slot, leg]
            standing = _isolated_share(books, slot, leg) if isolated else unrealised
            if standing < worst:
                victim, worst = slot, standing
    needed = EXIT_MARGIN * rules.venues[venue].maintenance
    if isolated:
        return victim if worst < needed else -1
    return victim if worth < needed * gross else -1
