"""What freqtrade is measured on is what we are measured on: the same rows, the same rule."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from backtest.observation import make_features
from backtest.schema import EXPECTED_NET
from backtest.settings import EnvironmentSettings
from benchmarks.freqtrade_data import FIRST, listed_as, write_freqtrade, write_recorded
from benchmarks.freqtrade_files.carry_signals import ROUND_TRIP_COST_BPS, carry_signals
from data.market import Market
from data.panel import build_panel
from data.recorded import recorded_market
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS

DATA = DataSettings()


@pytest.fixture(scope="module")
def market() -> Market:
    return synthetic_market(
        SyntheticSettings(days=40, assets=("BTC", "SOL", "1000PEPE"), episode=False), (*DATA.venues,)
    )


@pytest.fixture(scope="module")
def folder(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("peer")
    write_recorded(market, folder / "recorded")
    write_freqtrade(market, folder / "freqtrade", folder / "strategies")
    return folder


def test_our_files_hold_the_market_to_the_bit(market: Market, folder: Path) -> None:
    read = recorded_market(folder / "recorded", (*DATA.venues,))
    assert {one.key for one in market.instruments} == {one.key for one in read.instruments}
    for key, bars in market.bars.items():
        for name, column in vars(bars).items():
            assert (column == getattr(read.bars[key], name)).all(), (key, name)
        for name, column in vars(market.settlements[key]).items():
            assert (column == getattr(read.settlements[key], name)).all(), (key, name)


def test_its_files_hold_the_same_candles_and_settlements(market: Market, folder: Path) -> None:
    futures = folder / "freqtrade" / "data" / "futures"
    for one in market.instruments:
        stem = listed_as(one, market).replace("/", "_").replace(":", "_")
        candles, funding = (
            pd.read_feather(futures / f"{stem}-1h-{kind}.feather") for kind in ("futures", "funding_rate")
        )
        assert (market.bars[one.key].close == candles["close"]).all()
        assert (market.settlements[one.key].rate == funding["funding_rate"]).all()
        assert market.settlements[one.key].time.tolist() == [round(date.timestamp() * 1000) for date in funding["date"]]


@pytest.mark.parametrize("legs", [1, 2])
def test_its_configurations_trade_one_venue_or_both(market: Market, folder: Path, legs: int) -> None:
    told = json.loads((folder / "freqtrade" / f"config-{legs}.json").read_text())
    pairs, markets = told["exchange"]["pair_whitelist"], json.loads((folder / "freqtrade" / "markets.json").read_text())
    assert (3 * legs, 3 * legs) == (len(pairs), told["max_open_trades"])
    assert set(pairs) <= set(markets)
    assert {"USDT"} == {one["quote"] for one in markets.values()}


def test_its_rule_enters_and_leaves_when_ours_would(market: Market) -> None:
    first, last = market.start_ms + HOUR_MS, market.end_ms
    panel = build_panel(market.instruments, market.bars, market.settlements, first, last, DATA.decision_delay_s)
    features = make_features(panel, DATA.venues, EnvironmentSettings())
    asked = 0
    for pair, (a, b) in enumerate(features.legs):
        assert FIRST == panel.instruments[a].venue
        signals = signals_of(market, panel.ticks, panel.instruments[a].key, panel.instruments[b].key)
        carry, net = features.carry[pair], features.values[:, pair, EXPECTED_NET]
        clear = np.isfinite(carry) & (np.abs(net) > 0.05) & (np.abs(carry) > 1e-6)
        clear[:100] = False  # settlements before the first tick are in its window, not in the panel's
        expected = {
            "long": (net > 0) & (carry > 0),
            "short": (net > 0) & (carry < 0),
            "leave_long": carry < 0,
            "leave_short": carry > 0,
        }
        for name, ours in expected.items():
            assert ours[clear].tolist() == signals[name][clear].tolist(), name
        asked += int(clear.sum())
    assert asked > 1000


def signals_of(market: Market, ticks: np.ndarray, own: tuple[str, str], other: tuple[str, str]) -> pd.DataFrame:
    closes = pd.Series(pd.to_datetime(ticks, unit="ms", utc=True))
    funding = [
        pd.DataFrame({"date": pd.to_datetime(paid.time, unit="ms", utc=True), "funding_rate": paid.rate})
        for paid in (market.settlements[own], market.settlements[other])
    ]
    return carry_signals(closes, *funding)


def test_its_costs_are_those_that_our_rule_is_told(market: Market) -> None:
    panel = build_panel(
        market.instruments, market.bars, market.settlements, market.start_ms + HOUR_MS, market.end_ms, 60
    )
    values = make_features(panel, DATA.venues, EnvironmentSettings()).values
    assert {ROUND_TRIP_COST_BPS} == {round(float(cost), 4) for cost in values[-1, :, 12]}
