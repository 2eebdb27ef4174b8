"""Lines, scales and ticks of the report's pictures."""

from datetime import UTC, datetime

import numpy as np
import pytest

from backtest.report.chart import (
    MOST_POINTS,
    SIDE,
    Scale,
    lines,
    polyline,
    signed,
    spanning,
    thinned,
    time_ticks,
    value_ticks,
)
from data.types import HOUR_MS


def test_thinning_keeps_the_ends_and_the_extremes() -> None:
    values = np.random.default_rng(0).normal(size=20_000).cumsum()
    kept = thinned(values)
    assert len(kept) <= 2 * MOST_POINTS + 2
    assert {0, len(values) - 1, int(values.argmin()), int(values.argmax())} <= set(kept)
    assert kept == sorted(kept)


def test_a_line_runs_from_the_left_edge_to_the_right_one_and_up_is_up() -> None:
    assert f"0.0,{SIDE}.0 500.0,500.0 1000.0,0.0" == polyline(np.array([0.0, 1.0, 2.0]), Scale(0, 2))


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 3.0], [-3.0, -1.0], [-1.0, 2.0], [np.nan, 1.0]])
def test_zero_is_always_on_the_scale(values: list[float]) -> None:
    scale = spanning(np.array(values))
    assert scale.low <= 0 <= scale.high
    assert scale.low < scale.high
    assert 0 <= scale.place(np.nanmin(values)) <= scale.place(np.nanmax(values)) <= 100


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (-1.0, 4.0, ["−1", "0", "1", "2", "3", "4"]),
        (0.0, 0.023, ["0.000", "0.005", "0.010", "0.015", "0.020"]),
        (0.0, 2300.0, ["0", "500", "1,000", "1,500", "2,000"]),
    ],
)
def test_ticks_are_round_and_have_the_digits_that_they_need(low: float, high: float, labels: list[str]) -> None:
    assert labels == [label for _, label in value_ticks(Scale(low, high))]


@pytest.mark.parametrize(
    ("days", "labels"),
    [
        (1, ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "00:00"]),
        (8, ["1 Feb", "2 Feb", "3 Feb", "4 Feb", "5 Feb", "6 Feb", "7 Feb", "8 Feb", "9 Feb"]),
        (400, ["Mar 2025", "May", "Jul", "Sep", "Nov", "Jan 2026", "Mar"]),
    ],
)
def test_times_are_told_in_steps_that_fit_the_window(days: int, labels: list[str]) -> None:
    begin = datetime(2025, 2, 1, tzinfo=UTC).timestamp() * 1000
    assert labels == [tick.label for tick in time_ticks(Scale(begin, begin + days * 24 * HOUR_MS))]


def test_a_picture_says_in_words_where_its_lines_end() -> None:
    drawn = lines("equity", "P&L", "", "%", 0, [("product", np.array([0.0, -1.5])), ("rule", np.array([0.0, 2.0]))])
    assert "P&L: product ends at −1.50 %, rule ends at +2.00 %" == drawn.summary


@pytest.mark.parametrize(
    ("value", "text"), [(-0.004, "+0.00"), (0.0, "+0.00"), (-0.006, "−0.01"), (1234.5, "+1,234.50")]
)
def test_what_is_rounded_to_zero_is_no_loss(value: float, text: str) -> None:
    assert text == signed(value)
