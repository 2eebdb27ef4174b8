"""The windows of a cycle: in order, apart, inside the history, and as long as it allows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.settings import WindowSettings
from backtest.windows import EMBARGO_SHARE, Window, Windows, latest_windows
from data.errors import MissingData
from data.types import HOUR_MS

FIRST = 1_735_689_600_000
DAY_MS = 24 * HOUR_MS
SETTINGS = WindowSettings(train_days=180, validation_days=60, gate_days=180, embargo_hours=168)
LONG = st.builds(
    WindowSettings,
    train_days=st.integers(2, 200),
    validation_days=st.integers(2, 100),
    gate_days=st.integers(2, 200),
    embargo_hours=st.integers(0, 400),
    least_days=st.integers(6, 30),
)


def spans(windows: Windows) -> list[Window]:
    return [windows.train, windows.validation, windows.gate]


def test_a_long_history_gives_the_windows_as_set_and_they_end_with_it() -> None:
    last = FIRST + 500 * DAY_MS
    windows = latest_windows(FIRST, last, SETTINGS)
    assert [180 * 24, 60 * 24, 180 * 24] == [window.hours for window in spans(windows)]
    assert last == windows.gate.last_tick
    assert 168 * HOUR_MS == windows.gate.first_tick - windows.validation.last_tick
    assert 168 * HOUR_MS == windows.validation.first_tick - windows.train.last_tick


def test_a_short_history_is_shared_in_the_proportions_of_the_settings() -> None:
    """Of 70 days each embargo is given its 7, and 56 are left for 3 : 1 : 3."""
    windows = latest_windows(FIRST, FIRST + 70 * DAY_MS, SETTINGS)
    assert [24, 8, 24] == [window.hours / 24 for window in spans(windows)]
    assert FIRST == windows.train.first_tick


def test_an_embargo_takes_no_more_than_its_share_of_a_short_history() -> None:
    windows = latest_windows(FIRST, FIRST + 30 * DAY_MS, SETTINGS)
    assert 72 * HOUR_MS == windows.validation.first_tick - windows.train.last_tick


def test_too_short_a_history_says_how_many_days_are_missing() -> None:
    with pytest.raises(MissingData, match=r"needs 30 days of history and 2\.5 of them are missing"):
        latest_windows(FIRST, FIRST + 27 * DAY_MS + 12 * HOUR_MS, SETTINGS)


def test_a_window_that_would_have_no_two_hours_is_refused() -> None:
    uneven = WindowSettings(train_days=2000, validation_days=2, gate_days=2000, least_days=30)
    with pytest.raises(MissingData, match=r"collect 180\.8 days"):
        latest_windows(FIRST, FIRST + 30 * DAY_MS, uneven)


@given(LONG, st.integers(0, 1000 * 24))
def test_windows_are_in_order_an_embargo_apart_and_inside_the_history(settings: WindowSettings, history: int) -> None:
    last = FIRST + history * HOUR_MS
    try:
        windows = latest_windows(FIRST, last, settings)
    except MissingData:
        # The shortest window's share of what the embargoes leave is under two hours, if the history is long enough.
        days = settings.train_days, settings.validation_days, settings.gate_days
        left = history * (1 - 2 * EMBARGO_SHARE)
        assert history < settings.least_days * 24 or left * min(days) / sum(days) < 3 + 0.4 * settings.embargo_hours
        return
    ticks = [tick for window in spans(windows) for tick in (window.first_tick, window.last_tick)]
    assert ticks == sorted(ticks) and FIRST <= ticks[0] and last == ticks[-1]
    assert {0} == {(tick - FIRST) % HOUR_MS for tick in ticks}
    assert all(window.hours >= 2 for window in spans(windows))
    gaps = [(ticks[2] - ticks[1]) // HOUR_MS, (ticks[4] - ticks[3]) // HOUR_MS]
    assert gaps[0] == gaps[1] <= settings.embargo_hours
    assert settings.embargo_hours == gaps[0] or gaps[0] >= int(EMBARGO_SHARE * history)
    days = settings.train_days, settings.validation_days, settings.gate_days
    assert all(window.hours <= 24 * part for window, part in zip(spans(windows), days, strict=True))
    if history >= 24 * sum(days) + 2 * settings.embargo_hours:
        assert [24 * part for part in days] == [window.hours for window in spans(windows)]
