"""What a venue's market looks like at one moment, as rows of the lake's table `snapshots`. Used by the collector."""

import asyncio
import math
from collections.abc import Sequence

import numpy as np

from data.errors import VenueRefused
from data.exchange import OrderBook, Quote, Venue, depth
from data.stream import QuoteStream
from data.tables import Series, series

DEPTH_BPS = 10.0
"""Depth is what rests within this distance of the mid, in units of the asset."""
LEVELS = 100


async def snapshot_rows(
    venue: Venue, symbols: Sequence[str], tick: int, stream: QuoteStream | None = None
) -> dict[str, Series]:
    """A row for each symbol, filed under `tick`: what is about to be settled, best prices and depth of the order book,
    open interest and volume of the last day; NaN for what the venue does not tell. With a `stream` its prices of after
    `tick` are the best ones. Raises VenueError."""
    funding, interest, turnover, streamed = await asyncio.gather(
        venue.funding_now(symbols), venue.open_interest(symbols), venue.volumes(), _streamed(stream, tick)
    )
    books = await asyncio.gather(*(_book(venue, symbol) for symbol in symbols))
    rows = {}
    for symbol, book in zip(symbols, books, strict=True):
        coming = funding.get(symbol)
        announced = (coming.rate, coming.next_ms, coming.interval_hours) if coming else (math.nan,) * 3
        figures = (
            *announced,
            *_book_figures(book, streamed.get(symbol)),
            interest.get(symbol, math.nan),
            turnover.get(symbol, math.nan),
        )
        rows[symbol] = series("snapshots", [np.array([figure]) for figure in (tick, *figures)])
    return rows


async def _book(venue: Venue, symbol: str) -> OrderBook:
    """The order book; an empty one of a contract that the venue refuses."""
    try:
        return await venue.book(symbol, LEVELS)
    except VenueRefused:
        return OrderBook((), ())


async def _streamed(stream: QuoteStream | None, tick: int) -> dict[str, Quote]:
    return {} if stream is None else await stream.quotes(since_ms=tick)


def _book_figures(book: OrderBook, streamed: Quote | None) -> tuple[float, float, float, float]:
    """Best bid and ask, and the depth of either side."""
    if not (book.bids and book.asks):
        return (math.nan,) * 4
    bid, ask = (book.bids[0][0], book.asks[0][0]) if streamed is None else (streamed.bid, streamed.ask)
    return bid, ask, *depth(book, DEPTH_BPS)
