"""The sandbox's signed OKX v5, as the stock ccxt client meets it over HTTP."""

from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from data.types import HOUR_MS
from tests.contract.account_contract import *  # noqa: F403  the tests of every linear account
from tests.contract.account_trouble import *  # noqa: F403
from tests.contract.linear_accounts import ASK, BTC, DOGE, NOON, Dialect, Play, Session

OKX = Dialect(
    venue="okx",
    options={"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    finding={},
    id_name="clOrdId",
    paid_sign=-1,
    codes={
        "step": '"sCode":"51121"',
        "minimum": '"sCode":"51020"',
        "margin": "51008",
        "reduce": '"sCode":"51169"',
        "adds": '"sCode":"51170"',
        "duplicate": '"sCode":"51016"',
        "apiKey": '"code":"50111"',
        "secret": '"code":"50113"',
        "clock": '"code":"50102"',
        "permission": '"code":"50120"',
    },
)


@pytest.fixture
def dialect() -> Dialect:
    return OKX


# Contracts


def test_sizes_are_contracts_to_the_client_and_units_of_the_asset_to_the_account(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.client.create_order(DOGE, "market", "sell", 2.5, None, {"clOrdId": "c1"})
        order, (position,) = await session.find("c1", DOGE), await session.client.fetch_positions()
        (trade,) = await session.client.fetch_my_trades(DOGE)
        return order, position, trade, await session.truth()

    order, position, trade, truth = play(script)

    assert (2.5, 2.5, 2.5, 2.5) == (order["amount"], order["filled"], position["contracts"], trade["amount"])
    assert ("short", 1000, -2500) == (
        position["side"], position["contractSize"], float(truth["positions"][0]["quantity"]),
    )  # fmt: skip
    assert position["notional"] == pytest.approx(2500 * 0.3)


# Lists and pages


def test_a_list_of_orders_has_an_answer_for_each(play: Play) -> None:
    async def script(session: Session) -> Any:
        def order(name: str, amount: float) -> dict[str, Any]:
            return {"symbol": BTC, "type": "limit", "side": "buy", "amount": amount, "price": 90_000} | {
                "params": {"clOrdId": name}
            }

        mixed = await session.client.create_orders([order("b1", 1), order("b2", 1_000_000), order("b3", 1)])
        with pytest.raises(ccxt.OrderNotFound, match='"sCode":"51400"'):
            await session.client.cancel_orders([], BTC, {"clOrdId": ["b2"]})
        cancelled = await session.client.cancel_orders([], BTC, {"clOrdId": ["b1", "b3"]})
        return [order["status"] for order in mixed], [order["clientOrderId"] for order in cancelled]

    assert ([None, "rejected", None], ["b1", "b3"]) == play(script)


def test_trades_come_a_hundred_at_a_time_newest_first_and_in_pages_by_bill(play: Play) -> None:
    async def script(session: Session) -> Any:
        session.trade_often(130)
        names, asked = [], {}
        while page := await session.client.fetch_my_trades(BTC, NOON, params=asked):
            names.append([trade["info"]["clOrdId"] for trade in reversed(page)])
            asked["after"] = page[0]["info"]["billId"]
        return names

    pages = play(script)

    assert ([100, 30], [f"o{number}" for number in reversed(range(130))]) == (
        [len(page) for page in pages], [*pages[0], *pages[1]],
    )  # fmt: skip


def test_funding_comes_a_hundred_at_a_time_whatever_since_says_and_in_pages_by_bill(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.01)
        session.pass_to(NOON + 24 * HOUR_MS * 40)
        stamps, asked = [], {}
        while page := await session.client.fetch_funding_history(BTC, NOON, params=asked):
            stamps.append([row["timestamp"] for row in page])
            asked["after"] = page[0]["id"]
        begun = await session.client.fetch_funding_history(BTC, NOON, params={"begin": NOON + 24 * HOUR_MS * 39})
        return stamps, len(begun)

    pages, begun = play(script)

    assert ([100, 20], 3) == ([len(page) for page in pages], begun)
    assert [NOON + (4 + 8 * number) * HOUR_MS for number in range(120)] == [*pages[1], *pages[0]]


def test_liquidations_and_deleveraging_are_among_the_fills_without_a_client_id(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK, name="t1")
        await session.happen("deleverage", symbol=BTC, percent=40)
        await session.happen("liquidate")
        trades = [trade["info"] for trade in await session.client.fetch_my_trades(BTC)]
        closed = await session.client.fetch_closed_orders(BTC)
        return [(row["clOrdId"], row["subType"]) for row in trades], [order["info"]["category"] for order in closed]

    assert ([("t1", "1"), ("", "128"), ("", "107")], ["full_liquidation", "adl", "normal"]) == play(script)


# The account


def test_the_dead_man_s_switch_cancels_what_rests_unless_it_is_told_again(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="d1")
        resting = []
        for timeout, passed in ((60, 50), (60, 50), (0, 120), (60, 61)):
            await session.client.cancel_all_orders_after(timeout * 1000)
            session.pass_to(session.world.now_ms() + passed * 1000)
            resting.append(len(await session.client.fetch_open_orders()))
        with pytest.raises(ccxt.BadRequest, match='"code":"51000"'):
            await session.client.cancel_all_orders_after(5_000)
        return resting, (await session.find("d1"))["status"]

    assert ([1, 1, 1, 0], "canceled") == play(script)


def test_the_key_tells_what_it_may_do_and_how_the_account_is_set_up(play: Play) -> None:
    async def script(session: Session) -> Any:
        async def told() -> Any:
            config = (await session.client.privateGetAccountConfig())["data"][0]
            return config["perm"], config["posMode"], (await session.client.fetch_position_mode())["hedged"]

        before = await told()
        await session.client.set_position_mode(False)
        await session.client.set_position_mode(True)
        await session.happen("permit", trade=False, withdraw=True)
        return before, await told()

    assert (("read_only,trade", "net_mode", False), ("read_only,withdraw", "long_short_mode", True)) == play(script)


def test_the_margin_mode_of_a_contract_comes_with_its_leverage(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.client.set_margin_mode("isolated", BTC, {"lever": 4})
        await session.order("buy", 0.1, ASK)
        (position,) = await session.client.fetch_positions()
        with pytest.raises(ccxt.ExchangeError, match='"code":"59102"'):
            await session.client.set_leverage(100, BTC)
        with pytest.raises(ccxt.ExchangeError, match='"code":"59000"'):
            await session.client.set_margin_mode("cross", BTC, {"lever": 4})
        leverage = await session.client.fetch_leverage(BTC, {"marginMode": "isolated"})
        return position["marginMode"], position["leverage"], leverage["longLeverage"]

    assert ("isolated", 4, 4) == play(script)


def test_a_wrong_passphrase_is_refused(play: Play) -> None:
    async def script(session: Session) -> None:
        session.client.password = "wrong"
        with pytest.raises(ccxt.AuthenticationError, match='"code":"50105"'):
            await session.client.fetch_balance()

    play(script)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({}, "50103"),
        ({"KEY": "k"}, "50104"),
        ({"KEY": "k", "PASSPHRASE": "p"}, "50106"),
        ({"KEY": "k", "PASSPHRASE": "p", "SIGN": "s"}, "50107"),
        ({"KEY": "sandbox-key", "PASSPHRASE": "p", "SIGN": "s", "TIMESTAMP": "noon"}, "50112"),
    ],
)
def test_a_request_that_is_not_signed_is_refused(play: Play, told: dict[str, str], code: str) -> None:
    headers = {f"OK-ACCESS-{name}": value for name, value in told.items()}

    async def script(session: Session) -> Any:
        address = f"{session.url}/okx/api/v5/account/balance"
        async with aiohttp.ClientSession() as bare, bare.get(address, headers=headers) as answer:
            return answer.status, (await answer.json())["code"]

    assert (401, code) == play(script)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"instId": "NOPE-USDT-SWAP"}, "51001"),
        ({"instId": ""}, "50014"),
        ({"tdMode": "cash"}, "51000"),
        ({"side": "bye"}, "51000"),
        ({"ordType": "stop"}, "51000"),
        ({"posSide": "up"}, "51000"),
        ({"clOrdId": "not_alphanumeric"}, "51000"),
        ({"sz": "many"}, "51000"),
        ({"sz": "0"}, "51000"),
        ({"px": "-1"}, "51000"),
        ({"px": "95000.5"}, "51150"),
        ({"attachAlgoOrds": [{}]}, "51000"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(play: Play, wrong: dict[str, Any], code: str) -> None:
    sound = {"instId": "BTC-USDT-SWAP", "tdMode": "cross", "side": "buy", "ordType": "limit", "sz": "1", "px": "9"}

    async def script(session: Session) -> None:
        with pytest.raises(ccxt.ExchangeError, match=f'"sCode":"{code}"'):
            await session.client.privatePostTradeOrder(sound | wrong)

    play(script)


@pytest.mark.parametrize(
    ("call", "asked", "code"),
    [
        ("GetTradeOrder", {"instId": "BTC-USDT-SWAP"}, "51003"),
        ("GetTradeOrder", {"instId": "BTC-USDT-SWAP", "ordId": "x"}, "51603"),
        ("GetTradeFillsHistory", {"instType": "PERP"}, "51000"),
        ("GetTradeOrdersHistory", {}, "50014"),
        ("PostTradeBatchOrders", {"instId": "BTC-USDT-SWAP"}, "50002"),
        ("PostAccountSetLeverage", {"instId": "BTC-USDT-SWAP", "lever": "x", "mgnMode": "cross"}, "51000"),
        ("PostAccountSetLeverage", {"instId": "BTC-USDT-SWAP", "lever": "2", "mgnMode": "none"}, "51000"),
        ("PostAccountSetPositionMode", {"posMode": "none"}, "51000"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(play: Play, call: str, asked: dict[str, Any], code: str) -> None:
    async def script(session: Session) -> None:
        with pytest.raises(ccxt.BaseError, match=f'"code":"{code}"'):
            await getattr(session.client, f"private{call}")(asked)

    play(script)
