"""The bootstrap of a mean, the Sharpe ratio after many trials, and the test of superior ability."""

from collections.abc import Callable

import numpy as np
import pytest
from arch.bootstrap import StationaryBootstrap
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backtest.sharpe import (
    deflated_sharpe,
    deflated_sharpe_of,
    expected_maximum,
    minimum_backtest_years,
    probabilistic_sharpe,
    superior_ability,
)
from backtest.statistics import mean_test, standard_error, stationary_means

HOURS = 4320
BLOCK = 168
"""The gate's defaults."""
SIMULATIONS = 1000
LEVEL = 0.05


def generator(*seed: int) -> np.random.Generator:
    return np.random.default_rng([17, *seed])


Noise = Callable[[np.random.Generator], NDArray[np.float64]]


# Noise whose mean is zero by construction


def bounce(random: np.random.Generator) -> NDArray[np.float64]:
    """Differences of a heavy-tailed basis: what one hour takes, the next gives back."""
    return np.diff(random.standard_t(3, HOURS + 1)) + 0.5 * random.normal(size=HOURS)


def trending(random: np.random.Generator) -> NDArray[np.float64]:
    """Heavy-tailed noise that lasts some hours."""
    return np.convolve(random.standard_t(3, HOURS + 11), np.full(12, 1 / 12), mode="valid")


def sparse(random: np.random.Generator) -> NDArray[np.float64]:
    """Nothing in two hours of three; else positions of three days whose carry is worth their cost on average."""
    days = HOURS // 72
    held = random.random(days) < 1 / 3
    carry = random.normal(0.1, 0.2, days) * held
    series = np.repeat(carry, 72) + np.diff(random.standard_t(3, HOURS + 1)) * np.repeat(held, 72)
    series[::72] -= 7.2 * held
    return series


def test_same_seed_same_answer() -> None:
    series = bounce(generator())
    first, second = (mean_test(series, 0.01, 72, 500, generator(1)) for _ in range(2))
    assert first == second


def test_a_series_of_zeros_shows_nothing() -> None:
    test = mean_test(np.zeros(500), 0.01, 72, 500, generator())
    assert (0.0, 0.0, 0.0, 1.0) == (test.mean, test.standard_error, test.lower, test.p_value)


@pytest.mark.parametrize(("value", "significant"), [(0.3, True), (-0.3, False)])
def test_a_constant_gain_is_significant_and_a_constant_loss_is_not(value: float, significant: bool) -> None:
    test = mean_test(np.full(500, value), 0.01, 72, 500, generator())
    assert significant == (test.p_value <= 0.01) == (test.lower > 0)


def test_a_single_lucky_hour_is_not_significant() -> None:
    series = np.zeros(4320)
    series[1000] = 1.0
    assert mean_test(series, LEVEL, 72, 1000, generator()).p_value > LEVEL


def test_a_series_of_two_hours_cannot_show_anything() -> None:
    assert mean_test(np.array([1.0, 2.0]), 0.001, 72, 500, generator()).p_value > 0.001


@settings(max_examples=50, deadline=None)
@given(
    st.integers(0, 10_000),
    st.floats(-0.3, 0.3),
    st.sampled_from([0.05, 0.01, 0.002]),
    st.integers(3, 500),
    st.floats(1e-6, 1e6),
)
def test_the_bound_and_the_p_value_agree_whatever_the_scale(
    seed: int, mean: float, level: float, hours: int, scale: float
) -> None:
    series = scale * (generator(seed).standard_t(3, hours) + mean)
    test = mean_test(series, level, 24, 400, generator(seed, 1))
    assert (test.p_value <= level) == (test.lower > 0)
    assert 0 < test.p_value <= 1


def test_a_higher_mean_is_never_less_significant() -> None:
    series = bounce(generator())
    p = [mean_test(series + shift, 0.01, 72, 500, generator(1)).p_value for shift in (-0.02, 0.0, 0.02, 0.05)]
    assert p == sorted(p, reverse=True)


def test_resampled_means_vary_as_those_of_an_independent_implementation() -> None:
    """Against the stationary bootstrap of the package arch, on series with memory."""
    series = trending(generator())
    means, _ = stationary_means(series, 48, 4000, generator(1))
    peer = StationaryBootstrap(48, series, seed=3).apply(np.mean, 1500)
    assert means.mean() == pytest.approx(peer.mean(), abs=4 * means.std() / np.sqrt(1500))
    assert means.std() == pytest.approx(peer.std(), rel=0.08)


def test_each_resample_knows_its_own_standard_error() -> None:
    means, errors = stationary_means(trending(generator()), 48, 4000, generator(1))
    assert errors.mean() == pytest.approx(means.std(), rel=0.1)


def test_a_resample_that_is_one_block_has_no_standard_error() -> None:
    _, errors = stationary_means(bounce(generator()), 1e9, 50, generator(1))
    assert not errors.any()


def test_the_standard_error_is_near_that_of_the_resamples() -> None:
    series = bounce(generator())
    means, _ = stationary_means(series - series.mean(), BLOCK, 20_000, generator(1))
    assert means.std() == pytest.approx(standard_error(series, BLOCK), rel=0.1)


def test_what_lasts_longer_than_an_hour_is_not_taken_for_independent() -> None:
    """Steps of 72 h: the mean's true variance is that of sixty independent steps."""
    drawn = [np.repeat(generator(number).normal(size=HOURS // 72), 72) for number in range(200)]
    estimated = np.mean([standard_error(series, BLOCK) ** 2 for series in drawn])
    assert estimated == pytest.approx(72 / HOURS, rel=0.12)


@pytest.mark.parametrize(("noise", "excess"), [(bounce, 1.0), (trending, 1.0), (sparse, 1.5)])
def test_noise_is_taken_for_an_advantage_no_more_often_than_stated(noise: Noise, excess: float) -> None:
    """Some twenty positions are few: there the size is up to 1.5 of the level, as docs/gate.md says; other levels and
    noise: python -m benchmarks gate."""
    level, found = 0.01, 0
    for number in range(SIMULATIONS):
        found += mean_test(noise(generator(number)), level, BLOCK, 599, generator(number, 1)).p_value <= level
    assert found / SIMULATIONS <= excess * level + 2 * np.sqrt(level * (1 - level) / SIMULATIONS)


# Sharpe ratios


@pytest.mark.parametrize(("trials", "expected"), [(100, 0.9004), (46, 0.9505)])
def test_the_deflated_sharpe_is_that_of_the_paper(trials: int, expected: float) -> None:
    """Bailey & López de Prado (2014): annual ratio 2.5 over 1,250 days, variance of the trials' annual ratios 1/2."""
    daily = 2.5 / np.sqrt(250)
    assert expected == round(deflated_sharpe(daily, 0.5 / 250, trials, 1250, -3, 10), 4)


@pytest.mark.parametrize(("trials", "years"), [(45, 5.00), (200, 7.65)])
def test_the_minimum_backtest_is_that_of_the_paper(trials: int, years: float) -> None:
    assert years == pytest.approx(minimum_backtest_years(trials), abs=0.005)


def test_one_trial_needs_no_deflation() -> None:
    assert 0.0 == expected_maximum(1)
    assert probabilistic_sharpe(0.1, 0, 500, 0, 3) == deflated_sharpe(0.1, 4.0, 1, 500, 0, 3)


def test_the_expected_maximum_is_that_of_draws() -> None:
    drawn = generator().normal(size=(20_000, 50)).max(axis=1).mean()
    assert drawn == pytest.approx(expected_maximum(50), rel=0.02)


def test_returns_that_never_vary_have_no_deflated_sharpe() -> None:
    sharpes = np.array([0.1, 0.2, np.nan])
    assert deflated_sharpe_of(np.zeros(100), sharpes, 3) is None
    assert deflated_sharpe_of(np.zeros(0), sharpes, 3) is None


def test_trials_that_failed_do_not_spoil_the_deflated_sharpe() -> None:
    returns = generator().normal(0.1, 1, 1000)
    with_failed = deflated_sharpe_of(returns, np.array([0.01, np.nan, 0.05, 0.03]), 4)
    assert with_failed == deflated_sharpe_of(returns, np.array([0.01, 0.05, 0.03]), 4)
    assert deflated_sharpe_of(returns, np.array([0.01]), 4) is None


def test_the_more_trials_the_less_a_sharpe_is_worth() -> None:
    returns, sharpes = generator().normal(0.1, 1, 1000), np.array([0.0, 0.02, 0.05])
    worth = [deflated_sharpe_of(returns, sharpes, trials) or 0.0 for trials in (3, 30, 300)]
    assert worth == sorted(worth, reverse=True)


# Superior predictive ability


def test_the_best_of_many_worthless_models_is_called_superior_no_more_often_than_stated() -> None:
    """A fast look; python -m benchmarks gate takes a thousand."""
    count, found = 100, 0
    for number in range(count):
        drawn = generator(number).normal(size=(150, 5))
        found += superior_ability(drawn[:, 0], drawn[:, 1:], 1, 200, number) <= LEVEL
    assert found / count <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / count)


def test_a_model_that_gains_more_is_superior() -> None:
    drawn = generator().normal(size=(500, 5))
    drawn[:, 3] += 0.3
    assert superior_ability(drawn[:, 0], drawn[:, 1:], 24, 300, 1) < 0.05
