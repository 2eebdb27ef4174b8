"""A tape: one market window ready to be played, shared read-only by every account that plays it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from backtest.observation import Features, Universes, make_features, make_universes, taker_fee_bps, whole_market
from backtest.order_book import Quotes, make_quotes
from backtest.resting import make_resting, patience_of
from backtest.rules import INSTRUMENT, VENUE, Rules
from backtest.schema import Schema, schema_of
from backtest.settings import EnvironmentSettings
from backtest.settlement import market_hours
from backtest.simulated_venue import Frames
from data.errors import ConfigurationError, MissingData
from data.fees import fees
from data.market import OPEN_PLATEAU_MS, Market
from data.panel import Panel, build_panel, tradable
from data.settings import DataSettings, VenueSettings
from data.types import HOUR_MS, Instrument


class Fills(StrEnum):
    """At which price a decision fills. Only NEXT_OPEN can be had; the others show how much a result owes to timing, and
    every order takes in them."""

    NEXT_OPEN = "next_open"
    """The open of the bar that begins at the decision: what the bot gets."""
    SAME_CLOSE = "same_close"
    """The close that the decision saw: the trap. It is a stale last trade, and half of what it promises is gone."""
    HOUR_LATER = "hour_later"
    """The open an hour after the decision."""


@dataclass(frozen=True)
class Tape:
    """Panel, features, rules and executable prices of a window. Play begins at `first`, once features have history."""

    panel: Panel
    features: Features
    rules: Rules
    frames: Frames
    schema: Schema
    settings: EnvironmentSettings
    first: int
    """Row of the first decision."""
    universes: Universes
    """What accounts may see of the market: all of it, unless `in_universes` says otherwise."""

    def in_universes(self, member: NDArray[np.bool_]) -> "Tape":
        """The same tape for accounts that see only part of it: `member` [V, P] tells the pairs of each universe.

        Everything else is shared, not copied. Raises ConfigurationError where `member` is not about these pairs.
        """
        pairs = len(self.features.legs)
        if member.ndim != 2 or len(member) == 0 or member.shape[1] != pairs:
            raise ConfigurationError(f"universes of this tape are told for its {pairs} pairs, not as {member.shape}")
        by_pair = self.schema.formulation == "pairs"
        return replace(self, universes=make_universes(self.features, member, by_pair=by_pair))

    @property
    def quotes(self) -> Quotes:
        """Each [T, N]: the market just after the decision at that tick."""
        return Quotes(*(self.frames.now[side] for side in Quotes._fields))


def make_tape(
    panel: Panel,
    venues: Mapping[str, VenueSettings],
    settings: EnvironmentSettings,
    first_tick: int,
    *,
    fills: Fills = Fills.NEXT_OPEN,
    delayed: NDArray[np.float64] | None = None,
    charged: Mapping[str, VenueSettings] | None = None,
    between: Market | None = None,
    decision_delay_s: int = 0,
) -> Tape:
    """The tape of `panel`, whose decisions begin at `first_tick`. `delayed` [T, N] are the mids at which second legs
    fill, where that is not at once. `charged`: the venues as they charge, where that is not as policies are told.
    `between`: the market between the hours, where orders rest in it from `decision_delay_s` after the hour on."""
    features = make_features(panel, venues, settings)
    charging = venues if charged is None else charged
    rules = make_rules(panel.instruments, charging, settings)
    spreads = [charging[instrument.venue].half_spread_bps for instrument in panel.instruments]
    now = make_quotes(_fill_mids(panel, fills), spreads, rules)
    resting = None
    if between is not None:
        patience = patience_of(settings, decision_delay_s)
        resting = make_resting(between, panel, spreads, features.legs, features.direction, rules, patience)
    frames = Frames(
        first_tick=int(panel.ticks[0]),
        # Held positions are followed through the hours: time lies along memory, a cache line holds some of them.
        hours=np.asfortranarray(market_hours(panel, settings.delisted_after_hours)),
        now=now,
        later=now if delayed is None else make_quotes(delayed, spreads, rules),
        order=features.order,
        direction=features.direction,
        legs=features.legs,
        pair_of=features.pair_of,
        resting=resting,  # type: ignore[arg-type] # only what rests looks at it
        leaves=settings.maker_gives_up == "leave",
    )
    return Tape(
        panel=panel,
        features=features,
        rules=rules,
        frames=frames,
        schema=schema_of(settings),
        settings=settings,
        first=panel.row(first_tick),
        universes=whole_market(features),
    )


def _fill_mids(panel: Panel, fills: Fills) -> NDArray[np.float64]:
    """[T, N] the price that a decision at each tick fills at, before spreads."""
    match fills:
        case Fills.NEXT_OPEN:
            return panel.open_after
        case Fills.SAME_CLOSE:
            return panel.close
        case Fills.HOUR_LATER:
            return np.concatenate([panel.open_after[1:], np.full((1, panel.open_after.shape[1]), np.nan)])


def make_rules(
    instruments: Sequence[Instrument], venues: Mapping[str, VenueSettings], settings: EnvironmentSettings
) -> Rules:
    """The rules of a panel's instruments; venues are numbered by name, whatever order they are given in."""
    names = sorted(venues)
    spot = {instrument.venue for instrument in instruments if instrument.spot}
    obeyed = [
        (
            names.index(i.venue), taker_fee_bps(i.venue, venues) * 1e-4, i.lot_step, i.tick_size, i.min_notional,
            venues[i.venue].half_spread_bps * 1e-4, venues[i.venue].level_quote, venues[i.venue].levels,
        )
        for i in instruments
    ]  # fmt: skip
    demanded = [
        (
            0.0 if name in spot else venues[name].maintenance_margin,
            _leverage(venues[name], spot=name in spot),
            fees(name, venues[name]).maker_bps * 1e-4,
        )
        for name in names
    ]
    return Rules(
        instruments=np.array(obeyed, dtype=INSTRUMENT),
        venues=np.array(demanded, dtype=VENUE),
        slot_notional=settings.initial_capital / settings.max_positions,
        stop_loss=settings.max_position_loss_pct / 100,
        price_collar=settings.price_collar_bps * 1e-4,
        rebalance_below=settings.rebalance_below,
        transfer_cost=settings.transfer_cost_quote,
        transfer_ms=settings.transfer_hours * HOUR_MS,
    )


def _leverage(venue: VenueSettings, *, spot: bool) -> float:
    if spot:
        return 1.0
    return venue.leverage if venue.margin_mode == "isolated" else 0.0


def tape_of_market(
    market: Market,
    data: DataSettings,
    settings: EnvironmentSettings,
    first_tick: int,
    last_tick: int,
    *,
    fills: Fills = Fills.NEXT_OPEN,
    late_listings: bool = False,
    charged: Mapping[str, VenueSettings] | None = None,
) -> Tape:
    """A window of a whole market with as much history before it as the bot collects.

    The instruments are those listed at `first_tick`, as a run that began then has them; with `late_listings`, also
    those listed later in the window: they can be traded once their features have history. `charged` as for
    `make_tape`. Raises MissingData where the market does not cover the window, ConfigurationError for a window without
    an hour.
    """
    history = data.history_hours * HOUR_MS
    if last_tick <= first_tick:
        raise ConfigurationError(f"a window needs an hour at least: {date(first_tick)} to {date(last_tick)} has none")
    if first_tick - history < market.start_ms or last_tick > market.end_ms:
        raise MissingData(
            f"the market covers {date(market.start_ms)} to {date(market.end_ms)}: choose a window inside it that "
            f"leaves {data.history_hours} h of history before it (asked for {date(first_tick)} to {date(last_tick)})"
        )
    listed = market.listed_within(first_tick, last_tick) if late_listings else market.listed(first_tick)
    panel = build_panel(
        tradable(listed, data.assets),
        market.bars,
        market.settlements,
        first_tick - history,
        last_tick,
        data.decision_delay_s,
    )
    delayed = None
    if settings.second_leg_delay_s * 1000 + data.decision_delay_s * 1000 > OPEN_PLATEAU_MS:
        delayed = _delayed(market, panel, (data.decision_delay_s + settings.second_leg_delay_s) * 1000)
    rests = settings.execution == "maker_first" and fills is Fills.NEXT_OPEN
    return make_tape(
        panel, data.venues, settings, first_tick, fills=fills, delayed=delayed, charged=charged,
        between=market if rests else None, decision_delay_s=data.decision_delay_s,
    )  # fmt: skip


def whole(tape: Tape) -> tuple[int, int]:
    """First and last row of an episode over the whole tape."""
    return tape.first, len(tape.panel.ticks) - 1


def _delayed(market: Market, panel: Panel, after_ms: int) -> NDArray[np.float64]:
    """[T, N] mids so long after each tick, along the bars."""
    return np.array([[market.mid(i.key, int(tick) + after_ms) for i in panel.instruments] for tick in panel.ticks])


def date(ms: int) -> str:
    """A time for people, to the hour, UTC."""
    return str(np.datetime64(ms, "ms").astype("datetime64[h]")).replace("T", " ") + "h"
