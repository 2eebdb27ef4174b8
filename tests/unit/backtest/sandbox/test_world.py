"""When a world begins."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from backtest.sandbox.settings import SandboxSettings
from backtest.sandbox.world import start_ms
from data.settings import SyntheticSettings, utc_ms
from data.synthetic import synthetic_market, with_past
from data.types import HOUR_MS, Bars

SYNTHETIC = SyntheticSettings(days=20, assets=("BTC",))


def test_recorded_files_begin_once_there_is_something_of_every_venue() -> None:
    market = synthetic_market(SYNTHETIC)
    late = {
        key: Bars(*(column[48:] for column in vars(bars).values())) if key[0] == "hyperliquid" else bars
        for key, bars in market.bars.items()
    }
    begun = start_ms(SandboxSettings(replay=Path("recorded")), replace(market, bars=late))
    assert market.start_ms + 48 * HOUR_MS == begun


def test_a_synthetic_market_begins_after_its_past() -> None:
    market = with_past(synthetic_market(SYNTHETIC), SYNTHETIC, days=30)
    assert utc_ms(datetime(2025, 1, 1, tzinfo=UTC)) == start_ms(SandboxSettings(synthetic=SYNTHETIC), market)
