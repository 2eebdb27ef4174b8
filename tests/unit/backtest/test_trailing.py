"""Sums, means and deviations of trailing windows against their definitions, whatever the length and what is missing."""

import math
from statistics import fmean, pstdev

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backtest.trailing import MIN_COVERAGE, trailing_mean_std, trailing_sum

NUMBERS = st.floats(-1e3, 1e3) | st.just(math.nan)
COLUMNS = st.lists(NUMBERS, min_size=1, max_size=40)
HOURS = st.integers(1, 40)


def windows(column: list[float], hours: int) -> list[list[float]]:
    """The window that ends at each row; empty before it is whole."""
    return [column[row + 1 - hours : row + 1] if row + 1 >= hours else [] for row in range(len(column))]


def matrix(column: list[float]) -> NDArray[np.float64]:
    """[T, 2] the column, and one that must not meet it."""
    return np.column_stack([column, np.arange(len(column))])


@given(COLUMNS, HOURS)
def test_a_sum_is_that_of_its_window_and_missing_where_an_hour_is(column: list[float], hours: int) -> None:
    expected = [math.fsum(window) if window and not any(map(math.isnan, window)) else math.nan
                for window in windows(column, hours)]  # fmt: skip
    assert trailing_sum(matrix(column), hours, len(column))[:, 0] == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(COLUMNS, HOURS)
def test_mean_and_deviation_are_those_of_the_numbers_where_there_are_enough(column: list[float], hours: int) -> None:
    known = [[one for one in window if not math.isnan(one)] for window in windows(column, hours)]
    enough = [len(window) >= max(MIN_COVERAGE * hours, 1) for window in known]
    means, deviations = (found[:, 0] for found in trailing_mean_std(matrix(column), hours, len(column)))
    wanted = list(zip(known, enough, strict=True))
    assert means == pytest.approx([fmean(one) if ok else math.nan for one, ok in wanted], abs=1e-9, nan_ok=True)
    assert deviations == pytest.approx([pstdev(one) if ok else math.nan for one, ok in wanted], abs=1e-6, nan_ok=True)


@given(COLUMNS, HOURS, st.integers(0, 20))
def test_what_lies_before_the_window_or_is_asked_beside_it_changes_no_bit(
    column: list[float], hours: int, more: int
) -> None:
    whole = matrix([*([math.nan, 7.7] * more), *column])
    rows = max(len(column) - hours + 1, 0)
    alone, within = (
        (trailing_sum(found, hours, rows), *trailing_mean_std(found, hours, rows))
        for found in (matrix(column)[-rows - hours + 1 :] if rows else matrix(column), whole)
    )
    assert [one[:, 0].tobytes() for one in alone] == [one[:, 0].tobytes() for one in within]


@given(st.floats(-1e6, 1e6), HOURS)
def test_what_never_changes_deviates_by_nothing(value: float, hours: int) -> None:
    means, deviations = trailing_mean_std(np.full((60, 1), value), hours, 20)
    assert [value] * 20 == means[:, 0].tolist()
    assert [0.0] * 20 == deviations[:, 0].tolist()


def test_a_small_deviation_about_a_large_mean_is_not_lost() -> None:
    """As it is when the square of a mean is taken from a mean of squares."""
    values = 1e8 + np.tile([0.0, 1.0], 84)[:, None]
    assert trailing_mean_std(values, 168, 1)[1].item() == pytest.approx(0.5, rel=1e-9)
