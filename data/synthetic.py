"""A seeded synthetic market calibrated on recorded figures, for the sandbox, the tests and the first run of a new user.

Prices are one market factor plus each asset's own part; every venue adds a slow basis and the bounce of its last trade.
Funding is the venues' own formula on premiums that share a part. The market pays about what the recorded one paid.
"Recorded" in the comments: Binance and Hyperliquid, hourly, 2024-01 to 2025-04, medians over symbols.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from data.market import Market
from data.settings import SyntheticSettings, utc_ms
from data.synthetic_episode import EPISODE_ASSET, Episode, stressed_episode
from data.synthetic_shapes import VenueShape, asset_shape, contract, listed_as, period_hours, symbol_of, venue_shape
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

PAST_SEED = 1_000_003
"""Added to the seed for what lies before the market."""


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
    return _market(span, settings.assets, profiles, stressed_episode(span.start_ms, profiles, settings))


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


def _market(span: _Span, assets: Sequence[str], profiles: Sequence[VenueProfile], episode: Episode | None) -> Market:
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
            key = (profile.name, symbol_of(profile, name))
            bars[key] = _bars(span, path, profile, name, own_episode)
            settlements[key] = _settlements(span, climate, path, profile, name, own_episode)
            instruments.append(contract(profile, name, float(bars[key].open[0])))
    return Market(tuple(instruments), bars, settlements, episode.told(span.start_ms) if episode else "")


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


def _asset_path(span: _Span, climate: _Climate, name: str, episode: Episode | None) -> _AssetPath:
    """One asset's price apart from venues: the market's factor by its correlation, and a part of its own."""
    shape, generator = asset_shape(name), _random(span, "asset", name)
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


def _bars(span: _Span, path: _AssetPath, profile: VenueProfile, name: str, episode: Episode | None) -> Bars:
    """One venue's candles: the asset's price, a slow basis, and bounce that is mostly gone by the next open."""
    shape, venue = asset_shape(name), venue_shape(profile)
    generator = _random(span, "bars", profile.name, name)
    slow = _slow(generator.standard_normal(span.hours + 1), BASIS_HALF_LIFE_H) * venue.slow_basis_sd_bps
    slow += venue.basis_mean_bps + (episode.basis_bps(profile.name, span.hours + 1) if episode else 0.0)
    bounce_sd = venue.bounce_sd_bps * shape.bounce
    at_close = _fat(generator, BOUNCE_DOF, span.hours, BOUNCE_CAP_SD) * bounce_sd
    at_open = generator.standard_normal(span.hours) * (OPEN_BOUNCE_SHARE * bounce_sd)
    at_open[1:] += STALE_SHARE * at_close[:-1]
    quiet = path.log_price - np.log(Asset.parse(name).multiplier / listed_as(profile, name).multiplier) + slow * 1e-4
    first = np.exp(quiet[:-1] + at_open * 1e-4)
    last = np.exp(quiet[1:] + at_close * 1e-4)
    high = np.maximum(first, last) * np.exp(path.wicks[0] * path.sd)
    low = np.minimum(first, last) * np.exp(-path.wicks[1] * path.sd)
    busy = np.exp(0.5 * generator.standard_normal(span.hours)) * (high / low - 1.0) / np.mean(path.sd)
    volume = shape.volume_quote_per_hour * venue.volume_share * (0.1 + 0.6 * busy) / last
    rounded = (_significant(values) for values in (first, high, low, last, volume))
    return Bars(span.time, *rounded)


def _settlements(
    span: _Span, climate: _Climate, path: _AssetPath, profile: VenueProfile, name: str, episode: Episode | None
) -> Settlements:
    """One venue's funding: the formula on the mean premium of each period, paid at the hour that ends it."""
    if profile.spot:
        return Settlements.none()
    venue, generator = venue_shape(profile), _random(span, "funding", profile.name, name)
    premium, own = _premium(generator, climate, path, venue)
    interval = np.full(span.hours, period_hours(profile, name), dtype=np.int64)
    if episode:
        premium += episode.premium_bps(profile.name, span.hours)
        if profile.name == episode.venue:
            interval = episode.interval_hours(period_hours(profile, name), span.hours)
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
    generator: np.random.Generator, climate: _Climate, path: _AssetPath, venue: VenueShape
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


def _significant(values: Floats) -> Floats:
    """`values` (positive) with PRICE_DIGITS significant digits, as the doubles nearest to those decimals."""
    exponent = PRICE_DIGITS - 1 - np.floor(np.log10(values)).astype(np.int64)
    lowest = int(exponent.min())
    powers = np.array([float(f"1e{abs(power)}") for power in range(lowest, int(exponent.max()) + 1)])
    scale = powers[exponent - lowest]
    small = np.rint(values * scale) / scale
    return np.asarray(np.where(exponent >= 0, small, np.rint(values / scale) * scale))
