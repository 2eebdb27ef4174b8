"""The simulated venue: what the market does to held positions at a tick, and how pairs are sized, entered and left.

`settle` is shared by the environment and the paper executor. `trade` is the environment's side of what risk and the
paper executor do for the trader; `tests/parity` holds the two to the same books.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import (
    LIQUIDATION_FEE,
    LONG,
    SHORT,
    Books,
    arrive,
    clear_slot,
    equity,
    fill,
    pay_funding,
    slot_total,
    transfer,
    venue_equity,
    venue_gross,
)
from data.compiled import compiled

NOT_CLOSED, POLICY, STOP_LOSS, LIQUIDATED, MARGIN = range(-1, 4)
"""Why a position was closed."""
REASONS = ("policy", "stop_loss", "liquidated", "margin")
ENTRY_MARGIN, EXIT_MARGIN = 4.0, 2.0
"""Multiples of the maintenance margin: no entry may leave a venue below the first, and below the second the position
that loses most there is closed, both legs together, before the venue would liquidate one of them."""


class Rules(NamedTuple):
    """What an order must obey and what holding costs; N instruments on V venues."""

    venue_of: NDArray[np.int64]
    """[N]."""
    fee_rate: NDArray[np.float64]
    """[N] taker fee, fraction of notional."""
    lot_step: NDArray[np.float64]
    """[N]."""
    min_notional: NDArray[np.float64]
    """[N]."""
    maintenance: NDArray[np.float64]
    """[V] equity below this share of gross notional is liquidated."""
    slot_notional: float
    """Notional of one leg, quote currency."""
    stop_loss: float
    """Largest loss of a position, as a share of its leg notional."""
    price_collar: float
    """Largest move from the last close at which an entry still fills, fraction."""
    rebalance_below: float
    """Share of an even split below which a venue is sent money."""
    transfer_cost: float


class Closed(NamedTuple):
    """What was closed in the last `trade`, by slot."""

    reason: NDArray[np.int64]
    """[B, S] POLICY, STOP_LOSS or LIQUIDATED; NOT_CLOSED where nothing was."""
    instrument: NDArray[np.int64]
    """[B, S, 2]."""
    opened_at: NDArray[np.int64]
    """[B, S] tick of the entry, ms."""
    quantity: NDArray[np.float64]
    """[B, S] of a leg at the exit; 0 where both had been liquidated."""
    entry: NDArray[np.float64]
    """[B, S, 2] average entry prices."""
    exit: NDArray[np.float64]
    """[B, S, 2] exit prices; for a leg that was liquidated before, the price of that."""
    notional: NDArray[np.float64]
    """[B, S] leg notional at entry."""
    pnl: NDArray[np.float64]
    """[B, S, 5] P&L split."""


def new_closed(accounts: int, slots: int) -> Closed:
    """Room for every slot to close in one tick."""
    return Closed(
        reason=np.full((accounts, slots), NOT_CLOSED, dtype=np.int64),
        instrument=np.zeros((accounts, slots, 2), dtype=np.int64),
        opened_at=np.zeros((accounts, slots), dtype=np.int64),
        quantity=np.zeros((accounts, slots)),
        entry=np.zeros((accounts, slots, 2)),
        exit=np.zeros((accounts, slots, 2)),
        notional=np.zeros((accounts, slots)),
        pnl=np.zeros((accounts, slots, 5)),
    )


class Quotes(NamedTuple):
    """What can be traded on after the decision, [N] each; NaN where nothing trades."""

    mid: NDArray[np.float64]
    bid: NDArray[np.float64]
    ask: NDArray[np.float64]


class Offers(NamedTuple):
    """What the decision saw of the opportunities at its tick."""

    ranked: NDArray[np.int64]
    """[K] pair by rank, or -1."""
    direction: NDArray[np.int64]
    """[P] +1: long the pair's leg a; -1: long its leg b."""
    legs: NDArray[np.int64]
    """[P, 2] instruments a and b of each pair."""
    close: NDArray[np.float64]
    """[N] last closed price."""


@compiled
def settle(books: Books, settled: NDArray[np.float64], close: NDArray[np.float64], rules: Rules) -> NDArray[np.float64]:
    """Move every account to a tick: arrivals, funding on what was held, marks, liquidation, rebalancing.

    `settled` [N] is the funding settled since the last tick, `close` [N] the newest closed prices (NaN: the old mark
    stays). Returns the funding received [B, S, 2].
    """
    paid = np.zeros(books.quantity.shape)
    for b in range(books.cash.shape[0]):
        arrive(books, b)
        for slot in range(books.quantity.shape[1]):
            for leg in range(2):
                if books.quantity[b, slot, leg] == 0.0:
                    continue
                held = books.instrument[b, slot, leg]
                price = close[held] if np.isfinite(close[held]) else books.mark[b, slot, leg]
                paid[b, slot, leg] = pay_funding(books, b, slot, leg, rules.venue_of[held], settled[held], price)
                books.mark[b, slot, leg] = price
        for venue in range(books.cash.shape[1]):
            _liquidate(books, b, venue, rules)
        _rebalance(books, b, rules)
        books.peak[b] = max(books.peak[b], equity(books, b))
    return paid


@compiled
def _liquidate(books: Books, b: int, venue: int, rules: Rules) -> None:
    gross = venue_gross(books, b, venue, rules.venue_of)
    if gross == 0.0 or venue_equity(books, b, venue, rules.venue_of) >= rules.maintenance[venue] * gross:
        return
    for slot in range(books.quantity.shape[1]):
        for leg in range(2):
            held, quantity = books.instrument[b, slot, leg], books.quantity[b, slot, leg]
            if quantity != 0.0 and rules.venue_of[held] == venue:
                price = books.mark[b, slot, leg]
                fee_rate = rules.fee_rate[held] + LIQUIDATION_FEE
                fill(books, b, slot, leg, held, venue, -quantity, price, price, fee_rate, 0)


@compiled
def _rebalance(books: Books, b: int, rules: Rules) -> None:
    """Send money from the richest venue to the poorest once the latter is below its share; it arrives a tick later."""
    venues = books.cash.shape[1]
    worth = np.array([venue_equity(books, b, venue, rules.venue_of) for venue in range(venues)])
    poor, rich = int(np.argmin(worth)), int(np.argmax(worth))
    share = worth.sum() / venues
    if worth[poor] >= rules.rebalance_below * share:
        return
    needed = ENTRY_MARGIN * rules.maintenance[rich] * venue_gross(books, b, rich, rules.venue_of)
    spare = min(worth[rich] - max(share, needed), books.cash[b, rich]) - rules.transfer_cost
    amount = min(spare, share - worth[poor])
    if amount > rules.transfer_cost:
        transfer(books, b, rich, poor, amount, rules.transfer_cost)


@compiled
def trade(
    books: Books, actions: NDArray[np.int64], tick: int, quotes: Quotes, offers: Offers, rules: Rules, closed: Closed
) -> NDArray[np.int64]:
    """Carry out one decision per account at `tick`: forced exits first, then the action.

    Actions: 0 hold; 1..K enter the opportunity of that rank; K+1..K+S exit that slot. An action that cannot be carried
    out does nothing. Writes `closed`; returns the pair entered by each account [B], or -1.
    """
    entered = np.full(books.cash.shape[0], -1)
    ranks = len(offers.ranked)
    for b in range(books.cash.shape[0]):
        for slot in range(books.quantity.shape[1]):
            reason = forced_exit(books, b, slot, rules)
            closed.reason[b, slot] = NOT_CLOSED
            if reason != NOT_CLOSED:
                _exit(books, b, slot, reason, tick, quotes, rules, closed)
        action = actions[b]
        if 1 <= action <= ranks and offers.ranked[action - 1] >= 0:
            if _enter(books, b, offers.ranked[action - 1], tick, quotes, offers, rules):
                entered[b] = offers.ranked[action - 1]
        elif ranks < action <= ranks + books.quantity.shape[1] and closed.reason[b, action - ranks - 1] == NOT_CLOSED:
            _exit(books, b, action - ranks - 1, POLICY, tick, quotes, rules, closed)
    return entered


@compiled
def forced_exit(books: Books, b: int, slot: int, rules: Rules) -> int:
    """The reason why the position in a slot must be closed whatever the policy says, or NOT_CLOSED."""
    if books.opened_at[b, slot] == 0:
        return NOT_CLOSED
    if books.quantity[b, slot, LONG] == 0.0 or books.quantity[b, slot, SHORT] == 0.0:
        return LIQUIDATED
    if slot_total(books, b, slot) <= -rules.stop_loss * books.notional[b, slot]:
        return STOP_LOSS
    for venue in range(books.cash.shape[1]):
        if _margin_victim(books, b, venue, rules) == slot:
            return MARGIN
    return NOT_CLOSED


@compiled
def _margin_victim(books: Books, b: int, venue: int, rules: Rules) -> int:
    """The slot whose leg loses most on a venue that is short of margin, or -1."""
    gross = venue_gross(books, b, venue, rules.venue_of)
    needed = EXIT_MARGIN * rules.maintenance[venue] * gross
    if gross == 0.0 or venue_equity(books, b, venue, rules.venue_of) + books.in_transit[b, venue] >= needed:
        return -1
    victim, worst = -1, np.inf
    for slot in range(books.quantity.shape[1]):
        for leg in range(2):
            held, quantity = books.instrument[b, slot, leg], books.quantity[b, slot, leg]
            if quantity != 0.0 and rules.venue_of[held] == venue:
                gained = quantity * (books.mark[b, slot, leg] - books.entry_price[b, slot, leg])
                if gained < worst:
                    victim, worst = slot, gained
    return victim


@compiled
def _exit(
    books: Books, b: int, slot: int, reason: int, tick: int, quotes: Quotes, rules: Rules, closed: Closed
) -> None:
    """Close both legs, or neither where one of them has no price now."""
    if books.opened_at[b, slot] == 0:
        return
    for leg in range(2):
        if books.quantity[b, slot, leg] != 0.0 and not np.isfinite(quotes.mid[books.instrument[b, slot, leg]]):
            return
    closed.quantity[b, slot] = 0.0
    for leg in range(2):
        held, quantity = books.instrument[b, slot, leg], books.quantity[b, slot, leg]
        closed.exit[b, slot, leg] = books.mark[b, slot, leg]
        if quantity != 0.0:
            closed.quantity[b, slot] = abs(quantity)
            price = quotes.bid[held] if quantity > 0.0 else quotes.ask[held]
            closed.exit[b, slot, leg] = price
            fill(
                books, b, slot, leg, held, rules.venue_of[held], -quantity, price, quotes.mid[held],
                rules.fee_rate[held], tick,
            )  # fmt: skip
    record_closed(books, b, slot, reason, closed)
    clear_slot(books, b, slot)


@compiled
def record_closed(books: Books, b: int, slot: int, reason: int, closed: Closed) -> None:
    """Copy what the slot knows of its position, both legs just closed, into `closed`."""
    closed.reason[b, slot] = reason
    closed.opened_at[b, slot] = books.opened_at[b, slot]
    closed.notional[b, slot] = books.notional[b, slot]
    for leg in range(2):
        closed.instrument[b, slot, leg] = books.instrument[b, slot, leg]
        closed.entry[b, slot, leg] = books.entry_price[b, slot, leg]
    for column in range(books.slot_pnl.shape[2]):
        closed.pnl[b, slot, column] = books.slot_pnl[b, slot, column]


@compiled
def _enter(books: Books, b: int, pair: int, tick: int, quotes: Quotes, offers: Offers, rules: Rules) -> bool:
    """Open both legs of `pair` in the first free slot, or nothing; returns whether it did."""
    first, second = offers.legs[pair, 0], offers.legs[pair, 1]
    long, short = (first, second) if offers.direction[pair] > 0 else (second, first)
    slot = free_slot(books, b)
    if slot < 0 or holds(books, b, first, second):
        return False
    for held, price in ((long, quotes.ask[long]), (short, quotes.bid[short])):
        if not abs(price / offers.close[held] - 1.0) <= rules.price_collar:
            return False
    quantity = pair_quantity(long, short, offers.close, rules)
    if quantity == 0.0 or not margin_allows(books, b, long, short, quantity, offers.close, rules):
        return False
    fill(books, b, slot, LONG, long, rules.venue_of[long], quantity, quotes.ask[long], quotes.mid[long],
         rules.fee_rate[long], tick)  # fmt: skip
    fill(books, b, slot, SHORT, short, rules.venue_of[short], -quantity, quotes.bid[short], quotes.mid[short],
         rules.fee_rate[short], tick)  # fmt: skip
    return True


@compiled
def free_slot(books: Books, b: int) -> int:
    """The first slot that holds nothing, or -1."""
    for slot in range(books.opened_at.shape[1]):
        if books.opened_at[b, slot] == 0:
            return slot
    return -1


@compiled
def holds(books: Books, b: int, first: int, second: int) -> bool:
    """Whether a slot holds a position on these two instruments, in either direction."""
    for slot in range(books.opened_at.shape[1]):
        one, other = books.instrument[b, slot, LONG], books.instrument[b, slot, SHORT]
        if (one == first and other == second) or (one == second and other == first):
            return True
    return False


@compiled
def pair_quantity(long: int, short: int, close: NDArray[np.float64], rules: Rules) -> float:
    """Quantity of both legs: the slot's notional at the dearer leg's last close, in whole steps of the coarser lot.

    0 where that is less than a venue's smallest order.
    """
    step = max(rules.lot_step[long], rules.lot_step[short])
    quantity = np.floor(rules.slot_notional / max(close[long], close[short]) / step + 1e-9) * step
    if step < 1.0:  # the double nearest to the decimal, as the venue would read it
        scale = np.round(1.0 / step)
        quantity = np.round(quantity * scale) / scale
    for held in (long, short):
        if not quantity * close[held] >= rules.min_notional[held]:
            return 0.0
    return quantity


@compiled
def margin_allows(
    books: Books, b: int, long: int, short: int, quantity: float, close: NDArray[np.float64], rules: Rules
) -> bool:
    """Whether both venues would still be at ENTRY_MARGIN times their maintenance margin after the entry."""
    for held in (long, short):
        venue = rules.venue_of[held]
        gross = venue_gross(books, b, venue, rules.venue_of) + quantity * close[held]
        if venue_equity(books, b, venue, rules.venue_of) < ENTRY_MARGIN * rules.maintenance[venue] * gross:
            return False
    return True
