"""Hand-made track records for the tests of figures and breakdowns."""

from collections.abc import Sequence

import numpy as np

from backtest.track import Held, Track
from backtest.trades import Trade
from data.types import HOUR_MS

START = 1_738_364_400_000
"""2025-01-31 23:00 UTC: the first hour is January's last one."""


def track(
    equity: Sequence[float],
    trades: Sequence[Trade] = (),
    held: Sequence[Held] = (),
    gross: Sequence[float] | None = None,
    causes: Sequence[Sequence[float]] | None = None,
    name: str = "made",
) -> Track:
    """Hourly from START; all P&L is funding unless `causes` say otherwise."""
    worth = np.array(equity)
    split = np.zeros((len(worth), 5))
    split[:, 0] = worth - worth[0]
    return Track(
        name=name,
        ticks=START + HOUR_MS * np.arange(len(worth), dtype=np.int64),
        equity=worth,
        causes=split if causes is None else np.array(causes),
        gross=np.zeros(len(worth)) if gross is None else np.array(gross),
        trades=tuple(trades),
        held=tuple(held),
    )


def trade(asset: str, hour: int, *, funding: float, long_venue: str = "binance", quantity: float = 2.0) -> Trade:
    """Opened at START, closed at an hour after it, at a price of 100; fees of 1, slippage of 2, basis of 3."""
    return Trade(
        asset=asset,
        long_venue=long_venue,
        long_symbol=f"{asset}/USDT:USDT",
        short_venue="hyperliquid",
        short_symbol=f"{asset}/USDC:USDC",
        quantity=quantity,
        opened_ms=START,
        closed_ms=START + hour * HOUR_MS,
        long_entry=100.0,
        long_exit=101.0,
        short_entry=102.0,
        short_exit=97.0,
        notional=204.0,
        funding=funding,
        basis=3.0,
        fees=-1.0,
        slippage=-2.0,
        reason="policy",
    )


def held(asset: str, *, funding: float, traded: float = 400.0) -> Held:
    """Open since START, with fees of 1 and slippage of 1."""
    return Held(asset, "binance", "hyperliquid", START, traded / 2, traded, funding, 0.0, -1.0, -1.0)
