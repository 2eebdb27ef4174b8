"""Recorded files of a market whose funding intervals change and whose stamps come late, for tests of the collector."""

from pathlib import Path

import numpy as np
import pandas as pd

HOUR_MS = 3_600_000
QUOTES = {"binance": "USDT", "bybit": "USDT", "hyperliquid": "USDC", "okx": "USDT"}
COINS = (
    "BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "AVAX", "LTC", "DOT", "TRX", "INJ", "UNI", "LINK", "ATOM",
    "NEAR", "APT", "ARB", "OP", "SUI", "FIL", "ETC", "XLM", "AAVE", "SEI", "TIA", "ENA", "WIF", "ORDI", "LAYER",
)  # fmt: skip


def write_changing_market(folder: Path, coins: int, hours: int, begin_ms: int) -> None:
    """`hours` of candles and settlements of the first `coins` on four venues: a third of the contracts settles every
    8 h, then every 4 h, then every hour; Binance stamps up to 47 ms late, Hyperliquid up to 440 ms and once minutes."""
    random, bars, funding = np.random.default_rng(11), [], []
    opened = begin_ms + np.arange(hours, dtype=np.int64) * HOUR_MS
    for number, coin in enumerate(COINS[:coins]):
        price = 10.0 ** random.uniform(-1, 4) * np.exp(np.cumsum(random.normal(0, 0.005, hours + 1)))
        for venue, quote in QUOTES.items():
            name = {"exchange": venue, "symbol": f"{coin}/{quote}:{quote}"}
            path = price * (1 + random.normal(0, 2e-4, hours + 1))
            first, last = path[:-1].round(6), path[1:].round(6)
            high, low = np.maximum(first, last) * 1.001, np.minimum(first, last) * 0.999
            volume = random.uniform(1e3, 1e5, hours).round(0)
            candles = {"open": first, "high": high.round(6), "low": low.round(6), "close": last, "volume": volume}
            bars.append(pd.DataFrame(name | {"timestamp": _utc(opened)} | candles))
            interval = np.full(hours, 1 if venue == "hyperliquid" else 8)
            if venue != "hyperliquid" and number % 3 == 1:
                interval[hours // 3 :], interval[2 * hours // 3 :] = 4, 1
            settles = (opened // HOUR_MS) % interval == 0
            late = {"binance": 48, "hyperliquid": 441}.get(venue, 1)
            offset = random.integers(0, late, hours) * (random.random(hours) < 0.5)
            if venue == "hyperliquid":
                offset[hours // 2] = 24 * 60_000
            rates = random.normal(1e-4, 1e-4, hours).round(8)
            paid = {"funding_rate": rates, "interval_hours": interval, "offset_ms": offset}
            funding.append(pd.DataFrame(name | {"timestamp": _utc(opened)} | paid)[settles])
    folder.mkdir(parents=True, exist_ok=True)
    pd.concat(bars).to_parquet(folder / "ohlcv_1h.parquet")
    pd.concat(funding).to_parquet(folder / "funding.parquet")


def _utc(ms: np.ndarray) -> pd.Series:
    return pd.Series(pd.to_datetime(ms, unit="ms", utc=True))
