"""Recorded series of any venue, by name, for the tests of the checks; they skip where RECORDED_MARKET is not set."""

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from data.checks import check_market
from data.defects import Defect, Finding
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements

CANDLES, FUNDING = "ohlcv_1h.parquet", "funding.parquet"
BTC = ("binance", "BTC/USDT:USDT")
PANEL = ("ADA", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LTC", "SOL", "TON", "TRX", "XRP")
"""Assets that binance and hyperliquid have completely over `PANEL_SPAN`."""
PANEL_SPAN = "2024-09-10", "2025-04-14"

Rows = TypeVar("Rows", Bars, Settlements)


def folder() -> Path:
    path = os.environ.get("RECORDED_MARKET")
    if not path:
        pytest.skip("RECORDED_MARKET is not set: no recorded rows to check")
    return Path(path)


def ms(text: str) -> int:
    return int(np.datetime64(text, "ms").astype(np.int64))


@cache
def _table(name: str) -> dict[InstrumentKey, pa.Table]:
    table = pq.read_table(folder() / name)
    table = table.append_column("ms", pc.cast(pc.cast(table["timestamp"], pa.timestamp("ms", "UTC")), pa.int64()))
    table = table.sort_by([("exchange", "ascending"), ("symbol", "ascending"), ("ms", "ascending")])
    pairs = pc.binary_join_element_wise(
        pc.cast(table["exchange"], pa.string()), pc.cast(table["symbol"], pa.string()), " "
    ).combine_chunks()
    names = pairs.dictionary_encode()
    codes = names.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    keys = [tuple(names.dictionary[int(codes[start])].as_py().split(" ")) for start in starts]
    return {key: table.slice(a, b - a) for key, a, b in zip(keys, starts, [*starts[1:], len(codes)], strict=True)}


def bars(venue: str, symbol: str) -> Bars:
    rows = _table("ohlcv_1h.parquet")[venue, symbol]
    names = ("open", "high", "low", "close", "volume")
    return Bars(rows["ms"].to_numpy(), *(rows[name].to_numpy() for name in names))


def settlements(venue: str, symbol: str) -> Settlements:
    rows = _table("funding.parquet")[venue, symbol]
    offset = rows["offset_ms"].to_numpy().astype(np.int64)
    return Settlements(rows["ms"].to_numpy(), offset, rows["funding_rate"].to_numpy())


def raw(origin: str, venue: str, symbol: str) -> Settlements:
    """Rows as somebody downloaded them, filed under the nearest hour as the gateway does."""
    rows = pq.read_table(folder() / "funding_raw_samples.parquet").to_pylist()
    mine = [row for row in rows if (row["origin"], row["exchange"], row["symbol"]) == (origin, venue, symbol)]
    stamp = np.array([ms(row["timestamp_text"]) for row in mine])
    time = (stamp + HOUR_MS // 2) // HOUR_MS * HOUR_MS
    return Settlements(time, stamp - time, np.array([row["funding_rate"] for row in mine]))


def venues_with(asset: str, name: str) -> list[InstrumentKey]:
    """Linear swaps on an asset (its ccxt base code) in a file, by venue."""
    return [key for key in _table(name) if key[1].startswith(f"{asset}/") and not key[1].endswith(":BTC")]


def everything(name: str) -> list[InstrumentKey]:
    """Every linear swap of a file."""
    return [key for key in _table(name) if not key[1].endswith((":BTC", ":ETH"))]


def instrument(key: InstrumentKey, interval: int = 8) -> Instrument:
    base, _, quotes = key[1].partition("/")
    return Instrument(*key, Asset.parse(base), quotes.partition(":")[2], 0.001, 0.1, 5.0, interval)


def between(rows: Rows, first: str, last: str) -> Rows:
    time = rows.open_time if isinstance(rows, Bars) else rows.time
    kept = (time >= ms(first)) & (time < ms(last))
    return type(rows)(*(column[kept] for column in vars(rows).values()))


def checked(
    keys: Iterable[InstrumentKey],
    candles: dict[InstrumentKey, Bars] | None = None,
    funding: dict[InstrumentKey, Settlements] | None = None,
) -> list[Finding]:
    hourly = {"hyperliquid", "kraken", "dydx", "drift"}
    listed = [instrument(key, 1 if key[0] in hourly else 8) for key in keys]
    return check_market(listed, candles or {}, funding or {})


def funding_of(*keys: InstrumentKey) -> list[Finding]:
    return checked(keys, funding={key: settlements(*key) for key in keys})


@cache
def panel() -> tuple[dict[InstrumentKey, Bars], dict[InstrumentKey, Settlements]]:
    keys = [key for asset in PANEL for key in venues_with(asset, CANDLES) if key[0] in ("binance", "hyperliquid")]
    return (
        {key: between(bars(*key), *PANEL_SPAN) for key in keys},
        {key: between(settlements(*key), *PANEL_SPAN) for key in keys},
    )


def kept_out(findings: Iterable[Finding]) -> list[str]:
    return [str(one) for one in findings if one.defect.quarantined]


def of(defect: Defect, findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.defect is defect]
