"""The population learns what there is to be learned, and nothing where there is nothing; in the small."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from backtest.settings import WindowSettings
from benchmarks.planted import HEIR, MARKETS, Outcome, learn
from pbt_online.settings import (
    BackendSettings,
    Dimension,
    FitnessSettings,
    LearnerSettings,
    LearningSettings,
    PopulationSettings,
)

DAYS = 315
SETTINGS = LearningSettings(
    learner=LearnerSettings(hidden=(32, 32), clone_epochs=5),
    population=PopulationSettings(
        size=2,
        timesteps=60_000,
        perturbation_interval=20_000,
        search_space={
            "learning_rate": Dimension(choices=(5e-4, 1e-3)),
            "gamma": Dimension(choices=(0.95,)),
            "kl_coef": Dimension(choices=(0.003,)),
        },
    ),
    fitness=FitnessSettings(universes=8),
    windows=WindowSettings(train_days=150, validation_days=45, gate_days=90),
    backend=BackendSettings(kind="process"),
)
"""Two members in the middle of the default search space, so that it is learning that is tested and not the search."""


@cache
def outcome(kind: str) -> Outcome:
    with TemporaryDirectory() as folder:
        return learn(MARKETS[kind](0, DAYS), SETTINGS, 0, Path(folder))


def test_a_pattern_that_the_rule_misses_is_learned_from_a_clone_of_the_rule() -> None:
    planted = outcome("planted")
    assert planted.pnl_pct("oracle") > 10
    assert planted.pnl_pct("rule") < 0.2 * planted.pnl_pct("oracle")
    assert planted.pnl_pct("challenger") > 0.5 * planted.pnl_pct("oracle")


def test_where_there_is_nothing_to_learn_the_population_stops_trading_and_flat_takes_over() -> None:
    noise = outcome("noise")
    assert noise.pnl_pct("rule") < -3
    assert len(noise.results["challenger"].trades) <= 5
    assert noise.pnl_pct("challenger") > -0.5
    assert not (noise.cycle.verdict and noise.cycle.verdict.promoted)
    assert (0, 0.0) == (len(noise.results[HEIR].trades), noise.pnl_pct(HEIR))


@pytest.mark.parametrize("kind", MARKETS)
def test_the_same_seed_makes_the_same_market(kind: str) -> None:
    one, other = (MARKETS[kind](3, 20, assets=2) for _ in range(2))
    for key, bars in one.bars.items():
        assert (bars.close == other.bars[key].close).all()
        assert (one.settlements[key].rate == other.settlements[key].rate).all()
