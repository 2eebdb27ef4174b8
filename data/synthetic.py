"""A seeded synthetic market calibrated on recorded figures, for the sandbox, the tests and the first run of a new user.

Prices are one market factor plus each asset's own part; every venue adds a slow basis and the bounce of its last trade.
Funding is the venues' own formula on premiums that share a part. The market pays about what the recorded one paid.
"Recorded" in the comments: Binance and Hyperliquid, hourly, 2024-01 to 2025-04, medians over symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from data.market import Market, lot_step, tick_size
from data.settings import SyntheticSettings, utc_ms
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from data.venues import VenueProfile, venue_profile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HOURS_PER_YEAR = 8760
PRICE_DIGITS = 7
"""Significant digits of a price, so that its decimal text is short."""

# Hourly returns; recorded: kurtosis 8-60, autocorrelation of |r| .25-.3 after 1 h and about .12 after a day.
LOG_VOL_SD = 0.65
LOG_VOL_SLOW_SHARE = 0.5
LOG_VOL_SLOW_HALF_LIFE_H = 240.0
LOG_VOL_FAST_HALF_LIFE_H = 7.0
LOG_VOL_COMMON_SHARE = 0.5
"""Share of an asset's log-volatility variance that is the market's."""
RETURN_DOF = 8.0
RETURN_CAP_SD = 12.0
"""No hour moves by more than this many of the asset's mean hourly standard deviations."""
WICK_MEAN_SD = 0.42
"""Mean distance of an hour's extremes beyond its open and close, in standard deviations of the hour; recorded .40."""

# Basis of two venues' closes; recorded Binance-Hyperliquid: sd 6.6 bps, autocorrelation .37 after 1 h and about .2
# after a day, |.| 37 bps at p99.9, Hyperliquid 2 bps above (USDC against USDT).
BASIS_HALF_LIFE_H = 40.0
STALE_SHARE = 0.07
"""Part of a close's bounce that is still in the next open: with the slow part, 56 % of a deviation is gone by then."""
OPEN_BOUNCE_SHARE = 0.12
"""Bounce of an open as a share of that of a close: at the full hour both sides quote."""
BOUNCE_DOF = 3.5
BOUNCE_CAP_SD = 12.0

# Premiums behind the funding, bps of price per 8 h; see `_premium`. The formula is the venues' own; the rest was found
# by search on the recorded Binance-Hyperliquid spread per 8 h: mean |.| 1.06 bps, sd 1.5, autocorrelation .58 after
# 8 h and .19 after 7 days. Its rarest weeks are left milder than recorded, so that a carry rule earns no more than
# the 5-9 % a year that it did there.
INTEREST_BPS_PER_8H = 1.0
FUNDING_CLAMP_BPS = 5.0
HEAT_SKEW = 0.88
HEAT_HALF_LIFE_H = 400.0
SHARED_SD_BPS = 1.65
SHARED_HALF_LIFE_H = 130.0
OWN_HALF_LIFE_H = 80.0
OWN_TAIL = 0.9
BRIEF_HALF_LIFE_H = 1.2

# Lateness of settlement stamps; recorded: Binance late on half of them, Hyperliquid up to 440 ms at p99.
BINANCE_JITTER_MS = 20
HYPERLIQUID_JITTER_MS = 440

# The stressed episode, after INJ on Bybit in 2026-02 (8 h -> 1 h -> 8 h in a week, down to -51 bps an hour), milder.
# Days count from the start; the premium is what the hourly period begins with.
EPISODE_ASSET = "INJ"
EPISODE_FIRST_DAY = 16
EPISODE_HOURLY_DAY = 17
EPISODE_END_DAY = 24
EPISODE_PREMIUM_BPS_PER_8H = -130.0
EPISODE_HALF_LIFE_H = 20.0
EPISODE_FOLLOW_SHARE = 0.3
EPISODE_FOLLOW_HALF_LIFE_H = 40.0
EPISODE_BASIS_BPS = -40.0
EPISODE_BASIS_PEAK_H = 72.0
EPISODE_VOLATILITY = 2.0

PAST_SEED = 1_000_003
"""Added to the seed for what lies before the market."""


@dataclass(frozen=True)
class _AssetShape:
    """How one asset moves: recorded yearly volatility, correlation with BTC and hourly volume; price of 2025-01."""

    price: float
    vol_annual: float
    btc_correlation: float
    volume_quote_per_hour: float
    bounce: float = 1.0
    """Bounce of its closes relative to the median asset: recorded, BTC hardly bounces and DOT much."""
    interval_hours: int = 8
    """On venues that set one per contract."""


_SHAPES = {
    "BTC": _AssetShape(94_000.0, 0.53, 1.0, 450e6, 0.35),
    "ETH": _AssetShape(3_350.0, 0.69, 0.80, 230e6, 0.5),
    "SOL": _AssetShape(190.0, 0.96, 0.74, 75e6, 0.7),
    "XRP": _AssetShape(2.1, 0.96, 0.60, 76e6, 0.9),
    "DOGE": _AssetShape(0.32, 1.09, 0.72, 59e6, 0.9),
    "BNB": _AssetShape(700.0, 0.61, 0.69, 16e6),
    "ADA": _AssetShape(0.86, 1.05, 0.69, 21e6, 1.1),
    "AVAX": _AssetShape(36.0, 1.02, 0.72, 9e6),
    "LTC": _AssetShape(103.0, 0.86, 0.64, 7e6, 1.1),
    "DOT": _AssetShape(6.7, 0.94, 0.69, 6e6, 1.4),
    # Recorded, 440 of 711 Binance contracts settle every 4 h, but none of the majors; these two do here, so that a
    # default market shows both.
    "TRX": _AssetShape(0.25, 0.56, 0.42, 5e6, 1.2, interval_hours=4),
    "1000PEPE": _AssetShape(0.0175, 1.59, 0.63, 34e6, interval_hours=4),
    "INJ": _AssetShape(20.0, 1.21, 0.75, 3e6, 1.3),
    "ALGO": _AssetShape(0.34, 1.11, 0.65, 4e6, 1.2),
    "BCH": _AssetShape(440.0, 0.93, 0.66, 4e6, 1.2),
    "ENA": _AssetShape(0.93, 1.45, 0.64, 10e6, interval_hours=4),
    "OP": _AssetShape(1.75, 1.10, 0.71, 3e6, 1.2),
    "RENDER": _AssetShape(6.9, 1.29, 0.78, 3e6, 1.3, interval_hours=4),
    "SUI": _AssetShape(4.2, 1.32, 0.61, 30e6),
    "TON": _AssetShape(5.5, 0.92, 0.56, 2e6, 1.5, interval_hours=4),
}


@dataclass(frozen=True)
class _VenueShape:
    """How one venue departs from the others."""

    slow_basis_sd_bps: float
    bounce_sd_bps: float
    basis_mean_bps: float
    premium_mean_bps: float
    heat_bps: float
    """Premium per unit of market heat: longs crowd into the smaller venue more."""
    own_sd_bps: float
    brief_sd_bps: float
    rate_decimals: int
    jitter_ms: int
    jitter_share: float
    """Share of settlements stamped late, by up to `jitter_ms`."""
    volume_share: float
    """Volume relative to Binance's."""
    dead_band_bps: float | None = None
    """Where given, the clamp holds the common premium only and the venue's own comes on top, beyond this band."""
    lists_coins: bool = False
    """Whether it lists a contract on 1000 coins as one on a coin."""


_VENUE_SHAPES = {
    "binance": _VenueShape(
        slow_basis_sd_bps=1.0,
        bounce_sd_bps=0.7,
        basis_mean_bps=0.0,
        premium_mean_bps=-2.1,
        heat_bps=3.8,
        own_sd_bps=0.25,
        brief_sd_bps=2.0,
        rate_decimals=8,
        jitter_ms=BINANCE_JITTER_MS,
        jitter_share=0.5,
        volume_share=1.0,
    ),
    # Recorded spread to Binance per 8 h: mean |.| .45 bps, autocorrelation .43 after 8 h, .27 after a day and .08 after
    # 7 days, 95th percentile of the 7-day mean 11 % a year. Basis: mean 0, sd 2.05 bps, autocorrelation .69 after 1 h.
    "bybit": _VenueShape(
        slow_basis_sd_bps=1.4,
        bounce_sd_bps=0.9,
        basis_mean_bps=0.0,
        premium_mean_bps=-2.2,
        heat_bps=4.0,
        own_sd_bps=0.55,
        brief_sd_bps=0.3,
        rate_decimals=8,
        jitter_ms=0,
        jitter_share=0.0,
        volume_share=0.4,
    ),
    "hyperliquid": _VenueShape(
        slow_basis_sd_bps=4.0,
        bounce_sd_bps=5.2,
        basis_mean_bps=2.0,
        premium_mean_bps=-1.85,
        heat_bps=5.0,
        own_sd_bps=1.05,
        brief_sd_bps=2.2,
        rate_decimals=10,
        jitter_ms=HYPERLIQUID_JITTER_MS,
        jitter_share=1.0,
        volume_share=0.05,
    ),
    # Recorded Binance-OKX: spread per 8 h mean |.| 0.65 bps, sd 0.84, autocorrelation .36 after 8 h and .06 after 7
    # days; basis sd 4.6 bps, autocorrelation .86 after 1 h, OKX 2 bps above; 9 % default rates; stamps exact.
    "okx": _VenueShape(
        slow_basis_sd_bps=4.3,
        bounce_sd_bps=1.6,
        basis_mean_bps=2.0,
        premium_mean_bps=-2.1,
        heat_bps=3.8,
        own_sd_bps=0.35,
        brief_sd_bps=0.6,
        rate_decimals=10,
        jitter_ms=0,
        jitter_share=0.0,
        volume_share=0.4,
        dead_band_bps=0.11,
        lists_coins=True,
    ),
}
_OTHER_VENUE = replace(_VENUE_SHAPES["binance"], slow_basis_sd_bps=1.7, bounce_sd_bps=1.0, volume_share=0.5)
_SPOT_VENUE = replace(_VENUE_SHAPES["binance"], slow_basis_sd_bps=0.0, bounce_sd_bps=0.0, volume_share=0.3)


@dataclass(frozen=True)
class _Span:
    """The hours of the market: `hours` of them from `start_ms`."""

    seed: int
    start_ms: int
    hours: int

    @property
    def time(self) -> Ints:
        return self.start_ms + HOUR_MS * np.arange(self.hours, dtype=np.int64)


@dataclass(frozen=True)
class _Climate:
    """What all assets share, by hour: the market's return in standard deviations, its log volatility, its heat."""

    factor: Floats
    log_vol: Floats
    heat: Floats


@dataclass(frozen=True)
class _AssetPath:
    """What all venues share of one asset by hour: log price (one more than bars), sd, wicks, part of the premium."""

    log_price: Floats
    sd: Floats
    wicks: Floats
    premium_bps: Floats


@dataclass(frozen=True)
class _Episode:
    """A short squeeze on `venue`, in hours since the market's start; the other venues follow part of the way."""

    venue: str
    first: int
    hourly: int
    end: int

    def premium_bps(self, venue: str, hours: int) -> Floats:
        """What it adds to a venue's premium: deep at once, then fading, more slowly where the others follow."""
        age = np.arange(hours) - self.first
        ramp = np.clip(age / (self.hourly - self.first), 0.0, 1.0)
        share, half_life = (
            (1.0, EPISODE_HALF_LIFE_H) if venue == self.venue else (EPISODE_FOLLOW_SHARE, EPISODE_FOLLOW_HALF_LIFE_H)
        )
        fade = 0.5 ** (np.maximum(age - (self.hourly - self.first), 0) / half_life)
        return np.asarray(EPISODE_PREMIUM_BPS_PER_8H * share * ramp * fade)

    def basis_bps(self, venue: str, hours: int) -> Floats:
        """What it adds to a venue's price: a discount that opens, then closes again."""
        age = np.maximum(np.arange(hours) - self.first, 0) / EPISODE_BASIS_PEAK_H
        depth = EPISODE_BASIS_BPS if venue == self.venue else 0.0
        return np.asarray(depth * age**2 * np.exp(2.0 * (1.0 - age)))

    def volatility(self, hours: int) -> Floats:
        """What it multiplies the asset's own volatility by."""
        hour = np.arange(hours)
        return np.where((hour >= self.first) & (hour < self.end), EPISODE_VOLATILITY, 1.0)

    def interval_hours(self, usual: int, hours: int) -> Ints:
        """Length of the funding period that ends at each hour, on `venue`."""
        hour = np.arange(hours)
        steps = [hour > self.end, hour > self.hourly, hour > self.first]
        return np.select(steps, [usual, 1, 4], usual).astype(np.int64)


def synthetic_market(settings: SyntheticSettings, venues: Sequence[str] = ("binance", "hyperliquid")) -> Market:
    """The market of `settings` with every asset on every venue; the same settings give the same bytes.

    A spot venue has the price that all venues share, without basis or bounce, and no settlements; it lists no contracts
    on thousands of a coin.
    An asset's path depends on the seed, the length and its own name, so adding an asset or a venue leaves the others
    as they were. OKX lists a contract on thousands of a coin as one on the coin. Raises ConfigurationError for a venue
    without a profile.
    """
    profiles = [venue_profile(name) for name in dict.fromkeys(venues)]
    span = _Span(settings.seed, utc_ms(settings.start) // HOUR_MS * HOUR_MS, settings.days * 24)
    return _market(span, settings.assets, profiles, _episode(span, profiles, settings))


def with_past(market: Market, settings: SyntheticSettings, days: int) -> Market:
    """`market`, as `synthetic_market` made it of `settings`, with `days` before it, which leave it as it is.

    The past is drawn by itself; its prices are multiplied so that each contract's last one meets the first of the
    market. An asset listed on some venues only keeps that.
    """
    if days == 0:
        return market
    venues = dict.fromkeys(instrument.venue for instrument in market.instruments)
    start = utc_ms(settings.start) // HOUR_MS * HOUR_MS
    # An hour longer than it lasts: the funding that settles at the market's first hour pays for the hours before.
    span = _Span(settings.seed + PAST_SEED, start - days * 24 * HOUR_MS, days * 24 + 1)
    past = _market(span, settings.assets, [venue_profile(name) for name in venues], None)
    bars = {key: _joined(past.bars[key], after) for key, after in market.bars.items()}
    settlements = {
        key: Settlements(
            np.concatenate([past.settlements[key].time, after.time]),
            np.concatenate([past.settlements[key].offset_ms, after.offset_ms]),
            np.concatenate([past.settlements[key].rate, after.rate]),
        )
        for key, after in market.settlements.items()
    }
    return replace(market, bars=bars, settlements=settlements)


def _joined(before: Bars, after: Bars) -> Bars:
    """Bars one after the other; the first lose the hour that both have, and are brought to the other's price."""
    factor = after.open[0] / before.open[-1]
    prices = (_significant(column[:-1] * factor) for column in (before.open, before.high, before.low, before.close))
    columns = (before.open_time[:-1], *prices, _significant(before.volume[:-1] / factor))
    others = (after.open_time, after.open, after.high, after.low, after.close, after.volume)
    return Bars(*(np.concatenate(pair) for pair in zip(columns, others, strict=True)))


def _market(span: _Span, assets: Sequence[str], profiles: Sequence[VenueProfile], episode: _Episode | None) -> Market:
    climate = _climate(span)
    instruments: list[Instrument] = []
    bars: dict[InstrumentKey, Bars] = {}
    settlements: dict[InstrumentKey, Settlements] = {}
    for name in dict.fromkeys(str(Asset.parse(code)) for code in assets):
        own_episode = episode if name == EPISODE_ASSET else None
        path = _asset_path(span, climate, name, own_episode)
        for profile in profiles:
            if profile.spot and Asset.parse(name).multiplier != 1:
                continue  # a spot market lists coins, not thousands of them
            key = (profile.name, _symbol(profile, name))
            bars[key] = _bars(span, path, profile, name, own_episode)
            settlements[key] = _settlements(span, climate, path, profile, name, own_episode)
            instruments.append(_instrument(profile, name, float(bars[key].open[0])))
    return Market(tuple(instruments), bars, settlements, _describe(span, episode))


def _random(span: _Span, *names: str) -> np.random.Generator:
    """A generator that depends on the seed and the names alone (their letters, not Python's salted hash)."""
    return np.random.default_rng(np.random.SeedSequence(span.seed, spawn_key=tuple("/".join(names).encode())))


def _slow(noise: Floats, half_life_h: float) -> Floats:
    """A stationary AR(1) of unit variance, driven by unit noise, as a scan in log2(n) vector steps."""
    phi = float(0.5 ** (1.0 / half_life_h))
    level: Floats = noise * np.sqrt(1.0 - phi * phi)
    level[0] = noise[0]
    step = 1
    while step < len(level) and (weight := phi**step) > 1e-18:
        level[step:] += weight * level[:-step]
        step *= 2
    return level


def _fat(generator: np.random.Generator, degrees: float, size: int, cap_sd: float) -> Floats:
    """Student's t of unit variance, capped."""
    unit = generator.standard_t(degrees, size) * np.sqrt((degrees - 2.0) / degrees)
    return np.asarray(np.clip(unit, -cap_sd, cap_sd))


def _log_vol(generator: np.random.Generator, hours: int) -> Floats:
    """Log volatility of unit variance: clusters of hours within clusters of weeks."""
    slow = _slow(generator.standard_normal(hours), LOG_VOL_SLOW_HALF_LIFE_H)
    fast = _slow(generator.standard_normal(hours), LOG_VOL_FAST_HALF_LIFE_H)
    return np.asarray(np.sqrt(LOG_VOL_SLOW_SHARE) * slow + np.sqrt(1.0 - LOG_VOL_SLOW_SHARE) * fast)


def _scale(log_vol: Floats) -> Floats:
    """Volatility relative to its root mean square, from log volatility of unit variance."""
    return np.asarray(np.exp(LOG_VOL_SD * log_vol - LOG_VOL_SD**2))


def _climate(span: _Span) -> _Climate:
    """The market's own randomness. Heat is skewed: calm for weeks, then longs crowd in everywhere."""
    generator = _random(span, "market")
    log_vol = _log_vol(generator, span.hours)
    factor = _scale(log_vol) * _fat(generator, RETURN_DOF, span.hours, RETURN_CAP_SD)
    mood = _slow(generator.standard_normal(span.hours), HEAT_HALF_LIFE_H)
    heat = np.exp(HEAT_SKEW * mood - HEAT_SKEW**2 / 2.0) - 1.0
    return _Climate(factor, log_vol, heat)


def _asset_path(span: _Span, climate: _Climate, name: str, episode: _Episode | None) -> _AssetPath:
    """One asset's price apart from venues: the market's factor by its correlation, and a part of its own."""
    shape, generator = _shape(name), _random(span, "asset", name)
    own_vol = _log_vol(generator, span.hours)
    log_vol = np.sqrt(LOG_VOL_COMMON_SHARE) * climate.log_vol + np.sqrt(1.0 - LOG_VOL_COMMON_SHARE) * own_vol
    own = _scale(log_vol) * _fat(generator, RETURN_DOF, span.hours, RETURN_CAP_SD)
    wicks = generator.standard_exponential((2, span.hours)) * WICK_MEAN_SD
    premium = _slow(generator.standard_normal(span.hours), SHARED_HALF_LIFE_H) * SHARED_SD_BPS
    sd = shape.vol_annual / np.sqrt(HOURS_PER_YEAR)
    rho = shape.btc_correlation
    stress = episode.volatility(span.hours) if episode else np.ones(span.hours)
    moves = rho * climate.factor + np.sqrt(1.0 - rho * rho) * stress * own
    returns = sd * np.clip(moves, -RETURN_CAP_SD, RETURN_CAP_SD)
    common_scale, own_scale = _scale(climate.log_vol), _scale(log_vol) * stress
    hourly_sd = sd * np.sqrt((rho * common_scale) ** 2 + (1.0 - rho * rho) * own_scale**2)
    log_price = np.log(shape.price) + np.concatenate(([0.0], np.cumsum(returns)))
    return _AssetPath(log_price, hourly_sd, wicks, premium)


def _bars(span: _Span, path: _AssetPath, profile: VenueProfile, name: str, episode: _Episode | None) -> Bars:
    """One venue's candles: the asset's price, a slow basis, and bounce that is mostly gone by the next open."""
    shape, venue = _shape(name), _venue_shape(profile)
    generator = _random(span, "bars", profile.name, name)
    slow = _slow(generator.standard_normal(span.hours + 1), BASIS_HALF_LIFE_H) * venue.slow_basis_sd_bps
    slow += venue.basis_mean_bps + (episode.basis_bps(profile.name, span.hours + 1) if episode else 0.0)
    bounce_sd = venue.bounce_sd_bps * shape.bounce
    at_close = _fat(generator, BOUNCE_DOF, span.hours, BOUNCE_CAP_SD) * bounce_sd
    at_open = generator.standard_normal(span.hours) * (OPEN_BOUNCE_SHARE * bounce_sd)
    at_open[1:] += STALE_SHARE * at_close[:-1]
    quiet = path.log_price - np.log(Asset.parse(name).multiplier / _listed(profile, name).multiplier) + slow * 1e-4
    first = np.exp(quiet[:-1] + at_open * 1e-4)
    last = np.exp(quiet[1:] + at_close * 1e-4)
    high = np.maximum(first, last) * np.exp(path.wicks[0] * path.sd)
    low = np.minimum(first, last) * np.exp(-path.wicks[1] * path.sd)
    busy = np.exp(0.5 * generator.standard_normal(span.hours)) * (high / low - 1.0) / np.mean(path.sd)
    volume = shape.volume_quote_per_hour * venue.volume_share * (0.1 + 0.6 * busy) / last
    rounded = (_significant(values) for values in (first, high, low, last, volume))
    return Bars(span.time, *rounded)


def _settlements(
    span: _Span, climate: _Climate, path: _AssetPath, profile: VenueProfile, name: str, episode: _Episode | None
) -> Settlements:
    """One venue's funding: the formula on the mean premium of each period, paid at the hour that ends it."""
    if profile.spot:
        return Settlements.none()
    venue, generator = _venue_shape(profile), _random(span, "funding", profile.name, name)
    premium, own = _premium(generator, climate, path, venue)
    interval = np.full(span.hours, _interval_hours(profile, name), dtype=np.int64)
    if episode:
        premium += episode.premium_bps(profile.name, span.hours)
        if profile.name == episode.venue:
            interval = episode.interval_hours(_interval_hours(profile, name), span.hours)
    hour = np.arange(span.hours, dtype=np.int64)
    ends = hour[(interval <= hour) & ((span.start_ms // HOUR_MS + hour) % interval == 0)]
    length = interval[ends]
    mean = _period_mean(premium, ends, length)
    rate8h = mean + np.clip(INTEREST_BPS_PER_8H - mean, -FUNDING_CLAMP_BPS, FUNDING_CLAMP_BPS)
    if venue.dead_band_bps is not None:
        extra = _period_mean(own, ends, length)
        rate8h += extra - np.clip(extra, -venue.dead_band_bps, venue.dead_band_bps)
    rate = np.round(rate8h * 1e-4 * length / 8.0, venue.rate_decimals) + 0.0
    late = generator.random(len(ends)) < venue.jitter_share
    offset = np.where(late, generator.integers(0, venue.jitter_ms + 1, len(ends)), 0).astype(np.int64)
    return Settlements(span.time[ends], offset, rate)


def _premium(
    generator: np.random.Generator, climate: _Climate, path: _AssetPath, venue: _VenueShape
) -> tuple[Floats, Floats]:
    """Hourly premium of a contract on a venue, bps per 8 h, and the part of it that no clamp holds: market heat, the
    asset's part, the venue's own, and one that is gone within hours."""
    hours = len(climate.heat)
    own = np.sinh(OWN_TAIL * _slow(generator.standard_normal(hours), OWN_HALF_LIFE_H)) / OWN_TAIL
    brief = _slow(generator.standard_normal(hours), BRIEF_HALF_LIFE_H) * venue.brief_sd_bps
    common = venue.premium_mean_bps + venue.heat_bps * climate.heat + path.premium_bps
    if venue.dead_band_bps is not None:
        return common, np.asarray(venue.own_sd_bps * own + brief)
    return np.asarray(common + venue.own_sd_bps * own + brief), np.zeros(hours)


def _period_mean(hourly: Floats, ends: Ints, length: Ints) -> Floats:
    """Mean of the `length` hours before each of `ends`."""
    total = np.concatenate(([0.0], np.cumsum(hourly)))
    return np.asarray((total[ends] - total[ends - length]) / length)


def _episode(span: _Span, profiles: Sequence[VenueProfile], settings: SyntheticSettings) -> _Episode | None:
    """The stressed episode, where asked for, listed, and a venue can change an interval; its days begin at 00:00."""
    # By name, so that it stays where it is whichever venues are added and in whichever order they come.
    adaptable = [profile.name for profile in profiles if not profile.fixed_interval]
    listed = EPISODE_ASSET in {str(Asset.parse(code)) for code in settings.assets}
    if not (settings.episode and listed and adaptable):
        return None
    into_day = span.start_ms // HOUR_MS % 24
    days = (EPISODE_FIRST_DAY, EPISODE_HOURLY_DAY, EPISODE_END_DAY)
    return _Episode(min(adaptable), *(day * 24 - into_day for day in days))


def _describe(span: _Span, episode: _Episode | None) -> str:
    if episode is None:
        return ""
    first, last = (
        datetime.fromtimestamp((span.start_ms + hour * HOUR_MS) / 1000, UTC).date()
        for hour in (episode.first, episode.end)
    )
    return (
        f"{EPISODE_ASSET} on {episode.venue}, {first} to {last}: a short squeeze; funding deeply negative and settled "
        "every 4 h, then every hour, at a discount to the other venues that opens and closes again"
    )


def _instrument(profile: VenueProfile, name: str, price: float) -> Instrument:
    return Instrument(
        venue=profile.name,
        symbol=_symbol(profile, name),
        asset=_listed(profile, name),
        quote=profile.quote,
        lot_step=lot_step(price, profile.max_lot_decimals),
        tick_size=tick_size(price),
        min_notional=profile.min_notional,
        interval_hours=_interval_hours(profile, name),
        spot=profile.spot,
    )


def _interval_hours(profile: VenueProfile, name: str) -> int:
    return profile.default_interval_hours if profile.fixed_interval else _shape(name).interval_hours


def _symbol(profile: VenueProfile, name: str) -> str:
    """The ccxt unified symbol; Hyperliquid writes a 1000-fold contract with a K."""
    listed = _listed(profile, name)
    kilo = f"K{listed.base}"
    code = kilo if profile.name == "hyperliquid" and Asset.parse(kilo) == listed else listed
    return f"{code}{profile.symbol_suffix}"


def _listed(profile: VenueProfile, name: str) -> Asset:
    """What the venue's contract on an asset is on: 1000PEPE is PEPE where coins are listed."""
    asset = Asset.parse(name)
    return Asset(asset.base) if _venue_shape(profile).lists_coins else asset


def _shape(name: str) -> _AssetShape:
    """The asset's figures; an asset that is not in the table is an altcoin at 1 unit of quote."""
    return _SHAPES.get(name, _AssetShape(1.0, 1.1, 0.65, 3e6))


def _venue_shape(profile: VenueProfile) -> _VenueShape:
    return _SPOT_VENUE if profile.spot else _VENUE_SHAPES.get(profile.name, _OTHER_VENUE)


def _significant(values: Floats) -> Floats:
    """`values` (positive) with PRICE_DIGITS significant digits, as the doubles nearest to those decimals."""
    exponent = PRICE_DIGITS - 1 - np.floor(np.log10(values)).astype(np.int64)
    lowest = int(exponent.min())
    powers = np.array([float(f"1e{abs(power)}") for power in range(lowest, int(exponent.max()) + 1)])
    scale = powers[exponent - lowest]
    small = np.rint(values * scale) / scale
    return np.asarray(np.where(exponent >= 0, small, np.rint(values / scale) * scale))
