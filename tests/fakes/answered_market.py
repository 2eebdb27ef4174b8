"""The market behind the written answers, for their server and its tests: what settled and traded at any hour.

Rows are formulas of the hour rather than pages of numbers, so that a test knows every row of a long history.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from data.types import HOUR_MS

Row = dict[str, Any]
PRICE_SHIFT = {"last": 1.0, "mark": 1.0005, "index": 0.9995}
"""How the three kinds of candles of one contract differ."""


@dataclass(frozen=True)
class Contract:
    """One contract as `market.json` of a venue tells it; quantities in units of the asset, prices in the quote."""

    symbol: str
    """ccxt unified symbol."""
    base: str
    """Base code, with the multiplier if the contract has one."""
    contract_size: float
    lot_step: float
    tick_size: float
    price: float
    rate_now: float
    """What the next settlement is announced with."""
    interval_hours: int
    best_bid: tuple[float, float]
    """Price and quantity."""
    best_ask: tuple[float, float]
    open_interest: float
    turnover: float
    """Of the last 24 hours, in the quote currency."""
    phase_hours: int = 0
    """Settles this long after multiples of the interval since 1970."""
    offset_ms: int = 0
    """Stamps lie this far after the hour."""

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Contract":
        """From an entry of `market.json`; raises TypeError for a key too few or too many."""
        pairs = {side: tuple(told[side]) for side in ("best_bid", "best_ask")}
        return cls(**{**told, **pairs})

    def settles_next(self, now_ms: int) -> int:
        """When it settles next after `now_ms`, ms, on the hour."""
        interval, phase = self.interval_hours * HOUR_MS, self.phase_hours * HOUR_MS
        return ((now_ms - phase) // interval + 1) * interval + phase

    def settlements(self, first_ms: int, last_ms: int) -> list[Row]:
        """What settled with stamps from `first_ms` to `last_ms`, oldest first."""
        hour = self.settles_next(first_ms - self.offset_ms - 1)
        hours = range(hour, last_ms - self.offset_ms + 1, self.interval_hours * HOUR_MS)
        return [self._settlement(hour) for hour in hours]

    def rate(self, hour_ms: int) -> float:
        """What settled at that hour, fraction of notional per interval."""
        return round(((hour_ms // HOUR_MS) * 37 % 2001 - 1000) / 1e7, 7)

    def candles(self, kind: str, first_ms: int, last_ms: int) -> list[Row]:
        """The hourly candles of a kind that open from `first_ms` to `last_ms`, oldest first."""
        first = -(-first_ms // HOUR_MS) * HOUR_MS
        return [self._candle(kind, hour) for hour in range(first, last_ms + 1, HOUR_MS)]

    def _settlement(self, hour_ms: int) -> Row:
        stamp, rate = hour_ms + self.offset_ms, self.rate(hour_ms)
        iso = datetime.fromtimestamp(stamp / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        absolute = rate * self.price
        return {
            "ms": stamp,
            "s": stamp // 1000,
            "iso": iso,
            "rate": rate,
            "absolute_rate": absolute,
            "hours": self.interval_hours,
        }

    def _candle(self, kind: str, hour_ms: int) -> Row:
        opened, closed = self._price(kind, hour_ms - HOUR_MS), self._price(kind, hour_ms)
        contracts = 100 + (hour_ms // HOUR_MS) * 13 % 900
        base = float(f"{contracts * self.contract_size:.12g}")
        return {
            "ms": hour_ms,
            "s": hour_ms // 1000,
            "open": opened,
            "high": round(max(opened, closed) + 3 * self.tick_size, 12),
            "low": round(min(opened, closed) - 3 * self.tick_size, 12),
            "close": closed,
            "contracts": contracts,
            "base": base,
            "both_sides": 2 * base,
            "turnover": round(base * closed, 6),
        }

    def _price(self, kind: str, hour_ms: int) -> float:
        wave = 1 + ((hour_ms // HOUR_MS) * 29 % 201 - 100) / 1e4
        ticks = round(self.price * wave * PRICE_SHIFT[kind] / self.tick_size)
        return round(ticks * self.tick_size, 12)
