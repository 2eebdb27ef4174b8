"""What time does to an account: funding, resting orders, stops, liquidation, delisting, the dead man's switch."""

from decimal import Decimal
from pathlib import Path

import pytest

from backtest.sandbox.accounts.passage import advance
from backtest.sandbox.accounts.records import Force, Kind, Origin, Status, exact
from backtest.sandbox.distortions import Distortion
from tests.fakes.account_worlds import (
    AAA,
    BBB,
    RATE,
    STAMP_MS,
    Desk,
    hour_ms,
    small_world,
    without_bars,
)


def test_funding_is_rate_times_mark_times_quantity_of_what_was_held_at_the_stamp(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {4: 110.0, 5: 120.0}))
    desk.order("-3", "99")

    (payment,) = desk.go(5).payments()

    assert hour_ms(4) + STAMP_MS == payment.time_ms
    assert Decimal(3) * Decimal(110) * exact(RATE) == payment.amount
    assert (Decimal(-3), Decimal(110), exact(RATE)) == (payment.quantity, payment.price, payment.rate)


def test_what_is_closed_before_the_stamp_is_not_funded(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path))
    desk.order("3", "101")
    desk.go(3, 59)
    desk.order("-3", "99")

    assert [] == desk.go(9).payments()


def test_each_settlement_is_paid_once_however_often_time_is_looked_at(tmp_path: Path) -> None:
    often, once = Desk(small_world(tmp_path)), Desk(small_world(tmp_path))
    for desk in (often, once):
        desk.order("1", "101")
    for hour in range(1, 33):
        often.go(hour)

    assert 4 == len(often.account().payments())
    assert once.go(32).state.cash == often.account().state.cash


def test_a_resting_order_that_is_traded_through_fills_at_its_own_price_for_the_maker_s_fee(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {2: 95.0}))
    order = desk.order("2", "97", Force.POST_ONLY)

    (fill,) = desk.go(5).fills()

    assert (Status.FILLED, Decimal(97), True) == (order.status, fill.price, fill.maker)
    assert 2 * Decimal(97) * Decimal("0.0002") == fill.fee
    assert hour_ms(1) < fill.time_ms < hour_ms(2)


def test_a_resting_order_that_is_only_touched_does_not_fill(tmp_path: Path) -> None:
    """The best ask comes down to 97 exactly, and no further."""
    touched = 97.0 / 1.001
    desk = Desk(small_world(tmp_path, {2: touched}, rate=0.0))
    order = desk.order("2", "97", Force.POST_ONLY)

    desk.go(5)

    assert Status.OPEN == order.status


@pytest.mark.parametrize(("ticks", "status"), [(0.6, Status.OPEN), (1.4, Status.FILLED)])
def test_a_resting_order_fills_once_the_book_shows_a_price_beyond_its_own(
    tmp_path: Path, ticks: float, status: Status
) -> None:
    """Asks are shown rounded up to whole ticks: 97 is the best one until the price is a tick lower."""
    lowest = (97.0 - ticks * 0.01) / 1.001
    desk = Desk(small_world(tmp_path, {2: lowest}, rate=0.0))
    order = desk.order("2", "97", Force.POST_ONLY)

    desk.go(5)

    assert status == order.status


def test_resting_orders_fill_in_the_order_in_which_the_price_comes_to_them(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {2: 90.0}))
    low, high = desk.order("1", "93", Force.GTC), desk.order("1", "97", Force.GTC)

    assert [high.number, low.number] == [fill.order for fill in desk.go(3).fills()]


def test_a_resting_order_that_only_reduces_expires_when_nothing_is_left(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {2: 110.0}))
    desk.order("1", "101")
    resting = desk.order("-1", "105", Force.GTC, reduce_only=True)
    desk.order("-1", "99")

    desk.go(3)

    assert (Status.EXPIRED, 0) == (resting.status, resting.filled)


def test_a_stop_sells_at_market_once_the_mark_has_come_down_to_it(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {2: 90.0}))
    desk.order("2", "101")
    stop = desk.order("-1", trigger=Decimal(95), close_all=True, reduce_only=True)
    assert Status.WAITING == desk.go(1, 10).find(number=stop.number).status

    account = desk.go(3)

    assert (Status.FILLED, Decimal(-2)) == (stop.status, stop.filled)
    assert () == account.positions
    assert Decimal("94.5") < stop.average < Decimal(95)


def test_the_dead_man_s_switch_cancels_unless_it_is_told_again(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path))
    order = desk.order("1", "90", Force.GTC)
    desk.account().dead_man(120_000)
    desk.go(0, 1)
    desk.account().dead_man(120_000, AAA)
    desk.account().dead_man(0)

    assert Status.OPEN == desk.go(0, 2.9).find(number=order.number).status
    assert Status.CANCELLED == desk.go(0, 3).find(number=order.number).status
    assert {} == desk.account().state.dead_man


def test_an_account_below_its_maintenance_margin_loses_everything_it_holds(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {2: 92.0}), balance=100.0)
    desk.order("9", "101")
    resting = desk.order("-0.1", "150", Force.GTC)

    account = desk.go(3)

    assert (Status.CANCELLED, ()) == (resting.status, account.positions)
    last = account.fills()[-1]
    assert (Origin.LIQUIDATION, Decimal(-9)) == (last.origin, last.quantity)
    # 100 - 9 x 100.1 x 5 bps + 9 x (price - 100.1) = 5 % x 9 x price
    assert float(last.price) == pytest.approx(801.35 / 8.55, abs=1e-4)
    assert account.cash >= 0


def test_a_jump_beyond_all_money_is_the_insurance_s_to_pay(tmp_path: Path) -> None:
    world = small_world(tmp_path)
    desk = Desk(world, balance=100.0)
    desk.order("9", "101")
    world.distortions.replace([Distortion(kind="mark", factor=0.5)], world.now_ms())
    account = desk.account()

    assert (Decimal(0), ()) == (account.cash, account.positions)
    (payment,) = account.payments(Kind.INSURANCE)
    assert payment.amount > 300


def test_the_liquidation_price_is_where_liquidation_comes(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, {3: 80.0}, (AAA, BBB)), balance=300.0)
    desk.order("20", "101")
    desk.order("-2", "99", symbol=BBB)
    account = desk.account()
    told = account.liquidation_price(account.positions[0])

    fill = next(f for f in desk.go(3).fills() if f.origin is Origin.LIQUIDATION and f.symbol == AAA)

    assert float(told) == pytest.approx(float(fill.price), abs=1e-4)


def test_a_delisted_contract_is_settled_at_its_last_price_and_its_orders_are_gone(tmp_path: Path) -> None:
    world = without_bars(small_world(tmp_path, {3: 104.0}, (AAA, BBB)), AAA, 4)
    desk = Desk(world)
    desk.order("2", "101")
    resting = desk.order("1", "90", Force.GTC)

    account = desk.go(6)

    assert (Status.CANCELLED, ()) == (resting.status, account.positions)
    assert (Origin.DELISTING, Decimal(104)) == (account.fills()[-1].origin, account.fills()[-1].price)


def test_time_does_not_go_back(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path))
    desk.order("1", "101")
    account = desk.go(9)
    advance(account, hour_ms(3))

    assert (hour_ms(9), 1) == (account.now_ms, len(account.payments()))
