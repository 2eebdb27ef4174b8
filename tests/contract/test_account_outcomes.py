"""What an account believes of an order that was answered badly: refused only where that is certain, else unknown, and
never sent again."""

import asyncio
import json
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bot.execution.live.account import LiveAccount
from bot.venue_orders import OrderReport, OrderState, VenueOrder
from data.errors import VenueError, VenueRefused, VenueUnreachable
from tests.fakes.scripted_venue import BTC, KEYS, Scripted, scripted

ORDER = VenueOrder("run1t5s0c3l1a0", BTC, 0.002, 95_000.04)
PLACED = {
    "orderId": 77, "symbol": "BTCUSDT", "status": "FILLED", "clientOrderId": ORDER.client_id, "price": "95000.00",
    "avgPrice": "94990.10", "origQty": "0.002", "executedQty": "0.002", "cumQuote": "189.98", "side": "BUY",
}  # fmt: skip
FILLED = OrderReport(OrderState.FILLED, 0.002, 94_990.1, "77")


def said(code: int, words: str) -> str:
    return json.dumps({"code": code, "msg": words})


def asked(
    venue: Scripted,
    call: Callable[[LiveAccount], Awaitable[Any]] = lambda account: account.place(ORDER),
    **options: Any,
) -> Any:
    async def talk() -> Any:
        async with scripted(venue, **options) as account:
            return await call(account)

    return asyncio.run(talk())


def test_an_order_that_was_filled_is_told_in_units_of_the_asset() -> None:
    assert FILLED == asked(Scripted((200, json.dumps(PLACED))))


def test_what_ended_with_a_part_filled_is_told_so() -> None:
    part = PLACED | {"status": "EXPIRED", "executedQty": "0.001"}

    assert OrderReport(OrderState.ENDED, 0.001, 94_990.1, "77") == asked(Scripted((200, json.dumps(part))))


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, said(-2019, "Margin is insufficient.")),
        (400, said(-2022, "ReduceOnly Order is rejected.")),
        (400, said(-4164, "Order's notional must be no smaller than 5")),
        (400, said(-5022, "Post Only order will be rejected.")),
        (400, said(-1111, "Precision is over the maximum defined for this asset.")),
        (400, said(-1121, "Invalid symbol.")),
        (401, said(-2015, "Invalid API-key, IP, or permissions for action.")),
        (400, said(-1022, "Signature for this request is not valid.")),
        (429, said(-1003, "Too many requests.")),
        (429, said(-1015, "Too many new orders.")),
    ],
)
def test_a_refusal_with_a_code_that_is_certain_is_a_refusal(status: int, text: str) -> None:
    venue = Scripted((status, text))
    report = asked(venue)

    assert (OrderState.REJECTED, 0.0) == (report.state, report.filled)
    assert str(json.loads(text)["code"]) in report.reason or status == 429
    assert ["POST order"] == venue.asked


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (200, ""),
        (200, "{}"),
        (200, "<html>maintenance</html>"),
        (200, '{"orderId": 77, "clientOrd'),
        (200, "null"),
        (200, "[]"),
        (200, json.dumps(PLACED | {"clientOrderId": "another"})),
        (200, json.dumps(PLACED | {"status": "PENDING"})),
        (200, json.dumps(PLACED | {"executedQty": "much"})),
        (400, said(-1000, "An unknown error occurred.")),
        (408, said(-1007, "Timeout waiting for response from backend server.")),
        (503, said(-1008, "Request throttled by system-level protection.")),
        (400, said(-4116, "ClientOrderId is duplicated.")),
        (400, said(-9999, "a code that nobody has seen")),
        (401, "<html>who are you</html>"),
        (403, "<html>firewall</html>"),
        (502, "<html>bad gateway</html>"),
        (503, "Service Unavailable"),
        (500, said(-2019, "Margin is insufficient.")),
    ],
)
def test_any_other_answer_proves_nothing_and_the_order_is_not_sent_again(status: int, text: str) -> None:
    venue = Scripted((status, text))
    report = asked(venue)

    assert (OrderState.UNKNOWN, 0.0) == (report.state, report.filled)
    assert report.reason
    assert ["POST order"] == venue.asked


def test_no_answer_proves_nothing() -> None:
    venue = Scripted(None)

    assert OrderState.UNKNOWN is asked(venue, timeout_s=0.2).state
    assert ["POST order"] == venue.asked


def test_an_order_that_was_not_let_in_for_our_clock_is_sent_once_more_by_the_venues() -> None:
    behind = (400, said(-1021, "Timestamp for this request is outside of the recvWindow."))

    async def late(account: LiveAccount) -> tuple[OrderReport, int]:
        account._client.options["timeDifference"] = 20_000
        report = await account.place(ORDER)
        return report, account._client.options["timeDifference"]

    once = Scripted(behind, (200, json.dumps(PLACED)))
    report, difference_ms = asked(once, late)
    assert FILLED == report
    assert abs(difference_ms) <= 1000
    assert ["POST order"] * 2 == once.asked

    forever = Scripted(behind)
    assert OrderState.REJECTED is asked(forever).state
    assert ["POST order"] * 2 == forever.asked


def test_nothing_is_sent_while_the_venue_wants_a_pause() -> None:
    banned = (418, said(-1003, "Way too many requests; IP banned until 9999999999999."))
    venue = Scripted(banned)

    async def twice(account: LiveAccount) -> list[OrderReport]:
        return [await account.place(ORDER), await account.place(ORDER)]

    assert [OrderState.REJECTED] * 2 == [report.state for report in asked(venue, twice)]
    assert ["POST order"] == venue.asked


@pytest.mark.parametrize("quantity", [0.0005, 0.0, float("nan"), float("inf")])
def test_a_quantity_that_fits_no_step_is_not_sent(quantity: float) -> None:
    venue = Scripted((200, json.dumps(PLACED)))
    with pytest.raises(ValueError, match="quantity|number"):
        asked(venue, lambda account: account.place(VenueOrder("a1", BTC, quantity, 95_000.0)))
    assert [] == venue.asked


def test_an_order_that_the_venue_has_not_is_absent_and_a_venue_that_fails_says_nothing() -> None:
    none = Scripted((400, said(-2013, "Order does not exist.")))
    assert OrderState.ABSENT is asked(none, lambda account: account.find(ORDER)).state

    down = Scripted((503, "Service Unavailable"))
    with pytest.raises(VenueUnreachable):
        asked(down, lambda account: account.find(ORDER))
    assert ["GET order"] * 3 == down.asked


def test_an_answer_about_another_order_is_never_taken_for_ours() -> None:
    another = Scripted((200, json.dumps(PLACED | {"clientOrderId": "another"})))
    with pytest.raises(VenueUnreachable, match="makes no sense"):
        asked(another, lambda account: account.find(ORDER))


def test_a_cancel_says_what_was_filled_or_that_it_is_not_certain() -> None:
    gone = (400, said(-2011, "Unknown order sent."))
    part = (200, json.dumps(PLACED | {"status": "CANCELED", "executedQty": "0.001"}))
    rests = (200, json.dumps(PLACED | {"status": "NEW", "executedQty": "0", "avgPrice": "0.00"}))
    lost = (503, "Service Unavailable")

    def cancelled(*answers: tuple[int, str]) -> OrderReport:
        report: OrderReport = asked(Scripted(*answers), lambda account: account.cancel(ORDER))
        return report

    assert FILLED == cancelled(gone, (200, json.dumps(PLACED)))
    assert OrderReport(OrderState.ENDED, 0.001, 94_990.1, "77") == cancelled(part, part)
    assert OrderState.ENDED is cancelled(lost, part).state
    assert OrderState.ENDED is cancelled(part, rests, part).state
    assert OrderState.UNKNOWN is cancelled(lost, rests).state
    assert OrderState.UNKNOWN is cancelled(lost).state


def test_no_failure_shows_a_key_a_secret_or_a_signature(caplog: pytest.LogCaptureFixture) -> None:
    """Not in the message, not in what it came from, and not in ccxt's log."""
    answers = [
        (200, ""),
        (400, said(-9999, f"the key {KEYS.parts['apiKey']} is unknown")),
        (401, said(-2015, "Invalid API-key.")),
        (503, "Service Unavailable"),
        None,
    ]
    told = []
    with caplog.at_level(logging.DEBUG):
        for answer in answers:
            told.append(asked(Scripted(answer), timeout_s=0.1).reason)
            try:
                asked(Scripted(answer), lambda account: account.positions(), timeout_s=0.1)
            except VenueError as error:
                told += traceback.format_exception(error)
                assert error.__cause__ is None and error.__context__ is None
    words = "\n".join(told) + caplog.text

    assert "binance" in words
    for secret in (*KEYS.secrets, "signature=", "X-MBX-APIKEY"):
        assert secret not in words
    assert "hidden" in repr(KEYS) and all(secret not in repr(KEYS) for secret in KEYS.secrets)


def test_a_fee_in_another_coin_is_not_counted_as_if_it_were_quote_currency() -> None:
    trade = {
        "symbol": "BTCUSDT", "id": 5, "orderId": 77, "side": "BUY", "price": "95000.0", "qty": "0.002", "maker": False,
        "commission": "0.0001", "commissionAsset": "BNB", "time": 1_700_000_000_000, "positionSide": "BOTH",
    }  # fmt: skip
    venue = Scripted(
        (200, json.dumps({"serverTime": 1_700_000_001_000})), (200, json.dumps([trade])), (200, "[]"),
        (200, json.dumps(PLACED)),
    )  # fmt: skip
    with pytest.raises(VenueRefused, match="fee in BNB"):
        asked(venue, lambda account: account.fills([BTC], 1_700_000_000_000))
