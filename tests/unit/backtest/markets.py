"""Small hand-made markets for the tests of this folder: flat prices and steady funding unless told otherwise."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.market import Market
from data.settings import DataSettings, VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_736_121_600_000
"""2025-01-06 00:00 UTC: an hour at which every settlement interval settles."""
HISTORY_H = 192
"""The shortest history that the settings allow."""
VENUES = {
    "binance": VenueSettings(taker_fee_bps=5.0, half_spread_bps=10.0),
    "hyperliquid": VenueSettings(taker_fee_bps=5.0, half_spread_bps=10.0),
}
"""At a price of 100: bid 99.9, ask 100.1, and a round trip of a pair costs 4 x (5 + 10) = 60 bps."""
DATA = DataSettings(venues=VENUES, history_hours=HISTORY_H)


def hour(number: int) -> int:
    """The `number`th hour of the market, ms."""
    return START + number * HOUR_MS


def coin(venue: str, base: str = "AAA", **rules: object) -> Instrument:
    """A perpetual on `base`; lots of 0.01, ticks of 0.001, orders from 10, funding every eight hours."""
    quote = {"binance": "USDT", "hyperliquid": "USDC"}[venue]
    usual = Instrument(venue, f"{base}/{quote}:{quote}", Asset(base), quote, 0.01, 0.001, 10.0, 8)
    return replace(usual, **rules)


def flat_bars(hours: int, price: float = 100.0) -> Bars:
    """Bars that open and close at `price`."""
    level = np.full(hours, price)
    return Bars(START + HOUR_MS * np.arange(hours, dtype=np.int64), level, level, level, level, np.full(hours, 1e4))


NONE: Mapping[int, float] = {}


def repriced(bars: Bars, opens: Mapping[int, float] = NONE, closes: Mapping[int, float] = NONE) -> Bars:
    """`bars` with other opens and closes at some hours of the market: the close of hour h is what tick h sees."""
    first, last = bars.open.copy(), bars.close.copy()
    for number, price in opens.items():
        first[number] = price
    for number, price in closes.items():
        last[number - 1] = price
    return replace(bars, open=first, close=last, high=np.maximum(first, last), low=np.minimum(first, last))


def without(bars: Bars, *hours: int) -> Bars:
    """`bars` with a gap: those that open at these hours are missing."""
    kept = ~np.isin(bars.open_time, [hour(number) for number in hours])
    return Bars(*(column[kept] for column in vars(bars).values()))


def steady_funding(hours: int, rate: float, every: int = 8) -> Settlements:
    """The same `rate` every `every` hours, stamped on time."""
    time = START + HOUR_MS * np.arange(0, hours + 1, every, dtype=np.int64)
    return Settlements(time, np.zeros(len(time), dtype=np.int64), np.full(len(time), rate))


def pair_market(
    hours: int, long_rate: float = 0.0, short_rate: float = 0.002, bars: Mapping[str, Bars] | None = None
) -> Market:
    """One pair at a price of 100: funding is low on binance and high on hyperliquid, so binance is the long leg."""
    legs = coin("binance"), coin("hyperliquid")
    rates = dict(zip(("binance", "hyperliquid"), (long_rate, short_rate), strict=True))
    return Market(
        legs,
        {leg.key: (bars or {}).get(leg.venue, flat_bars(hours)) for leg in legs},
        {leg.key: steady_funding(hours, rates[leg.venue]) for leg in legs},
    )


def play_tape(market: Market, settings: EnvironmentSettings, hours: int, data: DataSettings = DATA) -> Tape:
    """The tape of the `hours` that follow the history."""
    return tape_of_market(market, data, settings, hour(HISTORY_H), hour(HISTORY_H + hours))
