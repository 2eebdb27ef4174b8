"""Trials of settings: each against the rule as it trades, on a month that it was not learnt on."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tune import PLAIN, Outcome, Run, Stretch, Trial, named, outcomes, run, trials_of
from benchmarks.tune_report import HEADINGS, cells, lines, markdown
from benchmarks.tune_walk import walked
from data.errors import ConfigurationError, StateError
from tests.faults.market import write_market

STRETCH = Stretch(("binance", "hyperliquid"), ("BTC", "ETH", "SOL"), ("2025-01-27", "2025-01-30"))
DAYS = 60
LEARNING = {
    "learner": {"hidden": [8], "rollout": 128, "epochs": 1, "clone_epochs": 1},
    "population": {"size": 1},
    "fitness": {"universes": 2, "episode_days": 3},
    "windows": {"train_days": 5, "validation_days": 2, "gate_days": 3, "embargo_hours": 6, "least_days": 6},
    "gate": {"resamples": 200},
    "schedule": {"timesteps": 256, "perturbation_interval": 256},
}
OUTCOME = Outcome("2025-01-27", 1.0, 0.5, (0.25, 0.75), 4, -0.125, False)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_market(tmp_path_factory.mktemp("market"), hours=24 * DAYS)


def test_every_trial_has_settings_and_a_name_of_its_own() -> None:
    trials = trials_of()
    assert len(trials) == len({trial.name for trial in trials})
    assert "default" == trials[0].name
    assert tuple(trials[-len(PLAIN) :]) == PLAIN
    assert all(trial.settings.learning.backend.kind == "process" for trial in trials)


def test_a_trial_whose_settings_are_none_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "trials.yaml").write_text("odd:\n  learning: {learner: {hiden: [8]}}\n")
    with pytest.raises(ConfigurationError, match="odd"):
        trials_of(tmp_path / "trials.yaml")


def test_a_cycle_learns_and_its_challenger_plays_the_month_after(recorded: Path, tmp_path: Path) -> None:
    came = list(outcomes(Trial("small", {"learning": LEARNING}), STRETCH, 0, recorded, tmp_path))
    assert list(STRETCH.ends) == [each.end for each in came]
    for each in came:
        assert each.rule > 0, "funding pays from the first hour on"
        assert each.pnl - each.rule == pytest.approx(each.advantage)
        assert each.gate is not None


def test_the_rule_at_its_own_hours_is_about_itself(recorded: Path, tmp_path: Path) -> None:
    """By pair it enters three positions at once, ranked one an hour."""
    for each in outcomes(*named(["rule, by pair, hourly"]), STRETCH, 0, recorded, tmp_path):
        assert each.advantage == pytest.approx(0, abs=0.05)
        assert (None, False) == (each.gate, each.promoted)


def test_an_arm_is_walked_with_on_one_account(recorded: Path) -> None:
    told = walked(*named(["rule, by pair, hourly"]), STRETCH, recorded)
    assert len(told.arm.ticks) == len(told.rule.ticks) == (3 + 30) * 24 + 1
    assert told.rule.equity[-1] > told.rule.equity[0]
    assert told.advantage == pytest.approx(0, abs=0.05)


def test_who_must_be_trained_is_not_walked_with(recorded: Path) -> None:
    with pytest.raises(ConfigurationError, match="walk-forward"):
        walked(*named(["default"]), STRETCH, recorded)


def test_a_trial_that_is_none_is_told_those_that_are() -> None:
    with pytest.raises(ConfigurationError, match="small network"):
        named(["smal network"])


def test_a_finished_run_is_read_and_another_under_its_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "early" / "small-0.json"
    path.parent.mkdir()
    told = '{"changes": {}, "outcomes": [{"end": "2025-01-27", "pnl": 1.0, "rule": 0.5, "plays": [0.25, 0.75], '
    path.write_text(told + '"trades": 4, "gate": -0.125, "promoted": false}], "cpu_s": 7.0}')
    trial = Trial("small", {})
    assert Run("early", trial, 0, (OUTCOME,), 7.0) == run(trial, "early", 0, tmp_path, tmp_path)
    with pytest.raises(StateError, match="other settings"):
        run(Trial("small", {"seed": 1}), "early", 0, tmp_path, tmp_path)


def test_a_line_tells_seeds_and_cycles_apart() -> None:
    worse = replace(OUTCOME, plays=(-1.0, 0.0))
    trial = Trial("small", {})
    told = lines([Run("early", trial, 0, (OUTCOME, worse), 1.0), Run("early", trial, 1, (OUTCOME, OUTCOME), 3.0)])
    (line,) = told["early"]
    assert (0.0, 0.5) == line.seeds
    assert (0.5, 0.0) == line.cycles
    assert 0.25 == line.advantage
    assert (3, 4) == line.above
    assert (-0.125, 2.0) == (line.gate, line.cpu_s)
    assert len(HEADINGS) == len(list(cells(line)))
    assert markdown([line]).splitlines()[2].startswith("| small | +0.250 (+0.00, +0.50) | +0.50, +0.00 | 3 of 4 |")
