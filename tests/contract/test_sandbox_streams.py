"""The sandbox's websockets, as the stock ccxt.pro clients and a bare one meet them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import pytest

from backtest.sandbox.client import SandboxClock
from backtest.sandbox.fault_client import faults_met, requests_asked, script_faults
from backtest.sandbox.world import World
from data.market import Market
from data.types import HOUR_MS
from tests.contract.clients import NOW_MS
from tests.contract.conftest import GAP, START_MS
from tests.contract.streamed import SYMBOLS, eventually, sandbox, streaming, touches, world_of

VENUES = sorted(SYMBOLS)
NEVER_MS = 60_000
PING_MS = 150
PLACES = {"binance": "public/ws/0", "bybit": "v5/public/linear", "hyperliquid": "ws"}
SUBSCRIBED = {
    "binance": {"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker", "dogeusdt@bookTicker"], "id": 1},
    "bybit": {"op": "subscribe", "args": ["orderbook.1.BTCUSDT", "orderbook.1.DOGEUSDT"], "req_id": "1"},
    "hyperliquid": {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "DOGE"}},
}
UNSUBSCRIBED = {
    "binance": {"method": "UNSUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 2},
    "bybit": {"op": "unsubscribe", "args": ["orderbook.1.BTCUSDT"], "req_id": "2"},
    "hyperliquid": {"method": "unsubscribe", "subscription": {"type": "l2Book", "coin": "BTC"}},
}
NOWHERE = {"method": "subscribe", "subscription": {"type": "l2Book", "coin": "XYZ"}}


@pytest.fixture
def world(sandbox_market: Market, tmp_path: Path) -> World:
    return world_of(sandbox_market, tmp_path)


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_streamed_is_what_the_venue_answers_when_asked(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, streaming(url, venue) as client:
            books = [await client.fetch_order_book(symbol) for symbol in SYMBOLS[venue]]
            asked = {book["symbol"]: (book["bids"][0][0], book["asks"][0][0], NOW_MS) for book in books}
            assert asked == await touches(client, venue)

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_prices_are_told_at_once_when_the_clock_is_moved(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world, push_ms=NEVER_MS) as url, streaming(url, venue) as client, SandboxClock(url) as clock:
            before = await touches(client, venue)
            told = client.orderbooks if venue == "hyperliquid" else client.bidsasks
            assert {NOW_MS} == {row["timestamp"] for row in told.values()}
            await clock.sleep_until(NOW_MS + HOUR_MS)
            await eventually(lambda: {NOW_MS + HOUR_MS} == {row["timestamp"] for row in told.values()})
            assert set(before) == set(told)

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_pings_are_answered(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, streaming(url, venue, ping_ms=PING_MS) as client:
            await touches(client, venue)
            (line,) = client.clients.values()
            # ccxt takes the first ping's own time for that of a pong.
            await eventually(lambda: (line.lastPong or 0) >= line.connectionEstablished + 2 * PING_MS)
            assert line.error is None

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_a_stale_stream_stays_open_and_says_nothing(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world, {"kind": "stale", "venue": venue}) as url, streaming(url, venue) as client:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(touches(client, venue), 0.3)
            (line,) = client.clients.values()
            assert not line.connection.closed
            assert {"stale": 1} == (await faults_met(url))["injected"][venue]

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("fault", "request_of"),
    [
        ({"kind": "drop"}, ""),
        ({"kind": "status", "status": 503}, "*"),
        ({"kind": "reset"}, "*"),
        ({"kind": "down"}, ""),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
@pytest.mark.parametrize("venue", VENUES)
def test_a_broken_or_refused_stream_is_a_network_error(
    world: World, venue: str, fault: dict[str, Any], request_of: str
) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, streaming(url, venue) as client:
            told = fault | ({"request": PLACES[venue].replace("0", request_of)} if request_of else {})
            await script_faults(url, told)
            with pytest.raises(ccxt.NetworkError):
                await asyncio.wait_for(touches(client, venue), 10)
            assert [fault["kind"]] == list((await faults_met(url))["injected"][venue])

    asyncio.run(talk())


def test_a_fault_that_loses_answers_does_not_concern_a_stream_and_a_stream_weighs_nothing(world: World) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, streaming(url, "binance") as client:
            asked = (await requests_asked(url))["binance"]
            await script_faults(url, {"kind": "cut"}, {"kind": "reset", "after": True})
            assert SYMBOLS["binance"] == tuple(sorted(await touches(client, "binance"), key=SYMBOLS["binance"].index))
            assert asked == (await requests_asked(url))["binance"]

    asyncio.run(talk())


def said(world: World, venue: str, *messages: Any, heard: int) -> list[Any]:
    """The first messages that a bare client hears that says those."""

    async def talk() -> list[Any]:
        async with (
            sandbox(world, push_ms=NEVER_MS) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/{venue}/{PLACES[venue]}") as socket,
        ):
            for message in messages:
                await socket.send_str(message if isinstance(message, str) else json.dumps(message))
            return [json.loads((await socket.receive(10)).data) for _ in range(heard)]

    return asyncio.run(talk())


def test_in_a_gap_a_stream_tells_an_empty_book(sandbox_market: Market, tmp_path: Path) -> None:
    world = world_of(sandbox_market, tmp_path, START_MS + GAP[1] * HOUR_MS)
    binance = said(world, "binance", SUBSCRIBED["binance"], heard=3)[-1]
    bybit = said(world, "bybit", SUBSCRIBED["bybit"], heard=3)[-1]
    hyperliquid = said(world, "hyperliquid", SUBSCRIBED["hyperliquid"], heard=2)[-1]

    assert ("DOGEUSDT", "0.0", "0.0") == (binance["s"], binance["b"], binance["a"])
    assert ("DOGEUSDT", [], []) == (bybit["data"]["s"], bybit["data"]["b"], bybit["data"]["a"])
    assert ("DOGE", [[], []]) == (hyperliquid["data"]["coin"], hyperliquid["data"]["levels"])


@pytest.mark.parametrize(
    ("venue", "message", "answer"),
    [
        ("binance", {"method": "LIST_SUBSCRIPTIONS", "id": 3}, {"result": ["btcusdt@bookTicker"], "id": 3}),
        ("binance", {"method": "SUBSCRIBE", "params": ["x"]}, {"code": 2, "msg": "Invalid request: invalid stream"}),
        ("binance", {"method": "LEAVE"}, {"code": 2, "msg": "Invalid request: unknown variant `LEAVE`"}),
        ("binance", "{", {"code": 3, "msg": "Invalid JSON"}),
        ("binance", "[]", {"code": 2, "msg": "Invalid request: missing field `method`"}),
        ("bybit", {"op": "ping", "req_id": "7"}, (True, "pong")),
        ("bybit", {"op": "subscribe", "args": ["XYZ"]}, (False, "error:handler not found,topic:XYZ")),
        ("bybit", {"op": "leave"}, (False, "error:invalid op leave")),
        ("bybit", "{", (False, "Invalid request")),
        ("hyperliquid", {"method": "ping"}, {"channel": "pong"}),
        ("hyperliquid", NOWHERE, "Invalid subscription"),
        ("hyperliquid", UNSUBSCRIBED["hyperliquid"], "Already unsubscribed"),
        ("hyperliquid", "{", "Error parsing JSON"),
    ],
)  # fmt: skip
def test_what_a_client_says_is_answered_in_the_venues_words(
    world: World, venue: str, message: Any, answer: Any
) -> None:
    before = [{"method": "SUBSCRIBE", "params": ["btcusdt@bookTicker"], "id": 1}] if venue == "binance" else []
    heard = said(world, venue, *before, message, heard=1 + 2 * len(before))
    (told,) = (one for one in heard[len(before) :] if one.get("e") is None) if before else heard
    shown = {
        "binance": lambda: told.get("error", told),
        "bybit": lambda: (told["success"], told["ret_msg"]),
        "hyperliquid": lambda: told["data"][: len(answer)] if isinstance(answer, str) else told,
    }[venue]()
    assert answer == shown


@pytest.mark.parametrize("venue", VENUES)
def test_what_is_no_longer_subscribed_is_no_longer_told(world: World, venue: str) -> None:
    also = [UNSUBSCRIBED[venue] | {"method": "subscribe"}] if venue == "hyperliquid" else []

    async def talk() -> None:
        async with (
            sandbox(world) as url,
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{url}/{venue}/{PLACES[venue]}") as socket,
        ):
            for message in (SUBSCRIBED[venue], *also, UNSUBSCRIBED[venue]):
                await socket.send_json(message)
            heard = [(await socket.receive(10)).data for _ in range(20)]
            assert any("DOGE" in message for message in heard[10:])
            assert not any("BTC" in message for message in heard[10:])

    asyncio.run(talk())
