"""The hand-made market that the contract tests of the sandbox's OKX share: six coins, a hundred days and more."""

import numpy as np

from data.market import Market, lot_step, tick_size
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START_MS = 1_735_689_600_000
HOURS = 2600
NOON = START_MS + 2412 * HOUR_MS
"""An hour at which all but TON are listed, a hundred days into the market."""
BETWEEN = NOON + 25 * 60_000
GAP = range(2300, 2303)
"""Hours without candles in DOGE."""
IN_GAP = START_MS + 2301 * HOUR_MS
LISTINGS = (
    # base code, price, settlement interval from which hour on, first and last hour
    ("BTC", 95_000.0, {0: 8}, 0, HOURS),
    ("SOL", 190.0, {0: 8, 2000: 4, 2200: 1}, 0, HOURS),
    ("DOGE", 0.33, {0: 4}, 0, HOURS),
    ("PEPE", 0.000018, {0: 8}, 0, HOURS),
    ("ENA", 0.93, {0: 4}, 2200, HOURS),
    ("TON", 5.5, {0: 8}, 0, 1800),
)
SWAPS = {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"}
COINS_PER_CONTRACT = {"BTC": 0.01, "SOL": 1.0, "DOGE": 1000.0, "PEPE": 1e7, "ENA": 10.0}
"""Of what is listed at noon."""


def symbol(code: str) -> str:
    return f"{code}/USDT:USDT"


def okx_market() -> Market:
    """Full-precision prices and rates, a gap in DOGE, ENA listed late, TON delisted early, and SOL settling every 8,
    then 4, then 1 hours."""
    random = np.random.default_rng(12)
    instruments, bars, settlements = [], {}, {}
    for code, price, intervals, first, last in LISTINGS:
        rules = lot_step(price, 4), tick_size(price), 0.0, list(intervals.values())[-1]
        instrument = Instrument("okx", symbol(code), Asset.parse(code), "USDT", *rules)
        instruments.append(instrument)
        bars[instrument.key] = _bars(random, code, price, first, last)
        settlements[instrument.key] = _settlements(random, intervals, first, last)
    return Market(tuple(instruments), bars, settlements)


def _bars(random: np.random.Generator, code: str, price: float, first: int, last: int) -> Bars:
    hours = np.array([hour for hour in range(first, last) if hour not in GAP or code != "DOGE"])
    turns = price * (1 + 0.02 * random.standard_normal((len(hours), 4)))
    volume = random.uniform(1, 50_000, len(hours)) / price
    return Bars(START_MS + hours * HOUR_MS, turns[:, 0], turns.max(axis=1), turns.min(axis=1), turns[:, 1], volume)


def _settlements(random: np.random.Generator, intervals: dict[int, int], first: int, last: int) -> Settlements:
    def interval(hour: int) -> int:
        return next(hours for begin, hours in reversed(intervals.items()) if hour > begin or begin == 0)

    hours = np.array([hour for hour in range(first, last + 1) if hour % interval(hour) == 0])
    rate = random.standard_normal(len(hours)) * 10.0 ** random.uniform(-9, -3, len(hours))
    return Settlements(START_MS + hours * HOUR_MS, np.zeros_like(hours), rate)
