"""Loopback and nothing else; the clock's endpoint."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest

from backtest.sandbox.client import SandboxClock, loopback_only
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.server import listening
from backtest.sandbox.world import World, fingerprint
from data.errors import ConfigurationError, MissingData
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

HOURS = 48
END_MS = HOURS * HOUR_MS


def market_on(venue: str, price: float = 100.0) -> Market:
    coin = Instrument(venue, "BTC/USDT:USDT", Asset("BTC"), "USDT", 0.001, 0.01, 5.0, 8)
    flat = np.full(HOURS, price)
    none = np.array([], dtype=np.int64)
    bars = Bars(np.arange(HOURS, dtype=np.int64) * HOUR_MS, flat, flat, flat, flat, flat)
    return Market((coin,), {coin.key: bars}, {coin.key: Settlements(none, none, none.astype(np.float64))})


def world(folder: Path, venue: str = "binance", speed: float = 0.0, shown: str | None = None) -> World:
    clock = MarketClock(folder / "clock.json", WorldIdentity("aa", "flat"), begin_ms=0, end_ms=END_MS, speed=speed)
    return World(market_on(venue), clock, {shown or venue: VenueSettings(half_spread_bps=1.0)})


def post(served: World, body: Any) -> tuple[int, Any]:
    async def talk() -> tuple[int, Any]:
        async with (
            listening(served) as url,
            aiohttp.ClientSession() as session,
            session.post(f"{url}/sandbox/clock", data=body) as answer,
        ):
            return answer.status, await answer.json()

    return asyncio.run(talk())


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:80", "http://127.9.9.9", "http://localhost:1/x", "https://[::1]:443", "ws://127.0.0.1"]
)
def test_loopback_addresses_pass(url: str) -> None:
    loopback_only(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://fapi.binance.com",
        "http://0.0.0.0:80",
        "http://10.0.0.1",
        "http://[::]:80",
        "http://127.0.0.1.example.com",
        "http://127.0.0.1@example.com",
        "http://localhost.example.com",
        "127.0.0.1:80",
        "http://",
        "http://[half",
        "",
    ],
)
def test_every_other_address_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="loopback"):
        loopback_only(url)


def test_a_clock_elsewhere_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigurationError, match="not on this machine"):
        SandboxClock("http://192.0.2.1:80")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::"])
def test_the_server_binds_to_loopback_only(tmp_path: Path, host: str) -> None:
    async def bind() -> None:
        async with listening(world(tmp_path), host=host):
            pass

    with pytest.raises(ConfigurationError, match="not a loopback address"):
        asyncio.run(bind())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async def bind_twice() -> None:
        async with listening(world(tmp_path)) as url, listening(world(tmp_path), port=int(url.rpartition(":")[2])):
            pass

    with pytest.raises(ConfigurationError, match=r"port \d+ cannot be used"):
        asyncio.run(bind_twice())


def test_advancing_answers_with_the_clock(tmp_path: Path) -> None:
    assert post(world(tmp_path), b'{"advance_to": 5000}') == (200, {"now_ms": 5000, "speed": 0.0, "end_ms": END_MS})


def test_a_clock_that_runs_is_not_advanced(tmp_path: Path) -> None:
    assert post(world(tmp_path, speed=1.0), b'{"advance_to": 5000}')[0] == 409


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{}", b"[]", b"7", b'{"advance_to": "7"}', b'{"advance_to": 7.5}', b"\xff"]
)
def test_what_is_not_understood_is_refused(tmp_path: Path, body: bytes) -> None:
    assert post(world(tmp_path), body)[0] == 400


def test_the_end_itself_can_be_reached_and_nothing_after_it(tmp_path: Path) -> None:
    async def sleep_until_the_end() -> None:
        async with listening(world(tmp_path)) as url, SandboxClock(url) as clock:
            await clock.sleep_until(END_MS)
            await clock.sleep_until(END_MS)
            await clock.sleep_until(END_MS + 1)

    with pytest.raises(MissingData, match="ends at 1970-01-03 00:00 UTC"):
        asyncio.run(sleep_until_the_end())


def test_a_venue_that_the_sandbox_does_not_speak_is_refused(tmp_path: Path) -> None:
    async def serve() -> None:
        async with listening(world(tmp_path, venue="kraken")):
            pass

    with pytest.raises(ConfigurationError, match="no kraken: choose from binance, bybit, hyperliquid"):
        asyncio.run(serve())


def test_a_venue_without_settings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no settings are given for binance: add it to data.venues"):
        world(tmp_path, shown="hyperliquid")


def test_the_fingerprint_changes_with_the_market_and_with_the_beginning() -> None:
    prints = {
        fingerprint(market_on("binance"), 0),
        fingerprint(market_on("binance"), 1),
        fingerprint(market_on("binance", price=100.00000000000001), 0),
        fingerprint(market_on("hyperliquid"), 0),
    }

    assert len(prints) == 4
    assert fingerprint(market_on("binance"), 0) in prints
