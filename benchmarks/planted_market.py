"""Markets whose truth is known: one with a pattern that the carry rule misses, one of pure noise.

For the proof that the population learns what there is to be learned and nothing else; used by the benchmark `planted`
and by a test. What is planted: docs/learning.md.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.policies import Actions, Observations, legal_actions
from backtest.schema import Schema
from backtest.simulated_venue import FLAT, IN, KEEP
from data.market import Market, lot_step, tick_size
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import venue_profile

Floats = NDArray[np.float64]

START_MS = 1_704_067_200_000
"""2024-01-01 00:00 UTC."""
VENUES = "binance", "hyperliquid"
PRICE = 100.0
INTEREST = 1e-4 / 8
"""What longs pay on both venues while nothing is on, fraction per hour."""
QUIET_VOLATILITY, WILD_VOLATILITY = 0.003, 0.012
"""Standard deviation of hourly returns."""
TELLING_VOLATILITY = 0.6
"""Volatility over 24 h above which the oracle takes an episode for a wild one, % per hour."""
TELLING_SPREAD = 1.0
"""Mean spread of 24 h below which the oracle takes an episode to be over, bps per 8 h."""
TELLING_REVERSAL = 30.0
"""Spread, in the direction that an entry would take, above which the oracle sees a reversal in a wild episode."""
BASIS_BPS = 2.0
"""Standard deviation of what the second venue's prices add to the first's, anew at every open and close."""


@dataclass(frozen=True)
class Episodes:
    """How funding spreads come and go, each asset by itself. Rates are bps per 8 h, lengths hours."""

    calm_share: float = 0.15
    """Of all episodes; the others are wild."""
    gap_hours: float = 96.0
    """Mean time without a spread between two of them, exponential."""
    calm_rate: tuple[float, float] = (4.0, 7.0)
    calm_hours: tuple[int, int] = (336, 504)
    wild_rate: tuple[float, float] = (7.0, 12.0)
    """Higher than the calm one: no threshold of the rule tells them apart."""
    wild_hours: int = 48
    reversal_rate: float = 60.0
    """The wild spread's second half, the other way."""
    reversal_hours: int = 24
    noise_rate: float = 1.0
    """Standard deviation of each hour's spread around all that."""


@dataclass(frozen=True)
class _Path:
    """One asset by hour: the spread in fraction per hour, and the volatility that goes with it."""

    spread: Floats
    volatility: Floats


def planted_market(seed: int, days: int, assets: int = 10, episodes: Episodes | None = None) -> Market:
    """Two kinds of spread that look alike but for the price's volatility: calm ones last for weeks, wild ones turn
    against whoever entered. The same arguments give the same market."""
    return _market(seed, days, assets, lambda random, hours: _planted(random, hours, episodes or Episodes()))


def noise_market(seed: int, days: int, assets: int = 10, noise_rate: float = 20.0) -> Market:
    """The same contracts with spreads that are drawn anew every hour, with a standard deviation of `noise_rate` bps per
    8 h: what has been says nothing about what will be, and every trade costs."""
    return _market(seed, days, assets, lambda random, hours: _noise(random, hours, noise_rate))


class Oracle:
    """Knows the pattern but not the noise: enters what pays where it is calm and still on, leaves what turns wild, and
    goes along with a reversal once it is under way.

    An ordinary by-pair policy: it sees what everyone sees, and decides when everyone does.
    """

    name = "oracle"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        names = "expected_net", "volatility_24h", "spread_24h", "spread_now"
        self._columns = [schema.names.index(f"pair.{name}") for name in names]
        self._carry = schema.names.index("position.carry_72h")

    def decide(self, observations: Observations) -> Actions:
        """[B, P] of KEEP, IN, FLAT for [B, P, O]."""
        legal = legal_actions(self.schema, observations)
        net, volatility, spread, now = (observations[..., column] for column in self._columns)
        wild = volatility > TELLING_VOLATILITY
        calm, reversed_ = ~wild & (spread > TELLING_SPREAD), wild & (now > TELLING_REVERSAL)
        over = ~(calm | reversed_) | (observations[..., self._carry] < 0)
        enter = legal[..., IN] & (reversed_ | (calm & (net > 0)))
        return np.where(enter, IN, np.where(legal[..., FLAT] & over, FLAT, KEEP)).astype(np.int64)


def _market(seed: int, days: int, assets: int, path_of: Callable[[np.random.Generator, int], _Path]) -> Market:
    hours = 24 * days
    instruments: list[Instrument] = []
    bars: dict[InstrumentKey, Bars] = {}
    settlements: dict[InstrumentKey, Settlements] = {}
    for number in range(assets):
        random = np.random.default_rng([seed, number])
        path = path_of(random, hours)
        price = PRICE * np.exp(np.concatenate([[0.0], np.cumsum(path.volatility * random.standard_normal(hours))]))
        for venue in VENUES:
            instrument = _instrument(venue, f"COIN{number}")
            instruments.append(instrument)
            noise = BASIS_BPS * 1e-4 * random.standard_normal((2, hours)) * (venue == VENUES[1])
            bars[instrument.key] = _bars(price, noise, random)
            spread = path.spread if venue == VENUES[1] else np.zeros(hours)
            settlements[instrument.key] = _settlements(spread, instrument.interval_hours)
    return Market(tuple(instruments), bars, settlements)


def _planted(random: np.random.Generator, hours: int, told: Episodes) -> _Path:
    """Episode after episode, with gaps between them; which leg pays is tossed for each."""
    rate, volatility = np.zeros(hours), np.full(hours, QUIET_VOLATILITY)
    begin = int(random.exponential(told.gap_hours))
    while begin < hours:
        wild = random.random() >= told.calm_share
        shape = np.array(list(_wild(random, told) if wild else _calm(random, told)))
        end = min(begin + len(shape), hours)
        rate[begin:end] = random.choice((-1.0, 1.0)) * shape[: end - begin]
        if wild:
            volatility[begin:end] = WILD_VOLATILITY
        begin = end + int(random.exponential(told.gap_hours))
    noise = told.noise_rate * random.standard_normal(hours)
    return _Path((rate + noise) * 1e-4 / 8, volatility)


def _calm(random: np.random.Generator, told: Episodes) -> Iterator[float]:
    rate = random.uniform(*told.calm_rate)
    yield from [rate] * int(random.integers(told.calm_hours[0], told.calm_hours[1] + 1))


def _wild(random: np.random.Generator, told: Episodes) -> Iterator[float]:
    yield from [random.uniform(*told.wild_rate)] * told.wild_hours
    yield from [-told.reversal_rate] * told.reversal_hours


def _noise(random: np.random.Generator, hours: int, rate: float) -> _Path:
    return _Path(rate * random.standard_normal(hours) * 1e-4 / 8, np.full(hours, QUIET_VOLATILITY))


def _instrument(venue: str, coin: str) -> Instrument:
    profile = venue_profile(venue)
    return Instrument(
        venue=venue,
        symbol=f"{coin}{profile.symbol_suffix}",
        asset=Asset(coin),
        quote=profile.quote,
        lot_step=lot_step(PRICE, profile.max_lot_decimals),
        tick_size=tick_size(PRICE),
        min_notional=profile.min_notional,
        interval_hours=profile.default_interval_hours,
    )


def _bars(price: Floats, noise: Floats, random: np.random.Generator) -> Bars:
    """Of `price` [H + 1] at the full hours, with relative noise [2, H] of its own at opens and closes."""
    first, last = price[:-1] * (1 + noise[0]), price[1:] * (1 + noise[1])
    volume = 1e4 * np.exp(0.3 * random.standard_normal(len(first)))
    time = START_MS + HOUR_MS * np.arange(len(first), dtype=np.int64)
    return Bars(time, first, np.maximum(first, last), np.minimum(first, last), last, volume)


def _settlements(spread: Floats, every: int) -> Settlements:
    """Of hourly rates [H]: each pays for the `every` hours before it."""
    total = np.cumsum(np.concatenate([[0.0], spread + INTEREST]))
    ends = np.arange(every, len(spread), every)
    rate = np.round(total[ends] - total[ends - every], 10)
    return Settlements(START_MS + HOUR_MS * ends, np.zeros(len(ends), dtype=np.int64), rate)
