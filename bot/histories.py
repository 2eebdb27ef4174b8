"""The past that agents learn from and backtests play: of a simulated market as a whole, or what the lake holds of real
venues."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from backtest.history import History
from backtest.sandbox.world import WARM_UP_MS, shown_market, start_ms
from bot.identity import Bounds
from bot.run_folder import lake_place
from bot.settings import Settings
from data.errors import ConfigurationError, MissingData
from data.market import Market
from data.panel import tradable
from data.types import HOUR_MS, Instrument, Settlements

if TYPE_CHECKING:
    from data.lake import Lake


@dataclass(frozen=True)
class Played:
    """A market that a backtest plays."""

    market: Market
    begin_ms: int
    """From then on it is there to be traded, once features have their history."""
    end_ms: int
    """Until then every venue is known."""

    def newest(self, settings: Settings) -> int:
        """The last tick that can be played, ms."""
        return (self.end_ms - settings.data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS


def played_market(settings: Settings) -> Played:
    """The market that `bot run` would meet: the simulated one, or all that the lake holds of real venues. Raises
    MissingData where nothing is collected."""
    if settings.profile == "sandbox":
        market = shown_market(settings.sandbox, tuple(settings.data.venues), settings.data.assets)
        return Played(market, start_ms(settings.sandbox, market), market.end_ms)
    lake, instruments, end_ms = _collected(settings)
    market = _market_of(lake, instruments, 0, end_ms)
    return Played(market, _begin_of(market, settings, end_ms), end_ms)


def simulated_history(settings: Settings, bounds: Bounds) -> History:
    """The sandbox's market up to `bounds.to_ms`: by default to where `bot run` begins in a synthetic market, so that
    what is learnt there may be traded there, and to the end of recorded files."""
    if settings.profile != "sandbox":
        raise ConfigurationError("a simulated past belongs to the sandbox: leave out --config, or give --replay DIR")
    shown = played_market(settings)
    last = bounds.to_ms
    if last is None and settings.sandbox.replay is None:
        last = shown.begin_ms + WARM_UP_MS
    newest = shown.newest(settings)
    return History(shown.market, settings.data, newest if last is None else min(last, newest), bounds.from_ms)


def past(settings: Settings, bounds: Bounds) -> History:
    """What agents learn from: the simulated market's past, or what `bot collect` and `bot run` have brought of real
    venues. Raises MissingData where nothing is collected."""
    if settings.profile == "sandbox":
        return simulated_history(settings, bounds)
    lake, instruments, last = _collected(settings)
    if bounds.to_ms is not None:
        last = min(last, bounds.to_ms // HOUR_MS * HOUR_MS)
    history = collected_history(settings, lake, instruments, last)
    begin_ms = _begin_of(history.market, settings, last)
    return replace(history, since=max(begin_ms + settings.data.history_hours * HOUR_MS, bounds.from_ms or 0))


def collected_history(settings: Settings, lake: "Lake", instruments: Sequence[Instrument], last: int) -> History:
    """What `lake` holds of `instruments` up to the tick `last`, ms, as far back as learning looks."""
    first = last - learning_hours(settings) * HOUR_MS
    return History(_market_of(lake, instruments, first, last), settings.data, last)


def learning_hours(settings: Settings) -> int:
    """Hours of history that a cycle uses: its windows, and what features of the first hour look back on."""
    windows = settings.learning.windows
    days = windows.train_days + windows.validation_days + windows.gate_days
    return 24 * days + 2 * windows.embargo_hours + settings.data.history_hours


def _collected(settings: Settings) -> tuple["Lake", Sequence[Instrument], int]:
    """The lake, what of it can be traded, and when the newest hour ends that it has of every venue, ms."""
    from data.lake import Lake  # for which a backtest of a simulated market does not wait

    lake = Lake(lake_place(settings))
    newest = [max(lake.newest("bars", venue).values(), default=0) for venue in settings.data.venues]
    if not all(newest):
        raise MissingData(f"{lake.shown} has no candles of every venue: fill it by `bot collect`")
    return lake, tradable(lake.instruments(settings.data.venues), settings.data.assets), min(newest) + HOUR_MS


def _begin_of(market: Market, settings: Settings, last: int) -> int:
    """When the first hour begins of which there are candles of every venue, ms."""
    return max(
        min((int(rows.open_time[0]) for key, rows in market.bars.items() if key[0] == venue), default=last)
        for venue in settings.data.venues
    )


def _market_of(lake: "Lake", instruments: Sequence[Instrument], first: int, last: int) -> Market:
    bars, settlements = lake.bars(instruments, first, last), lake.settlements(instruments, first, last)
    known = tuple(instrument for instrument in instruments if instrument.key in bars)
    paid = {instrument.key: settlements.get(instrument.key, Settlements.none()) for instrument in known}
    return Market(known, bars, paid)
