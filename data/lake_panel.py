"""The panel straight from the lake's files, month by month: years of many instruments need no series of their own.

Used by the trader each hour. It equals what `build_panel` makes of the same rows.
"""

from collections.abc import Sequence

from data.lake import Lake
from data.panel import Panel, empty_panel, fill_bars, fill_settlements
from data.types import HOUR_MS, Instrument


def lake_panel(
    lake: Lake, instruments: Sequence[Instrument], first_tick: int, last_tick: int, decision_delay_s: int
) -> Panel:
    """The panel of what the lake holds from the hour before `first_tick` on; arguments and errors as of `build_panel`.

    Candles were checked when they were stored, and highs and lows are not read here; settlements are checked again.
    """
    panel = empty_panel(instruments, first_tick, last_tick)
    since = first_tick - HOUR_MS
    columns: dict[str, dict[str, int]] = {}
    for column, instrument in enumerate(instruments):
        columns.setdefault(instrument.venue, {})[instrument.symbol] = column
    for venue, mine in columns.items():
        for part in lake.scan("bars", venue, since, last_tick, ("open", "close", "volume")):
            for symbol in part.keys() & mine.keys():
                fill_bars(panel, mine[symbol], *part[symbol])
    for (venue, symbol), history in lake.each_settled(instruments, since, last_tick):
        fill_settlements(panel, columns[venue][symbol], history, decision_delay_s)
    return panel
