"""How often an account is looked at changes nothing of what happens to it."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.sandbox.accounts.records import Fill, Force, Payment
from tests.fakes.account_worlds import AAA, BBB, Desk, small_world

PRICES = {1: 99.0, 2: 96.0, 3: 104.0, 4: 104.0, 5: 101.0, 6: 108.0, 8: 92.0, 9: 95.0, 11: 100.0, 13: 106.5}
END_HOUR = 14
A_MOMENT_MS = 2
"""Crossings are rounded up to a millisecond, from whatever stretch they are interpolated in."""

resting = st.lists(st.tuples(st.integers(-5, 5).filter(bool), st.integers(9000, 11_000)), min_size=1, max_size=6)


def lived_through(folder: str, orders: list[tuple[int, int]], looks: list[int]) -> tuple[list[Fill], list[Payment]]:
    """Fills and payments of an account that is looked at so many seconds after the beginning."""
    desk = Desk(small_world(Path(folder), PRICES, (AAA, BBB)))
    for units, ticks in orders:
        desk.order(str(units), f"{ticks / 100:.2f}", Force.GTC)
    for second in sorted(looks):
        desk.go(0, second / 60)
    histories = desk.go(END_HOUR).histories
    return histories.fills, histories.payments


@settings(max_examples=40, deadline=None)
@given(resting, st.lists(st.integers(0, END_HOUR * 3600), max_size=30))
def test_an_account_that_is_looked_at_often_lives_like_one_that_is_not(
    orders: list[tuple[int, int]], looks: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as once, tempfile.TemporaryDirectory() as often:
        fills, payments = lived_through(once, orders, [])
        other_fills, other_payments = lived_through(often, orders, looks)

    assert [(f.order, f.quantity, f.price, f.maker) for f in fills] == [
        (f.order, f.quantity, f.price, f.maker) for f in other_fills
    ]
    assert all(abs(one.time_ms - other.time_ms) <= A_MOMENT_MS for one, other in zip(fills, other_fills, strict=True))
    assert [(p.time_ms, p.amount) for p in payments] == [(p.time_ms, p.amount) for p in other_payments]


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.booleans(), st.lists(st.integers(0, END_HOUR * 3600), max_size=20))
def test_a_liquidation_comes_when_it_comes(units: int, buys: bool, looks: list[int]) -> None:
    """Large positions are lost in this market, small ones are not."""
    ends = []
    for when in ([], looks):
        with tempfile.TemporaryDirectory() as folder:
            desk = Desk(small_world(Path(folder), PRICES), balance=900.0)
            desk.account().state.leverage[AAA] = 10
            desk.order(str(units if buys else -units), "101" if buys else "99")
            for second in sorted(when):
                desk.go(0, second / 60)
            account = desk.go(END_HOUR)
            ends.append((len(account.positions), [round(float(f.price), 3) for f in account.fills()]))
    assert ends[0][0] == ends[1][0]
    assert all(abs(one - other) <= 0.01 for one, other in zip(ends[0][1], ends[1][1], strict=True))
