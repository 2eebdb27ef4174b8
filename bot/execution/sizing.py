"""How much of a proposal the venues' order books take at this moment, and at which price: for paper and live alike."""

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.rules import Rules, pair_lots, whole_lots
from bot.orders import LegOrder, Proposal, Unfilled
from data.errors import VenueError, VenueNonsense
from data.exchange import OrderBook, Venue


@dataclass(frozen=True)
class Sized:
    """The legs of a proposal as they can be traded now; one entry per leg."""

    books: tuple[OrderBook, ...]
    quantities: tuple[float, ...]
    """Without sign, above zero."""


UNSEEN = OrderBook((), ())
"""In place of a book that makes no sense."""


async def size(proposal: Proposal, venues: Mapping[str, Venue], rules: Rules) -> Sized | Unfilled:
    """Equal parts of the legs, at the depth that is there now, within their collars. A venue that cannot show its book
    now means that nothing is traded."""
    try:
        reads = (venues[leg.instrument.venue].book(leg.instrument.symbol) for leg in proposal.legs)
        books = await asyncio.gather(*reads)
    except VenueError as error:
        return Unfilled(str(error))
    return sized(proposal, books, rules)


async def size_exit(proposal: Proposal, venues: Mapping[str, Venue], rules: Rules) -> Sized | Unfilled:
    """The same for an exit at real venues, where an order bears its own limit: one that answers, and shows a book that
    makes no sense, is taken to hold all that is wanted, near the last price."""

    async def shown(leg: LegOrder) -> OrderBook:
        try:
            return await venues[leg.instrument.venue].book(leg.instrument.symbol)
        except VenueNonsense:
            return UNSEEN

    try:
        books = await asyncio.gather(*map(shown, proposal.legs))
    except VenueError as error:
        return Unfilled(str(error))
    return sized(proposal, books, rules)


def sized(proposal: Proposal, books: Sequence[OrderBook], rules: Rules) -> Sized | Unfilled:
    """The same for order books that are read already."""
    legs = proposal.legs
    wanted = [abs(leg.quantity) for leg in legs]
    shares = [
        1.0 if book is UNSEEN else depth(book, leg) / abs(leg.quantity) for book, leg in zip(books, legs, strict=True)
    ]
    if min(shares) < 1.0:
        wanted = _lots(proposal, [min(shares) * quantity for quantity in wanted], rules)
    if not all(wanted):
        thin = legs[int(np.argmin(shares))]
        name = f"{thin.instrument.venue} {thin.instrument.symbol}"
        return Unfilled(f"{name}: not enough depth near {thin.reference:g}")
    return Sized(tuple(books), tuple(wanted))


def _lots(proposal: Proposal, quantities: list[float], rules: Rules) -> list[float]:
    """Whole lots of what can be had; none where a venue would refuse an entry of that size."""
    long, short = proposal.columns
    if not proposal.entry:
        return [whole_lots(quantity, long, short, rules) for quantity in quantities]
    long_close, short_close = (leg.reference for leg in proposal.legs)
    lots = pair_lots(min(quantities), long, short, long_close, short_close, rules)
    return [lots] * len(quantities)


def depth(book: OrderBook, leg: LegOrder) -> float:
    """How much of the leg's quantity the book takes, without sign; 0 where nothing trades, the price of that much is
    outside the leg's collar, or an entry would meet a crossed book."""
    if math.isnan(book.mid) or (math.isfinite(leg.collar) and book.bids[0][0] >= book.asks[0][0]):
        return 0.0
    left = abs(leg.quantity)
    for _, size in side(book, leg.quantity):
        left -= size
        if left <= 0.0:
            break
    held = abs(leg.quantity) - max(left, 0.0)
    if held == 0.0:
        return 0.0
    price = walk(book, math.copysign(held, leg.quantity))
    return held if abs(price / leg.reference - 1) <= leg.collar else 0.0


def walk(book: OrderBook, quantity: float) -> float:
    """Average price of taking signed `quantity`, which the book must hold, level by level."""
    wanted = left = abs(quantity)
    paid = 0.0
    for price, size in side(book, quantity):
        taken = min(left, size)
        if taken == wanted:
            return price
        paid, left = paid + taken * price, left - taken
        if left <= 1e-12 * wanted:
            break
    return paid / wanted


def average(book: OrderBook, quantity: float) -> float:
    """Average price of taking signed `quantity`; what no level holds is priced at the last one. 0 of an empty side."""
    levels = side(book, quantity)
    if not levels:
        return 0.0
    held = min(sum(size for _, size in levels), abs(quantity))
    beyond = abs(quantity) - held
    return (walk(book, math.copysign(held, quantity)) * held + beyond * levels[-1][0]) / abs(quantity)


def touch(leg: LegOrder, book: OrderBook) -> float:
    """The price at which the leg's order rests; NaN outside its collar."""
    price = book.bids[0][0] if leg.quantity > 0 else book.asks[0][0]
    return price if abs(price / leg.reference - 1) <= leg.collar else math.nan


def widest(books: Sequence[OrderBook]) -> int:
    """Which of two legs rests: that of the wider spread, as a share of the price; the first where both are alike."""
    one, other = ((book.asks[0][0] - book.bids[0][0]) / book.mid for book in books)
    return 0 if one >= other else 1


def side(book: OrderBook, quantity: float) -> Sequence[tuple[float, float]]:
    """The levels that signed `quantity` takes from, best first."""
    return book.asks if quantity > 0 else book.bids
