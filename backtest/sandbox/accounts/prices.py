"""What an account sees of its venue's market, in decimals: marks, books, the path between two instants, settlements."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from backtest.sandbox.accounts.records import exact
from backtest.sandbox.candles import BENDS_MS
from backtest.sandbox.world import World
from data.types import HOUR_MS, Instrument

TURNS_MS = (0, *BENDS_MS, HOUR_MS - 1)
"""Where within an hour a price may turn or jump; the last is the close."""
Levels = list[tuple[Decimal, Decimal]]
"""(price, quantity), best first."""


@dataclass(frozen=True)
class Settled:
    """One settlement of funding."""

    time_ms: int
    """When the venue stamped it."""
    rate: Decimal
    mark: Decimal
    """Close of the last bar that had ended by the hour that it settled for."""


@dataclass(frozen=True)
class Terms:
    """The rules of a contract."""

    lot: Decimal
    tick: Decimal
    least_quantity: Decimal
    least_notional: Decimal


class Prices:
    """One venue's market. Raises KeyError for a symbol that it never had."""

    def __init__(self, world: World, venue: str) -> None:
        """`venue` must be one of the world's."""
        self._world = world
        self._by_symbol = {i.symbol: i for i in world.market.instruments if i.venue == venue}
        self.half_spread = exact(world.shown[venue].half_spread_bps) / 10_000
        """Distance from the middle of the book to its touch, fraction of price."""
        self._terms = {symbol: _terms(instrument) for symbol, instrument in self._by_symbol.items()}

    @property
    def symbols(self) -> tuple[str, ...]:
        """Everything that is ever listed."""
        return tuple(self._by_symbol)

    def instrument(self, symbol: str) -> Instrument:
        """The contract."""
        return self._by_symbol[symbol]

    def terms(self, symbol: str) -> Terms:
        """The rules of the contract."""
        return self._terms[symbol]

    def is_listed(self, symbol: str, now_ms: int) -> bool:
        """Whether it trades; false for a symbol that the venue never had."""
        return symbol in self._by_symbol and self._world.is_listed(self._by_symbol[symbol], now_ms)

    def mark(self, symbol: str, now_ms: int) -> Decimal:
        """The mark price, which is the last price; the last close in a gap."""
        return exact(self._world.mark(self._by_symbol[symbol], now_ms))

    def book(self, symbol: str, now_ms: int) -> tuple[Levels, Levels]:
        """(bids, asks); both empty while nothing trades."""
        book = self._world.book(self._by_symbol[symbol], now_ms)
        bids, asks = ([(exact(price), exact(size)) for price, size in side] for side in (book.bids, book.asks))
        return bids, asks

    def span(self, symbol: str, begin_ms: int, end_ms: int) -> tuple[Decimal, Decimal] | None:
        """Prices traded at both ends of a stretch without a turn in it; None in a gap."""
        instrument = self._by_symbol[symbol]
        first, last = (self._world.traded(instrument, when) for when in (begin_ms, end_ms))
        return None if np.isnan(first) or np.isnan(last) else (exact(first), exact(last))

    def turns(self, after_ms: int, until_ms: int) -> Iterator[int]:
        """Instants in (after, until] at which prices may turn or jump."""
        for hour in range(after_ms // HOUR_MS * HOUR_MS, until_ms + 1, HOUR_MS):
            yield from (hour + turn for turn in TURNS_MS if after_ms < hour + turn <= until_ms)
        yield from (edge for edge in self._world.distortions.edges() if after_ms < edge <= until_ms)

    def settlements(self, symbol: str, after_ms: int, until_ms: int) -> list[Settled]:
        """Those stamped in (after, until], oldest first."""
        key = self._by_symbol[symbol].key
        settled = self._world.market.settlements[key]
        first, stop = (int(np.searchsorted(settled.stamp, when, side="right")) for when in (after_ms, until_ms))
        return [
            Settled(int(settled.stamp[i]), exact(settled.rate[i]), self._close(symbol, int(settled.time[i])))
            for i in range(first, stop)
        ]

    def ends_ms(self, symbol: str) -> int | None:
        """When it is delisted; None if it trades as long as the market lasts."""
        end = int(self._world.market.bars[self._by_symbol[symbol].key].open_time[-1]) + HOUR_MS
        return end if end < self._world.market.end_ms else None

    def _close(self, symbol: str, hour_ms: int) -> Decimal:
        bars = self._world.market.bars[self._by_symbol[symbol].key]
        ended = int(np.searchsorted(bars.open_time, hour_ms - HOUR_MS, side="right"))
        return exact(bars.close[ended - 1]) if ended else exact(bars.open[0])


def _terms(instrument: Instrument) -> Terms:
    lot = exact(instrument.lot_step)
    least = max(lot, exact(instrument.min_quantity))
    return Terms(lot, exact(instrument.tick_size), least, exact(instrument.min_notional))
