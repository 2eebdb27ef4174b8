"""The past that learning and walk-forward draw on: one market and the tapes of its windows."""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from backtest.windows import Window
from data.errors import MissingData
from data.fees import fees
from data.market import Market
from data.settings import DataSettings, VenueSettings
from data.types import HOUR_MS


@dataclass(frozen=True)
class History:
    """A market between two ticks, both included; every window inside it can be played."""

    market: Market
    """Of the assets that are to be traded, and no others."""
    data: DataSettings
    last: int
    """The newest tick that may be used, ms: nothing after it is ever looked at."""
    since: int | None = None
    """Nothing before this tick is played, ms."""

    @cached_property
    def first(self) -> int:
        """The first tick at which a pair can be traded that has enough before it for features, ms. Raises MissingData
        where no asset is ever listed on two venues."""
        first = -(-self._paired_ms() // HOUR_MS) * HOUR_MS + self.data.history_hours * HOUR_MS
        return first if self.since is None else max(first, self.since)

    def _paired_ms(self) -> int:
        """When the first asset has its first candle on a second venue."""
        begins = defaultdict(list)
        for instrument in self.market.instruments:
            if len(bars := self.market.bars[instrument.key]):
                begins[instrument.asset].append(int(bars.open_time[0]))
        seconds = [sorted(starts)[1] for starts in begins.values() if len(starts) > 1]
        if not seconds:
            raise MissingData("no asset is listed on two of the venues: choose other venues, or collect more")
        return min(seconds)

    def tape(self, environment: EnvironmentSettings, window: Window, *, cost_factor: float = 1.0) -> Tape:
        """The tape of a window; venues charge `cost_factor` times the fees and spreads that policies are told of. What
        was listed amid the window joins then: a young coin keeps nobody from learning on the months before it.

        Raises MissingData where the market has no such window, ValueError for one that reaches beyond `last`."""
        if window.last_tick > self.last:
            raise ValueError(f"a window to {window.last_tick} looks beyond {self.last}")
        charged = {name: dearer(name, venue, cost_factor) for name, venue in self.data.venues.items()}
        whoever = self.data.model_copy(update={"assets": ()})
        return tape_of_market(
            self.market, whoever, environment, window.first_tick, window.last_tick, late_listings=True, charged=charged
        )


def dearer(name: str, venue: VenueSettings, factor: float) -> VenueSettings:
    """The venue with its fees and half spread multiplied by `factor`; a rebate stays as it is."""
    if factor == 1.0:
        return venue
    tier = fees(name, venue)
    changed = {
        "taker_fee_bps": factor * tier.taker_bps,
        "maker_fee_bps": factor * tier.maker_bps if tier.maker_bps > 0 else tier.maker_bps,
        "half_spread_bps": factor * venue.half_spread_bps,
    }
    return venue.model_copy(update=changed)
