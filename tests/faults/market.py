"""A market made for faults: coins whose prices hardly move, and whose funding pays from the first hour on for
being long on Binance and short on the other venue. Written as recorded files, which a served sandbox replays.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from data.types import HOUR_MS
from data.venues import venue_profile

PRICES = {"BTC": 90_000.0, "ETH": 3_000.0, "SOL": 150.0, "INJ": 20.0, "XRP": 2.0, "DOGE": 0.3}
"""The first one pays best, and so on."""
START_MS = 1_735_689_600_000
"""2025-01-01 00:00 UTC."""
BEGIN_HOUR = 250
BEGIN_MS = START_MS + BEGIN_HOUR * HOUR_MS
"""2025-01-11 10:00 UTC: there is history enough to decide by."""
HOURS = 340
"""Unless more are wanted."""

Gaps = Mapping[tuple[str, str], tuple[int, float]]
"""By (venue, asset): so many hours after the beginning its prices are multiplied by a factor, for good."""
Intervals = Mapping[tuple[str, str], Sequence[tuple[int, int]]]
"""By (venue, asset): from so many hours after the beginning on, it settles every so many hours."""
Ends = Mapping[tuple[str, str], int]
"""By (venue, asset): so many hours after the beginning it is delisted."""


def write_market(
    folder: Path,
    venues: Sequence[str] = ("binance", "hyperliquid"),
    gap: Gaps = {},  # noqa: B006 - read only
    intervals: Intervals = {},  # noqa: B006 - read only
    prices: Mapping[str, float] = PRICES,
    hours: int = HOURS,
    ends: Ends = {},  # noqa: B006 - read only
) -> Path:
    """The files in `folder`, so many hours long; the first venue is the one to be long on."""
    folder.mkdir(parents=True, exist_ok=True)
    candles, funding = [], []
    for venue in venues:
        for rank, (asset, price) in enumerate(prices.items()):
            whole = _candles(venue, asset, price, hours, *gap.get((venue, asset), (hours, 1.0)))
            candles.append(whole[: BEGIN_HOUR + ends.get((venue, asset), hours)])
            rate = -1e-4 if venue == venues[0] else 2e-4 - 1e-5 * rank
            funding.append(_funding(venue, asset, rate, hours, intervals.get((venue, asset), ())))
    pd.concat(candles).to_parquet(folder / "ohlcv_1h.parquet")
    pd.concat(funding).to_parquet(folder / "funding.parquet")
    return folder


def moment(hours: float) -> str:
    """So many hours after the rehearsal's beginning, ISO 8601, as windows of faults want it."""
    return datetime.fromtimestamp((BEGIN_MS + hours * HOUR_MS) / 1000, UTC).isoformat()


def _candles(venue: str, asset: str, price: float, hours: int, from_hour: int, factor: float) -> pd.DataFrame:
    close = price * (1 + 1e-4 * np.sin(np.arange(hours)))
    close[BEGIN_HOUR + from_hour :] *= factor
    opened = np.concatenate([close[:1], close[:-1]])
    columns = {"open": opened, "high": np.maximum(opened, close), "low": np.minimum(opened, close), "close": close}
    return pd.DataFrame(_named(venue, asset, np.arange(hours)) | columns | {"volume": 1e6})


def _funding(venue: str, asset: str, rate: float, hours: int, intervals: Sequence[tuple[int, int]]) -> pd.DataFrame:
    profile = venue_profile(venue)
    changes = [(-BEGIN_HOUR, 1 if profile.fixed_interval else profile.default_interval_hours), *intervals]
    begins = [BEGIN_HOUR + hour for hour, _ in changes] + [hours]
    settled = [
        (hour, every)
        for (_, every), begin, end in zip(changes, begins, begins[1:], strict=False)
        for hour in range(begin, end)
        if hour % every == 0
    ]
    columns = {"funding_rate": rate, "interval_hours": [float(every) for _, every in settled], "offset_ms": 0.0}
    return pd.DataFrame(_named(venue, asset, np.array([hour for hour, _ in settled])) | columns)


def _named(venue: str, asset: str, hours: NDArray[np.int64]) -> dict[str, object]:
    profile = venue_profile(venue)
    code = asset.replace("1000", "K") if venue == "hyperliquid" else asset
    symbol = f"{code}/{profile.quote}:{profile.quote}"
    stamps = pd.to_datetime(START_MS + hours * HOUR_MS, unit="ms", utc=True)
    return {"exchange": profile.exchange, "symbol": symbol, "timestamp": stamps}
