"""A tape: one market window ready to be played, shared read-only by every account that plays it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from backtest.observation import Features, Schema, make_features, taker_fee_bps
from backtest.settings import EnvironmentSettings
from backtest.simulated_venue import Offers, Quotes, Rules
from data.errors import MissingData
from data.market import Market, touch
from data.panel import Panel, build_panel, tradable
from data.settings import DataSettings, VenueSettings
from data.types import HOUR_MS, Instrument


@dataclass(frozen=True)
class Tape:
    """Panel, features, rules and executable prices of a window. Play begins at `first`, once features have history."""

    panel: Panel
    features: Features
    rules: Rules
    quotes: Quotes
    """Each [T, N]: the market just after the decision at that tick."""
    schema: Schema
    settings: EnvironmentSettings
    first: int
    """Row of the first decision."""

    def quotes_at(self, row: int) -> Quotes:
        """Where a decision at `row` fills."""
        return Quotes(*(side[row] for side in self.quotes))

    def offers_at(self, row: int) -> Offers:
        """What the decision at `row` chooses from."""
        features = self.features
        return Offers(features.ranked[row], features.direction[row], features.legs, self.panel.close[row])


def make_tape(
    panel: Panel, venues: Mapping[str, VenueSettings], settings: EnvironmentSettings, first_tick: int
) -> Tape:
    """The tape of `panel`, whose decisions begin at `first_tick`."""
    sides = [
        touch(panel.open_after[:, column], venues[instrument.venue].half_spread_bps, instrument.tick_size)
        for column, instrument in enumerate(panel.instruments)
    ]
    bid, ask = (np.stack(side, axis=1) for side in zip(*sides, strict=True))
    return Tape(
        panel=panel,
        features=make_features(panel, venues, settings),
        rules=make_rules(panel.instruments, venues, settings),
        quotes=Quotes(mid=(bid + ask) / 2, bid=bid, ask=ask),
        schema=Schema(settings.max_positions, settings.max_opportunities),
        settings=settings,
        first=panel.row(first_tick),
    )


def make_rules(
    instruments: Sequence[Instrument], venues: Mapping[str, VenueSettings], settings: EnvironmentSettings
) -> Rules:
    """The rules of a panel's instruments; venues are numbered by name, whatever order they are given in."""
    names = sorted(venues)
    return Rules(
        venue_of=np.array([names.index(i.venue) for i in instruments], dtype=np.int64),
        fee_rate=np.array([taker_fee_bps(i.venue, venues) * 1e-4 for i in instruments]),
        lot_step=np.array([i.lot_step for i in instruments]),
        min_notional=np.array([i.min_notional for i in instruments]),
        maintenance=np.array([venues[name].maintenance_margin for name in names]),
        slot_notional=settings.initial_capital / settings.max_positions,
        stop_loss=settings.max_position_loss_pct / 100,
        price_collar=settings.price_collar_bps * 1e-4,
        rebalance_below=settings.rebalance_below,
        transfer_cost=settings.transfer_cost_quote,
    )


def tape_of_market(
    market: Market, data: DataSettings, settings: EnvironmentSettings, first_tick: int, last_tick: int
) -> Tape:
    """A window of a whole market, as the bot would have met it: the instruments listed at `first_tick`, and as much
    history before it as the bot collects. Raises MissingData where the market does not cover the window."""
    history = data.history_hours * HOUR_MS
    if first_tick - history < market.start_ms or last_tick > market.end_ms:
        raise MissingData(
            f"the market covers {date(market.start_ms)} to {date(market.end_ms)}: choose a window inside it that "
            f"leaves {data.history_hours} h of history before it (asked for {date(first_tick)} to {date(last_tick)})"
        )
    instruments = tradable(market.listed(first_tick), data.assets)
    panel = build_panel(
        instruments, market.bars, market.settlements, first_tick - history, last_tick, data.decision_delay_s
    )
    return make_tape(panel, data.venues, settings, first_tick)


def date(ms: int) -> str:
    """A time for people, to the hour, UTC."""
    return str(np.datetime64(ms, "ms").astype("datetime64[h]")).replace("T", " ") + "h"
