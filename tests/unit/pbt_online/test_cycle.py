"""One whole cycle on a small market, in this process."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from stable_baselines3 import PPO

from backtest.history import History, dearer
from backtest.schema import Schema
from backtest.settings import EnvironmentSettings
from backtest.windows import Window, Windows
from data.errors import CorruptData, MissingData, StateError
from data.fees import fees
from data.settings import DataSettings, SyntheticSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, examine_again, run_cycle
from pbt_online.cycles import Cycle, attempt, cycles
from pbt_online.gate import Verdict
from pbt_online.network import NetworkPolicy
from pbt_online.population import Round
from pbt_online.registry import Registry
from pbt_online.settings import LearningSettings

SETTINGS = LearningSettings.model_validate(
    {
        "learner": {"hidden": [8], "rollout": 128, "epochs": 1, "clone_epochs": 1},
        "population": {"size": 2, "timesteps": 256, "perturbation_interval": 128},
        "fitness": {"universes": 2, "episode_days": 3},
        "backend": {"kind": "process"},
    }
)
DATA = DataSettings(assets=("BTC", "INJ", "XRP"))
WEEK = 168 * HOUR_MS


@cache
def history() -> History:
    market = synthetic_market(SyntheticSettings(days=70, assets=DATA.assets))
    return History(market, DATA, market.start_ms + 60 * 24 * HOUR_MS)


def learning(folder: Path, **changed: object) -> Learning:
    settings = SETTINGS.model_copy(update=changed)
    return Learning(settings, EnvironmentSettings(), 1, folder / "population", Registry(folder / "registry"))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learning, Cycle, list[Round]]:
    told, rounds = learning(tmp_path_factory.mktemp("cycle")), list[Round]()
    return told, run_cycle(told, history(), Watch(round=rounds.append)), rounds


def test_a_cycle_trains_ranks_and_judges_on_windows_that_do_not_touch(
    done: tuple[Learning, Cycle, list[Round]],
) -> None:
    told, cycle, rounds = done
    windows = cycle.windows
    assert history().last == windows.gate.last_tick
    assert windows.train.last_tick < windows.validation.first_tick
    assert windows.validation.last_tick < windows.gate.first_tick
    assert [1, 2] == [one.number for one in rounds]
    assert cycle.verdict is not None
    assert ["champion", "rule", "tuned rule", "flat"] == [one.incumbent for one in cycle.verdict.comparisons]
    assert 4 == cycle.verdict.trials
    assert cycle == cycles(told.folder)[0]


def test_the_challenger_is_the_best_of_the_last_round_kept_with_all_that_is_known_of_it(
    done: tuple[Learning, Cycle, list[Round]],
) -> None:
    told, cycle, rounds = done
    best = max(rounds[-1].entries, key=lambda entry: ((entry.score or {})["value"], -entry.member))
    version = told.registry.version(cycle.challenger or "")
    assert best.checkpoint == version.weights_hash
    assert {"cycle": 1, "round": 2, "member": best.member, "parent": best.parent} == version.lineage
    assert best.score == version.fitness
    assert Schema(3, 5, "pairs", 8) == version.schema
    assert {"policy.npz", "policy.json", "model.zip"} == set(version.files)
    assert version.vouched_for is (cycle.verdict is not None and cycle.verdict.promoted)


def test_examined_again_it_brings_the_same_row(done: tuple[Learning, Cycle, list[Round]]) -> None:
    told, cycle, _ = done
    version = told.registry.version(cycle.challenger or "")
    policy = told.registry.policy(version, told.environment, 0)
    assert version.fitness == examine_again(version, policy, history()).as_dict()
    rule = told.registry.register_plain("rule", Schema(3, 5))
    with pytest.raises(StateError, match="no row to repeat"):
        examine_again(rule, policy, history())


def test_the_champions_model_is_loaded_by_plain_stable_baselines3_and_decides_alike(
    done: tuple[Learning, Cycle, list[Round]],
) -> None:
    told, cycle, _ = done
    version = told.registry.promote(cycle.challenger or "", cycle.windows.gate.last_tick, "it was tried")
    model = PPO.load(told.registry.file(version, "model.zip"), device="cpu")
    policy = told.registry.policy(version, told.environment, 0)
    assert isinstance(policy, NetworkPolicy) and policy.scaler is not None
    seen = np.random.default_rng(0).normal(0, 3, (200, version.schema.size)).astype(np.float32)
    actions, _ = model.predict(policy.scaler.apply(seen), deterministic=True)
    assert policy.decide(seen).tolist() == actions.tolist()


def test_the_vote_of_the_best_is_judged_as_one(tmp_path: Path) -> None:
    told = learning(tmp_path, trade_with="ensemble", ensemble_size=2)
    cycle = run_cycle(told, history(), Watch())
    version = told.registry.version(cycle.challenger or "")
    assert ("ensemble", 2) == (version.kind, len(version.members))
    assert version.verdict is not None
    assert cycle.verdict == Verdict.from_dict(version.verdict)


def test_a_begun_cycle_is_gone_on_with_refused_or_left_behind(tmp_path: Path) -> None:
    told = learning(tmp_path)
    begun = broken_off(told)
    changed = replace(told, seed=2)
    with pytest.raises(StateError, match="other settings, another seed"):
        run_cycle(changed, history(), Watch())
    later = run_cycle(replace(changed, supersedes=True), history(), Watch())
    assert (1, 2) == (begun.number, later.number)
    assert 1 == attempt([one for one in cycles(told.folder) if not one.judged])


def broken_off(told: Learning) -> Cycle:
    """A cycle whose process died before its first round."""

    class Gone(BaseException):
        pass

    def stage(text: str) -> None:
        raise Gone(text)

    with pytest.raises(Gone):
        run_cycle(told, history(), Watch(stage=stage))
    (begun,) = cycles(told.folder)
    assert not begun.judged
    return begun


@pytest.mark.parametrize(("expected", "promoted"), [(1, ()), (2, (0,)), (3, (0, 0)), (1, (0, 1)), (2, (1, 0))])
def test_attempts_are_counted_from_the_last_promotion(expected: int, promoted: tuple[int, ...]) -> None:
    windows = Windows(*[Window(0, 1)] * 3)
    verdicts = [Verdict("x", bool(one), 1, 0.01, 10, (), (), 0, None, ()) for one in promoted]
    assert expected == attempt([Cycle(n, "", windows, "rule", "x", v) for n, v in enumerate(verdicts, start=1)])


def test_a_short_history_says_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingData, match="30 days"):
        run_cycle(learning(tmp_path), replace(history(), since=history().last - WEEK), Watch())


def test_a_damaged_record_of_a_cycle_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    told = learning(tmp_path)
    broken_off(told)
    (told.folder / "cycles" / "0001.json").write_text("{")
    with pytest.raises((StateError, CorruptData), match="restore it, or train with --fresh"):
        cycles(told.folder)


def test_a_history_shows_nothing_beyond_its_end_and_dearer_venues_cost_more() -> None:
    past = history()
    with pytest.raises(ValueError, match="beyond"):
        past.tape(EnvironmentSettings(), Window(past.first, past.last + HOUR_MS))
    venue = dearer("binance", VenueSettings(), 1.5)
    assert 1.5 * fees("binance", VenueSettings()).taker_bps == fees("binance", venue).taker_bps
    assert 1.5 * VenueSettings().half_spread_bps == venue.half_spread_bps


def test_raised_costs_are_charged_and_not_told() -> None:
    """A network would meet a figure that it has never seen: its answer would say nothing of what costs do to it."""
    past = history()
    window = Window(past.first, past.first + 48 * HOUR_MS)
    usual, dear = (past.tape(EnvironmentSettings(), window, cost_factor=factor) for factor in (1.0, 1.5))
    assert usual.features.values.tobytes() == dear.features.values.tobytes()
    assert dear.rules.instruments["fee_rate"] == pytest.approx(1.5 * usual.rules.instruments["fee_rate"])
    assert np.nanmin(dear.quotes.ask - usual.quotes.ask) >= 0
    assert np.nanmax(dear.quotes.ask - usual.quotes.ask) > 0
