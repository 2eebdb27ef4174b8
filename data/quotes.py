"""What a venue shows right now, in units of the asset: order book, best prices, announced funding."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class OrderBook:
    """Levels as (price in quote, quantity in units of the asset), best first; empty while nothing trades."""

    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    time_ms: int | None = None
    """When, by the venue's clock; None where it does not say."""

    @property
    def mid(self) -> float:
        """Half way between the best bid and ask; NaN for a one-sided book."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else math.nan


@dataclass(frozen=True)
class Quote:
    """The best prices of one contract."""

    bid: float
    ask: float
    time_ms: int
    """When, by the venue's clock."""


@dataclass(frozen=True)
class FundingNow:
    """The funding that one contract is about to settle."""

    rate: float
    """What longs pay shorts at `next_ms` if nothing changes until then, fraction of notional."""
    next_ms: int
    interval_hours: int
    """The interval in force now."""


def depth(book: OrderBook, bps: float) -> tuple[float, float]:
    """How many units of the asset (bid, ask) rest within `bps` of the mid; none in a one-sided book."""
    reach = book.mid * bps * 1e-4
    bids = sum(size for price, size in book.bids if price >= book.mid - reach)
    asks = sum(size for price, size in book.asks if price <= book.mid + reach)
    return float(bids), float(asks)
