"""Scripted faults as the stock ccxt clients meet them over HTTP, and the control that scripts and counts them."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import ccxt.async_support as ccxt
import pytest
from aiohttp import web

from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.fault_client import clear_faults, faults_met, requests_asked, script_faults
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World, WorldFile
from data.errors import ConfigurationError, VenueUnreachable
from data.settings import SyntheticSettings, VenueSettings
from data.types import HOUR_MS

NOW_MS = 1_737_000_000_000
"""2025-01-16 04:00 UTC."""
PATIENT_MS = 10_000
HASTY_MS = 300
LATE_MS = 3 * HASTY_MS

Ask = Callable[[Any], Awaitable[Any]]


@pytest.fixture
def world(world_at: Callable[[int], World]) -> World:
    return world_at(NOW_MS)


def client_at(url: str, venue: str, *faults: dict[str, Any]) -> Any:
    """The stock ccxt client of `venue`, its hosts replaced, hasty if one of `faults` will make it wait."""
    name = {"binance": "binanceusdm", "hyperliquid": "hyperliquid"}[venue]
    waits = any(fault["kind"] == "timeout" or fault.get("ms", 0) >= LATE_MS for fault in faults)
    timeout_ms = HASTY_MS if waits else PATIENT_MS
    client = getattr(ccxt, name)({"enableRateLimit": False, "timeout": timeout_ms, "apiKey": "key", "secret": "secret"})
    paths = {api: urlsplit(address).path for api, address in client.urls["api"].items()}
    client.urls["api"] = {api: f"{url}/{venue}{path}" for api, path in paths.items()}
    return client


@asynccontextmanager
async def served(world: World, venue: str, **settings: Any) -> AsyncIterator[tuple[Any, str]]:
    """A client of `venue` in `world`, and the sandbox's URL."""
    async with listening(world, network=Network(world, SandboxSettings(**settings))) as url:
        client = client_at(url, venue, *settings.get("faults", ()))
        try:
            yield client, url
        finally:
            await client.close()


async def outcome(call: Awaitable[Any]) -> Any:
    """What a call gives, or the type of what it raises."""
    try:
        return await call
    except Exception as error:
        return type(error)


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


def test_faults_are_added_replaced_and_cleared_and_the_counts_stay(world: World) -> None:
    async def talk() -> None:
        async with served(world, "binance", faults=({"kind": "html", "times": 1},)) as (client, url):
            await client.fetch_time()
            assert [{"kind": "html", "times": 1, "matched": 1, "struck": 1}] == (await faults_met(url))["script"]
            shown = await script_faults(url, {"kind": "empty", "every": 2}, add=True)
            assert ["html", "empty"] == [fault["kind"] for fault in shown["script"]]
            shown = await script_faults(url, {"kind": "down"})
            assert [{"kind": "down", "matched": 0, "struck": 0}] == shown["script"]
            assert [] == (await clear_faults(url))["script"]
            assert NOW_MS == await client.fetch_time()
            assert {"binance": {"html": 1}, "hyperliquid": {}} == (await faults_met(url))["injected"]

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("{", "no script of faults .*: send {"),
        ("[]", "no script of faults"),
        ("{}", "send {"),
        ('{"remove": []}', "send {"),
        ('{"add": [], "replace": []}', "send {"),
        ('{"add": [{}]}', "fault 0 .*kind"),
        ('{"add": [{"kind": "down"}, {"kind": "explode"}]}', "fault 1 .*'explode'.*'status'"),
        ('{"add": [{"kind": "status"}]}', r"fault 0 is not understood \(status.status: Field required\): correct it"),
        ('{"add": [{"kind": "status", "status": 200}]}', "greater than or equal to 400"),
        ('{"add": [{"kind": "down", "request": "time"}]}', "down.request: Extra inputs"),
        ('{"add": [{"kind": "cut", "after": true}]}', "cut.after: Extra inputs"),
        ('{"add": [{"kind": "down", "venue": "kraken"}]}', "names kraken.*choose from binance, hyperliquid"),
        ('{"add": [{"kind": "down", "probability": 0}]}', "probability"),
        ('{"add": [{"kind": "down", "from_s": 5, "until_s": 5}]}', "`until_s` must be later"),
        ('{"add": [{"kind": "down", "begin": "2025-01-02", "end": "2025-01-01"}]}', "`end` must be later"),
        ('{"add": [{"kind": "status", "status": 500, "page": true, "body": ""}]}', "not both"),
    ],
)
def test_a_script_that_is_not_one_is_refused_with_a_sentence_and_changes_nothing(
    world: World, body: str, words: str
) -> None:
    async def talk() -> tuple[int, str, list[Any]]:
        async with listening(world) as url, aiohttp.ClientSession() as session:
            await script_faults(url, {"kind": "html", "times": 1})
            async with session.post(f"{url}/sandbox/faults", data=body) as answer:
                return answer.status, (await answer.json())["error"], (await faults_met(url))["script"]

    status, said, script = asyncio.run(talk())
    assert 400 == status
    assert re.search(words, said), said
    assert ["html"] == [fault["kind"] for fault in script]


def test_the_client_of_the_control_says_what_the_sandbox_says(world: World) -> None:
    async def talk() -> None:
        async with listening(world) as url:
            await script_faults(url, {"kind": "down", "venue": "kraken"})

    with pytest.raises(ConfigurationError, match="the sandbox refuses: a fault names kraken"):
        asyncio.run(talk())
    with pytest.raises(ConfigurationError, match="not on this machine"):
        asyncio.run(faults_met("http://example.com"))
    with pytest.raises(VenueUnreachable, match="does not answer"):
        asyncio.run(faults_met("http://127.0.0.1:9"))


def test_what_exceeds_the_venue_s_limits_is_refused_as_the_venue_does(world: World) -> None:
    now_s = [1_700_000_040.0]

    async def talk() -> tuple[list[Any], list[str], dict[str, Any]]:
        settings = SandboxSettings(limits=True, faults=({"kind": "html", "times": 1},))
        async with listening(world, network=Network(world, settings, lambda: now_s[0])) as url:
            client, said = client_at(url, "binance"), []
            await client.fetch_time()  # an answer that is lost has been asked for all the same
            got = []
            for passed in [0] * 60 + [15, 0, 45]:
                now_s[0] += passed
                got.append(await outcome(client.fapiPublicGetTicker24hr()))
                said.append(client.last_response_headers["X-MBX-USED-WEIGHT-1M"])
                if got[-1] is ccxt.DDoSProtection:
                    said[-1] += f", wait {client.last_response_headers['Retry-After']}"
            await client.close()
            return got, said, (await requests_asked(url))["binance"]

    got, said, asked = asyncio.run(talk())
    assert [ccxt.DDoSProtection] * 3 == [type_ for type_ in got if isinstance(type_, type)]
    assert ["41", "81"] == said[:2] and ["2361, wait 60", "2361, wait 45", "2361, wait 45", "40"] == said[-4:]
    assert {"requests": 64, "endpoints": {"fapi/v1/time": 1, "fapi/v1/ticker/24hr": 63}, "refused": {"429": 3}} == {
        name: asked[name] for name in ("requests", "endpoints", "refused")
    }
    assert {"weight": {"used": 2361, "limit": 2400, "seconds": 60}} == asked["most_used"]


def test_requests_are_counted_by_what_they_ask_whatever_that_is(world: World) -> None:
    async def talk() -> dict[str, Any]:
        async with listening(world) as url, aiohttp.ClientSession() as session:
            for body in ("{", "[]", '{"type": 1}', '{"type": "l2Book"}', '{"action": {"type": "order", "orders": []}}'):
                async with session.post(f"{url}/hyperliquid/info", data=body):
                    pass
            for path in ("binance", "binance/no/such/path", "sandbox/clock", "elsewhere"):
                async with session.get(f"{url}/{path}"):
                    pass
            return {venue: asked["endpoints"] for venue, asked in (await requests_asked(url)).items()}

    assert {
        "binance": {"": 1, "no/such/path": 1},
        "hyperliquid": {"info/unknown": 3, "info/l2Book": 1, "info/order": 1},
    } == asyncio.run(talk())


def test_settings_that_fault_a_venue_which_is_not_there_are_refused(world: World) -> None:
    with pytest.raises(ConfigurationError, match="names kraken"):
        Network(world, SandboxSettings(faults=({"kind": "down", "venue": "kraken"},)))


def test_the_process_survives_all_of_it_and_says_nothing(tmp_path: Path) -> None:
    settings = {"past_days": 0, "latency_ms": 1, "limits": True, "faults": ({"kind": "html", "venue": "binance"},)}
    told = WorldFile(
        settings=SandboxSettings(synthetic=SyntheticSettings(days=20, assets=("BTC",)), **settings),
        venues={"binance": VenueSettings(), "hyperliquid": VenueSettings()},
    )
    faults: list[dict[str, Any]] = [{"kind": kind} for kind in ("timeout", "empty", "html", "reset", "cut", "cut_json")]
    faults += [{"kind": "down"}, {"kind": "status", "status": 503}, {"kind": "delay", "ms": 20}]
    faults += [{**fault, "after": True} for fault in faults if fault["kind"] not in ("cut", "cut_json", "down")]

    async def talk(url: str) -> tuple[list[int], dict[str, Any]]:
        clients = [client_at(url, venue, *faults) for venue in ("binance", "hyperliquid")]
        try:
            assert ["html"] == [fault["kind"] for fault in (await faults_met(url))["script"]]
            for fault in faults:
                await script_faults(url, fault)
                await asyncio.gather(*(outcome(client.fetch_time()) for client in clients for _ in range(3)))
            injected = (await clear_faults(url))["injected"]
            for client in clients:
                client.timeout = PATIENT_MS
            return [await client.fetch_time() for client in clients], injected
        finally:
            await asyncio.gather(*(client.close() for client in clients))

    with SandboxProcess(told, tmp_path / "sandbox.json") as sandbox:
        times, injected = asyncio.run(talk(sandbox.url))
        assert sandbox._said() == ""
    assert times[0] == times[1] > 0
    assert {"timeout", "empty", "html", "reset", "cut", "cut_json", "down", "status", "delay"} == set(
        injected["binance"]
    )
