"""A whole market held in memory, point-in-time: what the sandbox servers show and what a backtest replays.

Made by `data.synthetic` or `data.recorded`. The sandbox and the backtest share this market and nothing else.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.errors import ConfigurationError, MissingData
from data.settings import Outage, Shock, utc_ms
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements

OPEN_PLATEAU_MS = 5 * 60_000
"""The price stays at a bar's open for this long, so that an order sent minutes after the hour fills at the open."""
TURNS_MS = 20 * 60_000, 40 * 60_000
"""When the price is at the nearer and at the further extreme of its bar."""


@dataclass(frozen=True)
class Market:
    """Instruments with their candles and settlements, on a shared time axis.

    `episode` names in one line what is unusual in it, for summaries; empty for recorded markets.
    """

    instruments: tuple[Instrument, ...]
    bars: Mapping[InstrumentKey, Bars]
    settlements: Mapping[InstrumentKey, Settlements]
    episode: str = ""

    @property
    def start_ms(self) -> int:
        """The beginning of the first bar; raises MissingData for a market without any."""
        return min(int(bars.open_time[0]) for bars in self._series())

    @property
    def end_ms(self) -> int:
        """The end of the last bar."""
        return max(int(bars.open_time[-1]) for bars in self._series()) + HOUR_MS

    def listed(self, now_ms: int) -> tuple[Instrument, ...]:
        """The instruments that trade at `now_ms`: a bar has closed by then, and the last one has not."""
        return self.listed_within(now_ms, now_ms)

    def listed_within(self, first_ms: int, last_ms: int) -> tuple[Instrument, ...]:
        """The instruments that trade at any time in first_ms..last_ms, both included; see `listed`."""
        return tuple(
            instrument
            for instrument in self.instruments
            if len(bars := self.bars[instrument.key]) > 1
            and int(bars.open_time[0]) + HOUR_MS <= last_ms
            and first_ms < int(bars.open_time[-1]) + HOUR_MS
        )

    def _series(self) -> list[Bars]:
        series = [bars for bars in self.bars.values() if len(bars)]
        if not series:
            raise MissingData("the market has no candle at all: choose other venues, assets or outages")
        return series

    def bar_index(self, key: InstrumentKey, now_ms: int) -> int:
        """Index of the bar that contains `now_ms`, or -1 in a gap."""
        bars = self.bars[key]
        index = int(np.searchsorted(bars.open_time, now_ms, side="right")) - 1
        return index if index >= 0 and now_ms < int(bars.open_time[index]) + HOUR_MS else -1

    def mid(self, key: InstrumentKey, now_ms: int) -> float:
        """Mid price at an instant, NaN in a gap; see `path`."""
        index = self.bar_index(key, now_ms)
        return math.nan if index < 0 else self.path(key, index, now_ms)

    def path(self, key: InstrumentKey, index: int, now_ms: int) -> float:
        """Price within bar `index`: at the open for five minutes, then straight to the nearer extreme at 20 min, the
        other at 40 min, and the close at the end."""
        bars = self.bars[key]
        first, last = float(bars.open[index]), float(bars.close[index])
        low, high = float(bars.low[index]), float(bars.high[index])
        turns = (low, high) if abs(first - low) <= abs(high - first) else (high, low)
        times = (0, OPEN_PLATEAU_MS, *TURNS_MS, HOUR_MS)
        return float(np.interp(now_ms - int(bars.open_time[index]), times, (first, first, *turns, last)))


def without_hours(market: Market, outages: Sequence[Outage]) -> Market:
    """`market` with every bar of an outage's venue absent that overlaps it; funding settles as before.

    So nothing trades there and prices go stale. An instrument stays listed through an outage that ends; one that does
    not end before its last bar delists it. Raises ConfigurationError for a venue that the market does not have.
    """
    venues = {instrument.venue for instrument in market.instruments}
    if unknown := sorted({outage.venue for outage in outages} - venues):
        raise ConfigurationError(
            f"an outage names {', '.join(unknown)}, which the market does not have: choose from "
            f"{', '.join(sorted(venues))}"
        )
    bars = dict(market.bars)
    for outage in outages:
        for key in (instrument.key for instrument in market.instruments if instrument.venue == outage.venue):
            bars[key] = _outside(bars[key], utc_ms(outage.begin), utc_ms(outage.end))
    return replace(market, bars=bars)


def with_shocks(market: Market, shocks: Sequence[Shock]) -> Market:
    """`market` with its prices moved as `shocks` say; settled rates stay. Raises ConfigurationError for a shock that
    moves nothing."""
    bars = dict(market.bars)
    for shock in shocks:
        asset = Asset.parse(shock.asset)
        moved = [i.key for i in market.instruments if i.asset == asset and shock.venue in (None, i.venue)]
        if not moved:
            raise ConfigurationError(
                f"a shock names {asset} on {shock.venue or 'any venue'}, which the market does not have: correct it"
            )
        for key in moved:
            bars[key] = _moved(bars[key], shock)
    return replace(market, bars=bars)


def _moved(bars: Bars, shock: Shock) -> Bars:
    end_ms = math.inf if shock.end is None else utc_ms(shock.end)
    within = (bars.open_time >= utc_ms(shock.begin)) & (bars.open_time < end_ms)
    factor = np.where(within, 1 + shock.percent / 100, 1.0)
    prices = {name: getattr(bars, name) * factor for name in ("open", "high", "low", "close")}
    return replace(bars, **prices)


def _outside(bars: Bars, begin_ms: int, end_ms: int) -> Bars:
    """The bars of which no moment lies in [begin_ms, end_ms)."""
    kept = (bars.open_time + HOUR_MS <= begin_ms) | (bars.open_time >= end_ms)
    return Bars(*(column[kept] for column in vars(bars).values()))


def lot_step(price: float, max_decimals: int) -> float:
    """A plausible lot step for a contract at `price`: a power of ten worth about 0.3 to 3 units of quote, at least
    10^-max_decimals and at most 1. Recorded files carry no market rules; this follows the venues' own tables
    (Hyperliquid BTC 10^-5, ETH 10^-4, SOL 10^-2, DOGE 1)."""
    return 10.0 ** -min(max(round(math.log10(price)), 0), max_decimals)


def tick_size(price: float) -> float:
    """A plausible tick for a contract at `price`: five significant figures or whole units, Hyperliquid's rule."""
    return 10.0 ** min(math.floor(math.log10(price)) - 4, 0)


def touch(
    mid: float | NDArray[np.float64], half_spread_bps: float, tick: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(bid, ask) around `mid`: half a spread away and rounded outward to `tick`, a power of ten. NaN stays NaN.

    The prices are the doubles nearest to their decimal notation, so the same quote comes out of HTTP and of arithmetic.
    """
    exponent = round(math.log10(tick))
    scale = 10.0 ** abs(exponent)
    half = np.asarray(mid) * (half_spread_bps * 1e-4)
    bid = np.floor((mid - half) / tick + 1e-6)
    ask = np.ceil((mid + half) / tick - 1e-6)
    return (bid / scale, ask / scale) if exponent < 0 else (bid * scale, ask * scale)
