"""The sandbox's signed Bybit v5, as the stock ccxt client meets it over HTTP."""

from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from data.types import HOUR_MS
from tests.contract.account_contract import *  # noqa: F403  the tests of every linear account
from tests.contract.account_contract import MINUTE_MS
from tests.contract.account_trouble import *  # noqa: F403
from tests.contract.linear_accounts import ASK, BTC, DOGE, NOON, Dialect, Play, Session

BYBIT = Dialect(
    venue="bybit",
    options={"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"},
    finding={"acknowledged": True},
    id_name="orderLinkId",
    paid_sign=1,
    codes={
        "step": '"retCode":10001,"retMsg":"Qty invalid"',
        "minimum": '"retCode":110094',
        "margin": "110007",
        "reduce": '"retCode":110017',
        "adds": '"retCode":110017,"retMsg":"reduce-only order has same side',
        "duplicate": '"retCode":110072',
        "apiKey": '"retCode":10003',
        "secret": '"retCode":10004',
        "clock": '"retCode":10002',
        "permission": '"retCode":10005',
    },
)


@pytest.fixture
def dialect() -> Dialect:
    return BYBIT


# Lists and pages


def test_open_orders_come_twenty_at_a_time_and_in_pages_by_cursor(play: Play) -> None:
    async def script(session: Session) -> Any:
        for number in range(45):
            await session.order("buy", 0.001, 90_000 + number, timeInForce="GTC", name=f"r{number}")
        unpaged = await session.client.fetch_open_orders(BTC)
        pages, asked = [], {"limit": 30}
        while True:
            page = await session.client.fetch_open_orders(BTC, params=asked)
            pages.append([order["clientOrderId"] for order in page])
            if not (cursor := page[0]["info"].get("nextPageCursor")):
                return len(unpaged), pages
            asked["cursor"] = cursor

    unpaged, pages = play(script)

    assert (20, [30, 15]) == (unpaged, [len(page) for page in pages])
    assert [f"r{number}" for number in reversed(range(45))] == [*pages[0], *pages[1]]


def test_trades_come_fifty_at_a_time_newest_first_and_in_pages_by_cursor(play: Play) -> None:
    async def script(session: Session) -> Any:
        session.trade_often(130)
        unpaged = await session.client.fetch_my_trades(BTC)
        names, asked = [], {}
        while True:
            page = await session.client.fetch_my_trades(BTC, limit=100, params=asked)
            names += [trade["info"]["orderLinkId"] for trade in reversed(page)]
            cursors = [trade["info"].get("nextPageCursor") for trade in page]
            if not (cursor := next(filter(None, cursors), None)):
                return len(unpaged), names
            asked["cursor"] = cursor

    assert (50, [f"o{number}" for number in reversed(range(130))]) == play(script)


def test_executions_of_more_than_seven_days_need_more_than_one_question(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK, name="w1")
        later = NOON + 10 * 24 * HOUR_MS
        session.pass_to(later)
        recent = await session.client.fetch_my_trades(BTC)
        first = await session.client.fetch_my_trades(BTC, NOON)
        with pytest.raises(ccxt.BadRequest, match='"retCode":10001,"retMsg":"The time range'):
            await session.client.fetch_my_trades(BTC, NOON, params={"until": later})
        week = await session.client.fetch_funding_history(BTC, NOON)
        return len(recent), len(first), len(week)

    assert (0, 1, 21) == play(script)


def test_one_page_of_funding_holds_fifty_payments_whatever_size_is_asked_for(play: Play) -> None:
    async def script(session: Session) -> Any:
        for symbol, units in ((BTC, 0.01), (DOGE, 100)):
            await session.order("buy", units, symbol=symbol)
        session.pass_to(NOON + 24 * HOUR_MS * 21)
        asked: dict[str, Any] = {"until": NOON + 7 * 24 * HOUR_MS}
        # Seven days of two contracts are 42 payments; ccxt's `size` is no parameter of the venue's.
        return len(await session.client.fetch_funding_history(None, NOON, params=asked)), len(
            await session.client.fetch_funding_history(None, NOON, params=asked | {"limit": 10})
        )

    assert (42, 10) == play(script)


def test_liquidations_and_deleveraging_are_executions_but_no_trades(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK, name="t1")
        await session.happen("deleverage", symbol=BTC, percent=40)
        await session.happen("liquidate")
        trades = await session.client.fetch_my_trades(BTC)
        everything = await session.client.fetch_my_trades(BTC, params={"execType": ""})
        return len(trades), [(row["info"]["execType"], row["info"]["orderLinkId"]) for row in everything]

    assert (1, [("Trade", "t1"), ("AdlTrade", ""), ("BustTrade", "")]) == play(script)


def test_closed_orders_are_in_the_history_and_open_ones_are_not(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK, name="c1")
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="c2")
        closed = await session.client.fetch_canceled_and_closed_orders(BTC)
        real = await session.client.fetch_open_orders(BTC, params={"openOnly": 1})
        return [order["clientOrderId"] for order in closed], [order["clientOrderId"] for order in real]

    assert (["c1"], ["c1"]) == play(script)


def test_an_order_asked_for_by_the_unified_name_of_its_client_id_is_another_order(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="other")
        return await session.client.fetch_order("", BTC, {"clientOrderId": "mine", "acknowledged": True})

    assert "other" == play(script)["clientOrderId"]


def test_cancelling_all_answers_which_and_leaves_other_contracts_alone(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="c1")
        await session.order("sell", 100, 0.4, symbol=DOGE, timeInForce="GTC", name="c2")
        cancelled = await session.client.cancel_all_orders(BTC)
        left = await session.client.fetch_open_orders()
        rest = await session.client.cancel_all_orders()
        return [[order["clientOrderId"] for order in orders] for orders in (cancelled, left, rest)]

    assert [["c1"], ["c2"], ["c2"]] == play(script)


# The account


def test_a_contract_that_is_named_has_a_position_of_nothing(play: Play) -> None:
    async def script(session: Session) -> Any:
        return await session.client.fetch_positions([BTC]), await session.client.fetch_positions()

    (flat,), everything = play(script)

    assert (0, None, 10, []) == (flat["contracts"], flat["side"], flat["leverage"], everything)


def test_what_is_set_already_is_refused_in_codes_of_its_own(play: Play) -> None:
    async def script(session: Session) -> None:
        with pytest.raises(ccxt.BadRequest, match='"retCode":110043'):
            await session.client.set_leverage(10, BTC)
        with pytest.raises(ccxt.NoChange, match='"retCode":110025'):
            await session.client.set_position_mode(False, BTC)
        await session.client.set_margin_mode("cross")

    play(script)


def test_the_margin_mode_is_one_for_the_whole_account(play: Play) -> None:
    async def script(session: Session) -> Any:
        modes = []
        for mode in ("isolated", "cross"):
            await session.client.set_margin_mode(mode)
            modes.append((await session.client.privateGetV5AccountInfo())["result"]["marginMode"])
        return modes

    assert ["ISOLATED_MARGIN", "REGULAR_MARGIN"] == play(script)


def test_the_key_tells_what_it_may_do(play: Play) -> None:
    async def script(session: Session) -> Any:
        async def may() -> Any:
            key = (await session.client.privateGetV5UserQueryApi())["result"]
            return key["readOnly"], "Order" in key["permissions"]["ContractTrade"], key["permissions"]["Wallet"][2:]

        before = await may()
        await session.happen("permit", trade=False, withdraw=True)
        return before, await may()

    assert ((0, True, []), (1, False, ["Withdraw"])) == play(script)


def test_disconnection_protection_is_accepted_and_protects_nobody_without_a_private_websocket(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="d1")
        await session.client.cancel_all_orders_after(10_000)
        with pytest.raises(ccxt.BadRequest, match='"retMsg":"params error: timeWindow invalid"'):
            await session.client.cancel_all_orders_after(2_000)
        session.pass_to(NOON + 4 * MINUTE_MS)
        told = (await session.client.privateGetV5AccountQueryDcpInfo())["result"]["dcpInfos"]
        return told, [order["clientOrderId"] for order in await session.client.fetch_open_orders()]

    assert ([], ["d1"]) == play(script)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"category": "perpetual"}, "Illegal category"),
        ({"category": "spot"}, "symbol invalid"),
        ({"side": "Bye"}, "side invalid"),
        ({"orderType": "Stop"}, "orderType invalid"),
        ({"timeInForce": "GTX"}, "timeInForce invalid"),
        ({"positionIdx": 7}, "positionIdx invalid"),
        ({"qty": "many"}, "Qty invalid"),
        ({"qty": "0"}, "Qty invalid"),
        ({"price": "NaN"}, "Price invalid"),
        ({"price": "95000.5"}, "Price invalid"),
        ({"triggerPrice": "90000"}, "no conditional orders"),
        ({"orderLinkId": "x" * 37}, "orderLinkId"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(play: Play, wrong: dict[str, Any], words: str) -> None:
    sound = {"category": "linear", "symbol": "BTCUSDT", "side": "Buy", "orderType": "Limit", "qty": "0.1", "price": "9"}

    async def script(session: Session) -> None:
        with pytest.raises(ccxt.BadRequest, match=f'"retCode":10001,"retMsg":"[^"]*{words}'):
            await session.client.privatePostV5OrderCreate(sound | wrong)

    play(script)


@pytest.mark.parametrize(
    ("call", "asked", "words"),
    [
        ("GetV5OrderRealtime", {"category": "linear"}, "symbol or settleCoin or baseCoin"),
        ("GetV5OrderRealtime", {"category": "linear", "symbol": "NOPE"}, "symbol invalid"),
        ("GetV5ExecutionList", {"category": "linear", "cursor": "nonsense"}, "cursor invalid"),
        ("PostV5OrderCancel", {"category": "linear", "symbol": "BTCUSDT"}, "OrderId or orderLinkId"),
        ("PostV5PositionSetLeverage", {"category": "linear", "symbol": "BTCUSDT", "buyLeverage": "x"}, "Leverage inv"),
        ("PostV5PositionSwitchMode", {"category": "linear", "mode": 5}, "position_mode invalid"),
        ("PostV5AccountSetMarginMode", {"setMarginMode": "NONE"}, "setMarginMode invalid"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(play: Play, call: str, asked: dict[str, Any], words: str) -> None:
    async def script(session: Session) -> None:
        with pytest.raises(ccxt.BadRequest, match=f'"retCode":10001,"retMsg":"[^"]*{words}'):
            await getattr(session.client, f"private{call}")(asked)

    play(script)


def test_a_leverage_that_the_venue_does_not_give_is_refused(play: Play) -> None:
    async def script(session: Session) -> None:
        with pytest.raises(ccxt.BadRequest, match='"retCode":10001,"retMsg":"leverage invalid'):
            await session.client.set_leverage(1000, BTC)

    play(script)


def test_a_request_without_a_signature_is_refused(play: Play) -> None:
    async def script(session: Session) -> Any:
        async with aiohttp.ClientSession() as bare, bare.get(f"{session.url}/bybit/v5/account/info") as answer:
            return answer.status, (await answer.json())["retCode"]

    assert (200, 10001) == play(script)


def test_an_order_that_closed_more_than_five_hundred_orders_ago_is_only_in_the_history(play: Play) -> None:
    async def script(session: Session) -> Any:
        session.trade_often(501)
        with pytest.raises(ccxt.OrderNotFound):
            await session.find("o0")
        asked = {"category": "linear", "orderLinkId": "o0"}
        rows = (await session.client.privateGetV5OrderHistory(asked))["result"]["list"]
        return (await session.find("o1"))["status"], [(row["orderLinkId"], row["cumExecFee"] != "0") for row in rows]

    assert ("closed", [("o0", True)]) == play(script)
