"""The simulated venue: how a plan for every pair is carried out on the market just after a decision.

This is the environment's side of what risk and the paper executor do for the trader; `tests/parity` holds the two to
the same books.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import EMPTY, LONG, OPEN, SHORT, Books, clear_slot, fill
from backtest.order_book import Quote, depth, walk
from backtest.resting import Resting
from backtest.rules import Rules, margin_allows, pair_lots, pair_quantity, whole_lots
from backtest.settlement import POLICY, UNWOUND, mark_forced_exits
from data.compiled import compiled, inlined, record
from data.types import HOUR_MS

KEEP, IN, FLAT = range(3)
"""What a plan wants of a pair: as it is, a position, none."""


class Frames(NamedTuple):
    """A market window as the simulated venue meets it: T ticks, N instruments, P pairs."""

    first_tick: int
    """Of row 0, ms; rows are hours."""
    hours: NDArray[np.record]
    """[T, N] of `settlement.HOUR`."""
    now: NDArray[np.record]
    """[T, N] of `order_book.QUOTE`: where first legs fill."""
    later: NDArray[np.record]
    """[T, N] where second legs fill; the same array as `now` unless they are delayed."""
    order: NDArray[np.int64]
    """[T, P] pairs by expected net carry, best first; -1 after the last one that can be entered."""
    direction: NDArray[np.int64]
    """[T, P] +1: long the pair's leg a; -1: long its leg b."""
    legs: NDArray[np.int64]
    """[P, 2] instruments a and b of each pair."""
    pair_of: NDArray[np.int64]
    """[N, N] the pair of two instruments, or -1."""
    resting: Resting = None  # type: ignore[assignment] # only what rests looks at it
    """What becomes of orders that rest, by row and pair; None where every order takes."""
    leaves: bool = False
    """Whether an entry whose resting order was not filled is left, not crossed."""


Closings = np.record
"""The positions that an account has closed since `count` was last set to zero; see `closings_layout`."""


def closings_layout(rows: int) -> np.dtype[np.record]:
    """Room for `rows` closed positions; more overwrite the last one."""
    return record(
        [
            ("count", np.int64),
            ("reason", np.int64, (rows,)),
            ("instrument", np.int64, (rows, 2)),
            # Ticks, ms.
            ("opened_at", np.int64, (rows,)),
            ("closed_at", np.int64, (rows,)),
            # What was closed of each leg, at which average prices.
            ("quantity", np.float64, (rows, 2)),
            ("entry", np.float64, (rows, 2)),
            ("exit", np.float64, (rows, 2)),
            # Of the larger leg, at its entry.
            ("notional", np.float64, (rows,)),
            # P&L split.
            ("pnl", np.float64, (rows, 5)),
            # As in the books.
            ("saved", np.float64, (rows,)),
        ]
    )


@compiled
def tick_of(frames: Frames, row: int) -> int:
    """The tick of a row, ms."""
    return frames.first_tick + row * HOUR_MS


@inlined
def write_plan(
    plan: NDArray[np.int64], actions: NDArray[np.int64], b: int, books: Books, ranked: NDArray[np.int64], row: int,
    pair_of: NDArray[np.int64], by_pair: bool,
) -> None:  # fmt: skip
    """Turn what a policy answered into a plan [P] of KEEP, IN, FLAT.

    `actions` [B, P] of account `b` are a plan already if they are `by_pair`. Otherwise [B, 1] is a single number:
    0 hold; 1..K enter the opportunity of that rank in `ranked` [T, K]; K+1..K+S exit that slot. A number that means
    nothing keeps everything as it is.
    """
    if by_pair:
        for pair in range(len(plan)):
            plan[pair] = actions[b, pair]
        return
    plan[:] = KEEP
    chosen, ranks = actions[b, 0], ranked.shape[1]
    if 1 <= chosen <= ranks:
        if ranked[row, chosen - 1] >= 0:
            plan[ranked[row, chosen - 1]] = IN
    elif ranks < chosen <= ranks + books.opened_at.shape[0] and books.opened_at[chosen - ranks - 1] != 0:
        plan[pair_held(books, chosen - ranks - 1, pair_of)] = FLAT


@inlined
def trade(books: Books, plan: NDArray[np.int64], row: int, frames: Frames, rules: Rules, closings: Closings) -> None:
    """Carry out a plan [P]: forced exits first, then those that it wants, then its entries by rank.

    What cannot be carried out does nothing. A pair that is closed by force is not entered again at this tick: the plan
    is changed to KEEP. Positions that leave their slots are written to `closings`.
    """
    if not is_flat(books):
        if mark_forced_exits(books, rules):
            forced_exits(books, plan, row, frames, rules, closings)
        for slot in range(books.opened_at.shape[0]):
            if books.opened_at[slot] != 0 and plan[pair_held(books, slot, frames.pair_of)] == FLAT:
                leave_at(books, slot, POLICY, row, frames, rules, closings)
    if free_slot(books) < 0 or not _wants_entry(plan):
        return
    for rank in range(frames.order.shape[1]):
        pair = frames.order[row, rank]
        if pair < 0:
            break
        if plan[pair] == IN:
            _enter_at(books, pair, row, frames, rules, closings)


@compiled
def _wants_entry(plan: NDArray[np.int64]) -> bool:
    for pair in range(len(plan)):  # noqa: SIM110 - compiled
        if plan[pair] == IN:
            return True
    return False


@inlined
def forced_exits(
    books: Books, plan: NDArray[np.int64], row: int, frames: Frames, rules: Rules, closings: Closings
) -> None:
    """Close what is marked as such; the plan cannot enter those pairs again at this tick."""
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] != 0 and books.closing[slot] != OPEN:
            plan[pair_held(books, slot, frames.pair_of)] = KEEP
            leave_at(books, slot, books.closing[slot], row, frames, rules, closings)


@inlined
def leave_at(books: Books, slot: int, reason: int, row: int, frames: Frames, rules: Rules, closings: Closings) -> None:
    """`leave` a position at the order books of a row."""
    long, short = books.instrument[slot, LONG], books.instrument[slot, SHORT]
    leave(
        books, slot, reason, tick_of(frames, row), frames.now[row, long], frames.now[row, short],
        frames.later[row, short], rules, closings,
    )  # fmt: skip


@compiled
def leave(
    books: Books, slot: int, reason: int, tick: int, long_now: Quote, short_now: Quote, short_later: Quote,
    rules: Rules, closings: Closings,
) -> None:  # fmt: skip
    """Close both legs as far as the order books allow, in equal parts and whole lots; nothing where one of them has no
    price now or where that is not a lot.

    What is left stays open and is gone on with at the next tick, with the same `reason`. If second legs are delayed,
    the short one fills as far as its order book goes then.
    """
    long, short = books.instrument[slot, LONG], books.instrument[slot, SHORT]
    bought, sold = books.quantity[slot, LONG], -books.quantity[slot, SHORT]
    share = 1.0
    if bought != 0.0:
        share = depth(-bought, long_now, rules.instruments[long]) / bought
    if sold != 0.0:
        share = min(share, depth(sold, short_now, rules.instruments[short]) / sold)
    if share < 1.0:
        bought, sold = whole_lots(bought * share, long, short, rules), whole_lots(sold * share, long, short, rules)
        if bought == 0.0 and sold == 0.0:
            return
    books.closing[slot] = reason
    take(books, slot, LONG, long, -bought, long_now, tick, rules)
    sold = min(sold, depth(sold, short_later, rules.instruments[short]))
    take(books, slot, SHORT, short, sold, short_later, tick, rules)
    if books.quantity[slot, LONG] == 0.0 and books.quantity[slot, SHORT] == 0.0:
        note_closed(books, slot, tick, closings)
        clear_slot(books, slot)


@compiled
def note_closed(books: Books, slot: int, tick: int, closings: Closings) -> None:
    """Copy what the slot knows of its position, both legs just closed, into `closings`."""
    row = min(closings.count, closings.reason.shape[0] - 1)
    closings.count = row + 1
    closings.reason[row] = books.closing[slot]
    closings.opened_at[row] = books.opened_at[slot]
    closings.closed_at[row] = tick
    closings.notional[row] = books.notional[slot]
    closings.saved[row] = books.saved[slot]
    for leg in range(2):
        closings.instrument[row, leg] = books.instrument[slot, leg]
        closings.quantity[row, leg] = books.closed_quantity[slot, leg]
        closings.entry[row, leg] = books.entry_price[slot, leg]
        closings.exit[row, leg] = books.exit_price[slot, leg]
    for column in range(books.slot_pnl.shape[1]):
        closings.pnl[row, column] = books.slot_pnl[slot, column]


@inlined
def _enter_at(books: Books, pair: int, row: int, frames: Frames, rules: Rules, closings: Closings) -> None:
    """Open both legs of `pair` in the first free slot, or nothing."""
    slot, long, short = free_slot(books), frames.legs[pair, 0], frames.legs[pair, 1]
    if frames.direction[row, pair] < 0:
        long, short = short, long
    if slot < 0 or holds(books, long, short):
        return
    enter(
        books, slot, long, short, tick_of(frames, row), frames.hours[row, long].close, frames.hours[row, short].close,
        frames.now[row, long], frames.now[row, short], frames.later[row, long], frames.later[row, short], rules,
        closings,
    )  # fmt: skip


@compiled
def enter(
    books: Books, slot: int, long: int, short: int, tick: int, long_close: float, short_close: float,
    long_now: Quote, short_now: Quote, long_later: Quote, short_later: Quote, rules: Rules, closings: Closings,
) -> None:  # fmt: skip
    """Open both legs in a free slot as far as size, margin and order books allow, or nothing.

    The long leg fills first. If the other one is delayed, what it then cannot match of the first is sold again, at
    once and whatever the price; the position counts with what was bought first.
    """
    wanted = pair_quantity(long, short, long_close, short_close, rules)
    if wanted == 0.0 or not margin_allows(books, long, short, wanted, long_close, short_close, rules):
        return
    bought = offered(wanted, long, long_now, long_close, rules)
    matched = min(bought, offered(-wanted, short, short_now, short_close, rules))
    if matched < wanted:
        matched = pair_lots(matched, long, short, long_close, short_close, rules)
    if matched == 0.0:
        return
    take(books, slot, LONG, long, matched, long_now, tick, rules)
    sold = offered(-matched, short, short_later, short_close, rules)
    if sold < matched:
        sold = whole_lots(sold, long, short, rules)
        back = long_later if np.isfinite(long_later.mid) else long_now
        take(books, slot, LONG, long, sold - matched, back, tick, rules)
    if sold == 0.0:
        books.instrument[slot, SHORT] = short
        books.closing[slot] = UNWOUND
        note_closed(books, slot, tick, closings)
        clear_slot(books, slot)
        return
    take(books, slot, SHORT, short, -sold, short_later, tick, rules)


@compiled
def offered(quantity: float, instrument: int, quote: Quote, close: float, rules: Rules) -> float:
    """How much of signed `quantity` an entry could trade: 0 where nothing trades or the price has run away."""
    rule = rules.instruments[instrument]
    amount = depth(quantity, quote, rule)
    if amount == 0.0:
        return 0.0
    price = walk(np.sign(quantity) * amount, quote, rule)
    return amount if abs(price / close - 1.0) <= rules.price_collar else 0.0


@compiled
def take(
    books: Books, slot: int, leg: int, instrument: int, quantity: float, quote: Quote, tick: int, rules: Rules
) -> None:
    """Trade signed `quantity` at the average price of walking the order book."""
    if quantity == 0.0:
        return
    rule = rules.instruments[instrument]
    price, leverage = walk(quantity, quote, rule), rules.venues[rule.venue].leverage
    fill(books, slot, leg, instrument, rule.venue, quantity, price, quote.mid, rule.fee_rate, leverage, tick)


@compiled
def is_flat(books: Books) -> bool:
    """Whether no slot holds a position."""
    for slot in range(books.opened_at.shape[0]):  # noqa: SIM110 - compiled
        if books.opened_at[slot] != 0:
            return False
    return True


@compiled
def pair_held(books: Books, slot: int, pair_of: NDArray[np.int64]) -> int:
    """The pair of the position in a slot that is not free."""
    return pair_of[books.instrument[slot, LONG], books.instrument[slot, SHORT]]


@compiled
def free_slot(books: Books) -> int:
    """The first slot that holds nothing, or -1."""
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] == 0:
            return slot
    return -1


@compiled
def holds(books: Books, first: int, second: int) -> bool:
    """Whether a slot holds a position on these two instruments, in either direction."""
    for slot in range(books.opened_at.shape[0]):
        one, other = books.instrument[slot, LONG], books.instrument[slot, SHORT]
        if one != EMPTY and ((one == first and other == second) or (one == second and other == first)):
            return True
    return False
