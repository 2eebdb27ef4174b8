"""Accounts that see part of a shared tape: as if the rest of the market did not exist."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backtest.policies import CarryRule, legal_actions
from backtest.settings import EnvironmentSettings, Formulation, Reward
from backtest.simulation import Simulation
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError
from data.market import Market
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS

ASSETS = ("BTC", "INJ", "XRP", "1000PEPE", "DOGE")
HOURS = 200
SUBSETS = st.sets(st.integers(0, len(ASSETS) - 1), min_size=1)


@cache
def market() -> Market:
    return synthetic_market(SyntheticSettings(days=30, assets=ASSETS))


@cache
def tape(assets: tuple[str, ...], formulation: Formulation, reward: Reward = "pnl") -> Tape:
    data = DataSettings(assets=assets)
    first = market().start_ms + data.history_hours * HOUR_MS
    variant = EnvironmentSettings(formulation=formulation, decision_hours=4, reward=reward)
    return tape_of_market(market(), data, variant, first, first + HOURS * HOUR_MS)


def members(tape: Tape, assets: tuple[str, ...]) -> NDArray[np.bool_]:
    """[P] the pairs of these assets."""
    bases = {name.lstrip("0123456789") for name in assets}
    return np.array([tape.panel.instruments[a].asset.base in bases for a, _ in tape.features.legs])


def chosen(subset: set[int]) -> tuple[str, ...]:
    return tuple(ASSETS[index] for index in sorted(subset))


def twins(subset: set[int], formulation: Formulation, reward: Reward = "pnl") -> tuple[Simulation, int, Simulation]:
    """Two accounts on the whole tape, of which the second is in the universe; one on the tape of its assets alone."""
    whole, alone = tape(ASSETS, formulation, reward), tape(chosen(subset), formulation, reward)
    member = np.stack([np.ones(len(whole.features.legs), dtype=np.bool_), members(whole, chosen(subset))])
    big = Simulation(whole.in_universes(member), 2)
    small = Simulation(alone, 1)
    big.begin(1, whole.first, whole.first + HOURS, universe=1)
    return big, 1, small


def seen_by_both(big: Simulation, small: Simulation) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What both see of the universe's pairs, in the same order."""
    if big.tape.schema.formulation == "ranked":
        return big.observations[1], small.observations[0]
    return big.observations[1, big.tape.universes.member[1]], small.observations[0]


@pytest.mark.parametrize("reward", ["pnl", "excess"])
@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
@settings(max_examples=20, deadline=None)
@given(subset=SUBSETS, seed=st.integers(0, 1000))
def test_an_account_in_a_universe_fares_as_on_a_tape_of_its_assets_alone(
    formulation: Formulation, reward: Reward, subset: set[int], seed: int
) -> None:
    """Observations, rewards and equity, bit for bit, by random legal actions; others may be asked for and change
    nothing."""
    big, b, small = twins(subset, formulation, reward)
    random = np.random.default_rng(seed)
    while not small.done.all():
        ours, theirs = seen_by_both(big, small)
        assert theirs.tobytes() == ours.tobytes()
        legal = legal_actions(small.tape.schema, small.observations)
        actions = np.where(legal, random.random(legal.shape), -1.0).argmax(axis=-1)
        asked = random.integers(0, big.tape.schema.actions, big.action_shape)
        if formulation == "ranked":
            asked[b] = actions[0]
        else:
            asked[b, big.tape.universes.member[1]] = actions[0]
        big.step(asked)
        small.step(actions)
        assert small.equity[0] == big.equity[b] and small.reward[0] == big.reward[b]
    assert big.done[b]


@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
@settings(max_examples=20, deadline=None)
@given(subset=SUBSETS)
def test_the_rule_in_a_universe_fares_as_on_a_tape_of_its_assets_alone(
    formulation: Formulation, subset: set[int]
) -> None:
    big, b, small = twins(subset, formulation)
    rule = CarryRule(big.tape.schema)
    while not small.done.all():
        big.step(rule.decide(big.observations))
        small.step(rule.decide(small.observations))
        assert small.equity[0] == big.equity[b]


@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
def test_the_rule_that_follows_the_rule_exceeds_it_by_nothing_in_any_universe(formulation: Formulation) -> None:
    """The shadow rule sees no more than the account does."""
    whole = tape(ASSETS, formulation, "excess")
    everyone = len(whole.features.legs)
    simulation = Simulation(whole.in_universes(np.eye(everyone, dtype=np.bool_)), everyone)
    for b in range(everyone):
        simulation.begin(b, whole.first, whole.first + HOURS, universe=b)
    rule, bonus = CarryRule(whole.schema), {0.0, whole.settings.quality_entry_bonus}
    while not simulation.done.all():
        simulation.step(rule.decide(simulation.observations))
        assert set(simulation.reward.tolist()) <= bonus


def test_universes_share_everything_else_with_their_tape() -> None:
    whole = tape(ASSETS, "pairs")
    narrow = whole.in_universes(np.eye(len(whole.features.legs), dtype=np.bool_))
    assert narrow == replace(whole, universes=narrow.universes)


def test_universes_of_other_pairs_are_refused() -> None:
    whole = tape(ASSETS, "pairs")
    for member in (np.ones((1, 2), dtype=np.bool_), np.ones(5, dtype=np.bool_), np.ones((0, 5), dtype=np.bool_)):
        with pytest.raises(ConfigurationError, match="universes of this tape are told for its 5 pairs"):
            whole.in_universes(member)


def test_an_account_cannot_begin_in_a_universe_that_the_tape_has_not() -> None:
    simulation = Simulation(tape(ASSETS, "pairs"), 1)
    for universe in (-1, 1):
        with pytest.raises(IndexError, match="has 1 universes"):
            simulation.begin(0, simulation.tape.first, simulation.tape.first + 10, universe)
