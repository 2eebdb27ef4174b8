"""Where a track's P&L came from: by asset, by venue pair, by month; used by the walk forward's report."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from backtest.track import CAUSES, Held, Track
from backtest.trades import Trade

TRANSFERS = "transfers"
"""The row of what no position caused."""


@dataclass(frozen=True)
class Part:
    """One row of a breakdown; money in quote currency. The rows of a breakdown add up to the track's P&L."""

    name: str
    funding: float
    basis: float
    fees: float
    slippage: float
    transfers: float
    trades: int | None
    """Closed positions; None where rows are not made of positions."""
    held: int | None
    """Open at the end."""

    @property
    def total(self) -> float:
        """All causes."""
        return self.funding + self.basis + self.fees + self.slippage + self.transfers


def by_asset(track: Track) -> list[Part]:
    """A row for each asset traded, the most profitable first."""
    return _by_position(track, lambda position: position.asset)


def by_venues(track: Track) -> list[Part]:
    """A row for each pair of venues, long leg first, the most profitable first."""
    return _by_position(track, lambda position: f"{position.long_venue} / {position.short_venue}")


def by_month(track: Track) -> list[Part]:
    """A row for each calendar month (UTC), in order; an hour belongs to the month in which it begins."""
    months = np.array([_month(tick) for tick in track.ticks[:-1].tolist()], dtype=np.str_)
    gained, closed = np.diff(track.causes, axis=0), Counter(_month(trade.closed_ms - 1) for trade in track.trades)
    return [_part(month, gained[months == month].sum(axis=0), closed[month], None) for month in np.unique(months)]


def _by_position(track: Track, name_of: Callable[[Trade | Held], str]) -> list[Part]:
    positions: list[Trade | Held] = [*track.trades, *track.held]
    closed, held = Counter(map(name_of, track.trades)), Counter(map(name_of, track.held))
    sums: dict[str, NDArray[np.float64]] = defaultdict(lambda: np.zeros(len(CAUSES)))
    for one in positions:
        sums[name_of(one)] += [one.funding, one.basis, one.fees, one.slippage, 0.0]
    parts = [_part(name, row, closed[name], held[name]) for name, row in sums.items()]
    parts.sort(key=lambda part: (-part.total, part.name))
    moved = track.split["transfers"]
    return parts + ([Part(TRANSFERS, 0.0, 0.0, 0.0, 0.0, moved, None, None)] if moved else [])


def _part(name: str, row: NDArray[np.float64], closed: int, held: int | None) -> Part:
    funding, basis, fees, slippage, transfers = row.tolist()
    return Part(str(name), funding, basis, fees, slippage, transfers, closed, held)


def _month(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m")
