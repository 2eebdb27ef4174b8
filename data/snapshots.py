"""What a venue's market looks like at one moment, as rows of the lake's table `snapshots`. Used by the collector."""

import asyncio
import math
from collections.abc import Sequence

import numpy as np

from data.errors import VenueRefused
from data.exchange import OrderBook, Venue, depth
from data.tables import Series, series

DEPTH_BPS = 10.0
"""Depth is what rests within this distance of the mid, in units of the asset."""
LEVELS = 100


async def snapshot_rows(venue: Venue, symbols: Sequence[str], tick: int) -> dict[str, Series]:
    """A row for each symbol, filed under `tick`: what is about to be settled, best prices and depth of the order book,
    open interest and volume of the last day; NaN for what the venue does not tell. Raises VenueError."""
    funding, interest, turnover = await asyncio.gather(
        venue.funding_now(symbols), venue.open_interest(symbols), venue.volumes()
    )
    books = await asyncio.gather(*(_book(venue, symbol) for symbol in symbols))
    rows = {}
    for symbol, book in zip(symbols, books, strict=True):
        coming = funding.get(symbol)
        announced = (coming.rate, coming.next_ms, coming.interval_hours) if coming else (math.nan,) * 3
        figures = (*announced, *_book_figures(book), interest.get(symbol, math.nan), turnover.get(symbol, math.nan))
        rows[symbol] = series("snapshots", [np.array([figure]) for figure in (tick, *figures)])
    return rows


async def _book(venue: Venue, symbol: str) -> OrderBook:
    """The order book; an empty one of a contract that the venue refuses."""
    try:
        return await venue.book(symbol, LEVELS)
    except VenueRefused:
        return OrderBook((), ())


def _book_figures(book: OrderBook) -> tuple[float, float, float, float]:
    """Best bid and ask, and the depth of either side."""
    if not (book.bids and book.asks):
        return (math.nan,) * 4
    return book.bids[0][0], book.asks[0][0], *depth(book, DEPTH_BPS)
