"""Where a price is taken from, by the ages of what is known."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.stream import LONGEST_BACKOFF_S, Source, pause_s, source

AGES = st.floats(0, 1e6) | st.just(math.inf)
STALE_S = st.floats(1e-3, 600)


@pytest.mark.parametrize(
    ("streamed_s", "answered_s", "taken"),
    [
        (0.0, math.inf, Source.STREAM),
        (9.9, math.inf, Source.STREAM),
        (10.0, math.inf, Source.ASK),
        (10.0, 0.0, Source.ANSWER),
        (10.0, 9.9, Source.ANSWER),
        (10.0, 10.0, Source.ASK),
        (3.0, 3.0, Source.STREAM),
        (4.0, 3.0, Source.ANSWER),
        (math.inf, math.inf, Source.ASK),
    ],
)
def test_the_newer_word_counts_until_it_is_stale(streamed_s: float, answered_s: float, taken: Source) -> None:
    assert taken is source(streamed_s, answered_s, 10.0)


@given(streamed_s=AGES, answered_s=AGES, stale_s=STALE_S)
def test_a_price_is_asked_for_exactly_where_nothing_young_is_known(
    streamed_s: float, answered_s: float, stale_s: float
) -> None:
    asked = source(streamed_s, answered_s, stale_s) is Source.ASK
    assert asked == (streamed_s >= stale_s and answered_s >= stale_s)


@given(streamed_s=AGES, answered_s=AGES, stale_s=STALE_S)
def test_what_is_taken_is_younger_than_stale_and_no_older_than_the_other(
    streamed_s: float, answered_s: float, stale_s: float
) -> None:
    ages = {Source.STREAM: streamed_s, Source.ANSWER: answered_s}
    taken = source(streamed_s, answered_s, stale_s)
    if taken is not Source.ASK:
        assert ages[taken] < stale_s
        assert ages[taken] <= min(ages.values())


@given(answered_s=AGES, stale_s=STALE_S, older_s=st.floats(0, 1e3))
def test_a_stream_that_says_nothing_more_is_left_for_good(answered_s: float, stale_s: float, older_s: float) -> None:
    assert source(stale_s + older_s, answered_s, stale_s) is not Source.STREAM


@given(stale_s=STALE_S, times=st.integers(1, 50), pause_s=st.floats(0.01, 100))
def test_while_a_stream_is_stale_answers_are_asked_for_at_most_once_in_the_time_that_one_counts(
    stale_s: float, times: int, pause_s: float
) -> None:
    asked_at = [-math.inf]
    for now in (number * pause_s for number in range(times)):
        if source(math.inf, now - asked_at[-1], stale_s) is Source.ASK:
            asked_at.append(now)
    gaps = [later - earlier for earlier, later in zip(asked_at[1:], asked_at[2:], strict=False)]
    assert all(gap >= stale_s for gap in gaps)


@given(first_s=st.floats(1e-3, 60), failures=st.integers(0, 10_000))
def test_pauses_double_until_they_are_long(first_s: float, failures: int) -> None:
    pause, following = pause_s(first_s, failures), pause_s(first_s, failures + 1)
    assert min(first_s, LONGEST_BACKOFF_S) <= pause <= LONGEST_BACKOFF_S
    assert following == min(2 * pause, LONGEST_BACKOFF_S)
