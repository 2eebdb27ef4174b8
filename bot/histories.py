"""The past that agents learn from: of a simulated market as a whole, or what the lake holds of real venues."""

from collections.abc import Sequence
from dataclasses import replace

from backtest.history import History
from backtest.sandbox.world import WARM_UP_MS, shown_market, start_ms
from bot.identity import Bounds
from bot.run_folder import lake_place
from bot.settings import Settings
from data.errors import ConfigurationError, MissingData
from data.lake import Lake
from data.market import Market
from data.panel import tradable
from data.types import HOUR_MS, Instrument, Settlements


def simulated_history(settings: Settings, bounds: Bounds) -> History:
    """The sandbox's market up to `bounds.to_ms`: by default to where `bot run` begins in a synthetic market, so that
    what is learnt there may be traded there, and to the end of recorded files."""
    if settings.profile != "sandbox":
        raise ConfigurationError("a simulated past belongs to the sandbox: leave out --config, or give --replay DIR")
    market = shown_market(settings.sandbox, tuple(settings.data.venues), settings.data.assets)
    last = bounds.to_ms
    if last is None and settings.sandbox.replay is None:
        last = start_ms(settings.sandbox, market) + WARM_UP_MS
    newest = (market.end_ms - settings.data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS
    return History(market, settings.data, newest if last is None else min(last, newest), bounds.from_ms)


def past(settings: Settings, bounds: Bounds) -> History:
    """What agents learn from: the simulated market's past, or what `bot collect` and `bot run` have brought of real
    venues. Raises MissingData where nothing is collected."""
    if settings.profile == "sandbox":
        return simulated_history(settings, bounds)
    lake = Lake(lake_place(settings))
    instruments = tradable(lake.instruments(settings.data.venues), settings.data.assets)
    newest = [max(lake.newest("bars", venue).values(), default=0) for venue in settings.data.venues]
    if not instruments or not all(newest):
        raise MissingData(f"{lake.shown} has no candles of every venue: fill it by `bot collect`")
    last = min(newest) + HOUR_MS
    if bounds.to_ms is not None:
        last = min(last, bounds.to_ms // HOUR_MS * HOUR_MS)
    history = collected_history(settings, lake, instruments, last)
    bars = history.market.bars
    begins = [
        min((int(rows.open_time[0]) for key, rows in bars.items() if key[0] == venue), default=last)
        for venue in settings.data.venues
    ]
    return replace(history, since=max(max(begins) + settings.data.history_hours * HOUR_MS, bounds.from_ms or 0))


def collected_history(settings: Settings, lake: Lake, instruments: Sequence[Instrument], last: int) -> History:
    """What `lake` holds of `instruments` up to the tick `last`, ms, as far back as learning looks."""
    first = last - learning_hours(settings) * HOUR_MS
    bars, settlements = lake.bars(instruments, first, last), lake.settlements(instruments, first, last)
    known = tuple(instrument for instrument in instruments if instrument.key in bars)
    paid = {instrument.key: settlements.get(instrument.key, Settlements.none()) for instrument in known}
    return History(Market(known, bars, paid), settings.data, last)


def learning_hours(settings: Settings) -> int:
    """Hours of history that a cycle uses: its windows, and what features of the first hour look back on."""
    windows = settings.learning.windows
    days = windows.train_days + windows.validation_days + windows.gate_days
    return 24 * days + 2 * windows.embargo_hours + settings.data.history_hours
