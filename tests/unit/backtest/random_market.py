"""A random market in which everything is hard: intervals that change, gaps, missing and late settlements."""

import math
from functools import cache

import numpy as np

from data.market import Market
from data.settings import VenueSettings
from data.types import HOUR_MS, Bars, InstrumentKey, Settlements
from tests.unit.backtest.markets import START, coin, hour

HOURS = 560
HISTORY_H = 336
DELAY_S = 60
VENUES = {
    "binance": VenueSettings(taker_fee_bps=5.0, half_spread_bps=0.25),
    "hyperliquid": VenueSettings(taker_fee_bps=4.5, half_spread_bps=0.5),
}
MINUTE_MS = 60_000


@cache
def random_market(seed: int = 5) -> Market:
    random = np.random.default_rng(seed)
    bars: dict[InstrumentKey, Bars] = {}
    settlements: dict[InstrumentKey, Settlements] = {}
    # 8 h, then 4 h, then 1 h, and back: where each regime begins, per binance contract; hyperliquid always hourly.
    regimes = {"AAA": {0: 8}, "BBB": {0: 8, 200: 4, 320: 1, 420: 8}, "CCC": {0: 4, 300: 8, 440: 4}, "DDD": {0: 8}}
    instruments = [
        coin(venue, base, interval_hours=8 if venue == "binance" else 1)
        for base in regimes
        for venue in ("binance", "hyperliquid")
    ]
    for base, schedule in regimes.items():
        shared = np.cumsum(random.normal(0, 0.01, HOURS)) + math.log(random.uniform(0.5, 500))
        for instrument in (one for one in instruments if one.asset.base == base):
            hourly = {0: 1} if instrument.venue == "hyperliquid" else schedule
            settlements[instrument.key] = random_settlements(random, hourly)
            bars[instrument.key] = random_bars(random, np.exp(shared + random.normal(0, 0.001, HOURS)))
    return Market(tuple(instruments), bars, settlements)


def random_bars(random: np.random.Generator, close: np.ndarray) -> Bars:
    """One bar in 100 is missing, and ten in a row at some time."""
    first = close * np.exp(random.normal(0, 0.001, HOURS))
    time = START + HOUR_MS * np.arange(HOURS, dtype=np.int64)
    volume = random.lognormal(8, 1, HOURS)
    kept = random.random(HOURS) > 0.01
    gap = random.integers(HISTORY_H, HOURS)
    kept[gap : gap + 10] = False
    columns = time, first, np.maximum(first, close), np.minimum(first, close), close, volume
    return Bars(*(column[kept] for column in columns))


def random_settlements(random: np.random.Generator, schedule: dict[int, int]) -> Settlements:
    """One settlement in 200 is missing; one in 15 is stamped minutes late, the others within half a second."""
    due = [
        number
        for number in range(HOURS + 1)
        if number % [every for begins, every in schedule.items() if begins <= number][-1] == 0
    ]
    kept = [number for number in due if random.random() > 1 / 200]
    late = random.random(len(kept)) < 1 / 15
    offset = np.where(late, random.integers(1, 50, len(kept)) * MINUTE_MS, random.integers(0, 500, len(kept)))
    rate = random.normal(0.00002, 0.00005, len(kept)) * schedule[0]
    return Settlements(np.array([hour(number) for number in kept]), offset.astype(np.int64), rate)
