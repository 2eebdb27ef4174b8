"""A rule that trades a forecast: it finds what is there to be forecast, and decides what is legal."""

from functools import cache

import numpy as np
import pytest

from backtest.policies import legal_actions
from backtest.settings import EnvironmentSettings, Formulation
from backtest.simulated_venue import FLAT, IN
from backtest.simulation import Simulation
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, MissingData
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.forecast_rule import ForecastRule

ASSETS = ("BTC", "INJ", "XRP", "1000PEPE", "DOGE")


@cache
def tape(days: int = 45, formulation: Formulation = "pairs") -> Tape:
    data = DataSettings(assets=ASSETS)
    market = synthetic_market(SyntheticSettings(days=days + 15, assets=ASSETS))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(formulation=formulation, decision_hours=8)
    return tape_of_market(market, data, settings, first, first + days * 24 * HOUR_MS)


@pytest.mark.parametrize("hours", [72, 168])
def test_the_forecast_is_nearer_to_what_comes_than_the_trailing_mean(hours: int) -> None:
    whole = tape()
    features, rule = whole.features, ForecastRule.fitted(whole, hours)
    rows = slice(whole.first, len(whole.panel.ticks) - hours)
    name = f"pair.spread_{hours}h"
    column, trailing = (whole.schema.names.index(each) for each in (name, "pair.spread_72h"))
    turned = features.direction[whole.first + hours :] * features.direction[rows]
    ahead = features.values[whole.first + hours :, :, column] * turned
    seen = np.nan_to_num(features.values[rows])
    known = features.known[rows] & np.isfinite(ahead)
    errors = [np.square(guess - ahead)[known].mean() for guess in (rule.forecast(seen), seen[..., trailing])]
    assert errors[0] < errors[1]


def test_it_enters_what_is_forecast_to_pay_and_leaves_what_turns() -> None:
    rule, simulation = ForecastRule.fitted(tape(), 72), Simulation(tape(), 1)
    carry, cost = (tape().schema.names.index(each) for each in ("position.carry_72h", "pair.round_trip_cost"))
    entered = left = 0
    while not simulation.done.all():
        seen = simulation.observations
        actions, legal, spread = rule.decide(seen), legal_actions(tape().schema, seen), rule.forecast(seen)
        assert np.take_along_axis(legal, actions[..., None], axis=-1).all()
        held = np.where(seen[..., carry] >= 0, spread, -spread)
        assert (spread[actions == IN] * 72 / 8 > seen[..., cost][actions == IN]).all()
        assert (held[actions == FLAT] < 0).all()
        entered, left = entered + (actions == IN).sum(), left + (actions == FLAT).sum()
        simulation.step(actions)
    assert entered > 0 and left > 0


def test_it_is_not_for_ranked_opportunities() -> None:
    with pytest.raises(ConfigurationError, match="pairs"):
        ForecastRule.fitted(tape(formulation="ranked"), 72)


def test_a_window_shorter_than_it_looks_ahead_is_refused() -> None:
    with pytest.raises(MissingData, match="lengthen"):
        ForecastRule.fitted(tape(days=6), 168)
