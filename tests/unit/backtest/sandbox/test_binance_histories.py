"""Histories of an account in Binance's pages."""

from pathlib import Path

import pytest

from backtest.sandbox.binance_histories import incomes, past_orders, trades
from backtest.sandbox.binance_rules import RefusedError
from data.types import HOUR_MS
from tests.fakes.account_worlds import AAA, BBB, Desk, hour_ms, small_world

NAMES = {AAA: "AAAUSDT", BBB: "BBBUSDT", "": ""}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """One unit bought every ten hours, for 40 times."""
    desk = Desk(small_world(tmp_path, hours=500))
    for number in range(40):
        desk.go(number * 10)
        desk.order("1", "101")
    return desk


def ages(desk: Desk, **query: object) -> list[int]:
    """After how many hours the trades of a page were made."""
    rows = trades({name: str(value) for name, value in query.items()}, desk.account(), AAA, "AAAUSDT")
    return [(row["time"] - hour_ms(0)) // HOUR_MS for row in rows]


def test_without_a_start_the_last_week_s_newest_come(desk: Desk) -> None:
    assert list(range(230, 400, 10)) == ages(desk)
    assert [380, 390] == ages(desk, limit=2)


def test_from_a_start_the_oldest_of_one_week_come(desk: Desk) -> None:
    assert list(range(0, 170, 10)) == ages(desk, startTime=hour_ms(0))
    assert [10, 20] == ages(desk, startTime=hour_ms(1), limit=2)
    assert [10] == ages(desk, startTime=hour_ms(1), endTime=hour_ms(19))


def test_from_a_number_on_there_is_no_week(desk: Desk) -> None:
    first = desk.account().fills()[5].number

    assert list(range(50, 400, 10)) == ages(desk, fromId=first)


def test_trades_of_one_order_are_told_apart(desk: Desk) -> None:
    assert [200] == ages(desk, orderId=desk.account().fills()[20].order, startTime=hour_ms(150))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"startTime": hour_ms(0), "endTime": hour_ms(169)}, -4165),
        ({"startTime": hour_ms(2), "endTime": hour_ms(1)}, -1023),
        ({"limit": 1001}, -1130),
    ],
)
def test_windows_and_pages_have_their_limits(desk: Desk, query: dict[str, int], code: int) -> None:
    with pytest.raises(RefusedError) as refused:
        ages(desk, **query)

    assert code == refused.value.code


def test_income_comes_in_pages_and_without_a_longest_window(desk: Desk) -> None:
    desk.go(400)
    every = desk.account().payments()
    told = incomes({"startTime": str(hour_ms(0)), "incomeType": "FUNDING_FEE"}, desk.account(), None, NAMES)

    assert 50 == len(every) == len(told)
    assert [str(payment.number) for payment in every] == [str(row["tranId"]) for row in told]
    assert 5 == len(incomes({"startTime": str(hour_ms(0)), "limit": "5"}, desk.account(), AAA, NAMES))
    assert [] == incomes({"incomeType": "TRANSFER"}, desk.account(), None, NAMES)


def test_past_orders_come_from_a_number_on(desk: Desk) -> None:
    numbers = [order.number for order in desk.account().orders()]

    page = past_orders({"orderId": str(numbers[7]), "limit": "3"}, desk.account(), AAA)

    assert numbers[7:10] == [order.number for order in page]
