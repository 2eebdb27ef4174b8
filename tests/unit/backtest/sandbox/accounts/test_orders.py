"""What becomes of an order when it meets the book."""

from decimal import Decimal
from pathlib import Path

import pytest

from backtest.sandbox.accounts.liquidation import deleverage
from backtest.sandbox.accounts.records import Force, Origin, Side, Status
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from tests.fakes.account_worlds import AAA, BBB, Desk, small_world

ASK, BID = Decimal("100.1"), Decimal("99.9")


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(small_world(tmp_path))


def test_a_taker_pays_the_ask_and_the_fee(desk: Desk) -> None:
    order = desk.order("2", "100.5")

    assert (Status.FILLED, Decimal(2), ASK) == (order.status, order.filled, order.average)
    assert Decimal(10_000) - 2 * ASK * Decimal("0.0005") == desk.account().cash


def test_a_taker_walks_the_book_level_by_level_and_no_further_than_its_limit(desk: Desk) -> None:
    order = desk.order("25", "100.2")

    assert [(ASK, Decimal("9.99")), (Decimal("100.2"), Decimal("9.98"))] == [
        (fill.price, fill.quantity) for fill in desk.account().fills()
    ]
    assert (Status.EXPIRED, Decimal("19.97")) == (order.status, order.filled)


def test_the_book_is_the_same_for_every_order(desk: Desk) -> None:
    assert [ASK, ASK] == [desk.order("9", "100.1").average, desk.order("9", "100.1").average]


def test_a_fill_or_kill_order_that_the_book_cannot_fill_does_nothing(desk: Desk) -> None:
    order = desk.order("25", "100.2", Force.FOK)

    assert (Status.EXPIRED, 0) == (order.status, order.filled)


def test_a_market_order_takes_what_there_is_and_expires(desk: Desk) -> None:
    order = desk.order("-60")

    assert Status.EXPIRED == order.status
    assert Decimal(-50) > order.filled > Decimal(-51)


def test_what_an_order_cannot_fill_at_once_rests(desk: Desk) -> None:
    order = desk.order("12", "100.1", Force.GTC)

    assert (Status.PARTLY_FILLED, Decimal("2.01")) == (order.status, order.left)
    assert [order] == desk.account().open_orders()


def test_a_post_only_order_that_would_take_is_refused_and_leaves_no_trace(desk: Desk) -> None:
    with pytest.raises(OrderRefused) as refused:
        desk.order("1", "100.1", Force.POST_ONLY)

    assert Refusal.WOULD_TAKE == refused.value.reason
    assert [] == desk.account().orders()


@pytest.mark.parametrize(
    ("quantity", "limit", "told", "reason"),
    [
        ("0", "100", {}, Refusal.QUANTITY_ZERO),
        ("1.0005", "100", {}, Refusal.QUANTITY_STEP),
        ("1", "100.005", {}, Refusal.PRICE_STEP),
        ("1", "0", {}, Refusal.PRICE_ZERO),
        ("0.049", "100", {}, Refusal.NOTIONAL_SMALL),
        ("1", "100", {"symbol": "NIX/USDT:USDT"}, Refusal.UNKNOWN_SYMBOL),
        ("1", "100", {"reduce_only": True}, Refusal.WOULD_NOT_REDUCE),
        ("1", "100", {"side": Side.LONG}, Refusal.WRONG_SIDE),
        ("1100", "100", {}, Refusal.MARGIN_SHORT),
    ],
)
def test_what_the_rules_forbid_is_refused(
    desk: Desk, quantity: str, limit: str, told: dict[str, object], reason: Refusal
) -> None:
    with pytest.raises(OrderRefused) as refused:
        desk.order(quantity, limit, **told)

    assert reason == refused.value.reason


def test_a_closing_order_needs_neither_margin_nor_the_least_notional(desk: Desk) -> None:
    desk.order("0.06", "101")

    assert Status.FILLED == desk.order("-0.02", "99", reduce_only=True).status


def test_a_reduce_only_order_never_turns_a_position_over(desk: Desk) -> None:
    desk.order("1", "101")

    order = desk.order("-3", "99", reduce_only=True)

    assert (Status.EXPIRED, Decimal(-1)) == (order.status, order.filled)
    assert () == desk.account().positions


def test_an_order_may_turn_a_position_over_and_realises_what_it_closed(desk: Desk) -> None:
    desk.order("1", "101")
    desk.order("-3", "99")
    account = desk.account()

    assert (Decimal(-2), BID) == (account.positions[0].quantity, account.positions[0].entry)
    assert BID - ASK == account.fills()[-1].realised


def test_a_client_id_may_come_back_once_its_order_has_ended(desk: Desk) -> None:
    """Which is how sending a filled order again executes it twice."""
    desk.order("1", "101", client_id="a")

    assert Status.FILLED == desk.order("1", "101", client_id="a").status
    assert Decimal(2) == desk.account().positions[0].quantity


def test_a_client_id_may_not_come_back_while_its_order_rests(desk: Desk) -> None:
    desk.order("1", "90", Force.GTC, client_id="a")

    with pytest.raises(OrderRefused) as refused:
        desk.order("1", "101", client_id="a")

    assert Refusal.DUPLICATE_ID == refused.value.reason


def test_a_client_id_is_never_free_again_where_the_venue_has_it_so(tmp_path: Path) -> None:
    desk = Desk(small_world(tmp_path, venue="bybit"))
    desk.order("1", "101", client_id="a")

    with pytest.raises(OrderRefused) as refused:
        desk.order("1", "101", client_id="a")

    assert Refusal.DUPLICATE_ID == refused.value.reason


def test_orders_of_one_account_do_not_trade_with_each_other(desk: Desk) -> None:
    resting = desk.order("1", "100.05", Force.GTC)

    desk.order("-1", "99")

    assert Status.EXPIRED == resting.status


def test_hedge_mode_holds_both_sides_and_closes_each_by_itself(desk: Desk) -> None:
    desk.account().state.hedge = True
    desk.order("2", "101", side=Side.LONG)
    desk.order("-1", "99", side=Side.SHORT)
    desk.order("-1", "99", side=Side.LONG)
    account = desk.account()

    assert {(Side.LONG, Decimal(1)), (Side.SHORT, Decimal(-1))} == {(p.side, p.quantity) for p in account.positions}
    with pytest.raises(OrderRefused):
        desk.order("-2", "99", side=Side.LONG)


def test_an_order_is_found_by_number_or_by_client_id_the_last_of_several(desk: Desk) -> None:
    first, last = desk.order("1", "101", client_id="a"), desk.order("1", "101", client_id="a")
    account = desk.account()

    assert (first, last) == (account.find(number=first.number), account.find(symbol=AAA, client_id="a"))
    for unknown in ({"client_id": "b"}, {"number": 1}, {"symbol": BBB, "client_id": "a"}):
        with pytest.raises(OrderRefused):
            account.find(**unknown)  # type: ignore[arg-type]


def test_cancelling_keeps_what_was_filled(desk: Desk) -> None:
    order = desk.order("12", "100.1", Force.GTC)

    desk.account().cancel(order)

    assert (Status.CANCELLED, Decimal("9.99")) == (order.status, order.filled)
    with pytest.raises(OrderRefused):
        desk.account().cancel(order)


def test_margin_is_tied_up_by_positions_and_by_resting_orders(desk: Desk) -> None:
    desk.account().state.leverage[AAA] = 5
    desk.order("10", "101")
    desk.order("10", "90", Force.GTC)
    account = desk.account()

    assert (Decimal(200), Decimal(180)) == (account.position_margin(), account.order_margin())
    assert account.equity() - 380 == account.free()


def test_an_order_of_the_venue_s_own_bears_the_name_that_the_venue_gives_it(desk: Desk) -> None:
    desk.order("2", "101")
    account = desk.account()
    deleverage(account, account.positions[0], Decimal("0.4"))

    order = account.orders()[-1]
    assert (Origin.DELEVERAGING, Decimal("-0.8")) == (order.origin, order.filled)
    assert order.ticket.client_id.startswith("adl_autoclose")
