"""Short series of one or a few instruments, by hour after a fixed start, for the tests of the panel."""

import math
from collections.abc import Iterable, Mapping

import numpy as np

from data.panel import Panel, build_panel
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
"""2025-01-06 00:00 UTC: an hour at which every settlement interval settles."""
DELAY_S = 60
MINUTE_MS = 60_000


def hour(number: int) -> int:
    return START + number * HOUR_MS


def coin(venue: str = "binance", code: str = "BTC", quote: str = "USDT", interval: int = 8) -> Instrument:
    return Instrument(venue, f"{code}/{quote}:{quote}", Asset.parse(code), quote, 0.001, 0.1, 5.0, interval)


def spot_coin(code: str = "BTC", quote: str = "USDT") -> Instrument:
    rules = 0.001, 0.1, 5.0, 8
    return Instrument("binance_spot", f"{code}/{quote}", Asset.parse(code), quote, *rules, spot=True)


def candles(hours: Iterable[int], price: float = 100.0) -> Bars:
    """A candle for each of `hours`: the one of hour h opens at price + h and closes at price + h + 0.5."""
    number = np.array(list(hours), dtype=np.int64)
    first = price + number
    return Bars(START + number * HOUR_MS, first, first + 1, first - 1, first + 0.5, np.abs(10.0 + number))


def settled(rates: Mapping[int, float], late_ms: int | Mapping[int, int] = 0) -> Settlements:
    """Settlements by hour, stamped `late_ms` after it."""
    late = [late_ms.get(number, 0) if isinstance(late_ms, Mapping) else late_ms for number in rates]
    time = np.array([hour(number) for number in rates], dtype=np.int64)
    return Settlements(time, np.array(late, dtype=np.int64), np.array(list(rates.values()), dtype=np.float64))


def panel(
    bars: Bars | None = None, funding: Settlements | None = None, hours: tuple[int, int] = (0, 5), interval: int = 8
) -> Panel:
    """The panel of one instrument."""
    one = coin(interval=interval)
    return build_panel(
        [one],
        {} if bars is None else {one.key: bars},
        {} if funding is None else {one.key: funding},
        hour(hours[0]),
        hour(hours[1]),
        DELAY_S,
    )


def column(values: np.ndarray) -> list[float | None]:
    """The one column of a field, gaps as None."""
    return [None if math.isnan(value) else value for value in values[:, 0].tolist()]
