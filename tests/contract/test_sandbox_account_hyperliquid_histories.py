"""What the sandbox's Hyperliquid keeps of an account for good: fills, funding, what the venue did by itself."""

from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from backtest.sandbox.account_client import happen, true_accounts
from data.market import Market
from data.types import HOUR_MS
from tests.contract.conftest import WorldAt
from tests.contract.hyperliquid_trading import BTC, DOGE, NOON, WALLET, Trading, named, trade

Do = Callable[[Callable[[Trading], Awaitable[Any]]], Any]


@pytest.fixture
def do(world_at: WorldAt) -> Do:
    """`do(call)`: what `call(trading)` gives."""
    return lambda call: trade(world_at(NOON), call)


def test_a_position_may_be_turned_over_and_each_fill_tells_what_was_held_before(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        for quantity in (0.05, 0.02, -0.03, -0.1, 0.06):
            await trading.take(quantity)
        rows = await trading.client.publicPostInfo({"type": "userFillsByTime", "user": WALLET, "startTime": 0})
        return [(row["dir"], row["startPosition"]) for row in rows]

    assert do(talk) == [
        ("Open Long", "0.0"),
        ("Open Long", "0.05"),
        ("Close Long", "0.07"),
        ("Long > Short", "0.04"),
        ("Close Short", "-0.06"),
    ]


def test_funding_is_paid_at_every_settlement_of_what_was_held(do: Do, sandbox_market: Market) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take(0.05)
        await trading.order(DOGE, -5000.0, (await trading.touch(DOGE))[0])
        trading.advance(3.5)
        balance = await trading.client.fetch_balance()
        paid = await trading.client.fetch_funding_history(since=NOON)
        truth = (await true_accounts(trading.url))["hyperliquid"]
        return paid, truth, balance["USDC"]["total"]

    paid, truth, total = do(talk)

    expected = []
    for symbol, held in ((BTC, 0.05), (DOGE, -5000.0)):
        settled, bars = sandbox_market.settlements["hyperliquid", symbol], sandbox_market.bars["hyperliquid", symbol]
        for index in np.flatnonzero((settled.stamp > NOON) & (settled.stamp <= NOON + 3.5 * HOUR_MS)):
            mark = bars.close[np.searchsorted(bars.open_time, settled.time[index] - HOUR_MS)]
            expected.append((symbol, int(settled.stamp[index]), -held * mark * settled.rate[index]))
    assert len(expected) >= 6
    told = [(row["symbol"], row["timestamp"], row["amount"]) for row in paid]
    assert sorted(told) == [
        (symbol, stamp, pytest.approx(amount, rel=1e-12)) for symbol, stamp, amount in sorted(expected)
    ]
    assert total == pytest.approx(float(truth["equity"]), rel=1e-12)


def test_payments_and_fills_come_in_pages_from_a_time_on(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take(0.05)
        await trading.order(DOGE, 5000.0, (await trading.touch(DOGE))[1])
        trading.advance(290)
        await trading.take(0.01)
        first = await trading.client.fetch_funding_history(since=NOON)
        rest = await trading.client.fetch_funding_history(since=first[-1]["timestamp"] + 1)
        fills = await trading.client.fetch_my_trades(BTC, since=NOON + 1)
        truth = (await true_accounts(trading.url))["hyperliquid"]
        return first, rest, truth["payments"], [fill["amount"] for fill in fills]

    first, rest, payments, fills = do(talk)

    assert (len(first), fills) == (500, [0.01])
    told = [(row["symbol"], row["timestamp"]) for row in first + rest]
    assert told == [(payment["symbol"], payment["time_ms"]) for payment in payments]


def test_liquidations_and_deleveraging_are_told_as_such_and_bear_no_name(do: Do) -> None:
    async def talk(trading: Trading) -> Any:
        await trading.take(0.05, clientOrderId=named(5))
        await happen(trading.url, "hyperliquid", "deleverage", symbol=BTC, percent=40)
        await happen(trading.url, "hyperliquid", "liquidate")
        fills = await trading.client.fetch_my_trades(BTC)
        liquidated = await trading.client.fetch_my_liquidations(BTC)
        return [(f["info"]["dir"], f["amount"], "cloid" in f["info"]) for f in fills], liquidated[0]["contracts"]

    assert do(talk) == (
        [("Open Long", 0.05, True), ("Auto-Deleveraging", 0.02, False), ("Close Long", 0.03, False)],
        0.03,
    )
