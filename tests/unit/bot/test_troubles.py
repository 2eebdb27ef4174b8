"""Troubles are told when they begin and when they are over, and counted in between."""

from hypothesis import given
from hypothesis import strategies as st

from bot.troubles import Troubles
from data.types import HOUR_MS

MINUTE_MS = 60_000


def test_what_goes_on_is_told_once_and_once_more_when_it_is_over() -> None:
    troubles = Troubles()
    told = [troubles.meet("a down", f"a is down ({minute})", minute * MINUTE_MS) for minute in range(30)]
    assert ["a is down (0)"] == [text for texts in told for text in texts]
    assert [] == troubles.over(60 * MINUTE_MS)
    assert ["over, met 30 times: a is down (0)"] == troubles.over(90 * MINUTE_MS)
    assert [] == troubles.over(91 * MINUTE_MS)


def test_what_comes_back_after_it_was_over_is_told_again() -> None:
    troubles = Troubles()
    troubles.meet("a", "a fails", 0)
    assert ["over, met once: a fails"] == troubles.over(HOUR_MS + 1)
    assert ["a fails again"] == troubles.meet("a", "a fails again", HOUR_MS + 2)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 120)), max_size=60))
def test_every_trouble_is_counted_exactly_once(met: list[tuple[str, int]]) -> None:
    troubles, now, begun, ended, counted = Troubles(), 0, 0, 0, 0
    for cause, minutes in [*met, ("", 500)]:
        now += minutes * MINUTE_MS
        for text in troubles.over(now):
            ended += 1
            counted += 1 if "once" in text else int(text.split()[2])
        if cause:
            begun += len(troubles.meet(cause, cause, now))
    assert (begun, len(met)) == (ended, counted)
