"""The figures by which a run is judged, against examples computed by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest

from backtest.metrics import Metrics, measure
from backtest.trades import Trade
from data.types import HOUR_MS


def trade(pnl: float, hours: int = 10, notional: float = 1000.0) -> Trade:
    """A closed position with this net profit after fees of 2 and slippage of 1."""
    return Trade(
        asset="AAA",
        long_venue="binance",
        long_symbol="AAA/USDT:USDT",
        short_venue="hyperliquid",
        short_symbol="AAA/USDC:USDC",
        quantity=10.0,
        opened_ms=HOUR_MS,
        closed_ms=(1 + hours) * HOUR_MS,
        long_entry=100.0,
        long_exit=100.0,
        short_entry=100.0,
        short_exit=100.0,
        notional=notional,
        funding=pnl + 2.0,
        basis=1.0,
        fees=-2.0,
        slippage=-1.0,
        reason="policy",
    )


def test_a_trade_adds_up_its_causes() -> None:
    one = trade(15.0, hours=7, notional=500.0)
    assert (15.0, 3.0, 7.0) == (one.pnl, one.pnl_pct, one.hours)


def test_a_curve_and_three_trades_by_hand() -> None:
    equity = np.array([1000.0, 1010.0, 1005.0, 1005.0, 1025.0])
    trades = [trade(10.0, 12), trade(-5.0, 24), trade(20.0, 36, notional=2000.0)]

    figures = measure(equity, trades)

    # Hourly changes .01, -.005, 0, .02: mean .00625, variance (.375^2 + 1.125^2 + .625^2 + 1.375^2) / 4 x 1e-4.
    deviation = math.sqrt((0.375**2 + 1.125**2 + 0.625**2 + 1.375**2) / 4) * 1e-2
    # Trades returned 1, -.5 and 1 %: mean .5, variance .5; three trades in four hours are 18 a day.
    assert figures == Metrics(
        pnl_pct=pytest.approx(2.5),
        sharpe_hourly=pytest.approx(0.00625 / deviation * math.sqrt(8760)),
        sharpe_per_trade=pytest.approx(0.5 / math.sqrt(0.5) * math.sqrt(18)),
        max_drawdown_pct=pytest.approx(100 * 5 / 1010),
        profit_factor=pytest.approx(6.0),
        win_rate_pct=pytest.approx(200 / 3),
        trades=3,
        average_hours=24.0,
        # Costs of 3, 3 and 3 on 1000, 1000 and 2000.
        cost_bps=pytest.approx(25.0),
        taker_cost_bps=pytest.approx(25.0),
    )


def test_without_trades_there_are_no_figures_of_trades() -> None:
    figures = measure(np.array([1000.0, 1001.0, 1003.0]), [])
    absent = figures.sharpe_per_trade, figures.profit_factor, figures.win_rate_pct, figures.average_hours
    assert ((None, None, None, None), 0) == (absent, figures.trades)
    assert (0.3, 0.0) == pytest.approx((figures.pnl_pct, figures.max_drawdown_pct))


def test_without_losses_there_is_no_profit_factor() -> None:
    figures = measure(np.array([1000.0, 1030.0]), [trade(10.0), trade(20.0)])
    assert (None, 100.0) == (figures.profit_factor, figures.win_rate_pct)


def test_without_wins_the_profit_factor_is_zero() -> None:
    figures = measure(np.array([1000.0, 970.0]), [trade(-10.0), trade(-20.0)])
    assert (0.0, 0.0) == (figures.profit_factor, figures.win_rate_pct)


def test_a_trade_that_neither_wins_nor_loses_counts_as_a_trade_only() -> None:
    figures = measure(np.array([1000.0, 1010.0]), [trade(10.0), trade(0.0)])
    assert (None, 50.0, 2) == (figures.profit_factor, figures.win_rate_pct, figures.trades)


def test_a_constant_equity_has_no_sharpe_and_no_drawdown() -> None:
    figures = measure(np.full(100, 1000.0), [])
    assert (0.0, None, 0.0) == (figures.pnl_pct, figures.sharpe_hourly, figures.max_drawdown_pct)


def test_steady_growth_has_no_sharpe_because_it_never_varies() -> None:
    assert measure(1000.0 + 8.0 * np.arange(50), []).sharpe_hourly is None


@pytest.mark.parametrize("trades", [[], [trade(10.0)]])
def test_one_return_is_too_few_for_a_sharpe(trades: list[Trade]) -> None:
    figures = measure(np.array([1000.0, 1010.0]), trades)
    assert (None, None) == (figures.sharpe_hourly, figures.sharpe_per_trade)


def test_a_run_that_has_only_begun_has_no_profit() -> None:
    figures = measure(np.array([1000.0]), [])
    assert (0.0, None, 0.0) == (figures.pnl_pct, figures.sharpe_hourly, figures.max_drawdown_pct)


def test_the_drawdown_is_measured_from_the_high_before_it() -> None:
    equity = np.array([1000.0, 1200.0, 1100.0, 2000.0, 1500.0, 1900.0, 1000.0, 3000.0])
    assert 50.0 == measure(equity, []).max_drawdown_pct


def test_losing_everything_is_a_drawdown_of_a_hundred_percent() -> None:
    figures = measure(np.array([1000.0, 500.0, 0.0]), [])
    assert (-100.0, 100.0) == (figures.pnl_pct, figures.max_drawdown_pct)


def test_what_a_round_trip_cost_is_told_beside_what_taking_would_have_cost() -> None:
    rested = replace(trade(10.0, notional=2000.0), saved=1.5)
    figures = measure(np.array([1000.0, 1010.0]), [rested, trade(0.0)])
    assert (15.0, 22.5) == (rested.cost_bps, rested.taker_cost_bps)
    assert ((15.0 + 30.0) / 2, (22.5 + 30.0) / 2) == (figures.cost_bps, figures.taker_cost_bps)
