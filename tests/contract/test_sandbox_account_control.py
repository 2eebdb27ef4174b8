"""The control of the sandbox's accounts and distortions over HTTP, and accounts that outlive their process."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.account_client import distort, happen, true_accounts
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World, WorldFile
from data.errors import ConfigurationError
from data.settings import SyntheticSettings, VenueSettings
from tests.contract.signed import Trade, binance_at, trading
from tests.fakes.account_worlds import AAA, hour_ms, small_world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return small_world(tmp_path)


def talk(world: World, trade: Trade) -> Any:
    async def run() -> Any:
        async with trading(world) as (client, url):
            return await trade(client, url)

    return asyncio.run(run())


def test_the_truth_is_told_whole_and_without_a_key(world: World) -> None:
    async def told(client: Any, url: str) -> Any:
        await client.create_order(AAA, "limit", "buy", 1, 101, {"timeInForce": "IOC", "clientOrderId": "a1"})
        return (await true_accounts(url))["binance"]

    truth = talk(world, told)

    assert {"cash", "equity", "free", "positions", "orders", "fills", "payments", "dead_man", "hedge"} <= truth.keys()
    assert ("USDT", "1", "a1") == (truth["quote"], truth["positions"][0]["quantity"], truth["fills"][0]["client_id"])


@pytest.mark.parametrize(
    ("venue", "kind", "event", "said"),
    [
        ("kraken", "liquidate", {}, "choose from binance"),
        ("binance", "strange", {}, "that is no event"),
        ("binance", "partial", {"percent": "100"}, "less than 100"),
        ("binance", "trade", {"symbol": "NIX/USDT:USDT", "quantity": "1"}, "UNKNOWN_SYMBOL|unknown_symbol"),
        ("binance", "deleverage", {"symbol": AAA, "percent": "40"}, "the venue refuses"),
    ],
)
def test_what_is_not_understood_is_refused_with_a_sentence(
    world: World, venue: str, kind: str, event: dict[str, Any], said: str
) -> None:
    async def refused(client: Any, url: str) -> None:
        with pytest.raises(ConfigurationError, match=said):
            await happen(url, venue, kind, **event)

    talk(world, refused)


def test_modes_and_money_change_by_hand(world: World) -> None:
    async def changed(client: Any, url: str) -> Any:
        await happen(url, "binance", "modes", hedge=True, isolated=[AAA])
        await happen(url, "binance", "transfer", amount="-123.25")
        return (await client.fetch_position_mode())["hedged"], (await true_accounts(url))["binance"]

    hedged, truth = talk(world, changed)

    assert (True, [AAA], "9876.75") == (hedged, truth["isolated"], truth["cash"].rstrip("0"))


def test_a_liquidation_can_be_ordered(world: World) -> None:
    async def liquidated(client: Any, url: str) -> Any:
        await client.create_order(AAA, "limit", "buy", 1, 101, {"timeInForce": "IOC"})
        return await happen(url, "binance", "liquidate")

    assert [] == talk(world, liquidated)["positions"]


def test_distortions_show_in_books_marks_and_timestamps(world: World) -> None:
    async def seen(client: Any, url: str) -> Any:
        await distort(url, {"kind": "crossed"}, {"kind": "frozen"}, {"kind": "mark", "factor": 0.5, "venue": "binance"})
        world.clock.advance_to(hour_ms(1))
        book, rate = await client.fetch_order_book(AAA, 5), await client.fetch_funding_rate(AAA)
        await distort(url, {"kind": "empty"})
        empty = await client.fetch_order_book(AAA, 5)
        await distort(url)
        return book, rate, empty, await client.fetch_order_book(AAA, 5)

    book, rate, empty, healed = talk(world, seen)

    assert (True, hour_ms(0), 50.0) == (book["bids"][0][0] > book["asks"][0][0], book["timestamp"], rate["markPrice"])
    assert ([], []) == (empty["bids"], empty["asks"])
    assert (99.9, 100.1, hour_ms(1)) == (healed["bids"][0][0], healed["asks"][0][0], healed["timestamp"])


def test_a_mark_that_is_shocked_liquidates_at_once(world: World) -> None:
    async def shocked(client: Any, url: str) -> Any:
        await client.create_order(AAA, "limit", "buy", 40, 101, {"timeInForce": "IOC"})
        await happen(url, "binance", "transfer", amount="-8000")
        await distort(url, {"kind": "mark", "factor": 0.4})
        return (await true_accounts(url))["binance"]

    truth = talk(world, shocked)

    assert ([], "liquidation") == (truth["positions"], truth["fills"][-1]["origin"])


def test_a_distortion_that_is_not_understood_is_refused(world: World) -> None:
    async def refused(client: Any, url: str) -> None:
        with pytest.raises(ConfigurationError, match="factor"):
            await distort(url, {"kind": "price"})
        with pytest.raises(ConfigurationError, match="kraken"):
            await distort(url, {"kind": "empty", "venue": "kraken"})

    talk(world, refused)


def test_an_account_goes_on_after_its_sandbox_was_killed(tmp_path: Path) -> None:
    synthetic = SyntheticSettings(days=20, assets=("BTC",), episode=False)
    told = WorldFile(settings=SandboxSettings(synthetic=synthetic, past_days=0), venues={"binance": VenueSettings()})
    symbol = "BTC/USDT:USDT"

    async def buys(url: str) -> Any:
        client = binance_at(url)
        try:
            await client.create_order(symbol, "market", "buy", 0.01, None, {"clientOrderId": "a1"})
            price = (await client.fetch_ticker(symbol))["last"]
            await client.create_order(symbol, "limit", "buy", 0.01, price * 0.97, {"clientOrderId": "a2"})
        finally:
            await client.close()
        return await true_accounts(url)

    with SandboxProcess(told, tmp_path / "world.json") as first:
        before = asyncio.run(buys(first.url))
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)
    with SandboxProcess(told, tmp_path / "world.json") as second:
        after = asyncio.run(true_accounts(second.url))

    assert before == after
    assert (["a1", "a2"], 1) == (
        [order["ticket"]["client_id"] for order in after["binance"]["orders"]],
        len(after["binance"]["fills"]),
    )
