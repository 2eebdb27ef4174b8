"""An account at the sandbox's Binance USD-M, as the stock ccxt client trades in it over HTTP."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.fault_client import script_faults
from backtest.sandbox.world import World
from data.types import HOUR_MS
from tests.contract.signed import Trade, trading
from tests.fakes.account_worlds import AAA, BBB, RATE, STAMP_MS, hour_ms, small_world

ASK, BID = 100.1, 99.9
Do = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """AAA comes down to 95 in the second hour and stays there."""
    return small_world(tmp_path, {2: 95.0}, (AAA, BBB))


@pytest.fixture
def do(world: World) -> Do:
    """`do(trade)`: what `trade(client, url)` gives in the world."""

    def run(trade: Trade, **options: Any) -> Any:
        async def talk() -> Any:
            async with trading(world, **options) as (client, url):
                return await trade(client, url)

        return asyncio.run(talk())

    return run


async def take(client: Any, amount: float, at: float | None = None, name: str = "a1", **params: Any) -> Any:
    """An IOC order, a sale below zero, at a price that trades at once."""
    side = "buy" if amount > 0 else "sell"
    limit = (101.0 if amount > 0 else 99.0) if at is None else at
    told = {"timeInForce": "IOC", "clientOrderId": name} | params
    return await client.create_order(AAA, "limit", side, abs(amount), limit, told)


async def rest(client: Any, amount: float, price: float, name: str = "r1", **params: Any) -> Any:
    """A post-only order."""
    side = "buy" if amount > 0 else "sell"
    told = {"postOnly": True, "clientOrderId": name} | params
    return await client.create_order(AAA, "limit", side, abs(amount), price, told)


async def filled(url: str) -> list[tuple[str, float]]:
    """(client id, quantity) of every trade that truly happened."""
    fills = (await true_accounts(url))["binance"]["fills"]
    return [(fill["client_id"], float(fill["quantity"])) for fill in fills]


def test_a_client_with_keys_loads_its_markets_as_it_comes(do: Do) -> None:
    assert {AAA, BBB} == set(do(lambda client, url: client.load_markets()))


def test_a_taker_s_order_comes_back_filled_with_its_average_price(do: Do) -> None:
    order = do(lambda client, url: take(client, 12))

    told = {name: order[name] for name in ("clientOrderId", "status", "filled", "remaining", "reduceOnly")}
    assert {"clientOrderId": "a1", "status": "closed", "filled": 12.0, "remaining": 0.0, "reduceOnly": False} == told
    assert order["average"] == pytest.approx((9.99 * 100.1 + 2.01 * 100.2) / 12, rel=1e-12)


def test_an_order_beyond_the_depth_within_its_limit_expires_partly_filled(do: Do) -> None:
    order = do(lambda client, url: take(client, 12, 100.1))

    assert ("expired", 9.99, 2.01) == (order["status"], order["filled"], order["remaining"])


def test_an_order_is_found_again_by_the_client_s_id(do: Do) -> None:
    async def both(client: Any, url: str) -> Any:
        placed = await take(client, 1)
        return placed, await client.fetch_order("", AAA, {"clientOrderId": "a1"})

    placed, found = do(both)

    assert [(placed[name], name) for name in ("id", "filled", "status")] == [
        (found[name], name) for name in ("id", "filled", "status")
    ]


def test_who_asks_only_for_an_acknowledgement_sees_nothing_of_the_fill(do: Do) -> None:
    order = do(lambda client, url: take(client, 1, newOrderRespType="ACK"))

    assert ("open", 0.0) == (order["status"], order["filled"])


def test_trades_positions_and_money_agree(do: Do) -> None:
    async def talk(client: Any, url: str) -> Any:
        await take(client, 2)
        await take(client, -3, name="a2")
        return await client.fetch_my_trades(AAA), await client.fetch_positions(), await client.fetch_balance()

    trades, (position,), balance = do(talk)

    assert [("buy", 2.0, ASK, "taker"), ("sell", 3.0, BID, "taker")] == [
        (trade["side"], trade["amount"], trade["price"], trade["takerOrMaker"]) for trade in trades
    ]
    assert ("short", 1.0, BID, 100.0) == tuple(position[k] for k in ("side", "contracts", "entryPrice", "markPrice"))
    fees = sum(trade["fee"]["cost"] for trade in trades)
    assert fees == pytest.approx((2 * ASK + 3 * BID) * 5e-4, rel=1e-12)
    wallet = float(balance["info"]["totalWalletBalance"])
    assert wallet == pytest.approx(10_000 + 2 * (BID - ASK) - fees, rel=1e-12)
    assert balance["USDT"]["total"] == pytest.approx(wallet + (BID - 100.0), rel=1e-12)


@pytest.mark.parametrize(
    ("amount", "price", "params", "raised", "code"),
    [
        (2000, 101, {}, ccxt.InsufficientFunds, -2019),
        (0.04, 101, {}, ccxt.InvalidOrder, -4164),
        (1, 99, {"reduceOnly": True}, ccxt.InvalidOrder, -2022),
        (1, 106, {}, ccxt.BadRequest, -4016),
        (-1, 94, {}, ccxt.BadRequest, -4024),
        (1, 101, {"quantity": "1.0005"}, ccxt.BadRequest, -1111),
        (1, 101, {"price": "101.001"}, ccxt.BadRequest, -1111),
        (1, 101, {"quantity": "0"}, ccxt.BadRequest, -4003),
        (1, 101, {"positionSide": "LONG"}, ccxt.OperationRejected, -4061),
        (1, 101, {"clientOrderId": "x" * 37}, ccxt.BadRequest, -4015),
        (1, 101, {"symbol": "NIXUSDT"}, ccxt.BadSymbol, -1121),
        (1, 100.1, {"timeInForce": "GTX"}, ccxt.OrderNotFillable, -5022),
        (1, 101, {"timeInForce": "DAY"}, ccxt.BadRequest, -1115),
        (1, 101, {"side": "HOLD"}, ccxt.BadRequest, -1117),
    ],
)
def test_what_the_venue_refuses_it_refuses_in_its_own_words(
    do: Do, amount: float, price: float, params: dict[str, Any], raised: type[Exception], code: int
) -> None:
    async def refused(client: Any, url: str) -> Any:
        with pytest.raises(raised, match=f'"code":{code},'):
            await take(client, amount, price, **params)
        return (await true_accounts(url))["binance"]["orders"]

    assert [] == do(refused)


@pytest.mark.parametrize(
    ("call", "raised", "code"),
    [
        (lambda client: client.fetch_order("", AAA, {"clientOrderId": "none"}), ccxt.OrderNotFound, -2013),
        (lambda client: client.cancel_order("", AAA, {"clientOrderId": "none"}), ccxt.OrderNotFound, -2011),
        (lambda client: client.set_leverage(100, AAA), ccxt.BadRequest, -4028),
        (lambda client: client.set_position_mode(False, AAA), ccxt.OperationRejected, -4059),
        (lambda client: client.fapiPrivatePostMarginType({"symbol": "AAAUSDT", "marginType": "CROSSED"}), None, -4046),
    ],
)
def test_what_is_not_there_or_cannot_be_set_is_refused(do: Do, call: Any, raised: Any, code: int) -> None:
    async def refused(client: Any, url: str) -> None:
        await client.load_markets()
        with pytest.raises(raised or ccxt.MarginModeAlreadySet, match=f'"code":{code},'):
            await call(client)

    do(refused)


@pytest.mark.parametrize(
    ("options", "raised", "code"),
    [
        ({"apiKey": "another"}, ccxt.AuthenticationError, -2015),
        ({"secret": "another"}, ccxt.AuthenticationError, -1022),
        ({"options": {"timeDifference": 10_100}}, ccxt.InvalidNonce, -1021),
        ({"options": {"timeDifference": -1500}}, ccxt.InvalidNonce, -1021),
        ({"options": {"timeDifference": 2000, "recvWindow": 1000}}, ccxt.InvalidNonce, -1021),
    ],
)
def test_who_cannot_sign_is_refused_and_nothing_happens(do: Do, options: Any, raised: Any, code: int) -> None:
    async def refused(client: Any, url: str) -> Any:
        with pytest.raises(raised, match=f'"code":{code},'):
            await take(client, 1)
        return await filled(url)

    assert [] == do(refused, **{"options": {"fetchCurrencies": False}} | options)


def test_a_client_id_is_refused_while_its_order_rests_and_executes_twice_after_it_filled(do: Do) -> None:
    async def again(client: Any, url: str) -> Any:
        await rest(client, 1, 98.0, name="same")
        with pytest.raises(ccxt.InvalidOrder, match='"code":-4116,'):
            await take(client, 1, name="same")
        await client.cancel_order("", AAA, {"clientOrderId": "same"})
        await take(client, 1, name="same")
        await take(client, 1, name="same")
        return await filled(url)

    assert [("same", 1.0), ("same", 1.0)] == do(again)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ({"kind": "timeout"}, ccxt.RequestTimeout),
        ({"kind": "reset"}, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 503}, ccxt.OperationFailed),
        ({"kind": "status", "status": 504}, ccxt.RequestTimeout),
    ],
)
@pytest.mark.parametrize("after", [True, False])
def test_a_lost_answer_says_nothing_of_what_happened_and_asking_by_id_does(
    do: Do, fault: dict[str, Any], raised: type[Exception], after: bool
) -> None:
    async def lost(client: Any, url: str) -> Any:
        await client.load_markets()
        client.timeout = 300
        await script_faults(url, fault | {"after": after, "method": "POST", "request": "order", "times": 1})
        with pytest.raises(raised):
            await take(client, 1)
        try:
            return (await client.fetch_order("", AAA, {"clientOrderId": "a1"}))["filled"], await filled(url)
        except ccxt.OrderNotFound:
            return None, await filled(url)

    assert ((1.0, [("a1", 1.0)]) if after else (None, [])) == do(lost)


def test_half_an_answer_is_an_order_without_an_id_although_it_filled(do: Do) -> None:
    async def cut(client: Any, url: str) -> Any:
        await client.load_markets()
        await script_faults(url, {"kind": "cut_json", "request": "order", "times": 1})
        return (await take(client, 1))["id"], await filled(url)

    assert (None, [("a1", 1.0)]) == do(cut)


def test_a_scripted_order_fills_in_part(do: Do) -> None:
    async def partly(client: Any, url: str) -> Any:
        await happen(url, "binance", "partial", percent="37")
        return await take(client, 1), await take(client, 1, name="a2")

    first, second = do(partly)

    assert [("expired", 0.37), ("closed", 1.0)] == [(order["status"], order["filled"]) for order in (first, second)]


def test_a_hidden_order_is_not_found_and_neither_are_its_trades_but_its_position_is(do: Do) -> None:
    async def hidden(client: Any, url: str) -> Any:
        await happen(url, "binance", "hide", seconds=0.4)
        await take(client, 1)
        with pytest.raises(ccxt.OrderNotFound):
            await client.fetch_order("", AAA, {"clientOrderId": "a1"})
        seen = len(await client.fetch_my_trades(AAA)), len(await client.fetch_positions())
        await asyncio.sleep(0.45)
        return seen, (await client.fetch_order("", AAA, {"clientOrderId": "a1"}))["filled"]

    assert ((0, 1), 1.0) == do(hidden)


def test_a_scripted_rejection_comes_once_and_with_its_code(do: Do) -> None:
    async def rejected(client: Any, url: str) -> Any:
        await happen(url, "binance", "reject", code="-2010", words="NEW_ORDER_REJECTED")
        with pytest.raises(ccxt.InvalidOrder, match='"code":-2010,"msg":"NEW_ORDER_REJECTED"'):
            await take(client, 1)
        return (await take(client, 1))["status"]

    assert "closed" == do(rejected)


def test_a_resting_order_fills_at_its_own_price_once_it_is_traded_through(do: Do, world: World) -> None:
    async def through(client: Any, url: str) -> Any:
        placed = await rest(client, 1, 97.0)
        resting = await client.fetch_open_orders(AAA)
        world.clock.advance_to(hour_ms(3))
        return placed, resting, await client.fetch_my_trades(AAA), await client.fetch_open_orders(AAA)

    placed, resting, (trade,), left = do(through)

    assert (["r1"], []) == ([order["clientOrderId"] for order in resting], left)
    assert ("open", True) == (placed["status"], placed["postOnly"])
    assert ("maker", 97.0, 1.0) == (trade["takerOrMaker"], trade["price"], trade["amount"])
    assert trade["fee"]["cost"] == pytest.approx(97 * 2e-4, rel=1e-12)


def test_funding_is_rate_times_mark_times_quantity_paid_by_longs(do: Do, world: World) -> None:
    async def paid(client: Any, url: str) -> Any:
        await take(client, 3)
        world.clock.advance_to(hour_ms(13))
        return await client.fetch_funding_history(AAA), await client.fetch_funding_history(None, hour_ms(11))

    history, since = do(paid)

    assert [(hour_ms(hour) + STAMP_MS, pytest.approx(-3 * 95 * RATE, rel=1e-12)) for hour in (4, 12)] == [
        (row["timestamp"], row["amount"]) for row in history
    ]
    assert [AAA] == [row["symbol"] for row in since]
    assert 2 == len({row["id"] for row in history})


def test_a_liquidation_leaves_no_position_and_trades_of_an_order_that_is_not_ours(tmp_path: Path) -> None:
    world = small_world(tmp_path, {2: 80.0})

    async def talk() -> Any:
        async with trading(world) as (client, url):
            await happen(url, "binance", "transfer", amount="-9000")
            await client.set_leverage(10, AAA)
            for count in range(4):
                await take(client, 20, name=f"a{count}")
            before = await client.fetch_positions()
            world.clock.advance_to(hour_ms(3))
            orders = await client.fetch_orders(AAA)
            return before, await client.fetch_positions(), orders, await client.fetch_balance()

    (before,), after, orders, balance = asyncio.run(talk())

    assert ([], "sell", 80.0) == (after, orders[-1]["side"], orders[-1]["filled"])
    assert orders[-1]["clientOrderId"].startswith("autoclose-")
    assert orders[-1]["average"] == pytest.approx(before["liquidationPrice"], abs=1e-3)
    assert balance["USDT"]["total"] >= 0


def test_cancelling_one_and_all_and_by_the_dead_man_s_switch(do: Do, world: World) -> None:
    async def cancelled(client: Any, url: str) -> Any:
        for number in range(4):
            await rest(client, 1, 98.0 - number, name=f"r{number}")
        one = await client.cancel_order("", AAA, {"clientOrderId": "r0"})
        left = len(await client.fapiPrivateGetOpenOrders())
        await client.cancel_all_orders(AAA)
        none = len(await client.fetch_open_orders(AAA))
        await rest(client, 1, 98.0, name="r9")
        await client.fapiPrivatePostCountdownCancelAll({"symbol": "AAAUSDT", "countdownTime": 60_000})
        world.clock.advance_to(hour_ms(0, 1))
        last = await client.fetch_order("", AAA, {"clientOrderId": "r9"})
        return one["status"], left, none, last["status"]

    assert ("canceled", 3, 0, "canceled") == do(cancelled)


def test_leverage_modes_fees_and_rights_are_as_they_were_set(do: Do) -> None:
    async def told(client: Any, url: str) -> Any:
        await client.set_leverage(4, AAA)
        await client.set_margin_mode("isolated", AAA)
        await client.set_position_mode(True)
        await happen(url, "binance", "permit", withdraw=True)
        leverage, mode = await client.fetch_leverage(AAA), await client.fetch_margin_mode(AAA)
        fee, rights = await client.fetch_trading_fee(AAA), await client.sapiGetAccountApiRestrictions()
        status = await client.fapiPrivateGetApiTradingStatus()
        hedged = (await client.fetch_position_mode())["hedged"]
        return leverage["longLeverage"], mode["marginMode"], hedged, fee["taker"], fee["maker"], rights, status

    leverage, mode, hedged, taker, maker, rights, status = do(told)

    assert (4, "isolated", True, 5e-4, 2e-4, {}) == (leverage, mode, hedged, taker, maker, status["indicators"])
    assert (True, True) == (rights["enableFutures"], rights["enableWithdrawals"])


def test_a_key_that_may_not_trade_may_still_read(do: Do) -> None:
    """What ccxt makes of the refusal depends on whether it ever succeeded: then it takes it for a ban."""

    async def revoked(client: Any, url: str) -> Any:
        await client.load_markets()
        await happen(url, "binance", "permit", trade=False)
        with pytest.raises((ccxt.AuthenticationError, ccxt.DDoSProtection), match="-2015"):
            await take(client, 1)
        return (await client.fetch_balance())["USDT"]["total"], await filled(url)

    assert (10_000.0, []) == do(revoked)


def test_hedge_mode_holds_long_and_short_side_by_side(do: Do) -> None:
    async def hedged(client: Any, url: str) -> Any:
        await client.set_position_mode(True)
        with pytest.raises(ccxt.OperationRejected, match="-4061"):
            await take(client, 1)
        await take(client, 2, hedged=True)
        await take(client, -1, name="a2", hedged=True)
        with pytest.raises(ccxt.OperationRejected, match="-4068"):
            await client.set_position_mode(False)
        await take(client, -2, name="a3", hedged=True, reduceOnly=True)
        return [(one["side"], one["contracts"], one["hedged"]) for one in await client.fetch_positions()]

    assert [("short", 1.0, True)] == do(hedged)


def test_trades_come_in_pages_from_a_number_or_a_time_on(do: Do, world: World) -> None:
    async def paged(client: Any, url: str) -> Any:
        for number in range(5):
            await client.create_order(AAA, "market", "buy", 1)
            world.clock.advance_to(world.now_ms() + HOUR_MS)
        newest = await client.fetch_my_trades(AAA, limit=2)
        first = await client.fetch_my_trades(AAA, hour_ms(1), 2)
        rest = await client.fetch_my_trades(AAA, None, 100, {"fromId": int(first[-1]["id"]) + 1})
        with pytest.raises(ccxt.ExchangeError, match="-4165"):
            await client.fetch_my_trades(AAA, hour_ms(0), None, {"until": hour_ms(24 * 7, 1)})
        return [[(row["timestamp"] - hour_ms(0)) // HOUR_MS for row in page] for page in (newest, first, rest)]

    assert [[3, 4], [1, 2], [3, 4]] == do(paged)


def test_a_stop_waits_until_the_mark_comes_and_closes_at_market(do: Do, world: World) -> None:
    async def stopped(client: Any, url: str) -> Any:
        await take(client, 2)
        with pytest.raises(ccxt.OrderImmediatelyFillable, match="-2021"):
            await client.create_order(AAA, "market", "sell", 2, None, {"stopLossPrice": 101, "reduceOnly": True})
        params = {"stopLossPrice": 97, "reduceOnly": True, "clientOrderId": "s1"}
        placed = await client.create_order(AAA, "market", "sell", 2, None, params)
        waiting = await client.fetch_open_orders(AAA, params={"trigger": True})
        world.clock.advance_to(hour_ms(3))
        left = await client.fetch_open_orders(AAA, params={"trigger": True})
        return placed["id"], [one["id"] for one in waiting], left, await client.fetch_positions(), await filled(url)

    name, waiting, left, positions, fills = do(stopped)

    assert ([name], [], []) == (waiting, left, positions)
    assert [("a1", 2.0), ("s1", -2.0)] == fills


def test_a_trade_by_hand_and_a_deleveraging_are_there_under_names_of_the_venue_s_own(do: Do) -> None:
    async def by_others(client: Any, url: str) -> Any:
        await take(client, 2)
        await happen(url, "binance", "trade", symbol=AAA, quantity="-0.5")
        await happen(url, "binance", "deleverage", symbol=AAA, percent="40")
        orders = await client.fetch_orders(AAA)
        return [one["clientOrderId"].rstrip("0123456789") for one in orders], (await client.fetch_positions())[0]

    names, position = do(by_others)

    assert (["a", "web_", "adl_autoclose"], 0.9) == (names, position["contracts"])
