"""A market that somebody sent, as the panel that the trader would make of it. Used by `policy`."""

from collections.abc import Sequence

import numpy as np

from bot.web.predict_models import MarketRows, Snapshot
from data.errors import ConfigurationError, DataError
from data.panel import Panel, build_panel
from data.settings import DataSettings
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements


def snapshot_panel(snapshot: Snapshot, instruments: Sequence[Instrument], settings: DataSettings) -> Panel:
    """Of the account's instruments; those that were not sent have no candles. Raises DataError for rows that cannot be
    true, or an instrument that the account does not trade."""
    known = {instrument.key for instrument in instruments}
    sent: dict[InstrumentKey, MarketRows] = {}
    for rows in snapshot.markets:
        key = rows.venue, rows.symbol
        if key not in known or key in sent:
            what = "was sent twice" if key in sent else "is not traded by this account: GET /api/instruments lists all"
            raise DataError(f"{rows.symbol} on {rows.venue} {what}")
        sent[key] = rows
    tick = snapshot.tick_ms
    try:
        return build_panel(
            instruments,
            {key: _bars(rows, tick) for key, rows in sent.items()},
            {key: _settlements(rows) for key, rows in sent.items()},
            tick - settings.history_hours * HOUR_MS,
            tick,
            settings.decision_delay_s,
        )
    except ConfigurationError as error:
        raise DataError(str(error)) from error


def _bars(rows: MarketRows, tick: int) -> Bars:
    """Those that had closed at `tick`: a decision knows no later one."""
    closed = [bar for bar in rows.bars if bar[0] < tick]
    times = np.array([bar[0] for bar in closed], dtype=np.int64)
    return Bars(times, *(np.array([bar[place] for bar in closed]) for place in range(1, 6)))


def _settlements(rows: MarketRows) -> Settlements:
    times, offsets = (np.array([one[place] for one in rows.settlements], dtype=np.int64) for place in (0, 1))
    return Settlements(times, offsets, np.array([one[2] for one in rows.settlements], dtype=np.float64))
