"""What the market offers at the last complete hour: opportunities as the policy sees them, and when funding settles.

Used by `reader`. It reads the trader's lake and makes the trader's features, and so shows what the trader saw.
"""

import math

import numpy as np

from backtest.accounting import LONG, SHORT, Books
from backtest.observation import Features, make_features
from backtest.schema import OPPORTUNITY
from bot.run_folder import lake_place
from bot.settings import Settings
from bot.web.models import Market, Opportunity, Settlement, finite
from data.lake import Lake
from data.lake_panel import lake_panel
from data.panel import Panel
from data.types import HOUR_MS, Instrument

COLUMN = {feature.name: place for place, feature in enumerate(OPPORTUNITY)}
SHOWN = 8
"""Opportunities, where the policy is not shown more."""


class MarketReader:
    """Reads one lake. Not thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lake = Lake(lake_place(settings))

    def read(self, instruments: tuple[Instrument, ...], tick: int, books: Books) -> Market:
        """At the whole hour `tick`, ms. Raises FundingBotError."""
        data = self._settings.data
        panel = lake_panel(self._lake, instruments, tick - data.history_hours * HOUR_MS, tick, data.decision_delay_s)
        features = make_features(panel, data.venues, self._settings.environment, newest=1)
        held = {frozenset(pair) for pair in books.instrument[books.opened_at != 0].tolist()}
        shown = features.order[-1][: max(SHOWN, self._settings.environment.max_opportunities)]
        pairs = [int(pair) for pair in shown if pair >= 0]
        opportunities = tuple(_opportunity(rank, pair, panel, features, held) for rank, pair in enumerate(pairs, 1))
        columns = {int(column) for pair in pairs for column in features.legs[pair]}
        ours = {column for pair in held for column in pair}
        settlements = [next_settlement(panel, column, tick, held=column in ours) for column in columns | ours]
        known = [one for one in settlements if one is not None]
        return Market(
            opportunities=opportunities,
            settlements=tuple(sorted(known, key=lambda one: (not one.held, one.next_ms, one.asset, one.venue))),
        )


def _opportunity(rank: int, pair: int, panel: Panel, features: Features, held: set[frozenset[int]]) -> Opportunity:
    values = features.values[-1, pair]
    columns = [int(column) for column in features.legs[pair][:: int(features.direction[-1, pair])]]
    long, short = panel.instruments[columns[LONG]], panel.instruments[columns[SHORT]]
    return Opportunity(
        rank=rank, asset=str(long.asset), long_venue=long.venue, long_symbol=long.symbol, short_venue=short.venue,
        short_symbol=short.symbol, spread_now=_of(values, "spread_now"), spread_72h=_of(values, "spread_72h"),
        round_trip_cost=_of(values, "round_trip_cost"), expected_net=_of(values, "expected_net"),
        break_even_days=_of(values, "break_even"), basis_bps=_of(values, "basis"), held=frozenset(columns) in held,
    )  # fmt: skip


def _of(values: np.ndarray, name: str) -> float:
    return float(values[COLUMN[name]])


def next_settlement(panel: Panel, column: int, tick: int, *, held: bool) -> Settlement | None:
    """Of a column of the panel, after `tick`; None for what has not settled yet, or never does."""
    instrument = panel.instruments[column]
    last, hours, rate = (float(matrix[-1, column]) for matrix in (panel.settled_at, panel.interval, panel.last_rate))
    if instrument.spot or math.isnan(last) or not hours > 0:
        return None
    missed = max(0, math.floor((tick - last) / (hours * HOUR_MS)))
    return Settlement(
        venue=instrument.venue, symbol=instrument.symbol, asset=str(instrument.asset), interval_hours=hours,
        next_ms=round(last + (missed + 1) * hours * HOUR_MS), last_rate_8h_bps=finite(8e4 * rate), held=held,
    )  # fmt: skip
