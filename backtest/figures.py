"""The figures by which a walk forward is judged, each with its formula; used by its report."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.metrics import HOURS_PER_YEAR, Metrics, measure
from backtest.sharpe import sharpe_interval
from backtest.statistics import mean_interval
from backtest.track import Track

MONTH_HOURS = 720
"""Differences are told per 30 days."""
CONFIDENCE = 0.95
"""Of every interval."""


@dataclass(frozen=True)
class Estimate:
    """A figure that one track estimates, with its interval; None where the track is too short to say."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: stationary bootstrap, blocks of so many hours on average."""

    block_hours: int
    resamples: int
    seed: int

    def random(self) -> np.random.Generator:
        """Anew for every figure, so that none depends on which others are asked for."""
        return np.random.default_rng(self.seed)


@dataclass(frozen=True)
class Figures:
    """Of one track; None where a figure does not exist."""

    metrics: Metrics
    apr_pct: float
    """P&L, % of initial capital, x 8760 / hours: not compounded, since positions do not grow with equity."""
    sharpe: Estimate
    """`Metrics.sharpe_hourly` with its interval."""
    longest_drawdown_hours: int
    """Longest time from a high of equity until that high is reached again, or until the end."""
    turnover: float
    """Notional bought and sold, both legs, entries and exits, over initial capital, x 8760 / hours."""
    exposure: float
    """Gross notional over equity, mean over hours."""
    invested_pct: float
    """Hours at whose end something is held, %."""


@dataclass(frozen=True)
class Difference:
    """One track beside another, % of initial capital."""

    pnl_pct: float
    """P&L minus the other's, over the whole window."""
    per_30_days: Estimate


def figures(track: Track, how: Resampling) -> Figures:
    """Every figure of a track."""
    metrics, yearly = measure(track.equity, track.trades), HOURS_PER_YEAR / max(track.hours, 1)
    return Figures(
        metrics=metrics,
        apr_pct=metrics.pnl_pct * yearly,
        sharpe=_sharpe(track, metrics.sharpe_hourly, how),
        longest_drawdown_hours=longest_drawdown(track.equity),
        turnover=traded(track) / float(track.equity[0]) * yearly,
        exposure=float(np.mean(track.gross[1:] / track.equity[1:])) if track.hours else 0.0,
        invested_pct=float(100 * np.mean(track.gross[1:] > 0)) if track.hours else 0.0,
    )


def difference(track: Track, other: Track, how: Resampling) -> Difference:
    """`track` minus `other`, hour by hour: what both meet alike cancels. Raises ValueError for other hours."""
    if not np.array_equal(track.ticks, other.ticks):
        raise ValueError(f"{track.name} and {other.name} cover different hours")
    hourly = 100 * (np.diff(track.equity) - np.diff(other.equity)) / track.equity[0]
    interval = mean_interval(hourly, CONFIDENCE, how.block_hours, how.resamples, how.random())
    monthly = _estimate(float(hourly.mean()), interval, lambda figure: figure * MONTH_HOURS)
    return Difference(pnl_pct=float(hourly.sum()), per_30_days=monthly)


def longest_drawdown(equity: NDArray[np.float64]) -> int:
    """Hours of the longest stretch below an earlier high, counted from that high to its recovery or to the end."""
    highs = np.maximum.accumulate(equity)
    at_high = np.flatnonzero(equity >= highs)
    stretches = np.diff(np.append(at_high, len(equity))) - 1
    # What recovers ends in the hour after the last one below; what does not ends with the window.
    recovered = np.append(stretches[:-1] + (stretches[:-1] > 0), stretches[-1])
    return int(recovered.max())


def traded(track: Track) -> float:
    """Notional bought and sold, both legs, entries and exits, quote currency. Of a trade, the larger leg's quantity
    counts for both: they differ by less than a lot."""
    closed = sum(
        trade.quantity * (trade.long_entry + trade.long_exit + trade.short_entry + trade.short_exit)
        for trade in track.trades
    )
    return closed + sum(position.traded for position in track.held)


def drawdowns(equity: NDArray[np.float64]) -> NDArray[np.float64]:
    """[T] how far equity [T] lies below its high so far, %, never above zero."""
    return 100 * (equity / np.maximum.accumulate(equity) - 1)


def _sharpe(track: Track, value: float | None, how: Resampling) -> Estimate:
    returns = np.diff(track.equity) / track.equity[0]
    interval = sharpe_interval(returns, CONFIDENCE, how.block_hours, how.resamples, how.random())
    if value is None or interval is None:
        return Estimate(value, None, None)
    told = _estimate(0.0, interval, lambda figure: figure * np.sqrt(HOURS_PER_YEAR))
    return Estimate(value, told.low, told.high)


def _estimate(value: float, interval: tuple[float, float], scaled: Callable[[float], float]) -> Estimate:
    low, high = (float(scaled(bound)) + 0.0 if np.isfinite(bound) else None for bound in interval)  # no minus zero
    return Estimate(float(scaled(value)), low, high)
