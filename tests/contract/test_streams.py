"""Prices streamed by the sandbox's venues through stock ccxt.pro, and asked for where the stream fails."""

import asyncio
import gc
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import data.stream
from backtest.sandbox.client import SandboxClock
from backtest.sandbox.fault_client import clear_faults, faults_met, requests_asked, script_faults
from backtest.sandbox.world import World
from data.connection import Connection
from data.errors import VenueUnreachable
from data.exchange import Venue
from data.feed import PriceFeed
from data.market import Market
from data.settings import VenueSettings
from data.stream import QuoteStream
from data.types import HOUR_MS
from data.venues import venue_profile
from tests.contract.clients import NOW_MS
from tests.contract.conftest import GAP, START_MS
from tests.contract.streamed import SYMBOLS, eventually, sandbox, streaming, world_of

VENUES = sorted(SYMBOLS)
STALE_S = 0.5
ANSWER_S = 2.0
"""More than an answer takes."""
LONG_S = 30.0
OURS = ("ccxt", "data/stream", "data/feed")
"""Where tasks of ours are from; the sandbox runs in the same loop."""
QUOTES = {"binance": "fapi/v1/ticker/bookTicker", "bybit": "v5/market/tickers", "hyperliquid": "info/l2Book"}
REFUSED = {"kind": "status", "status": 503, "request": "*ws*"}


@pytest.fixture
def world(sandbox_market: Market, tmp_path: Path) -> World:
    return world_of(sandbox_market, tmp_path)


@pytest.fixture(autouse=True)
def nothing_is_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What is not closed, or fails unheard, is logged by asyncio or ccxt when it is collected."""
    with caplog.at_level(logging.WARNING):
        yield
        gc.collect()
    assert [] == [one.getMessage() for when in ("call", "teardown") for one in caplog.get_records(when)]


@asynccontextmanager
async def watched(
    url: str, venue: str, stale_s: float = STALE_S, backoff_s: float = 0.02
) -> AsyncIterator[QuoteStream]:
    """A stream of a venue's prices; the sandbox's own tasks apart, none outlives it."""
    told = VenueSettings(base_url=f"{url}/{venue}")
    symbols = SYMBOLS.get(venue, SYMBOLS["binance"])
    async with Venue(venue, told, timeout_s=1, concurrency=4, backoff_s=0.01) as gateway:
        async with QuoteStream(gateway, symbols, stale_s=stale_s, backoff_s=backoff_s) as stream:
            yield stream
        assert [] == [task for task in asyncio.all_tasks() if any(one in repr(task) for one in OURS)]


def all_streamed(stream: QuoteStream) -> bool:
    return all(health.streamed for health in stream.health.values())


def none_streamed(stream: QuoteStream) -> bool:
    return not any(health.streamed for health in stream.health.values())


async def asked(url: str, venue: str) -> int:
    """How often the venue was asked for best prices."""
    return int((await requests_asked(url))[venue]["endpoints"].get(QUOTES[venue], 0))


@pytest.mark.parametrize("venue", VENUES)
def test_streamed_prices_are_the_venues_and_nothing_is_asked_for(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, watched(url, venue, LONG_S) as stream:
            answered = await stream.quotes()
            before = await asked(url, venue)
            await eventually(lambda: all_streamed(stream))
            for _ in range(10):
                assert answered == await stream.quotes()
            assert before == await asked(url, venue)
            assert set(SYMBOLS[venue]) == set(answered)
            assert {NOW_MS} == {quote.time_ms for quote in answered.values()}
            assert {0} == {health.reconnects for health in stream.health.values()}
            assert () == stream.troubles

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_a_streaming_client_knows_no_address_but_the_one_that_is_configured(world: World, venue: str) -> None:
    def hosts(api: Any) -> set[str]:
        if isinstance(api, str):
            return {"://".join(urlsplit(api)[:2])}
        return set().union(*map(hosts, api.values()))

    async def talk() -> None:
        async with sandbox(world) as url:
            told = VenueSettings(base_url=f"{url}/{venue}/")
            connection = Connection(venue_profile(venue), told, timeout_s=1, concurrency=1, backoff_s=0.01)
            await connection.client.load_markets()
            client = connection.streaming_client()
            assert {url, url.replace("http", "ws")} == hosts(client.urls["api"])
            assert set(connection.client.markets) == set(client.markets)
            await client.close()
            await connection.close()

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_a_stale_stream_is_replaced_by_answers_in_time_and_comes_back(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, watched(url, venue) as stream:
            await eventually(lambda: all_streamed(stream))
            streamed, before = await stream.quotes(), await asked(url, venue)
            await script_faults(url, {"kind": "stale", "venue": venue})
            since = time.monotonic()
            await eventually(lambda: none_streamed(stream))
            assert streamed == await stream.quotes()
            assert time.monotonic() - since < STALE_S + ANSWER_S
            for _ in range(10):
                assert streamed == await stream.quotes()
            once = len(SYMBOLS[venue]) if venue == "hyperliquid" else 1
            most = 1 + (time.monotonic() - since) // STALE_S
            assert once <= await asked(url, venue) - before <= most * once
            await eventually(lambda: bool(stream.troubles))
            await clear_faults(url)
            await eventually(lambda: all_streamed(stream))
            assert all(health.reconnects > 0 for health in stream.health.values())
            assert () == stream.troubles

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_a_broken_connection_is_made_anew_and_its_last_prices_count_meanwhile(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, watched(url, venue, LONG_S) as stream:
            await eventually(lambda: all_streamed(stream))
            before = await asked(url, venue)
            await script_faults(url, {"kind": "drop", "times": 3})
            await eventually(lambda: all(health.reconnects >= 3 for health in stream.health.values()))
            assert set(SYMBOLS[venue]) == set(await stream.quotes())
            await eventually(lambda: not stream.troubles)
            assert before == await asked(url, venue)
            assert {"drop": 3} == (await faults_met(url))["injected"][venue]

    asyncio.run(talk())


def test_where_connections_are_refused_prices_are_asked_for_and_the_next_try_waits(world: World) -> None:
    async def talk() -> None:
        async with sandbox(world, REFUSED) as url, watched(url, "binance", backoff_s=0.5) as stream:
            assert set(SYMBOLS["binance"]) == set(await stream.quotes())
            await asyncio.sleep(0.9)
            assert 1 == (await faults_met(url))["injected"]["binance"]["status"]
            (trouble,) = stream.troubles
            assert "503" in trouble and "asked for instead" in trouble
            await clear_faults(url)
            await eventually(lambda: all_streamed(stream))

    asyncio.run(talk())


def test_a_venue_whose_stream_is_not_known_is_asked_once_in_the_time_that_a_price_counts(world: World) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, watched(url, "okx", LONG_S) as stream:
            first = await stream.quotes()
            assert set(SYMBOLS["binance"]) == set(first)
            assert first == await stream.quotes()
            assert none_streamed(stream)
            assert 1 == (await requests_asked(url))["okx"]["endpoints"]["api/v5/market/tickers"]

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_prices_of_before_a_time_do_not_count_after_it(world: World, venue: str) -> None:
    async def talk() -> None:
        async with sandbox(world, push_ms=60_000) as url, watched(url, venue, LONG_S) as stream:
            await eventually(lambda: all_streamed(stream))
            before = await stream.quotes()
            await script_faults(url, {"kind": "stale"})  # so that the stream does not hear of it
            async with SandboxClock(url) as clock:
                await clock.sleep_until(NOW_MS + HOUR_MS)
            assert before == await stream.quotes()
            after = await stream.quotes(since_ms=NOW_MS + HOUR_MS)
            assert {NOW_MS + HOUR_MS} == {quote.time_ms for quote in after.values()}
            assert set(before) == set(after)
            assert after == await stream.quotes()

    asyncio.run(talk())


@pytest.mark.parametrize("venue", VENUES)
def test_a_contract_whose_book_is_empty_has_no_price(sandbox_market: Market, tmp_path: Path, venue: str) -> None:
    async def talk() -> None:
        world = world_of(sandbox_market, tmp_path, START_MS + GAP[1] * HOUR_MS)
        async with sandbox(world) as url, watched(url, venue, LONG_S) as stream:
            await eventually(lambda: all_streamed(stream))
            expected = {symbol for symbol in SYMBOLS[venue] if not symbol.startswith("DOGE")}
            assert expected == set(await stream.quotes())

    asyncio.run(talk())


def test_one_connection_of_several_can_go_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data.stream, "PER_CONNECTION", 2)

    async def talk() -> None:
        async with sandbox(world) as url, watched(url, "binance") as stream:
            await eventually(lambda: all_streamed(stream))
            await script_faults(url, {"kind": "stale", "times": 1})
            await eventually(lambda: not all_streamed(stream))
            assert not none_streamed(stream)
            await eventually(lambda: all_streamed(stream))
            assert 1 <= max(health.reconnects for health in stream.health.values())

    asyncio.run(talk())


def test_a_venue_that_is_down_is_said_to_be_and_not_asked_again_at_once(world: World) -> None:
    async def talk() -> None:
        async with sandbox(world) as url, watched(url, "binance") as stream:
            await eventually(lambda: all_streamed(stream))
            await script_faults(url, {"kind": "down"}, {"kind": "drop"})
            await eventually(lambda: none_streamed(stream))
            with pytest.raises(VenueUnreachable, match="binance cannot be reached"):
                await stream.quotes()
            met = (await requests_asked(url))["binance"]["requests"]
            with pytest.raises(VenueUnreachable, match="binance cannot be reached"):
                await stream.quotes()
            assert met == (await requests_asked(url))["binance"]["requests"]
            await clear_faults(url)
            await eventually(lambda: all_streamed(stream))
            assert set(SYMBOLS["binance"]) == set(await stream.quotes())

    asyncio.run(talk())


@pytest.mark.parametrize(
    "fault", [{"kind": "timeout", "request": "*ws*"}, {"kind": "stale"}, {"kind": "drop"}], ids=lambda one: one["kind"]
)  # fmt: skip
@pytest.mark.parametrize("venue", VENUES)
def test_a_stream_can_be_left_at_any_moment(world: World, venue: str, fault: dict[str, str]) -> None:
    """`watched` sees that nothing is left."""

    async def talk() -> None:
        for lasts_s in (0.0, 0.05, 0.3):
            async with sandbox(world, fault) as url, watched(url, venue):
                await asyncio.sleep(lasts_s)

    asyncio.run(talk())


def test_a_connection_that_hangs_while_it_is_made_ends_with_its_time_limit(world: World) -> None:
    """A listener whose queue is full answers nothing, as a host behind a broken route."""

    async def talk() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
            port = deaf.getsockname()[1]
            queued = [socket.socket() for _ in range(3)]
            for one in queued:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            async with sandbox(world) as url, streaming(url, "hyperliquid") as client:
                client.urls["api"]["ws"]["public"] = f"ws://127.0.0.1:{port}/ws"
                client.streaming["connectionTimeout"] = 1000
                feed = PriceFeed(client, venue_profile("hyperliquid"), SYMBOLS["hyperliquid"], timeout_s=1)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(feed.run(lambda symbol, quote: None), 0.2)
                await feed.close()
                assert [] == [task for task in asyncio.all_tasks() if any(one in repr(task) for one in OURS)]
            for one in queued:
                one.close()

    asyncio.run(talk())
