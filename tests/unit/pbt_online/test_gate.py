"""The gate: who passes, who is refused and why, and how often noise would."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backtest.accounting import new_books
from backtest.metrics import measure
from backtest.replay import Result
from data.errors import ConfigurationError, CorruptData
from pbt_online.gate import Evidence, Trials, Verdict, evidence, judge, level_of
from pbt_online.settings import GateSettings

DAYS = 180
CAPITAL = 10_000.0
NO_TRIALS = Trials(0, np.zeros(0))
FAST = GateSettings(resamples=400)


def path(gains_bps: NDArray[np.float64], name: str = "challenger", **other: object) -> Evidence:
    """Evidence with these hourly gains, bps of capital, and figures within every limit."""
    equity = CAPITAL * (1 + 1e-4 * np.concatenate([[0.0], np.cumsum(gains_bps)]))
    told: dict[str, object] = {"trades": 20, "drawdown_pct": 1.0, "stressed_pnl": 50.0, "first_tick": 0, **other}
    return Evidence(name=name, equity=equity, **told)  # type: ignore[arg-type]


def noise(*seed: int, days: int = DAYS) -> NDArray[np.float64]:
    """[T] hourly differences like those of two carry rules on the recorded market: a basis that comes back within
    hours, heavy tails, and carry that lasts; bps of capital."""
    random = np.random.default_rng([23, *seed])
    bounce = 1.6 * np.diff(random.standard_t(4, 24 * days + 1))
    return bounce + np.repeat(random.normal(0, 0.12, days), 24)


def per_hour(advantage: float) -> float:
    """bps an hour of an advantage in % per 30 days."""
    return advantage * 100 / 720


def judged(challenger: Evidence, *incumbents: Evidence, attempt: int = 1, **changes: float) -> Verdict:
    chosen = FAST.model_copy(update=changes)
    return judge(challenger, incumbents, chosen, attempt=attempt, seed=3, trials=NO_TRIALS)


def flat(days: int = DAYS) -> Evidence:
    return path(np.zeros(24 * days), "flat", trades=0)


# Who passes


def test_a_clear_advantage_over_everybody_is_promoted() -> None:
    market, advantage = noise(1), per_hour(1.0)
    verdict = judged(path(market + noise(2) + advantage), path(market, "rule"), flat())
    assert verdict.promoted
    assert ("rule", "flat") == tuple(each.incumbent for each in verdict.comparisons)
    assert all((each.lower or 0) > 0 for each in verdict.comparisons)
    assert verdict.reasons == ("beats rule, flat, each at 0.185 % error, and is within every limit",)


def test_a_challenger_that_fails_against_one_incumbent_is_refused() -> None:
    challenger = path(noise(2) + per_hour(1.0))
    verdict = judged(challenger, flat(), path(noise(3) + per_hour(2.0), "champion"))
    assert (False, [True, False]) == (verdict.promoted, [each.passed for each in verdict.comparisons])
    assert len(verdict.reasons) == 1
    assert "less than champion" in verdict.reasons[0]


def test_the_same_incumbent_twice_is_judged_twice() -> None:
    rule = path(noise(1), "rule")
    verdict = judged(path(noise(1) + noise(2) + per_hour(1.0)), rule, rule)
    assert verdict.promoted
    assert ("rule", "rule") == tuple(each.incumbent for each in verdict.comparisons)
    assert "beats rule, each" in verdict.reasons[0]


def test_a_challenger_like_the_incumbent_is_no_different() -> None:
    verdict = judged(path(noise(1)), path(noise(1), "rule"))
    (comparison,) = verdict.comparisons
    assert verdict.reasons == ("no different from rule: the two made the same P&L in every hour",)
    assert (0.0, 1.0, None) == (comparison.advantage, comparison.p_value, comparison.detectable)


def test_what_may_be_luck_names_the_advantage_that_would_show() -> None:
    drawn = noise(2)
    verdict = judged(path(drawn - drawn.mean() + per_hour(0.02)), flat())
    (comparison,) = verdict.comparisons
    assert comparison.detectable is not None
    assert (
        f"only an advantage above {comparison.detectable:.3g} % per 30 days would show in 180 days"
        in (verdict.reasons[0])
    )


def test_a_window_of_a_day_can_tell_nothing() -> None:
    verdict = judged(path(noise(2, days=1) + 5.0), flat(1))
    assert not verdict.promoted


def test_a_longer_window_shows_smaller_advantages() -> None:
    shown = [judged(path(noise(2, days=days)), flat(days)).comparisons[0].detectable for days in (30, 90, 365)]
    assert None not in shown
    assert sorted(shown, reverse=True) == shown  # type: ignore[type-var]


# Limits


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"drawdown_pct": 10.5}, "drawdown of 10.5 % exceeds the limit of 10 %"),
        ({"drawdown_pct": math.nan}, "drawdown of nan % exceeds the limit of 10 %"),
        ({"trades": 4}, "4 closed trades are fewer than 5"),
        ({"stressed_pnl": -12.0}, "lost 12.00 at raised costs"),
        ({"stressed_pnl": 0.0}, "earned nothing at raised costs"),
        ({"stressed_pnl": None}, "was not replayed at raised costs"),
    ],
)
def test_a_limit_refuses_whoever_beats_everybody(figures: dict[str, object], reason: str) -> None:
    verdict = judged(path(noise(2) + per_hour(1.0), **figures), flat())
    assert (False, True, (reason,)) == (verdict.promoted, verdict.comparisons[0].passed, verdict.reasons)


def test_limits_are_for_the_challenger_alone() -> None:
    worst = path(noise(1), "rule", trades=0, drawdown_pct=80.0, stressed_pnl=None)
    assert judged(path(noise(1) + noise(2) + per_hour(1.0)), worst).promoted


# Paths that cannot be compared


def test_paths_over_different_hours_are_not_compared() -> None:
    for other in (path(noise(1)[1:], "rule"), path(noise(1), "rule", first_tick=3_600_000)):
        with pytest.raises(ConfigurationError, match="same window"):
            judged(path(noise(2)), other)


def test_nobody_to_beat_is_no_gate() -> None:
    with pytest.raises(ConfigurationError, match="nobody to beat"):
        judged(path(noise(2)))


def test_a_path_that_is_not_a_number_is_said_so() -> None:
    broken = noise(1)
    broken[7] = np.nan
    with pytest.raises(CorruptData, match="equity of rule"):
        judged(path(noise(2)), path(broken, "rule"))


def test_a_challenger_that_is_ruined_on_the_way_is_refused() -> None:
    """Its path ends where its capital does; the others' go on."""
    ruined = path(np.array([-4000.0, -6000.0]), drawdown_pct=100.0)
    verdict = judged(ruined, flat())
    assert (False, 24 * DAYS) == (verdict.promoted, verdict.hours)
    assert any("drawdown of 100 %" in reason for reason in verdict.reasons)


def test_an_incumbent_that_is_ruined_on_the_way_can_be_beaten() -> None:
    ruined = path(np.full(400, -25.0), "champion")
    assert judged(path(noise(2) + per_hour(40.0)), ruined).comparisons[0].advantage > 0


# Evidence


def test_evidence_is_that_of_a_replay() -> None:
    equity = np.array([10_000.0, 10_100.0, 9_999.0])
    result = Result("network", np.array([5, 6, 7]), equity, [], new_books(2, 3, CAPITAL), measure(equity, []), 0.0, 2)
    raised = replace(result, equity=equity - 10 * np.arange(3))
    told = evidence(result, raised)
    assert ("network", 5, 0, -21.0) == (told.name, told.first_tick, told.trades, told.stressed_pnl)
    assert told.drawdown_pct == pytest.approx(1.0)
    assert told.gains == pytest.approx([1.0, -1.01])
    assert evidence(result).stressed_pnl is None


# The verdict


def test_a_verdict_survives_json_exactly() -> None:
    trials = Trials(3, np.array([0.1, 0.5, np.nan]), noise(4))
    for challenger in (path(noise(2)), path(np.zeros(24 * DAYS)), path(noise(2) + 1.0, stressed_pnl=None)):
        verdict = judge(challenger, [flat()], FAST, attempt=2, seed=3, trials=trials)
        told = json.loads(json.dumps(verdict.as_dict(), allow_nan=False))
        assert verdict == Verdict.from_dict(told)


def test_the_same_seed_gives_the_same_verdict() -> None:
    challenger, rule = path(noise(2)), path(noise(1), "rule")
    assert judged(challenger, rule) == judged(challenger, rule)


def test_the_deflated_sharpe_is_reported_and_never_decides() -> None:
    challenger, worthless = path(noise(2) + per_hour(1.0)), noise(5) - 0.5
    lucky = Trials(200, np.linspace(-20, 20, 200), worthless)
    verdict = judge(challenger, [flat()], FAST, attempt=1, seed=3, trials=lucky)
    assert verdict.promoted
    assert (200, 0.0) == (verdict.trials, pytest.approx(verdict.deflated_sharpe, abs=1e-6))
    assert judged(challenger, flat()).deflated_sharpe is None


# What attempts spend


@given(st.integers(1, 500), st.floats(0.001, 0.4))
def test_attempts_spend_less_and_less_and_never_more_than_all(half: int, error: float) -> None:
    chosen = GateSettings(error=error, half_spent_attempts=half)
    levels = [level_of(attempt, chosen) for attempt in range(1, half + 1)]
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) == pytest.approx(error / 2)
    later = sum(level_of(attempt, chosen) for attempt in range(half + 1, 20 * half))
    assert sum(levels) + later < error


def test_an_attempt_is_counted_from_one() -> None:
    with pytest.raises(ConfigurationError, match="counted from 1"):
        level_of(0, FAST)


def test_a_late_attempt_asks_for_more_than_an_early_one() -> None:
    challenger = path(noise(2) + per_hour(0.5))
    early, late = (judged(challenger, flat(), attempt=attempt) for attempt in (1, 100))
    assert late.level < early.level
    assert (late.comparisons[0].lower or 0) < (early.comparisons[0].lower or 0)


# How often


def test_two_hundred_cycles_of_noise_promote_at_most_the_stated_share() -> None:
    """Each window a first attempt, with half a percent to spend on it; python -m benchmarks gate counts attempts."""
    level, found = level_of(1, FAST.model_copy(update={"error": 0.13})), 0
    for number in range(200):
        found += judged(path(noise(9, number)), flat(), error=0.13).promoted
    assert found <= 200 * level + 2 * math.sqrt(200 * level)


def test_a_true_advantage_of_the_documented_size_is_promoted() -> None:
    """docs/gate.md: at the first attempt, in four of five windows at least."""
    count, found = 60, 0
    for number in range(count):
        drawn = noise(11, number) + per_hour(0.5)
        found += judged(path(drawn), flat()).promoted
    assert found >= 0.8 * count
