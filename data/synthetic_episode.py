"""A week in which one contract of the synthetic market is under stress. Used by `synthetic`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from data.settings import SyntheticSettings
from data.types import HOUR_MS, Asset
from data.venues import VenueProfile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

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


@dataclass(frozen=True)
class Episode:
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

    def told(self, start_ms: int) -> str:
        """For people, with its dates; `start_ms`: when the market begins."""
        first, last = (
            datetime.fromtimestamp((start_ms + hour * HOUR_MS) / 1000, UTC).date() for hour in (self.first, self.end)
        )
        return (
            f"{EPISODE_ASSET} on {self.venue}, {first} to {last}: a short squeeze; funding deeply negative and settled "
            "every 4 h, then every hour, at a discount to the other venues that opens and closes again"
        )


def stressed_episode(start_ms: int, profiles: Sequence[VenueProfile], settings: SyntheticSettings) -> Episode | None:
    """The stressed episode, where asked for, listed, and a venue can change an interval; its days begin at 00:00."""
    # By name, so that it stays where it is whichever venues are added and in whichever order they come.
    adaptable = [profile.name for profile in profiles if not profile.fixed_interval]
    listed = EPISODE_ASSET in {str(Asset.parse(code)) for code in settings.assets}
    if not (settings.episode and listed and adaptable):
        return None
    into_day = start_ms // HOUR_MS % 24
    days = (EPISODE_FIRST_DAY, EPISODE_HOURLY_DAY, EPISODE_END_DAY)
    return Episode(min(adaptable), *(day * 24 - into_day for day in days))
