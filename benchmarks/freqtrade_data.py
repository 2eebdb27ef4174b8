"""One synthetic market as the files that each program reads: recorded files for `bot backtest --replay`, and feather
files, markets and configurations for freqtrade."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data.market import Market
from data.recorded import BARS_FILE, FUNDING_FILE
from data.types import Bars, Instrument, Settlements
from data.venues import venue_profile

FIRST, SECOND = "binance", "hyperliquid"
LEGS = (1, 2)
"""How many legs freqtrade trades: those of the first venue alone, or of both."""
SLOTS = 3
STAKE = 10_000.0 / SLOTS
WALLET = 100_000.0
"""Enough for an entry at any time, however much legs without a hedge have lost."""
TAKER_FEE = 0.0005


def write_recorded(market: Market, folder: Path) -> None:
    """`funding.parquet` and `ohlcv_1h.parquet` (docs/recorded.md), sorted as they have to be."""
    folder.mkdir(parents=True, exist_ok=True)
    instruments = sorted(market.instruments, key=lambda one: (venue_profile(one.venue).exchange, one.symbol))
    bars = [_named(one, _candles(market.bars[one.key], "timestamp")) for one in instruments]
    funding = [_named(one, _settled(market.settlements[one.key], one.interval_hours)) for one in instruments]
    pd.concat(bars).to_parquet(folder / BARS_FILE, index=False)
    pd.concat(funding).to_parquet(folder / FUNDING_FILE, index=False)


def _named(instrument: Instrument, rows: pd.DataFrame) -> pd.DataFrame:
    rows.insert(0, "exchange", venue_profile(instrument.venue).exchange)
    rows.insert(1, "symbol", instrument.symbol)
    return rows


def _candles(bars: Bars, time: str) -> pd.DataFrame:
    columns = {name: getattr(bars, name) for name in ("open", "high", "low", "close", "volume")}
    return pd.DataFrame({time: pd.to_datetime(bars.open_time, unit="ms", utc=True), **columns})


def _settled(history: Settlements, announced: int) -> pd.DataFrame:
    hours = np.diff(history.time, prepend=history.time[:1] - announced * 3_600_000) // 3_600_000
    return pd.DataFrame(
        {
            "timestamp": pd.to_datetime(history.time, unit="ms", utc=True),
            "funding_rate": history.rate,
            "interval_hours": hours,
            "offset_ms": history.offset_ms,
        }
    )


def write_freqtrade(market: Market, folder: Path, strategies: Path) -> None:
    """`data/futures/*.feather` of candles, mark candles (the same) and funding of every contract, `markets.json`, and
    for each of LEGS a configuration, which names the folder `strategies`."""
    futures = folder / "data" / "futures"
    futures.mkdir(parents=True, exist_ok=True)
    (folder / "user_data").mkdir(exist_ok=True)
    symbols = {one.key: listed_as(one, market) for one in market.instruments}
    for key, symbol in symbols.items():
        stem = symbol.replace("/", "_").replace(":", "_")
        candles = _candles(market.bars[key], "date")
        for kind in ("futures", "mark"):
            candles.to_feather(futures / f"{stem}-1h-{kind}.feather")
        _funding(market.settlements[key]).to_feather(futures / f"{stem}-1h-funding_rate.feather")
    markets = {symbols[one.key]: _market(one, symbols[one.key]) for one in market.instruments}
    (folder / "markets.json").write_text(json.dumps(markets))
    for legs in LEGS:
        pairs = [symbol for key, symbol in symbols.items() if key[0] == FIRST or legs == 2]
        (folder / f"config-{legs}.json").write_text(json.dumps(_config(pairs, legs, folder, strategies)))


def listed_as(instrument: Instrument, market: Market) -> str:
    """How freqtrade's one exchange lists a contract: the second venue's with an H behind the first one's name, in the
    same quote, as the account has one currency."""
    first = next(one for one in market.instruments if one.asset == instrument.asset and one.venue == FIRST)
    base = first.symbol.partition("/")[0]
    return first.symbol if instrument.venue == FIRST else f"{base}H/{first.quote}:{first.quote}"


def _funding(history: Settlements) -> pd.DataFrame:
    return pd.DataFrame({"date": pd.to_datetime(history.time, unit="ms", utc=True), "funding_rate": history.rate})


def _market(instrument: Instrument, symbol: str) -> dict[str, Any]:
    """A market as ccxt describes a linear swap."""
    base, _, quote = symbol.partition(":")[0].partition("/")
    limits = {"amount": instrument.lot_step, "cost": instrument.min_notional, "price": instrument.tick_size}
    return {
        "id": f"{base}{quote}",
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": quote,
        "type": "swap",
        "spot": False,
        "margin": False,
        "swap": True,
        "future": False,
        "option": False,
        "contract": True,
        "linear": True,
        "inverse": False,
        "active": True,
        "contractSize": 1.0,
        "taker": TAKER_FEE,
        "maker": TAKER_FEE,
        "precision": {"amount": instrument.lot_step, "price": instrument.tick_size},
        "limits": {name: {"min": least, "max": None} for name, least in limits.items()}
        | {"leverage": {"min": 1, "max": 20}},
        "info": {},
    }


def _config(pairs: list[str], legs: int, folder: Path, strategies: Path) -> dict[str, Any]:
    """Slots, stakes and fee as in the environment's settings; nothing that would slow a backtest down."""
    return {
        "dry_run": True,
        "dry_run_wallet": WALLET,
        "stake_currency": "USDT",
        "stake_amount": STAKE,
        "max_open_trades": SLOTS * legs,
        "tradable_balance_ratio": 1.0,
        "fee": TAKER_FEE,
        "trading_mode": "futures",
        "margin_mode": "isolated",
        "timeframe": "1h",
        "dataformat_ohlcv": "feather",
        "exchange": {"name": FIRST, "pair_whitelist": pairs, "pair_blacklist": []},
        "pairlists": [{"method": "StaticPairList"}],
        "entry_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "other", "use_order_book": True, "order_book_top": 1},
        "strategy": "CarryRule",
        "strategy_path": str(strategies),
        "user_data_dir": str(folder / "user_data"),
    }
