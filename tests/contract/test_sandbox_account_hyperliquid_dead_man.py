"""The dead man's switch of the sandbox's Hyperliquid, with what ccxt makes of it."""

from collections.abc import Callable
from typing import Any

import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.account_client import happen
from tests.contract.conftest import WorldAt
from tests.contract.hyperliquid_trading import BTC, NOON, Trading, named, refusal, trade

Do = Callable[..., Any]
MINUTE_MS, MINUTE_H = 60_000, 1 / 60


@pytest.fixture
def do(world_at: WorldAt) -> Do:
    return lambda call: trade(world_at(NOON), call)


async def armed(trading: Trading) -> None:
    """An account that has traded a million, an order that rests, and a switch that cancels it in two minutes."""
    for quantity in (2, -2, 2, -2, 2, -2):
        await happen(trading.url, "hyperliquid", "trade", symbol=BTC, quantity=str(quantity), price="95000")
    bid, _ = await trading.touch(BTC)
    await trading.order(BTC, 0.01, float(round(bid * 0.9)), "GTC", clientOrderId=named(1))
    await trading.client.cancel_all_orders_after(2 * MINUTE_MS)


async def stands(trading: Trading) -> str:
    found = await trading.client.fetch_order(named(1), BTC)
    return str(found["status"])


def test_resting_orders_are_cancelled_unless_the_switch_is_told_again_in_time(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await armed(trading)
        states = []
        for renewed in (True, True, False, False):
            trading.advance(1.5 * MINUTE_H)
            if renewed:
                await trading.client.cancel_all_orders_after(2 * MINUTE_MS)
            states.append(await stands(trading))
        return states, await trading.client.fetch_open_orders(BTC)

    assert do(talk) == (["open", "open", "open", "scheduledCancel"], [])


def test_an_action_without_a_time_disarms_it_which_ccxt_cannot_say(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await armed(trading)
        ccxt_s_own = await refusal(trading.client.cancel_all_orders_after(0))
        await trading.signed({"type": "scheduleCancel"})
        trading.advance(1)
        return ccxt_s_own, await stands(trading)

    (kind, words), state = do(talk)

    assert kind is ccxt.ExchangeError
    assert "Scheduled cancel time too early, must be at least 5 seconds from now." in words
    assert state == "open"


def test_an_account_that_has_not_traded_a_million_has_none(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.order(BTC, 0.01, 99_000.0)
        return await refusal(trading.client.cancel_all_orders_after(MINUTE_MS))

    kind, words = do(talk)

    assert kind is ccxt.ExchangeError
    assert "Cannot set scheduled cancel time until enough volume traded. Required: $1000000. Traded: $9" in words
