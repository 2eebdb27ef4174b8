"""What the checks say of rows made for them, and the rows, for the tests of the checks."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from data.checks import check_market
from data.defects import Defect, Finding
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements
from tests.unit.data.series import START, coin

BINANCE, BYBIT, OKX = coin("binance"), coin("bybit"), coin("okx")
HYPERLIQUID = coin("hyperliquid", quote="USDC", interval=1)
PRICES = ("open", "high", "low", "close")


def funding(*series: tuple[Instrument, Settlements]) -> list[Finding]:
    return check_market([one for one, _ in series], {}, {one.key: rows for one, rows in series})


def prices(*series: tuple[Instrument, Bars]) -> list[Finding]:
    return check_market([one for one, _ in series], {one.key: rows for one, rows in series}, {})


def told(findings: list[Finding]) -> list[tuple[Defect, InstrumentKey, list[int]]]:
    """Defect, whose, and the hours of the rows (of a gap, the first and last missing one)."""
    return [
        (one.defect, one.key, [(time - START) // HOUR_MS for time in one.times.tolist() or [one.first_ms, one.last_ms]])
        for one in findings
    ]


def every(interval: int, count: int, first: int = 0, rate: float = 3e-5) -> dict[int, float]:
    """Rates of no meaning, none of them the default."""
    return {first + interval * n: rate * (1 + n % 7) for n in range(count)}


def walk(seed: int = 0, hours: int = 24 * 21, basis_bps: float = 0.0) -> Bars:
    """Hourly candles of a random walk: the same one on every venue, but for a basis and each venue's noise."""
    shared, own = np.random.default_rng(1), np.random.default_rng(seed)
    log = np.cumsum(0.006 * shared.standard_normal(hours + 1))
    noise = 1e-4 * own.standard_normal((2, hours)) + basis_bps * 1e-4
    first, last = 100.0 * np.exp(log[:-1] + noise[0]), 100.0 * np.exp(log[1:] + noise[1])
    volume = np.round(1000.0 * np.exp(0.3 * own.standard_normal(hours)), 3)
    time = START + HOUR_MS * np.arange(hours)
    return Bars(time, first, np.maximum(first, last) * 1.001, np.minimum(first, last) * 0.999, last, volume)


def times(factor: float, bars: Bars, rows: slice, names: tuple[str, ...] = PRICES) -> Bars:
    """`bars` with some columns multiplied in `rows`."""
    changed = {name: getattr(bars, name).copy() for name in names}
    for values in changed.values():
        values[rows] *= factor
    return replace(bars, **changed)


def only(bars: Bars, kept: np.ndarray) -> Bars:
    return Bars(*(column[kept] for column in vars(bars).values()))


def quarantined(findings: list[Finding], key: InstrumentKey, table: str, times: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[n] which rows of `times` belong into quarantine."""
    mine = [one.times for one in findings if one.defect.quarantined and (one.key, one.table) == (key, table)]
    return np.isin(times, np.concatenate([*mine, times[:0]]))
