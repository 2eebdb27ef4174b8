import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.errors import ConfigurationError, CorruptData, MissingData
from data.market import Market
from data.recorded import BARS_FILE, FUNDING_FILE, recorded_market
from data.types import HOUR_MS, Asset
from data.venues import VENUES

VENUE_NAMES = ("binance", "hyperliquid")
BTC_BINANCE = ("binance", "BTC/USDT:USDT")
BTC_HYPERLIQUID = ("hyperliquid", "BTC/USDC:USDC")
START = pd.Timestamp("2025-01-01", tz="UTC")
SHORT = pd.Timedelta(microseconds=1)

Frame = pd.DataFrame
Change = Callable[[Frame], Frame]


def candles(venue: str, symbol: str, price: float = 100.0, hours: int = 24) -> Frame:
    times = pd.date_range(START, periods=hours, freq="h").as_unit("ms")
    prices = price * (1.0 + 0.001 * np.arange(hours))
    return pd.DataFrame(
        {
            "exchange": venue,
            "symbol": symbol,
            "timestamp": times,
            "open": prices,
            "high": prices * 1.002,
            "low": prices * 0.998,
            "close": prices * 1.001,
            "volume": 5.0,
            "source": "test",
        }
    )


def funding(venue: str, symbol: str, interval: int, hours: int = 24) -> Frame:
    times = pd.date_range(START, periods=hours // interval, freq=f"{interval}h").as_unit("ms")
    return pd.DataFrame(
        {
            "exchange": venue,
            "symbol": symbol,
            "timestamp": times,
            "funding_rate": 1e-4 * interval / 8,
            "interval_hours": float(interval),
            "offset_ms": np.int32(7),
            "source": "test",
        }
    )


def unchanged(frame: Frame) -> Frame:
    return frame


def write(folder: Path, change_bars: Change = unchanged, change_funding: Change = unchanged) -> Path:
    """Two venues with BTC and PEPE by the thousand; the changes are made before writing."""
    bars = [
        candles(*BTC_BINANCE, 94_000.0),
        candles("binance", "1000PEPE/USDT:USDT", 0.0175),
        candles(*BTC_HYPERLIQUID, 94_010.0),
        candles("hyperliquid", "KPEPE/USDC:USDC", 0.0175),
    ]
    rates = [
        funding(*BTC_BINANCE, 8),
        funding("binance", "1000PEPE/USDT:USDT", 4),
        funding(*BTC_HYPERLIQUID, 1),
        funding("hyperliquid", "KPEPE/USDC:USDC", 1),
    ]
    change_bars(pd.concat(bars, ignore_index=True)).to_parquet(folder / BARS_FILE)
    change_funding(pd.concat(rates, ignore_index=True)).to_parquet(folder / FUNDING_FILE)
    return folder


def at(row: int, column: str, value: object) -> Change:
    def change(frame: Frame) -> Frame:
        frame.loc[row, column] = value
        return frame

    return change


def with_more(*more: Frame) -> Change:
    return lambda frame: pd.concat([frame, *more], ignore_index=True)


def read(folder: Path, *assets: str) -> Market:
    return recorded_market(folder, VENUE_NAMES, assets)


def symbols(market: Market) -> set[str]:
    return {instrument.symbol for instrument in market.instruments}


def test_the_files_come_back_as_they_were_written(tmp_path: Path) -> None:
    market = read(write(tmp_path))

    bars, settled = market.bars[BTC_BINANCE], market.settlements[BTC_BINANCE]
    expected = candles(*BTC_BINANCE, 94_000.0)
    for name in ("open", "high", "low", "close", "volume"):
        assert expected[name].tolist() == getattr(bars, name).tolist()
    start = START.value // 1_000_000
    assert [start + hour * HOUR_MS for hour in range(24)] == bars.open_time.tolist()
    assert [start, start + 8 * HOUR_MS, start + 16 * HOUR_MS] == settled.time.tolist()
    assert [7, 7, 7] == settled.offset_ms.tolist()
    assert [1e-4, 1e-4, 1e-4] == settled.rate.tolist()
    assert (np.int64, np.int64, np.float64) == (bars.open_time.dtype, settled.offset_ms.dtype, settled.rate.dtype)


def test_every_instrument_follows_its_venue_and_its_first_close(tmp_path: Path) -> None:
    market = read(write(tmp_path))

    pepe = next(one for one in market.instruments if one.symbol == "1000PEPE/USDT:USDT")
    bitcoin = next(one for one in market.instruments if one.key == BTC_HYPERLIQUID)
    assert (Asset("PEPE", 1000), "USDT", 4, 5.0) == (pepe.asset, pepe.quote, pepe.interval_hours, pepe.min_notional)
    assert (1.0, 1e-6) == (pepe.lot_step, pepe.tick_size)
    assert ("USDC", 1, 10.0) == (bitcoin.quote, bitcoin.interval_hours, bitcoin.min_notional)
    assert (1e-5, 1.0) == (bitcoin.lot_step, bitcoin.tick_size)


def test_the_interval_is_that_of_the_last_settlement_where_the_venue_may_change_it(tmp_path: Path) -> None:
    market = read(write(tmp_path, change_funding=at(2, "interval_hours", 4.0)))

    assert 4 == next(one for one in market.instruments if one.key == BTC_BINANCE).interval_hours


def test_a_fixed_interval_stays_what_the_venue_says(tmp_path: Path) -> None:
    market = read(write(tmp_path, change_funding=lambda frame: frame.assign(interval_hours=8.0)))

    assert 1 == next(one for one in market.instruments if one.key == BTC_HYPERLIQUID).interval_hours


def test_a_thousandfold_contract_pairs_with_its_k_namesake(tmp_path: Path) -> None:
    assert {"1000PEPE/USDT:USDT", "KPEPE/USDC:USDC"} <= symbols(read(write(tmp_path)))


def test_only_assets_on_two_venues_with_candles_and_funding_are_kept(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        with_more(
            candles("binance", "ETH/USDT:USDT"),
            candles("hyperliquid", "ETH/USDC:USDC"),
            candles("binance", "SOL/USDT:USDT"),
        ),
        with_more(
            funding("binance", "ETH/USDT:USDT", 8),
            funding("binance", "SOL/USDT:USDT", 8),
            funding("hyperliquid", "SOL/USDC:USDC", 1),
        ),
    )

    assert {"BTC", "1000PEPE"} == {str(instrument.asset) for instrument in read(folder).instruments}


def test_other_quotes_inverse_swaps_and_other_exchanges_are_left_out(tmp_path: Path) -> None:
    foreign = [("binance", "BTC/USD:BTC"), ("binance", "BTC/USDC:USDC"), ("okx", "BTC/USDT:USDT")]
    folder = write(
        tmp_path,
        with_more(*(candles(venue, symbol) for venue, symbol in foreign)),
        with_more(*(funding(venue, symbol, 8) for venue, symbol in foreign)),
    )

    assert set(read(folder).bars) == set(read(folder, "BTC", "1000PEPE").bars)
    assert not set(foreign) & set(read(folder).bars)


def test_errors_in_what_is_left_out_do_not_matter(tmp_path: Path) -> None:
    bad = candles("binance", "BTC/USDC:USDC").assign(close=-1.0)

    assert 4 == len(read(write(tmp_path, with_more(bad))).instruments)


@pytest.mark.parametrize("code", ["1000PEPE", "KPEPE"])
def test_assets_restrict_by_either_of_their_names(tmp_path: Path, code: str) -> None:
    assert {"1000PEPE/USDT:USDT", "KPEPE/USDC:USDC"} == symbols(read(write(tmp_path), code))


def test_rows_of_one_instrument_may_lie_apart_in_the_file(tmp_path: Path) -> None:
    together = read(write(tmp_path)).bars
    (other := tmp_path / "other").mkdir()
    apart = read(write(other, lambda frame: frame.sort_values("timestamp", kind="stable"))).bars

    assert all(together[key].close.tolist() == apart[key].close.tolist() for key in together)


def test_a_gap_in_the_candles_stays_a_gap(tmp_path: Path) -> None:
    market = read(write(tmp_path, lambda frame: frame.drop(index=[5, 6])))

    assert 22 == len(market.bars[BTC_BINANCE])
    assert -1 == market.bar_index(BTC_BINANCE, market.start_ms + 5 * HOUR_MS)


def test_one_venue_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="two different venues"):
        recorded_market(write(tmp_path), ["binance", "binance"])


def test_an_absent_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [BARS_FILE, FUNDING_FILE])
def test_an_absent_file_is_named(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    with pytest.raises(MissingData, match=f"{name}: no such file"):
        read(tmp_path)


def test_a_file_that_is_not_parquet_is_corrupt(tmp_path: Path) -> None:
    (write(tmp_path) / FUNDING_FILE).write_text("exchange,symbol\n")
    with pytest.raises(CorruptData, match="funding.parquet: not a readable parquet file"):
        read(tmp_path)


def test_missing_columns_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="funding.parquet: column offset_ms is missing"):
        read(write(tmp_path, change_funding=lambda frame: frame.drop(columns="offset_ms")))


def test_a_venue_without_rows_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="ohlcv_1h.parquet: no rows for venue hyperliquid"):
        read(write(tmp_path, lambda frame: frame[frame.exchange == "binance"]))


def test_an_asset_that_was_asked_for_and_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="DOGE has candles and funding on fewer than two"):
        read(write(tmp_path), "BTC", "DOGE")


def test_venues_that_share_nothing_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="no asset has candles and funding on two of the venues"):
        read(write(tmp_path, lambda frame: frame[frame.symbol.isin([BTC_BINANCE[1], "KPEPE/USDC:USDC"])]))


def test_text_instead_of_a_time_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="column timestamp is .*string"):
        read(write(tmp_path, lambda frame: frame.assign(timestamp=frame.timestamp.astype(str))))


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_times_may_be_written_in_any_unit(tmp_path: Path, unit: str) -> None:
    usual = read(write(tmp_path))

    def written(frame: Frame) -> Frame:
        return frame.assign(timestamp=frame.timestamp.dt.as_unit(unit))

    other = read(write(tmp_path, written, written))
    np.testing.assert_array_equal(usual.bars[BTC_BINANCE].open_time, other.bars[BTC_BINANCE].open_time)
    np.testing.assert_array_equal(usual.settlements[BTC_BINANCE].time, other.settlements[BTC_BINANCE].time)


def test_a_time_that_is_finer_than_milliseconds_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="parts of milliseconds"):
        read(write(tmp_path, lambda frame: frame.assign(timestamp=frame.timestamp.dt.as_unit("us") + SHORT)))


def test_numbers_may_be_written_as_text(tmp_path: Path) -> None:
    told = read(write(tmp_path, lambda frame: frame.assign(close=frame.close.astype(str))))
    np.testing.assert_array_equal(read(write(tmp_path)).bars[BTC_BINANCE].close, told.bars[BTC_BINANCE].close)


def test_text_instead_of_a_number_is_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="column close cannot be read as numbers"):
        read(write(tmp_path, lambda frame: frame.assign(close="dear")))


def test_rows_without_a_symbol_are_corrupt(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="1 rows have no symbol"):
        read(write(tmp_path, at(3, "symbol", None)))


@pytest.mark.parametrize("column", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_a_price_that_is_not_a_positive_number_is_corrupt(tmp_path: Path, column: str, value: float) -> None:
    with pytest.raises(CorruptData, match=f"{column} is not a positive number in 1 rows, first at 2025-01-01T03:00"):
        read(write(tmp_path, at(3, column, value)))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("high", 1.0, "high is below low"),
        ("open", 1.0, "open or close lies outside"),
        ("close", 1e6, "open or close lies outside"),
        ("volume", -1.0, "volume is negative"),
        ("volume", np.nan, "volume is negative or not a number"),
        ("timestamp", pd.NaT, "timestamp is absent"),
        ("timestamp", START + pd.Timedelta("3h30min"), "timestamp is not a full hour"),
        ("timestamp", START + pd.Timedelta("2h"), "timestamp appears twice"),
        ("timestamp", START + pd.Timedelta("1h"), "timestamp is earlier than the row before"),
    ],
)
def test_a_candle_that_cannot_be_true_is_corrupt(tmp_path: Path, column: str, value: object, what: str) -> None:
    with pytest.raises(CorruptData, match=f"ohlcv_1h.parquet: binance BTC/USDT:USDT: {what}"):
        read(write(tmp_path, at(3, column, value)))


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("funding_rate", np.nan, "rate is not a finite number"),
        ("funding_rate", -np.inf, "rate is not a finite number"),
        ("offset_ms", np.nan, "offset_ms is not a finite number"),
        ("interval_hours", np.nan, "interval_hours is not a whole number"),
        ("interval_hours", 0.0, "interval_hours is not a whole number"),
        ("interval_hours", 1.5, "interval_hours is not a whole number"),
        ("offset_ms", HOUR_MS, "stamp is an hour or more from its hour"),
        ("timestamp", START + pd.Timedelta("8h1min"), "timestamp is not a full hour"),
        ("timestamp", START, "timestamp appears twice"),
        ("timestamp", START - pd.Timedelta("8h"), "timestamp is earlier than the row before"),
    ],
)
def test_a_settlement_that_cannot_be_true_is_corrupt(tmp_path: Path, column: str, value: object, what: str) -> None:
    with pytest.raises(CorruptData, match=f"funding.parquet: binance BTC/USDT:USDT: {what}"):
        read(write(tmp_path, change_funding=at(1, column, value)))


def test_every_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorruptData, match="collect or record these rows again, or leave the asset out"):
        read(write(tmp_path, at(3, "close", np.nan)))


@pytest.mark.skipif("RECORDED_MARKET" not in os.environ, reason="RECORDED_MARKET does not name a folder of recordings")
def test_the_recorded_set_is_a_market_of_paired_assets() -> None:
    market = recorded_market(Path(os.environ["RECORDED_MARKET"]), VENUE_NAMES)

    by_venue = {venue: {one.asset for one in market.instruments if one.venue == venue} for venue in VENUE_NAMES}
    assert by_venue["binance"] == by_venue["hyperliquid"]
    assert {Asset("BTC"), Asset("INJ"), Asset("PEPE", 1000)} <= by_venue["binance"]
    for instrument in market.instruments:
        assert VENUES[instrument.venue].quote == instrument.quote
        assert 1 == instrument.interval_hours or instrument.venue == "binance"
        assert len(market.bars[instrument.key]) > 500 and len(market.settlements[instrument.key]) > 100
