"""The order book that every sandbox venue shows at an instant: evenly spaced levels of one size around the mid."""

import math
from dataclasses import dataclass

from backtest.sandbox.text import multiple
from data.market import touch
from data.types import Instrument

Level = tuple[float, float]
"""(price in quote, quantity in units of the asset)."""


@dataclass(frozen=True)
class Book:
    """Levels of each side, best first; both empty while nothing trades."""

    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


def book_around(mid: float, instrument: Instrument, half_spread_bps: float, depth_quote: float, levels: int) -> Book:
    """The book around `mid`: `data.market.touch` is its first level, each further one lies half a spread of the mid
    that it shows (one tick at least) further out, and each holds `depth_quote` of quote currency, rounded down to the
    lot step but one step at least. Empty for a mid of NaN; levels at or below a price of zero are absent."""
    if math.isnan(mid):
        return Book((), ())
    bid, ask = (float(price) for price in touch(mid, half_spread_bps, instrument.tick_size))
    shown = (bid + ask) / 2
    step_ticks = max(1, round(shown * (half_spread_bps * 1e-4) / instrument.tick_size))
    return Book(
        bids=_side(bid, -step_ticks, instrument, depth_quote, levels),
        asks=_side(ask, step_ticks, instrument, depth_quote, levels),
    )


def _side(best: float, step_ticks: int, instrument: Instrument, depth_quote: float, levels: int) -> tuple[Level, ...]:
    best_ticks = round(best / instrument.tick_size)
    ticks = (best_ticks + level * step_ticks for level in range(1, levels))
    prices = [best, *(multiple(count, instrument.tick_size) for count in ticks)]
    return tuple((price, _size(price, instrument.lot_step, depth_quote)) for price in prices if price > 0)


def _size(price: float, lot_step: float, depth_quote: float) -> float:
    return multiple(max(1, math.floor(depth_quote / price / lot_step + 1e-9)), lot_step)
