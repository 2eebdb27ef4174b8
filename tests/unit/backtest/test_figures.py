"""The figures of a walk forward, against values computed by hand."""

import numpy as np
import pytest

from backtest.figures import CONFIDENCE, Resampling, difference, drawdowns, figures, longest_drawdown, traded
from backtest.sharpe import sharpe_interval
from tests.unit.backtest.tracks import held, track, trade

HOW = Resampling(block_hours=24, resamples=400, seed=3)


@pytest.mark.parametrize(
    ("equity", "hours"),
    [
        ([100.0, 100.0, 100.0], 0),
        ([100.0, 101.0, 102.0], 0),
        ([100.0, 110.0, 105.0, 108.0, 110.0, 109.0], 3),  # from hour 1 to hour 4
        ([100.0, 99.0, 100.0, 98.0, 97.0, 96.0], 3),  # never recovered: to the end
    ],
)
def test_the_longest_drawdown_lasts_until_its_high_is_reached_again(equity: list[float], hours: int) -> None:
    assert hours == longest_drawdown(np.array(equity))


def test_a_drawdown_is_measured_from_the_high_so_far() -> None:
    assert [0.0, 0.0, -10.0, 0.0] == pytest.approx(drawdowns(np.array([90.0, 100.0, 90.0, 120.0])).tolist())


def test_turnover_counts_both_legs_at_entry_and_exit_and_what_is_still_open() -> None:
    made = track([1000.0] * 11, [trade("AAA", 5, funding=4.0)], [held("BBB", funding=1.0, traded=400.0)])
    assert 2 * (100 + 101 + 102 + 97) + 400 == traded(made)
    assert 1.2 * 876 == pytest.approx(figures(made, HOW).turnover)  # ten hours, 876 times a year


def test_exposure_is_gross_notional_over_equity_after_each_hour() -> None:
    told = figures(track([1000.0, 1000.0, 500.0, 500.0], gross=[0.0, 500.0, 500.0, 0.0]), HOW)
    assert (0.5, pytest.approx(200 / 3)) == (told.exposure, told.invested_pct)


def test_the_annual_rate_is_not_compounded() -> None:
    assert 438.0 == pytest.approx(figures(track([1000.0, *[1000.0] * 19, 1010.0]), HOW).apr_pct)


def test_a_path_beside_itself_differs_by_nothing_and_one_hour_more_is_an_error() -> None:
    one = track([1000.0, 1001.0, 999.0])
    told = difference(one, one, HOW)
    assert (0.0, 0.0, 0.0, 0.0) == (told.pnl_pct, told.per_30_days.value, told.per_30_days.low, told.per_30_days.high)
    with pytest.raises(ValueError, match="different hours"):
        difference(one, track([1000.0, 1001.0]), HOW)


def test_a_difference_is_paired_hour_by_hour() -> None:
    """What both meet alike is no uncertainty: a steady advantage on wild prices is known exactly."""
    wild = np.random.default_rng(0).normal(0, 50, 241).cumsum() + 10_000
    told = difference(track((wild + np.arange(241)).tolist()), track(wild.tolist()), HOW)
    per_month = 720 * 100 / wild[0]
    for figure in (told.per_30_days.value, told.per_30_days.low, told.per_30_days.high):
        assert figure == pytest.approx(per_month, rel=1e-6)


def test_the_interval_of_a_sharpe_ratio_is_that_of_lo_for_independent_normal_returns() -> None:
    random = np.random.default_rng(5)
    returns = random.normal(0.1, 1.0, 4_000)
    ratio = returns.mean() / returns.std()
    interval = sharpe_interval(returns, CONFIDENCE, 1, 1500, random)
    assert interval is not None
    half = 1.96 * np.sqrt((1 + ratio**2 / 2) / len(returns))
    assert (ratio - half, ratio + half) == pytest.approx(interval, abs=0.15 * half)


def test_what_never_moves_has_no_sharpe_ratio() -> None:
    told = figures(track([1000.0] * 100), HOW)
    assert (None, None, None) == (told.sharpe.value, told.sharpe.low, told.sharpe.high)
