"""Scripted faults as the stock ccxt clients meet them over HTTP."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.async_support as ccxt
import pytest
from aiohttp import web

from backtest.sandbox.fault_client import faults_met, script_faults
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World
from data.types import HOUR_MS
from tests.contract.clients import LATE_MS, NOW_MS, client_at, outcome, served

Ask = Callable[[Any], Awaitable[Any]]


@pytest.fixture
def world(world_at: Callable[[int], World]) -> World:
    return world_at(NOW_MS)


def met(world: World, venue: str, *faults: dict[str, Any], ask: Ask | None = None) -> tuple[Any, dict[str, Any]]:
    """What a client gets that asks for the time under `faults`, and the counts of what was injected there."""

    async def talk() -> tuple[Any, dict[str, Any]]:
        async with served(world, venue, faults=faults) as (client, url):
            got = await outcome(client.fetch_time() if ask is None else ask(client))
            return got, (await faults_met(url))["injected"][venue]

    return asyncio.run(talk())


@pytest.mark.parametrize(
    ("fault", "binance", "hyperliquid"),
    [
        ({"kind": "status", "status": 429}, ccxt.DDoSProtection, ccxt.RateLimitExceeded),
        ({"kind": "status", "status": 418}, ccxt.DDoSProtection, ccxt.DDoSProtection),
        ({"kind": "status", "status": 403}, ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 500}, ccxt.OperationFailed, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 502}, ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 503}, ccxt.OperationFailed, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 503, "page": True}, ccxt.ExchangeNotAvailable, ccxt.ExchangeNotAvailable),
        ({"kind": "status", "status": 504}, ccxt.RequestTimeout, ccxt.RequestTimeout),
        ({"kind": "timeout"}, ccxt.RequestTimeout, ccxt.RequestTimeout),
        ({"kind": "cut"}, ccxt.ExchangeError, ccxt.ExchangeError),
        ({"kind": "delay", "ms": LATE_MS}, ccxt.RequestTimeout, ccxt.RequestTimeout),
        ({"kind": "delay", "ms": 1}, NOW_MS, NOW_MS),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_the_stock_client_raises_what_the_fault_is_to_it(
    world: World, fault: dict[str, Any], binance: Any, hyperliquid: Any
) -> None:
    assert (binance, {fault["kind"]: 1}) == met(world, "binance", fault)
    assert (hyperliquid, {fault["kind"]: 1}) == met(world, "hyperliquid", fault)


@pytest.mark.parametrize("kind", ["reset", "down"])
def test_a_read_by_get_is_sent_again_below_ccxt_when_the_connection_breaks(world: World, kind: str) -> None:
    """aiohttp does that once with whatever HTTP calls idempotent, PUT and DELETE too, and never with POST."""
    assert (ccxt.ExchangeNotAvailable, {kind: 2}) == met(world, "binance", {"kind": kind})
    assert (ccxt.ExchangeNotAvailable, {kind: 1}) == met(world, "hyperliquid", {"kind": kind})


def test_one_reset_of_a_get_is_not_even_noticed(world: World) -> None:
    assert (NOW_MS, {"reset": 1}) == met(world, "binance", {"kind": "reset", "times": 1})


@pytest.mark.parametrize("kind", ["empty", "html", "cut_json"])
def test_an_answer_of_status_200_without_json_is_no_error_to_ccxt(world: World, kind: str) -> None:
    """Which is why the gateway checks it: None for a time is what a caller would work with."""
    assert (None, {kind: 1}) == met(world, "binance", {"kind": kind})


def test_a_text_can_stand_in_for_an_answer(world: World) -> None:
    fault = {"kind": "answer", "text": '{"serverTime": 5}'}
    assert (5, {"answer": 1}) == met(world, "binance", fault)


def test_rows_can_be_told_twice_and_the_last_one_first(world: World) -> None:
    async def stamps(client: Any) -> list[int]:
        rows = await client.fapiPublicGetKlines({"symbol": "BTCUSDT", "interval": "1h", "limit": 3})
        return [int(row[0]) for row in rows]

    (plain, _), (doubled, counts) = (met(world, "binance", *told, ask=stamps) for told in ([], [{"kind": "doubled"}]))
    assert ([stamp for stamp in reversed(plain) for _ in range(2)], {"doubled": 1}) == (doubled, counts)


def test_the_client_reads_how_long_to_wait(world: World) -> None:
    async def talk(client: Any) -> str:
        with pytest.raises(ccxt.DDoSProtection, match="-1003"):
            await client.fetch_time()
        return str(client.last_response_headers["Retry-After"])

    fault = {"kind": "status", "status": 418, "retry_after_s": 77}
    assert ("77", {"status": 1}) == met(world, "binance", fault, ask=talk)


def test_a_body_can_be_given_word_for_word(world: World) -> None:
    body = '{"code":-1007,"msg":"Send status unknown; execution status unknown."}'
    fault = {"kind": "status", "status": 503, "body": body}
    assert (ccxt.RequestTimeout, {"status": 1}) == met(world, "binance", fault)


def test_a_fault_meets_the_requests_that_it_names_and_no_others(world: World) -> None:
    async def talk() -> list[Any]:
        async with served(world, "hyperliquid") as (client, url):
            await script_faults(url, {"kind": "status", "status": 502, "request": "l2Book"})
            book = {"type": "l2Book", "coin": "BTC"}
            return [await outcome(client.fetch_time()), await outcome(client.publicPostInfo(book))]

    assert [NOW_MS, ccxt.ExchangeNotAvailable] == asyncio.run(talk())


def test_a_fault_of_one_venue_leaves_the_other_alone(world: World) -> None:
    assert (NOW_MS, {}) == met(world, "hyperliquid", {"kind": "down", "venue": "binance"})


def outcomes(world: World, number: int, *faults: dict[str, Any]) -> list[bool]:
    """Whether each of so many requests for the time goes well."""

    async def talk() -> list[bool]:
        async with served(world, "binance", faults=faults) as (client, _):
            return [NOW_MS == await outcome(client.fetch_time()) for _ in range(number)]

    return asyncio.run(talk())


def test_the_next_so_many_requests_fail(world: World) -> None:
    assert [False, False, True, True] == outcomes(world, 4, {"kind": "status", "status": 503, "times": 2})


def test_every_third_request_fails(world: World) -> None:
    assert [True, True, False] * 2 == outcomes(world, 6, {"kind": "status", "status": 503, "every": 3})


def test_the_same_seed_gives_the_same_faults(world: World) -> None:
    def drawn(seed: int) -> list[bool]:
        return outcomes(world, 40, {"kind": "status", "status": 503, "probability": 0.3, "seed": seed})

    first, again, other = drawn(5), drawn(5), drawn(6)

    assert first == again != other
    assert 4 <= first.count(False) <= 20


def test_a_window_of_market_time_opens_and_closes_with_the_clock(world: World) -> None:
    fault = {"kind": "down", "begin": "2025-01-16T05:00:00Z", "end": "2025-01-16T06:00:00Z"}

    async def talk() -> list[bool]:
        async with served(world, "binance", faults=(fault,)) as (client, _):
            went_well = []
            for hour in range(3):
                world.clock.advance_to(NOW_MS + hour * HOUR_MS)
                went_well.append(isinstance(await outcome(client.fetch_time()), int))
            return went_well

    assert [True, False, True] == asyncio.run(talk())


def test_a_window_of_real_seconds_is_counted_from_when_it_was_told(world: World) -> None:
    now_s = [1_000.0]

    async def talk() -> list[bool]:
        async with listening(world, network=Network(world, SandboxSettings(), lambda: now_s[0])) as url:
            client, went_well = client_at(url, "binance"), []
            now_s[0] += 50
            await script_faults(url, {"kind": "status", "status": 503, "from_s": 10, "until_s": 20})
            for passed in (0, 10, 9.5, 1):
                now_s[0] += passed
                went_well.append(NOW_MS == await outcome(client.fetch_time()))
            await client.close()
            return went_well

    assert [True, False, False, True] == asyncio.run(talk())


@pytest.mark.parametrize("kind", ["timeout", "reset", "empty", "html", "status"])
@pytest.mark.parametrize("after", [False, True])
def test_an_order_takes_effect_although_its_answer_is_lost_if_the_fault_says_after(
    world: World, kind: str, after: bool
) -> None:
    fault = {"kind": kind, "after": after, "method": "POST", "request": "order"}
    fault |= {"status": 503} if kind == "status" else {}
    got, orders = ordered(world, fault)

    assert int(after) == orders
    assert got in (ccxt.RequestTimeout, ccxt.ExchangeNotAvailable, ccxt.OperationFailed, "", None) or "<html>" in got


@pytest.mark.parametrize("kind", ["cut", "cut_json"])
def test_half_an_answer_belongs_to_an_order_that_took_effect(world: World, kind: str) -> None:
    assert 1 == ordered(world, {"kind": kind})[1]


def test_a_venue_that_is_down_takes_no_order(world: World) -> None:
    assert (ccxt.ExchangeNotAvailable, 0) == ordered(world, {"kind": "down"})


def test_an_order_may_take_effect_at_once_and_be_answered_too_late(world: World) -> None:
    assert (ccxt.RequestTimeout, 1) == ordered(world, {"kind": "delay", "ms": LATE_MS, "after": True})
    assert (ccxt.RequestTimeout, 0) == ordered(world, {"kind": "delay", "ms": LATE_MS})


def ordered(world: World, fault: dict[str, Any]) -> tuple[Any, int]:
    """What the client gets that sends an order to a server behind `fault`, and the orders that took effect there."""
    orders = []

    async def take(request: web.Request) -> web.Response:
        orders.append(await request.text())
        return web.json_response({"orderId": len(orders), "status": "NEW"})

    async def talk() -> Any:
        app = web.Application(middlewares=[Network(world, SandboxSettings(faults=(fault,))).middleware()])
        app.router.add_post("/binance/fapi/v1/order", take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        client = client_at(f"http://127.0.0.1:{runner.addresses[0][1]}", "binance", fault)
        try:
            return await outcome(client.fapiPrivatePostOrder({"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET"}))
        finally:
            await client.close()
            await runner.cleanup()

    return asyncio.run(talk()), len(orders)


def test_latency_is_suffered_side_by_side(world: World) -> None:
    async def talk() -> float:
        async with served(world, "binance", latency_ms=150) as (client, _):
            loop = asyncio.get_running_loop()
            begun = loop.time()
            await asyncio.gather(*(client.fetch_time() for _ in range(8)))
            return loop.time() - begun

    assert 0.15 <= asyncio.run(talk()) < 8 * 0.15
