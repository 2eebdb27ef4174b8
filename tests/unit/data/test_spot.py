"""Spot as a leg: the same through the panel, recorded files, the synthetic market and the gateway."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import ConfigurationError, MissingData
from data.exchange import Venue
from data.market import Market
from data.panel import build_panel, tradable
from data.recorded import BARS_FILE, SPOT_FILE, recorded_market
from data.settings import SyntheticSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Asset
from tests.unit.data.series import DELAY_S, candles, coin, hour, settled, spot_coin
from tests.unit.data.test_recorded import candles as candle_rows
from tests.unit.data.test_recorded import write

SPOT_BTC = ("binance_spot", "BTC/USDT")
BOTH = ("binance", "binance_spot")


def with_spot(folder: Path, *codes: str) -> Path:
    """Recorded files of two venues, and spot candles of `codes`."""
    rows = [candle_rows("binance", f"{code}/USDT", 93_990.0) for code in codes]
    pd.concat(rows, ignore_index=True).to_parquet(write(folder) / SPOT_FILE)
    return folder


def spot_columns(market: Market) -> list[str]:
    return [instrument.symbol for instrument in market.instruments if instrument.spot]


# The panel


def test_a_spot_column_is_known_to_pay_nothing_in_every_hour() -> None:
    spot = spot_coin()
    column = build_panel([spot], {spot.key: candles(range(6))}, {}, hour(0), hour(5), DELAY_S)

    assert [0.0] * 6 == column.settled[:, 0].tolist() == column.last_rate[:, 0].tolist()
    assert [1.0] * 6 == column.settled_hours[:, 0].tolist()
    assert [8.0] * 6 == column.interval[:, 0].tolist()
    assert column.ticks.tolist() == column.settled_at[:, 0].tolist()
    assert 102.5 == column.close[3, 0]


def test_a_perpetual_beside_it_is_as_it_is_alone() -> None:
    perpetual, spot = coin(), spot_coin()
    bars = {perpetual.key: candles(range(20)), spot.key: candles(range(20), 99.0)}
    funding = {perpetual.key: settled({0: 1e-4, 8: 2e-4})}
    pair = build_panel([perpetual, spot], bars, funding, hour(0), hour(19), DELAY_S)
    alone = build_panel([perpetual], bars, funding, hour(0), hour(19), DELAY_S)

    for name in ("close", "settled", "settled_hours", "interval", "last_rate", "settled_at"):
        np.testing.assert_array_equal(getattr(alone, name)[:, 0], getattr(pair, name)[:, 0], err_msg=name)


# Recorded files


def test_spot_candles_come_from_their_own_file_and_have_no_funding(tmp_path: Path) -> None:
    market = recorded_market(with_spot(tmp_path, "BTC"), BOTH)

    assert [SPOT_BTC, ("binance", "BTC/USDT:USDT")] == sorted(market.bars, reverse=True)
    assert (93_990.0, 94_000.0) == tuple(
        float(market.bars[key].open[0]) for key in (SPOT_BTC, (BOTH[0], "BTC/USDT:USDT"))
    )
    assert 0 == len(market.settlements[SPOT_BTC])
    spot = next(one for one in market.instruments if one.spot)
    assert (SPOT_BTC, Asset("BTC"), "USDT", 5.0, 8) == (
        spot.key, spot.asset, spot.quote, spot.min_notional, spot.interval_hours,
    )  # fmt: skip


def test_spot_stands_beside_two_perpetuals(tmp_path: Path) -> None:
    market = recorded_market(with_spot(tmp_path, "BTC", "DOGE"), ("hyperliquid", *BOTH), ["BTC"])

    assert 3 == len(market.instruments)
    assert market.instruments == tradable(market.instruments)


def test_spot_without_a_perpetual_is_left_out(tmp_path: Path) -> None:
    assert ["BTC/USDT"] == spot_columns(recorded_market(with_spot(tmp_path, "BTC", "DOGE"), BOTH))
    with pytest.raises(MissingData, match="DOGE has candles and funding on fewer than two"):
        recorded_market(tmp_path, BOTH, ["DOGE"])


def test_one_coin_on_spot_and_a_thousand_as_a_perpetual_are_no_pair(tmp_path: Path) -> None:
    assert ["BTC/USDT"] == spot_columns(recorded_market(with_spot(tmp_path, "BTC", "PEPE"), BOTH))


def test_spot_alone_is_no_market(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="one of them with perpetuals"):
        recorded_market(with_spot(tmp_path, "BTC"), ["binance_spot"])


def test_the_absent_spot_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match=f"{SPOT_FILE}: no such file"):
        recorded_market(write(tmp_path), BOTH)


def test_without_a_spot_venue_its_file_is_not_read(tmp_path: Path) -> None:
    (write(tmp_path) / SPOT_FILE).write_text("not parquet")

    assert (tmp_path / BARS_FILE).exists() and 4 == len(
        recorded_market(tmp_path, ("binance", "hyperliquid")).instruments
    )


@pytest.mark.skipif("RECORDED_MARKET" not in os.environ, reason="RECORDED_MARKET does not name a folder of recordings")
def test_the_recorded_spot_prices_are_those_of_the_perpetuals_to_within_a_percent() -> None:
    market = recorded_market(Path(os.environ["RECORDED_MARKET"]), BOTH)
    last = market.end_ms
    panel = build_panel(market.instruments, market.bars, market.settlements, last - 720 * HOUR_MS, last, DELAY_S)

    assert len(panel.pairs) == len(spot_columns(market)) >= 15
    for pair in panel.pairs:
        assert 0.99 < np.nanmedian(panel.close[:, pair.b] / panel.close[:, pair.a]) < 1.01


# The synthetic market


def test_synthetic_spot_is_the_price_that_all_venues_share_and_settles_nothing() -> None:
    settings = SyntheticSettings(days=20, assets=("BTC", "1000PEPE"), episode=False)
    market = synthetic_market(settings, ("binance", "hyperliquid", "binance_spot"))
    spot = market.bars[SPOT_BTC]

    assert ["BTC/USDT"] == spot_columns(market)
    assert 0 == len(market.settlements[SPOT_BTC])
    assert spot.open[1:].tolist() == pytest.approx(spot.close[:-1].tolist(), rel=1e-6)
    for venue, symbol in (("binance", "BTC/USDT:USDT"), ("hyperliquid", "BTC/USDC:USDC")):
        basis_bps = 1e4 * np.abs(market.bars[venue, symbol].close / spot.close - 1)
        assert 0.0 < np.median(basis_bps) < 10.0


def test_a_spot_venue_leaves_the_others_as_they_were() -> None:
    settings = SyntheticSettings(days=20, assets=("BTC", "INJ"))
    usual, more = synthetic_market(settings, BOTH[:1]), synthetic_market(settings, BOTH)

    for key, bars in usual.bars.items():
        assert bars.close.tobytes() == more.bars[key].close.tobytes()
        assert usual.settlements[key].rate.tobytes() == more.settlements[key].rate.tobytes()


# The gateway


def test_the_gateway_refuses_a_spot_venue_and_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="binance_spot is a spot venue.*leave it out of data.venues"):
        Venue("binance_spot", VenueSettings(), timeout_s=1.0, concurrency=1)
