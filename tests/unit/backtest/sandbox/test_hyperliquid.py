"""What of the sandbox's Hyperliquid needs a longer market than the contract tests have."""

import json
from pathlib import Path

import numpy as np
import pytest

from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.hyperliquid import HyperliquidMarket
from backtest.sandbox.hyperliquid_universe import coin_of
from backtest.sandbox.world import World
from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

HOURS = 6000
NOW = 5900 * HOUR_MS


def instrument(code: str) -> Instrument:
    return Instrument("hyperliquid", f"{code}/USDC:USDC", Asset.parse(code), "USDC", 0.001, 0.01, 10.0, 1)


@pytest.fixture
def venue(tmp_path: Path) -> HyperliquidMarket:
    coin = instrument("BTC")
    flat, hours = np.full(HOURS, 100.0), np.arange(HOURS, dtype=np.int64) * HOUR_MS
    settlements = Settlements(hours, np.zeros(HOURS, dtype=np.int64), flat * 1e-7)
    market = Market((coin,), {coin.key: Bars(hours, flat, flat, flat, flat, flat)}, {coin.key: settlements})
    clock = MarketClock(tmp_path / "clock.json", WorldIdentity("aa", "flat"), begin_ms=NOW, end_ms=market.end_ms)
    return HyperliquidMarket(World(market, clock, {"hyperliquid": VenueSettings(half_spread_bps=1.0)}))


def opened(venue: HyperliquidMarket, **asked: int) -> list[int]:
    request = {"type": "candleSnapshot", "req": {"coin": "BTC", "interval": "1h", **asked}}
    return [candle["t"] // HOUR_MS for candle in json.loads(venue.candle_snapshot(request, NOW))]


def test_only_the_most_recent_five_thousand_candles_can_be_had(venue: HyperliquidMarket) -> None:
    assert opened(venue, startTime=0) == list(range(901, 5901))
    assert opened(venue, startTime=0, endTime=910 * HOUR_MS) == list(range(901, 911))
    assert opened(venue, startTime=0, endTime=800 * HOUR_MS) == []


def test_an_end_in_the_future_is_now(venue: HyperliquidMarket) -> None:
    assert opened(venue, startTime=NOW - HOUR_MS, endTime=NOW * 9) == [5899, 5900]


@pytest.mark.parametrize(
    ("code", "coin"), [("BTC", "BTC"), ("KPEPE", "kPEPE"), ("KAS", "KAS"), ("KAITO", "KAITO"), ("1INCH", "1INCH")]
)
def test_coins_have_the_venue_s_own_names(code: str, coin: str) -> None:
    assert coin_of(instrument(code)) == coin
