"""What the sandbox's Binance USD-M refuses, loses and hides of a stock ccxt client's orders, and what is true then."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen, true_accounts
from backtest.sandbox.fault_client import script_faults
from backtest.sandbox.world import World
from tests.contract.signed import filled, rest, take, traded
from tests.fakes.account_worlds import AAA, BBB, small_world

Do = Callable[..., Any]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """AAA comes down to 95 in the second hour and stays there."""
    return small_world(tmp_path, {2: 95.0}, (AAA, BBB))


@pytest.fixture
def do(world: World) -> Do:
    """`do(trade)`: what `trade(client, url)` gives in the world."""
    return partial(traded, world)


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


def test_a_key_that_may_not_trade_may_still_read(do: Do) -> None:
    async def revoked(client: Any, url: str) -> Any:
        await client.load_markets()
        await happen(url, "binance", "permit", trade=False)
        with pytest.raises(ccxt.AuthenticationError, match='"code":-2015,'):
            await take(client, 1)
        return (await client.fetch_balance())["USDT"]["total"], await filled(url)

    assert (10_000.0, []) == do(revoked)
