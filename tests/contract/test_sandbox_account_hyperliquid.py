"""An account at the sandbox's Hyperliquid, as the stock ccxt client trades with it over HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen
from backtest.sandbox.world import World
from data.market import Market
from tests.contract.conftest import WorldAt
from tests.contract.hyperliquid_trading import (
    BALANCE,
    BTC,
    MAKER,
    NOON,
    TAKER,
    Trading,
    named,
    refusal,
    trade,
)

Do = Callable[[Callable[[Trading], Awaitable[Any]]], Any]


@pytest.fixture
def world(world_at: WorldAt) -> World:
    return world_at(NOON)


@pytest.fixture
def do(world: World) -> Do:
    """`do(call)`: what `call(trading)` gives."""
    return lambda call: trade(world, call)


def test_an_ioc_order_trades_with_the_book_and_all_that_is_told_of_it_agrees(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        placed = await trading.take(clientOrderId=named(0xAB))
        client = trading.client
        found = await client.fetch_order(placed["id"], BTC), await client.fetch_order(named(0xAB), BTC)
        return ask, placed, found, await client.fetch_my_trades(BTC), await client.fetch_positions()

    ask, placed, (by_number, by_name), (fill,), (position,) = do(talk)

    assert (placed["filled"], placed["average"], placed["info"]["filled"]["cloid"]) == (0.05, ask, named(0xAB))
    assert by_number == by_name
    assert (by_name["status"], by_name["amount"], by_name["filled"], by_name["remaining"]) == ("closed", 0.05, 0.05, 0)
    assert (by_name["clientOrderId"], by_name["timeInForce"], by_name["timestamp"]) == (named(0xAB), "IOC", NOON)
    assert (fill["order"], fill["amount"], fill["price"], fill["side"]) == (placed["id"], 0.05, ask, "buy")
    assert (fill["takerOrMaker"], fill["timestamp"], fill["info"]["cloid"]) == ("taker", NOON, named(0xAB))
    assert fill["fee"]["cost"] == pytest.approx(0.05 * ask * TAKER, rel=1e-12)
    assert (position["contracts"], position["side"], position["entryPrice"]) == (0.05, "long", ask)


def test_money_is_the_balance_less_fees_with_what_positions_are_worth(do: Do, sandbox_market: Market) -> None:
    async def talk(trading: Trading) -> Any:
        placed = await trading.take()
        return placed["average"], await trading.client.fetch_balance(), await trading.client.fetch_positions()

    entry, balance, (position,) = do(talk)

    mark = sandbox_market.mid(("hyperliquid", BTC), NOON)
    equity = BALANCE - 0.05 * entry * TAKER + 0.05 * (mark - entry)
    assert balance["USDC"]["total"] == pytest.approx(equity, rel=1e-12)
    assert position["markPrice"] == pytest.approx(mark, rel=1e-12)
    assert position["unrealizedPnl"] == pytest.approx(0.05 * (mark - entry), rel=1e-9)
    assert balance["USDC"]["used"] == pytest.approx(0.05 * mark / position["leverage"], rel=1e-12)


def test_an_ioc_order_takes_what_lies_within_its_limit_and_its_rest_is_gone(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        book = await trading.client.fetch_order_book(BTC)
        (first, depth), (second, _) = book["asks"][:2]
        placed = await trading.order(BTC, round(depth + 0.01, 5), first)
        found = await trading.client.fetch_order(placed["id"], BTC)
        return depth, first < second, placed, found, await trading.client.fetch_open_orders(BTC)

    depth, has_levels, placed, found, resting = do(talk)

    assert has_levels and placed["filled"] == depth
    assert (found["status"], found["filled"], found["remaining"]) == ("closed", depth, 0.01)
    assert resting == []


def test_a_scripted_share_is_filled(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await happen(trading.url, "hyperliquid", "partial", percent=37)
        placed = await trading.take(0.1)
        return placed["filled"], (await trading.take(0.1))["filled"]

    assert do(talk) == (0.037, 0.1)


def test_a_resting_order_fills_as_maker_at_its_own_price_once_the_market_trades_through(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        bid, _ = await trading.touch(BTC)
        limit = float(round(bid * 0.995))
        placed = await trading.order(BTC, 0.05, limit, "ALO", clientOrderId=named(1))
        before = await trading.client.fetch_open_orders(BTC)
        while await trading.client.fetch_open_orders(BTC):
            trading.advance(1)
        return limit, placed, before, await trading.client.fetch_my_trades(BTC)

    limit, placed, (resting,), (fill,) = do(talk)

    assert (placed["id"], named(1)) == (resting["id"], resting["clientOrderId"])
    assert (resting["status"], resting["price"], resting["remaining"], resting["postOnly"]) == (
        "open",
        limit,
        0.05,
        True,
    )
    assert (fill["price"], fill["amount"], fill["takerOrMaker"], fill["order"]) == (limit, 0.05, "maker", placed["id"])
    assert fill["fee"]["cost"] == pytest.approx(0.05 * limit * MAKER, rel=1e-12)


async def rested(trading: Trading, *numbers: int) -> None:
    bid, _ = await trading.touch(BTC)
    for number in numbers:
        await trading.order(BTC, 0.01, float(round(bid * 0.9)), "GTC", clientOrderId=named(number))


def test_resting_orders_are_cancelled_by_number_by_name_and_together(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        client = trading.client
        await rested(trading, 1, 2, 3, 4)
        by_name = {order["clientOrderId"]: order["id"] for order in await client.fetch_open_orders()}
        await client.cancel_order(by_name[named(1)], BTC)
        await client.cancel_order("", BTC, {"clientOrderId": named(2)})
        between = await client.fetch_open_orders()
        await client.cancel_orders_for_symbols([{"clientOrderId": named(n), "symbol": BTC} for n in (3, 4)])
        found = await client.fetch_order(named(2), BTC)
        return {o["clientOrderId"] for o in between}, await client.fetch_open_orders(), found["status"]

    assert do(talk) == ({named(3), named(4)}, [], "canceled")


def test_what_is_gone_cannot_be_cancelled(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        placed = await trading.take()
        return await refusal(trading.client.cancel_order(placed["id"], BTC))

    kind, words = do(talk)

    assert kind is ccxt.OrderNotFound
    assert "Order was never placed, already canceled, or filled. asset=0" in words


def test_a_reduce_only_order_is_cut_down_to_the_position(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take(0.05)
        bid, _ = await trading.touch(BTC)
        await trading.order(BTC, -0.2, float(round(bid * 1.1)), "GTC", reduceOnly=True, clientOrderId=named(1))
        resting = (await trading.client.fetch_open_orders(BTC))[0]["info"]
        closed = await trading.order(BTC, -0.2, bid, reduceOnly=True)
        trading.advance(1)
        positions = await trading.client.fetch_positions()
        return resting, closed["filled"], positions

    resting, filled, positions = do(talk)

    assert (resting["sz"], resting["origSz"], resting["reduceOnly"]) == ("0.05", "0.2", True)
    assert (filled, positions) == (0.05, [])


def test_a_position_below_the_minimum_can_be_closed_though_not_opened(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take(0.05)
        await trading.take(-0.0499)
        opening = await refusal(trading.take(0.0001))
        closing = await trading.take(-0.0001, reduceOnly=True)
        return opening, closing["filled"], await trading.client.fetch_positions()

    (kind, words), filled, positions = do(talk)

    assert kind is ccxt.InvalidOrder
    assert "Order must have minimum value of $10. asset=0" in words
    assert (filled, positions) == (0.0001, [])


def test_what_was_sent_but_not_answered_took_effect_once_and_is_found_by_its_name(world: World) -> None:
    async def talk(trading: Trading) -> Any:
        _, ask = await trading.touch(BTC)
        kind, _ = await refusal(trading.order(BTC, 0.05, ask, clientOrderId=named(9)))
        return kind, await trading.client.fetch_order(named(9), BTC), await trading.client.fetch_my_trades(BTC)

    lost = {"kind": "reset", "after": True, "request": "exchange/order", "times": 1}
    kind, found, fills = trade(world, talk, faults=(lost,))

    assert issubclass(kind, ccxt.NetworkError)
    assert (found["status"], found["filled"], [fill["amount"] for fill in fills]) == ("closed", 0.05, [0.05])


def test_a_hidden_order_is_in_the_position_but_in_no_query_until_its_time(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        client = trading.client
        await happen(trading.url, "hyperliquid", "hide", seconds=20)
        await trading.take(clientOrderId=named(7))
        kind, _ = await refusal(client.fetch_order(named(7), BTC))
        hidden = kind, await client.fetch_my_trades(BTC), len(await client.fetch_positions())
        trading.wall_s += 21
        found = await client.fetch_order(named(7), BTC), await client.fetch_my_trades(BTC)
        return hidden, found[0]["status"], len(found[1])

    assert do(talk) == ((ccxt.OrderNotFound, [], 1), "closed", 1)


def test_leverage_is_set_by_contract_and_shown_with_the_position(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        client = trading.client
        await client.set_leverage(3, BTC)
        await trading.take()
        too_much, _ = await refusal(client.set_leverage(50, BTC))
        switched = await refusal(client.set_leverage(3, BTC, {"marginMode": "isolated"}))
        await client.set_leverage(5, BTC)
        (position,) = await client.fetch_positions([BTC])
        return too_much, switched[1], position["leverage"], position["marginMode"]

    too_much, switched, leverage, mode = do(talk)

    assert too_much is ccxt.ExchangeError
    assert "Cannot switch leverage type with open position." in switched
    assert (leverage, mode) == (5.0, "cross")


def test_the_fees_are_those_that_are_charged(do: Do) -> None:
    fee = do(lambda trading: trading.client.fetch_trading_fee(BTC))

    assert (fee["taker"], fee["maker"]) == (TAKER, MAKER)


def test_another_address_has_nothing_here(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take()
        stranger = {"user": "0x" + 40 * "1"}
        client = trading.client
        money = await client.fetch_balance(stranger)
        return (
            money["USDC"]["total"],
            await client.fetch_positions(None, stranger),
            await client.fetch_my_trades(BTC, params=stranger),
        )

    assert do(talk) == (0.0, [], [])
