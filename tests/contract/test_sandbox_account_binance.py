"""An account at the sandbox's Binance USD-M, as the stock ccxt client trades in it over HTTP."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen
from backtest.sandbox.world import World
from data.types import HOUR_MS
from tests.contract.signed import filled, rest, take, traded, trading
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
    return partial(traded, world)


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


def test_a_scripted_order_fills_in_part(do: Do) -> None:
    async def partly(client: Any, url: str) -> Any:
        await happen(url, "binance", "partial", percent="37")
        return await take(client, 1), await take(client, 1, name="a2")

    first, second = do(partly)

    assert [("expired", 0.37), ("closed", 1.0)] == [(order["status"], order["filled"]) for order in (first, second)]


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
        for _ in range(5):
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
