"""Whether the market that an entry was decided on can be believed: fresh, near its reference, alike on both venues."""

import math
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from bot.risk.denial import Denial
from bot.risk.review import Entry
from data.panel import Panel
from data.quotes import Quote
from data.types import HOUR_MS, Asset, Instrument

MIN_ASSETS = 3
"""The ratio of two quote currencies is known where so many assets are quoted in both."""

Columns = NDArray[np.int64]


def stale(entry: Entry) -> Denial | None:
    """Prices that are missing or old."""
    behind = (entry.proposal.tick - int(entry.panel.ticks[-1])) // HOUR_MS
    hours = max(entry.limits.max_data_age_hours - behind, 0)
    recent = entry.panel.close[len(entry.panel.close) - hours :] if hours else entry.panel.close[:0]
    if any(np.isnan(recent[:, leg.column]).all() for leg in entry.legs):
        return Denial.STALE_DATA
    if any(abs(entry.now_ms - quote.time_ms) > 1000 * entry.limits.max_quote_age_s for quote in entry.quotes):
        return Denial.STALE_DATA
    return None if all(math.isfinite(close) and close > 0 for close in entry.closes) else Denial.NOT_FINITE


def unreasonable(entry: Entry, ratios: "QuoteRatios") -> Denial | None:
    """Prices that are there and cannot be right, or not for long."""
    limits, collar = entry.limits, entry.limits.max_price_collar_pct / 100
    if len(entry.quotes) not in (0, len(entry.legs)) or not all(map(_sound, entry.quotes)):
        return Denial.UNSOUND_BOOK
    for leg, close in zip(entry.legs, entry.closes, strict=True):
        if not (leg.collar <= collar and abs(leg.reference / close - 1) <= collar):
            return Denial.PRICE_COLLAR
    mids = [(quote.bid + quote.ask) / 2 for quote in entry.quotes] or entry.closes
    if any(abs(mid / close - 1) > collar for mid, close in zip(mids, entry.closes, strict=True)):
        return Denial.PRICE_COLLAR
    apart = limits.max_venue_gap_pct / 100
    if max(max(prices) / min(prices) - 1 for prices in (mids, entry.closes)) > apart:
        return Denial.VENUES_APART
    ratio = ratios.ratio(entry.panel, *(leg.instrument.quote for leg in entry.legs))
    return Denial.QUOTE_GAP if abs(ratio - 1) > limits.max_quote_gap_pct / 100 else None


def _sound(quote: Quote) -> bool:
    return 0 < quote.bid < quote.ask < math.inf


class QuoteRatios:
    """What quote currencies are worth in one another, by what the same assets cost in both at the newest tick.

    Which columns tell of which currencies is kept from one panel of the same instruments to the next.
    """

    def __init__(self) -> None:
        self._instruments: tuple[Instrument, ...] = ()
        self._columns: dict[tuple[str, str], tuple[Columns, Columns]] = {}

    def ratio(self, panel: Panel, one: str, other: str) -> float:
        """Median price in `one` over the price in `other`; NaN where that is not known, 1 for one currency."""
        if one == other:
            return 1.0
        if self._instruments is not panel.instruments:
            self._instruments, self._columns = panel.instruments, {}
        if (one, other) not in self._columns:
            self._columns[one, other] = _columns(panel.instruments, one, other)
        ones, others = self._columns[one, other]
        with np.errstate(all="ignore"):
            ratios = panel.close[-1, ones] / panel.close[-1, others]
        ratios = np.sort(ratios[np.isfinite(ratios)])
        return float(ratios[len(ratios) // 2]) if len(ratios) >= MIN_ASSETS else math.nan


def _columns(instruments: tuple[Instrument, ...], one: str, other: str) -> tuple[Columns, Columns]:
    """The first column of every asset in each of the two currencies, where it is quoted in both."""
    found: dict[Asset, dict[str, int]] = defaultdict(dict)
    for column, instrument in enumerate(instruments):
        found[instrument.asset].setdefault(instrument.quote, column)
    both = [(columns[one], columns[other]) for columns in found.values() if one in columns and other in columns]
    pairs = np.array(both, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]
