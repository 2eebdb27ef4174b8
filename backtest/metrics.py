"""The figures by which a run is judged, each with its formula; used by backtests, summaries and the gate."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.trades import Trade

HOURS_PER_YEAR = 8760


@dataclass(frozen=True)
class Metrics:
    """Of one equity curve and its closed trades; None where a figure does not exist (no trade, no loss)."""

    pnl_pct: float
    """(final - initial equity) / initial equity, %."""
    sharpe_hourly: float | None
    """Mean / standard deviation of hourly changes of equity, x sqrt(8760)."""
    sharpe_per_trade: float | None
    """Mean / standard deviation of the trades' returns, x sqrt(trades per day): the seed document's formula."""
    max_drawdown_pct: float
    """Largest fall of equity from an earlier high, %."""
    profit_factor: float | None
    """Sum of winning trades / sum of losing trades."""
    win_rate_pct: float | None
    """Winning trades / trades, %."""
    trades: int
    """Closed pair positions."""
    average_hours: float | None
    """Mean time from entry to exit."""
    cost_bps: float | None
    """Mean fees and slippage of a trade's round trip, bps of leg notional."""
    taker_cost_bps: float | None
    """The same, had every fill crossed the spread at taker fees at the same mids."""


def measure(equity: NDArray[np.float64], trades: Sequence[Trade]) -> Metrics:
    """Metrics of hourly `equity` (first value: initial capital) and the trades closed along it."""
    changes = np.diff(equity) / equity[0]
    returns = np.array([trade.pnl_pct for trade in trades])
    wins, losses = returns > 0, returns < 0
    pnl = np.array([trade.pnl for trade in trades])
    days = max(len(changes), 1) / 24
    highs = np.maximum.accumulate(equity)
    return Metrics(
        pnl_pct=float(100 * (equity[-1] / equity[0] - 1)),
        sharpe_hourly=_ratio(changes, HOURS_PER_YEAR),
        sharpe_per_trade=_ratio(returns, len(trades) / days),
        max_drawdown_pct=float(100 * np.max(1 - equity / highs)),
        profit_factor=float(pnl[wins].sum() / -pnl[losses].sum()) if losses.any() else None,
        win_rate_pct=float(100 * wins.mean()) if len(trades) else None,
        trades=len(trades),
        average_hours=float(np.mean([trade.hours for trade in trades])) if trades else None,
        cost_bps=float(np.mean([trade.cost_bps for trade in trades])) if trades else None,
        taker_cost_bps=float(np.mean([trade.taker_cost_bps for trade in trades])) if trades else None,
    )


def _ratio(returns: NDArray[np.float64], per_period: float) -> float | None:
    if len(returns) < 2 or (deviation := returns.std()) < 1e-15:
        return None
    return float(returns.mean() / deviation * np.sqrt(per_period))
