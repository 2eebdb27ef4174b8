"""Candles and settlements as a venue shows them at an instant: nothing of what comes later is in them."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from backtest.sandbox.text import Rows
from data.market import OPEN_PLATEAU_MS, TURNS_MS, Market
from data.types import HOUR_MS, Instrument

DAY_MS = 24 * HOUR_MS
BENDS_MS = (OPEN_PLATEAU_MS, *TURNS_MS)
"""Where within its bar the price of `Market.path` may turn."""
INTERVALS_HOURS = (1, 2, 4, 8)


@dataclass(frozen=True)
class Candle:
    """One hourly candle, closed or as far as it has come."""

    open_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    """In units of the asset."""
    closed: bool = field(default=True, kw_only=True)

    @property
    def quote_volume(self) -> float:
        """Volume in quote currency, at the mean of the four prices."""
        return self.volume * (self.open + self.high + self.low + self.close) / 4

    @property
    def trades(self) -> int:
        """A plausible number of trades: one per thousand of quote currency."""
        return int(self.quote_volume // 1000) + (self.volume > 0)


@dataclass(frozen=True)
class Day:
    """The last 24 hours in one line, prices in quote currency, from the hourly candles that opened in them."""

    open_time: int
    open: float
    high: float
    low: float
    last: float
    volume: float
    quote_volume: float


class CandleFeed:
    """The candles of one instrument, with their JSON rows as `render` writes them."""

    def __init__(self, market: Market, instrument: Instrument, render: Callable[[Candle], str]) -> None:
        """`instrument` must be one of the market's."""
        self._market = market
        self._key = instrument.key
        self._bars = market.bars[instrument.key]
        self._render = render
        self._rows = Rows(len(self._bars), lambda index: render(self._closed(index)))

    def between(self, since_ms: int | None, until_ms: int | None, now_ms: int) -> tuple[int, int]:
        """(first, stop) index of the candles that open in since..until, both included, and not after now."""
        last = now_ms if until_ms is None else min(until_ms, now_ms)
        first = 0 if since_ms is None else int(np.searchsorted(self._bars.open_time, since_ms))
        return first, int(np.searchsorted(self._bars.open_time, last, side="right"))

    def page(self, first: int, stop: int, now_ms: int) -> str:
        """A JSON list of the candles first..stop-1, the last of which may still be forming at `now_ms`."""
        return f"[{','.join(self.rows(first, stop, now_ms))}]"

    def rows(self, first: int, stop: int, now_ms: int) -> list[str]:
        """The candles first..stop-1 as JSON rows, oldest first; the last may still be forming at `now_ms`."""
        forming = stop > first and int(self._bars.open_time[stop - 1]) + HOUR_MS > now_ms
        rows = self._rows.page(first, stop - forming)
        if forming:
            rows.append(self._render(self._forming(stop - 1, now_ms)))
        return rows

    def price(self, now_ms: int) -> float:
        """The last price: on the path within a bar, the last close in a gap, NaN before the first bar."""
        mid = self._market.mid(self._key, now_ms)
        opened = self.between(None, None, now_ms)[1]
        return float(self._bars.close[opened - 1]) if opened and math.isnan(mid) else mid

    def day(self, now_ms: int) -> Day:
        """The last 24 hours; flat at the last price if no candle opened in them."""
        first, stop = self.between(now_ms - DAY_MS + 1, None, now_ms)
        if first == stop:
            last = self.price(now_ms)
            return Day(now_ms - DAY_MS, last, last, last, last, 0.0, 0.0)
        candles = [self._closed(index) for index in range(first, stop - 1)] + [self._so_far(stop - 1, now_ms)]
        return Day(
            open_time=candles[0].open_time,
            open=candles[0].open,
            high=max(candle.high for candle in candles),
            low=min(candle.low for candle in candles),
            last=candles[-1].close,
            volume=sum(candle.volume for candle in candles),
            quote_volume=sum(candle.quote_volume for candle in candles),
        )

    def _so_far(self, index: int, now_ms: int) -> Candle:
        closed = int(self._bars.open_time[index]) + HOUR_MS <= now_ms
        return self._closed(index) if closed else self._forming(index, now_ms)

    def _closed(self, index: int) -> Candle:
        bars = self._bars
        columns = (bars.open, bars.high, bars.low, bars.close, bars.volume)
        return Candle(int(bars.open_time[index]), *(float(column[index]) for column in columns))

    def _forming(self, index: int, now_ms: int) -> Candle:
        open_time = int(self._bars.open_time[index])
        turned = (open_time + turn for turn in BENDS_MS if open_time + turn < now_ms)
        prices = [self._market.path(self._key, index, when) for when in (open_time, *turned, now_ms)]
        volume = float(self._bars.volume[index]) * (now_ms - open_time) / HOUR_MS
        return Candle(open_time, prices[0], max(prices), min(prices), prices[-1], volume, closed=False)


class FundingFeed:
    """The settlements of one instrument, with their JSON rows as `render(stamp_ms, rate)` writes them."""

    def __init__(self, market: Market, instrument: Instrument, render: Callable[[int, float], str]) -> None:
        """`instrument` must be one of the market's."""
        settlements = market.settlements[instrument.key]
        self._announced_hours = instrument.interval_hours
        self._time, self._stamp, self._rate = settlements.time, settlements.stamp, settlements.rate
        self._rows = Rows(len(settlements), lambda index: render(int(self._stamp[index]), float(self._rate[index])))

    def between(self, since_ms: int | None, until_ms: int | None, now_ms: int) -> tuple[int, int]:
        """(first, stop) index of the settlements stamped in since..until, both included, and not after now."""
        last = now_ms if until_ms is None else min(until_ms, now_ms)
        first = 0 if since_ms is None else int(np.searchsorted(self._stamp, since_ms))
        return first, int(np.searchsorted(self._stamp, last, side="right"))

    def page(self, first: int, stop: int) -> str:
        """A JSON list of the settlements first..stop-1."""
        return f"[{','.join(self.rows(first, stop))}]"

    def rows(self, first: int, stop: int) -> list[str]:
        """The settlements first..stop-1 as JSON rows, oldest first."""
        return self._rows.page(first, stop)

    def last_rate(self, now_ms: int) -> float:
        """The last settled rate, 0 before the first: the best estimate of the next one that is not the future."""
        settled = self.between(None, None, now_ms)[1]
        return float(self._rate[settled - 1]) if settled else 0.0

    def interval_hours(self, now_ms: int) -> int:
        """Hours between the settlements around now, as the venue's schedule says; what the instrument announces where
        the market's record has none or a hole."""
        coming = int(np.searchsorted(self._time, now_ms, side="right"))
        if not 0 < coming < len(self._time):
            return self._announced_hours
        hours = int(self._time[coming] - self._time[coming - 1]) // HOUR_MS
        return hours if hours in INTERVALS_HOURS else self._announced_hours

    def next_time(self, now_ms: int) -> int:
        """When the next settlement is due, ms; after the market's last one, by the announced interval."""
        coming = int(np.searchsorted(self._time, now_ms, side="right"))
        if coming < len(self._time):
            return int(self._time[coming])
        interval_ms = self._announced_hours * HOUR_MS
        return (now_ms // interval_ms + 1) * interval_ms
