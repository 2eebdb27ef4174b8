"""The control of faults and limits over HTTP: scripting, counting, refusing; and the process that survives it."""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.async_support as ccxt
import pytest

from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.fault_client import clear_faults, faults_met, requests_asked, script_faults
from backtest.sandbox.network import Network
from backtest.sandbox.server import listening
from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import World, WorldFile
from data.errors import ConfigurationError, VenueUnreachable
from data.settings import SyntheticSettings, VenueSettings
from tests.contract.clients import NOW_MS, PATIENT_MS, client_at, outcome, served


@pytest.fixture
def world(world_at: Callable[[int], World]) -> World:
    return world_at(NOW_MS)


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
