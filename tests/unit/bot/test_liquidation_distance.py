"""How far prices may move before an account is liquidated: one of them, or all together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.risk.liquidation import distance

LEGS = st.lists(st.floats(-5_000, 5_000).filter(lambda worth: abs(worth) > 1), min_size=1, max_size=6)
SAFE = 0.9999


def liquidated(legs: list[float], moves: list[float], behind: float, maintenance: float) -> bool:
    moved = [worth * (1 + move) for worth, move in zip(legs, moves, strict=True)]
    equity = behind + sum(moved) - sum(legs)
    return equity < maintenance * sum(map(abs, moved))


def test_legs_that_lose_together_are_nearer_than_each_alone() -> None:
    assert pytest.approx(450 / 5250) == distance([-1667, -1667, -1666], 700, 0.05)
    assert pytest.approx((700 - 0.05 * 1667) / (1.05 * 1667)) == distance([-1667], 700, 0.05)


def test_legs_that_cancel_out_are_as_near_as_the_largest_one() -> None:
    assert pytest.approx((700 - 0.05 * 4000) / (1.05 * 2000)) == distance([2000, -2000], 700, 0.05)


def test_an_account_without_legs_is_never_liquidated() -> None:
    assert math.inf == distance([], 0.0, 0.05)


@given(LEGS, st.floats(10, 20_000), st.floats(0.005, 0.1))
def test_nothing_closer_than_the_distance_liquidates(legs: list[float], behind: float, maintenance: float) -> None:
    far = distance(legs, behind, maintenance)
    if far <= 0:
        assert liquidated(legs, [0.0] * len(legs), behind, maintenance) or far == 0
        return
    move = min(SAFE * far, SAFE)
    for sign in (1, -1):
        assert not liquidated(legs, [sign * move] * len(legs), behind, maintenance)
        for one in range(len(legs)):
            alone = [sign * move if number == one else 0.0 for number in range(len(legs))]
            assert not liquidated(legs, alone, behind, maintenance)
