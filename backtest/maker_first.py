"""The maker-first style on the simulated venue: an order rests on one leg, the other is taken when it is filled.

All orders of a tick are placed at the decision and rest side by side, so an entry can count neither on the slot nor on
the margin of a position that is being left meanwhile, and the margin of every entry of the tick is set aside first.
"""

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import LONG, SHORT, Books, clear_slot, fill
from backtest.order_book import Quote, depth, walk
from backtest.resting import ENTRY, EXIT_A, EXIT_B
from backtest.rules import Rules, margin_allows, pair_lots, pair_quantity, whole_lots
from backtest.settlement import POLICY, UNWOUND, mark_forced_exits
from backtest.simulated_venue import (
    FLAT,
    IN,
    Closings,
    Frames,
    forced_exits,
    free_slot,
    holds,
    is_flat,
    leave,
    leave_at,
    note_closed,
    offered,
    pair_held,
    take,
    tick_of,
    trade,
)
from data.compiled import compiled, style_of


def trade_in_style(
    books: Books, plan: NDArray[np.int64], row: int, frames: Frames, rules: Rules, closings: Closings
) -> None:
    """Carry out a plan as `simulated_venue.trade` does, by taking or by resting first, whichever the frames are for."""
    style = trade if frames.resting is None else trade_resting
    style(books, plan, row, frames, rules, closings)


# Not inlined: what numba inlines twice over loses the forced exits of `trade`.
@style_of(trade_in_style)
def _trade_in_style(books, plan, row, frames, rules, closings):  # type: ignore[no-untyped-def] # as its answers are
    """Compiled code has only the style that its frames are for."""
    from numba import types

    if isinstance(frames.types[Frames._fields.index("resting")], types.NoneType):
        return lambda books, plan, row, frames, rules, closings: trade(books, plan, row, frames, rules, closings)
    return lambda books, plan, row, frames, rules, closings: trade_resting(books, plan, row, frames, rules, closings)


@compiled
def trade_resting(
    books: Books, plan: NDArray[np.int64], row: int, frames: Frames, rules: Rules, closings: Closings
) -> None:
    """Forced exits take at once; then entries by rank and the exits that the plan wants rest."""
    if not is_flat(books) and mark_forced_exits(books, rules):
        forced_exits(books, plan, row, frames, rules, closings)
    for rank in range(frames.order.shape[1]):
        pair = frames.order[row, rank]
        if pair < 0:
            break
        if plan[pair] == IN:
            _set_aside(books, pair, row, frames, rules)
    tick = tick_of(frames, row)
    for slot in range(books.opened_at.shape[0]):
        if books.opened_at[slot] == tick:
            _enter(books, slot, row, frames, rules, closings)
    for slot in range(books.opened_at.shape[0]):
        held = books.opened_at[slot] != 0 and books.opened_at[slot] != tick
        if held and plan[pair_held(books, slot, frames.pair_of)] == FLAT:
            _leave(books, slot, row, frames, rules, closings)


@compiled
def _set_aside(books: Books, pair: int, row: int, frames: Frames, rules: Rules) -> None:
    """Hold the slot and the margin of an entry as if it were filled at the last closes for nothing, if it may be."""
    slot, long, short = free_slot(books), frames.legs[pair, 0], frames.legs[pair, 1]
    if frames.direction[row, pair] < 0:
        long, short = short, long
    if slot < 0 or holds(books, long, short):
        return
    long_close, short_close = frames.hours[row, long].close, frames.hours[row, short].close
    wanted = pair_quantity(long, short, long_close, short_close, rules)
    if wanted == 0.0 or not margin_allows(books, long, short, wanted, long_close, short_close, rules):
        return
    tick = tick_of(frames, row)
    for leg, instrument, quantity, price in ((LONG, long, wanted, long_close), (SHORT, short, -wanted, short_close)):
        venue = rules.instruments[instrument].venue
        fill(books, slot, leg, instrument, venue, quantity, price, price, 0.0, rules.venues[venue].leverage, tick)


@compiled
def _enter(books: Books, slot: int, row: int, frames: Frames, rules: Rules, closings: Closings) -> None:
    """Fill what was set aside, as far as size and order books allow, or nothing."""
    long, short, wanted = books.instrument[slot, LONG], books.instrument[slot, SHORT], books.quantity[slot, LONG]
    _free(books, slot)
    tick, long_close, short_close = tick_of(frames, row), frames.hours[row, long].close, frames.hours[row, short].close
    pair = frames.pair_of[long, short]
    rested = frames.resting.ends[row, pair, ENTRY]
    long_end, short_end = frames.resting.long[row, pair, ENTRY], frames.resting.short[row, pair, ENTRY]
    matched = _matched(
        wanted, long, short, long_close, short_close, frames.now[row, long], frames.now[row, short], rules
    )
    if matched == 0.0:
        return
    if rested.filled:
        _fill_rested(books, slot, matched, long, short, row, rested.first, rested.price, frames, rules, closings)
    elif not frames.leaves:
        matched = _matched(wanted, long, short, long_close, short_close, long_end, short_end, rules)
        take(books, slot, LONG, long, matched, long_end, tick, rules)
        take(books, slot, SHORT, short, -matched, short_end, tick, rules)


@compiled
def _free(books: Books, slot: int) -> None:
    """Give back what was set aside."""
    for leg in range(2):
        books.quantity[slot, leg] = 0.0
        books.margin[slot, leg] = 0.0
    clear_slot(books, slot)


@compiled
def _matched(
    wanted: float, long: int, short: int, long_close: float, short_close: float, long_quote: Quote, short_quote: Quote,
    rules: Rules,
) -> float:  # fmt: skip
    """What both order books offer of an entry."""
    matched = offered(wanted, long, long_quote, long_close, rules)
    matched = min(matched, offered(-wanted, short, short_quote, short_close, rules))
    return matched if matched == wanted else pair_lots(matched, long, short, long_close, short_close, rules)


@compiled
def _fill_rested(
    books: Books, slot: int, matched: float, long: int, short: int, row: int, first: int, price: float, frames: Frames,
    rules: Rules, closings: Closings,
) -> None:  # fmt: skip
    """One leg of an entry is filled where it rested, the other taken; what that cannot match is taken back at once."""
    tick, pair = tick_of(frames, row), frames.pair_of[long, short]
    long_end, short_end = frames.resting.long[row, pair, ENTRY], frames.resting.short[row, pair, ENTRY]
    long_close, short_close = frames.hours[row, long].close, frames.hours[row, short].close
    if first == LONG:
        rests, hedges, signed, rest_end, hedge_end, close = long, short, matched, long_end, short_end, short_close
    else:
        rests, hedges, signed, rest_end, hedge_end, close = short, long, -matched, short_end, long_end, long_close
    _take_rested(books, slot, first, rests, signed, price, rest_end, tick, rules)
    hedged = offered(-signed, hedges, hedge_end, close, rules)
    if hedged < matched:
        hedged = whole_lots(hedged, long, short, rules)
        take(books, slot, first, rests, np.sign(signed) * (hedged - matched), rest_end, tick, rules)
    if hedged == 0.0:
        books.instrument[slot, 1 - first] = hedges
        books.venue[slot, 1 - first] = rules.instruments[hedges].venue
        books.closing[slot] = UNWOUND
        note_closed(books, slot, tick, closings)
        clear_slot(books, slot)
        return
    take(books, slot, 1 - first, hedges, -np.sign(signed) * hedged, hedge_end, tick, rules)


@compiled
def _leave(books: Books, slot: int, row: int, frames: Frames, rules: Rules, closings: Closings) -> None:
    """Close a position: one leg where it rested, the other as far as its order book goes then; both by taking where
    the resting order was not filled."""
    long, short = books.instrument[slot, LONG], books.instrument[slot, SHORT]
    bought, sold = books.quantity[slot, LONG], -books.quantity[slot, SHORT]
    if bought == 0.0 or sold == 0.0:
        leave_at(books, slot, POLICY, row, frames, rules, closings)
        return
    pair, tick = frames.pair_of[long, short], tick_of(frames, row)
    what = EXIT_A if frames.legs[pair, 0] == long else EXIT_B
    rested = frames.resting.ends[row, pair, what]
    long_end, short_end = frames.resting.long[row, pair, what], frames.resting.short[row, pair, what]
    share = depth(-bought, frames.now[row, long], rules.instruments[long]) / bought
    share = min(share, depth(sold, frames.now[row, short], rules.instruments[short]) / sold)
    if share < 1.0:
        bought, sold = whole_lots(bought * share, long, short, rules), whole_lots(sold * share, long, short, rules)
        if bought == 0.0 or sold == 0.0:
            return
    if not rested.filled:
        leave(books, slot, POLICY, tick, long_end, short_end, short_end, rules, closings)
        return
    books.closing[slot] = POLICY
    if rested.first == LONG:
        _take_rested(books, slot, LONG, long, -bought, rested.price, long_end, tick, rules)
        sold = min(sold, depth(sold, short_end, rules.instruments[short]))
        take(books, slot, SHORT, short, sold, short_end, tick, rules)
    else:
        _take_rested(books, slot, SHORT, short, sold, rested.price, short_end, tick, rules)
        bought = min(bought, depth(-bought, long_end, rules.instruments[long]))
        take(books, slot, LONG, long, -bought, long_end, tick, rules)
    if books.quantity[slot, LONG] == 0.0 and books.quantity[slot, SHORT] == 0.0:
        note_closed(books, slot, tick, closings)
        clear_slot(books, slot)


@compiled
def _take_rested(
    books: Books, slot: int, leg: int, instrument: int, quantity: float, price: float, quote: Quote, tick: int,
    rules: Rules,
) -> None:  # fmt: skip
    """Fill signed `quantity` at the price at which it rested, for the maker's fee, and note what that saved against
    taking it from the order book of that moment."""
    rule = rules.instruments[instrument]
    venue = rules.venues[rule.venue]
    fill(
        books, slot, leg, instrument, rule.venue, quantity, price, quote.mid, venue.maker_fee_rate, venue.leverage, tick
    )
    books.saved[slot] += saved_by_resting(
        quantity, price, walk(quantity, quote, rule), venue.maker_fee_rate, rule.fee_rate
    )


@compiled
def saved_by_resting(quantity: float, price: float, taken: float, maker_rate: float, taker_rate: float) -> float:
    """What signed `quantity` at `price` and the maker's fee cost less than at the price `taken` and the taker's."""
    return quantity * (taken - price) + abs(quantity) * (taken * taker_rate - price * maker_rate)
