"""The rule with tuned thresholds: it never earns less than the rule as set on what it was tuned on."""

from functools import cache

import pytest

from backtest.policies import CarryRule
from backtest.settings import EnvironmentSettings, Formulation
from backtest.tape import Tape, tape_of_market
from data.settings import DataSettings, SyntheticSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.fitness import examination, examine
from pbt_online.tuned_rule import ENTER_ABOVE, LEAVE_BELOW, PLAYS, tune_rule

ASSETS = ("BTC", "INJ", "XRP", "1000PEPE", "DOGE")


@cache
def tape(formulation: Formulation, half_spread_bps: float = 1.0) -> Tape:
    venues = {name: VenueSettings(half_spread_bps=half_spread_bps) for name in ("binance", "hyperliquid")}
    data = DataSettings(assets=ASSETS, venues=venues)
    market = synthetic_market(SyntheticSettings(days=45, assets=ASSETS))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(formulation=formulation, decision_hours=8)
    return tape_of_market(market, data, settings, first, first + 30 * 24 * HOUR_MS)


@pytest.mark.parametrize("formulation", ["pairs", "ranked"])
def test_the_tuned_rule_earns_no_less_than_the_rule_where_it_was_tuned(formulation: Formulation) -> None:
    whole = tape(formulation)
    tuned, plays = tune_rule(whole), examination(whole, PLAYS, 0)
    assert examine(plays, tuned).value >= 0
    assert tuned.enter_above in ENTER_ABOVE and tuned.leave_below in LEAVE_BELOW
    assert whole.schema == tuned.schema


def test_where_no_threshold_earns_more_the_rule_stays_as_set() -> None:
    """At spreads that nothing beats, no rule trades."""
    told = tune_rule(tape("pairs", 100.0))
    as_set = CarryRule(tape("pairs").schema)
    assert (as_set.enter_above, as_set.leave_below) == (told.enter_above, told.leave_below)


def test_tuning_repeats() -> None:
    first, again = (tune_rule(tape("pairs"), seed=5) for _ in range(2))
    assert (first.enter_above, first.leave_below) == (again.enter_above, again.leave_below)
