"""A clone decides as its teacher does, earns what it earns, and loads into Stable-Baselines3."""

from functools import cache

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO

from backtest.hindsight import hindsight_bound
from backtest.observation import whole_market
from backtest.policies import CarryRule, legal_actions
from backtest.replay import replay
from backtest.scaler import Scaler, fit_scaler
from backtest.settings import EnvironmentSettings, Formulation
from backtest.simulation import Simulation
from backtest.tape import Tape, tape_of_market
from data.errors import MissingData
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.cloning import Clone, clone
from pbt_online.fitness import examination, examine
from pbt_online.forecast_rule import ForecastRule
from pbt_online.network import NetworkPolicy, network_of
from pbt_online.settings import FitnessSettings, LearnerSettings
from pbt_online.teachers import AHEAD_HOURS, TeacherName, teacher_of
from pbt_online.vector_environment import FundingArbitrageVecEnv

LEARNER = LearnerSettings(hidden=(64, 64), clone_epochs=8)
ASSETS = ("BTC", "INJ", "XRP", "1000PEPE", "DOGE", "SOL")
TRAIN_H, VALIDATION_H = 40 * 24, 20 * 24


@cache
def tape(formulation: Formulation = "pairs", *, validation: bool = False) -> Tape:
    data = DataSettings(assets=ASSETS)
    market = synthetic_market(SyntheticSettings(days=75, assets=ASSETS))
    begin = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(
        formulation=formulation, decision_hours=8 if formulation == "pairs" else 4, episode_hours=240
    )
    first, hours = (begin + TRAIN_H * HOUR_MS, VALIDATION_H) if validation else (begin, TRAIN_H)
    return tape_of_market(market, data, settings, first, first + hours * HOUR_MS)


@cache
def scaler(formulation: Formulation = "pairs") -> Scaler:
    return fit_scaler(tape(formulation), tape(formulation).first, len(tape(formulation).panel.ticks) - 1)


@cache
def cloned(formulation: Formulation = "pairs", teacher: TeacherName = "rule") -> Clone:
    return clone(tape(formulation), scaler(formulation), teacher, LEARNER, seed=1)


def policy_of(clone: Clone, formulation: Formulation = "pairs") -> NetworkPolicy:
    """By way of Stable-Baselines3, which refuses weights that are not its own."""
    layers = list(LEARNER.hidden)
    model = PPO(
        "MlpPolicy",
        FundingArbitrageVecEnv(tape(formulation), 2),
        n_steps=8,
        batch_size=8,
        policy_kwargs={"net_arch": {"pi": layers, "vf": layers}},
    )
    model.policy.load_state_dict(clone.weights, strict=True)
    return network_of(model, "clone", tape(formulation).schema, scaler(formulation))


def test_a_clone_acts_as_the_rule_does() -> None:
    assert cloned().agreement_acting >= 0.97 and cloned().agreement >= 0.98
    assert cloned().explained > 0


def test_a_clone_of_the_reference_formulation_mostly_does() -> None:
    assert cloned("ranked").agreement > 0.9 and cloned("ranked").agreement_acting > 0.8


def test_a_clone_earns_out_of_sample_what_the_rule_earns() -> None:
    """Within a tenth of a percent per 30 days, the mean over many plays; the rule holds on to what it has here."""
    plays = examination(tape(validation=True), FitnessSettings(episode_days=14), seed=2)
    score, rule = examine(plays, policy_of(cloned())), examine(plays, CarryRule(tape().schema))
    assert abs(score.value) < 0.1
    assert rule.pnl_pct > 0 and abs(score.trades - rule.trades) <= 8


def test_a_clone_of_hindsight_acts_like_it_more_often_than_not() -> None:
    """It cannot always: what hindsight knows is not to be seen."""
    assert cloned(teacher="hindsight").agreement > 0.8
    assert cloned(teacher="hindsight").agreement_acting > 0.5


def test_the_same_seed_clones_the_same_weights_and_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(7)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    again = clone(tape(), scaler(), "rule", LEARNER, seed=1)
    other = clone(tape(), scaler(), "rule", LEARNER.model_copy(update={"clone_epochs": 1}), seed=2)
    assert torch.equal(before, torch.get_rng_state()) and threads == torch.get_num_threads()
    for name, value in cloned().weights.items():
        assert torch.equal(value, again.weights[name])
    assert any(not torch.equal(value, other.weights[name]) for name, value in cloned().weights.items())


def test_where_nothing_can_be_decided_nothing_is_learned() -> None:
    unknown = tape().features._replace(known=np.zeros_like(tape().features.known))
    blind = Tape(**vars(tape()) | {"features": unknown, "universes": whole_market(unknown)})
    with pytest.raises(MissingData, match="nothing can be decided"):
        clone(blind, scaler(), "rule", LEARNER, seed=1)


@pytest.mark.parametrize("formulation", ["pairs", "ranked"])
def test_the_hindsight_teacher_does_what_is_legal_and_beats_the_rule(formulation: Formulation) -> None:
    """It is held back by the decision grid, by the direction that the venue enters, and by the bounce it ignores."""
    whole = tape(formulation)
    teacher, simulation = teacher_of("hindsight", whole), Simulation(whole, 2)
    while not simulation.done.all():
        actions = teacher.decide(simulation)
        legal = legal_actions(whole.schema, simulation.observations)
        assert np.take_along_axis(legal, actions[..., None], axis=-1).all()
        simulation.step(actions)
    capital = whole.settings.initial_capital
    rule = replay(whole, CarryRule(whole.schema)).equity[-1] - capital
    assert simulation.equity[0] == simulation.equity[1]
    assert rule < simulation.equity[0] - capital < hindsight_bound(whole, rounds=50).pnl


def test_the_rule_teaches_what_it_does() -> None:
    simulation = Simulation(tape(), 3)
    assert np.array_equal(
        CarryRule(tape().schema).decide(simulation.observations), teacher_of("rule", tape()).decide(simulation)
    )


def test_the_forecast_teaches_what_it_does_and_its_clone_acts_like_it() -> None:
    simulation = Simulation(tape(), 3)
    assert np.array_equal(
        ForecastRule.fitted(tape(), AHEAD_HOURS).decide(simulation.observations),
        teacher_of("forecast", tape()).decide(simulation),
    )
    assert cloned(teacher="forecast").agreement > 0.9
