"""The world that the sandbox's servers show: one market, one clock, and how deep and wide its books are."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import Field

from backtest.sandbox.accounts.files import forget_accounts
from backtest.sandbox.book import Book, book_around
from backtest.sandbox.clock import MarketClock, WorldIdentity
from backtest.sandbox.distortions import Distortions
from backtest.sandbox.settings import SandboxSettings
from data.errors import ConfigurationError
from data.market import Market, with_shocks, without_hours
from data.settings import Frozen, VenueSettings, utc_ms
from data.types import HOUR_MS, Asset, Instrument, InstrumentKey

WARM_UP_MS = 14 * 24 * HOUR_MS
"""Without a `begin`, this much of the market is history when its first start begins."""


class WorldFile(Frozen):
    """What a sandbox process is told: the settings of the world that it shows."""

    settings: SandboxSettings = Field(description="Market, clock and depth of the books.")
    venues: dict[str, VenueSettings] = Field(min_length=1, description="The venues that are served, with their books.")
    assets: tuple[str, ...] = Field((), description="Base codes that are listed; empty: all that the market has.")


class World:
    """A market at the time that its clock shows. One event loop; not thread-safe."""

    def __init__(self, market: Market, clock: MarketClock, venues: Mapping[str, VenueSettings]) -> None:
        """`venues` say how their order books look; raises ConfigurationError for a venue that is not among them."""
        self.market = market
        self.clock = clock
        self.venues = tuple(sorted({instrument.venue for instrument in market.instruments}))
        if missing := [venue for venue in self.venues if venue not in venues]:
            raise ConfigurationError(f"no settings are given for {', '.join(missing)}: add it to data.venues")
        self.shown = dict(venues)
        """How the venues look: depth of books, fees, margin."""
        self.distortions = Distortions(self.venues)
        self._listed_hour = -1
        self._listed: tuple[Instrument, ...] = ()
        self._listed_keys: frozenset[InstrumentKey] = frozenset()

    def now_ms(self) -> int:
        """Market time."""
        return self.clock.now_ms()

    def listed(self, venue: str, now_ms: int) -> tuple[Instrument, ...]:
        """What trades on `venue` at `now_ms`; at the market's very end, what traded until then."""
        self._list(now_ms)
        return tuple(instrument for instrument in self._listed if instrument.venue == venue)

    def is_listed(self, instrument: Instrument, now_ms: int) -> bool:
        """Whether `instrument` trades at `now_ms`."""
        self._list(now_ms)
        return instrument.key in self._listed_keys

    def book(self, instrument: Instrument, now_ms: int) -> Book:
        """The order book at `now_ms`; empty in a gap."""
        shown = self.shown[instrument.venue]
        mid = self.traded(instrument, now_ms)
        book = book_around(mid, instrument, shown.half_spread_bps, shown.level_quote, shown.levels)
        return self.distortions.book(book, instrument, now_ms)

    def traded(self, instrument: Instrument, now_ms: int) -> float:
        """The middle of the book at `now_ms`, were it not crossed or empty; NaN in a gap."""
        return self.market.mid(instrument.key, now_ms) * self.distortions.factor(instrument, now_ms)

    def last(self, instrument: Instrument, now_ms: int) -> float:
        """The last price; the last close in a gap, NaN before the first bar."""
        return self._undistorted(instrument, now_ms) * self.distortions.factor(instrument, now_ms)

    def mark(self, instrument: Instrument, now_ms: int) -> float:
        """The mark and index price: the last price, unless the mark is distorted."""
        return self._undistorted(instrument, now_ms) * self.distortions.factor(instrument, now_ms, mark=True)

    def stamp(self, instrument: Instrument, now_ms: int) -> int:
        """The time that the contract's book and ticker bear: now, unless they are frozen."""
        return self.distortions.stamp(instrument, now_ms)

    def _undistorted(self, instrument: Instrument, now_ms: int) -> float:
        mid = self.market.mid(instrument.key, now_ms)
        bars = self.market.bars[instrument.key]
        opened = int(np.searchsorted(bars.open_time, now_ms, side="right"))
        return float(bars.close[opened - 1]) if opened and math.isnan(mid) else mid

    def _list(self, now_ms: int) -> None:
        # Bars open on the hour, so what is listed can change only there.
        now_ms = min(now_ms, self.market.end_ms - 1)
        if now_ms // HOUR_MS != self._listed_hour:
            self._listed_hour = now_ms // HOUR_MS
            self._listed = self.market.listed(now_ms)
            self._listed_keys = frozenset(instrument.key for instrument in self._listed)


def build_world(told: WorldFile, state_file: Path, real_s: Callable[[], float] = time.monotonic) -> World:
    """The world that `told` describes, at the time in `state_file`. Raises ConfigurationError for settings that do not
    fit together, DataError for a replay that cannot be read, and StateError for a state file of another world."""
    market = _restricted(shown_market(told.settings, tuple(told.venues), told.assets), told.assets)
    settings = told.settings
    begin_ms = start_ms(settings, market) + WARM_UP_MS if settings.begin is None else utc_ms(settings.begin)
    if not market.start_ms <= begin_ms < market.end_ms:
        raise ConfigurationError(
            f"the sandbox begins at {_date(begin_ms)}, but its market lasts from {_date(market.start_ms)} "
            f"to {_date(market.end_ms)}: set `begin` between them"
        )
    if not state_file.exists():
        forget_accounts(state_file)
    clock = MarketClock(
        state_file,
        WorldIdentity(fingerprint(market, begin_ms), f"{_source(settings)}, begun {_date(begin_ms)}"),
        begin_ms=begin_ms,
        end_ms=market.end_ms,
        speed=settings.speed,
        real_s=real_s,
    )
    world = World(market, clock, told.venues)
    world.distortions.replace(settings.distortions, world.now_ms())
    return world


def fingerprint(market: Market, begin_ms: int) -> str:
    """Sixteen hexadecimal digits that change with any number of the market and with the time at which it begins."""
    digest = hashlib.blake2b(str(begin_ms).encode(), digest_size=8)
    for instrument in market.instruments:
        bars, settlements = market.bars[instrument.key], market.settlements[instrument.key]
        digest.update(repr(instrument).encode())
        for column in (bars.open_time, bars.open, bars.high, bars.low, bars.close, bars.volume):
            digest.update(column.tobytes())
        for column in (settlements.time, settlements.offset_ms, settlements.rate):
            digest.update(column.tobytes())
    return digest.hexdigest()


def shown_market(settings: SandboxSettings, venues: Sequence[str], assets: tuple[str, ...]) -> Market:
    """The market that a sandbox with these settings shows and a backtest plays without servers: recorded or synthetic,
    with its outages and shocks. Raises ConfigurationError or DataError where it cannot be."""
    # Imported here so that a replay does not load the generator, nor the generator the parquet reader.
    if settings.replay is not None:
        from data.recorded import recorded_market

        market = recorded_market(settings.replay, venues, assets)
    else:
        from data.synthetic import synthetic_market, with_past

        market = with_past(synthetic_market(settings.synthetic, venues), settings.synthetic, settings.past_days)
    return with_shocks(without_hours(market, settings.outages), settings.shocks)


def start_ms(settings: SandboxSettings, market: Market) -> int:
    """When the part of the market starts that is there to be traded: after a synthetic market's past, and in recorded
    files once there is something of every venue."""
    if settings.replay is None:
        return utc_ms(settings.synthetic.start) // HOUR_MS * HOUR_MS
    begun: dict[str, int] = {}
    for (venue, _), bars in market.bars.items():
        if len(bars):
            begun[venue] = min(begun.get(venue, int(bars.open_time[0])), int(bars.open_time[0]))
    return max(begun.values(), default=market.start_ms)


def _restricted(market: Market, assets: tuple[str, ...]) -> Market:
    """The market with only `assets` listed, their prices untouched."""
    if not assets:
        return market
    wanted = {Asset.parse(code) for code in assets}
    if missing := wanted - {instrument.asset for instrument in market.instruments}:
        raise ConfigurationError(f"the sandbox's market has no {', '.join(map(str, sorted(missing)))}: leave it out")
    kept = tuple(instrument for instrument in market.instruments if instrument.asset in wanted)
    return Market(
        kept,
        {instrument.key: market.bars[instrument.key] for instrument in kept},
        {instrument.key: market.settlements[instrument.key] for instrument in kept},
        market.episode,
    )


def _source(settings: SandboxSettings) -> str:
    if settings.replay is not None:
        return f"replay of {settings.replay}"
    return f"synthetic market, seed {settings.synthetic.seed}"


def _date(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
