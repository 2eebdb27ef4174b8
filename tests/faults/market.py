"""A market made for faults: coins whose prices hardly move, and whose funding pays from the first hour on for
being long on Binance and short on the other venue. Written as recorded files, which a served sandbox replays.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from data.types import HOUR_MS
from data.venues import venue_profile

PRICES = {"BTC": 90_000.0, "ETH": 3_000.0, "SOL": 150.0, "INJ": 20.0, "XRP": 2.0, "DOGE": 0.3}
"""The first one pays best, and so on."""
START_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
BEGIN_MS = START_MS + 250 * HOUR_MS
"""2025-01-11 10:00 UTC: there is history enough to decide by."""
HOURS = 340
"""Unless more are wanted."""


def write_market(folder: Path, venues: Sequence[str] = ("binance", "hyperliquid"), hours: int = HOURS) -> Path:
    """The files in `folder`, so many hours long; the first venue is the one to be long on."""
    folder.mkdir(parents=True, exist_ok=True)
    candles, funding = [], []
    for venue in venues:
        for rank, asset in enumerate(PRICES):
            candles.append(_candles(venue, asset, hours))
            rate = -1e-4 if venue == venues[0] else (2e-4 - 1e-5 * rank)
            funding.append(_funding(venue, asset, rate, hours))
    pd.concat(candles).to_parquet(folder / "ohlcv_1h.parquet")
    pd.concat(funding).to_parquet(folder / "funding.parquet")
    return folder


def moment(hours: float) -> str:
    """So many hours after the rehearsal's beginning, ISO 8601, as windows of faults want it."""
    return datetime.fromtimestamp((BEGIN_MS + hours * HOUR_MS) / 1000, UTC).isoformat()


def _candles(venue: str, asset: str, hours: int) -> pd.DataFrame:
    close = PRICES[asset] * (1 + 1e-4 * np.sin(np.arange(hours)))
    opened = np.concatenate([close[:1], close[:-1]])
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    return pd.DataFrame(_named(venue, asset, _stamps(hours, 1)) | columns | {"volume": 1e6})


def _funding(venue: str, asset: str, rate: float, hours: int) -> pd.DataFrame:
    every = 1 if venue_profile(venue).fixed_interval else venue_profile(venue).default_interval_hours
    columns = {"funding_rate": rate, "interval_hours": float(every), "offset_ms": 0.0}
    return pd.DataFrame(_named(venue, asset, _stamps(hours, every)) | columns)


def _named(venue: str, asset: str, stamps: pd.DatetimeIndex) -> dict[str, object]:
    profile = venue_profile(venue)
    symbol = f"{asset}/{profile.quote}:{profile.quote}"
    return {"exchange": profile.exchange, "symbol": symbol, "timestamp": stamps}


def _stamps(hours: int, every: int) -> pd.DatetimeIndex:
    stamps = START_MS + np.arange(0, hours, every) * HOUR_MS
    return pd.to_datetime(stamps, unit="ms", utc=True)
