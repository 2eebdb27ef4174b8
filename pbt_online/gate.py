"""The gate: whether a challenger has proven on untouched market that it beats the champion and the plain policies.

Used by the training cycle; a refusal is the normal outcome. What is compared and why: docs/gate.md.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from backtest.metrics import HOURS_PER_YEAR
from backtest.replay import Result
from backtest.sharpe import deflated_sharpe_of
from backtest.statistics import mean_test
from data.errors import ConfigurationError, CorruptData
from pbt_online.settings import GateSettings

POWER = 0.8
"""Chance with which an advantage of the smallest detectable size is seen."""
MONTH_HOURS = 720
RATE = "% per 30 days"


@dataclass(frozen=True, eq=False)
class Evidence:
    """How one policy fared on the gate window."""

    name: str
    first_tick: int
    """Time of the first value of equity, ms."""
    equity: NDArray[np.float64]
    """[T] hourly, quote currency."""
    trades: int
    """Closed."""
    drawdown_pct: float
    stressed_pnl: float | None
    """Net P&L at raised costs, quote currency; None where it was not replayed so (only a challenger needs it)."""

    @property
    def gains(self) -> NDArray[np.float64]:
        """[T - 1] hourly net P&L, % of initial capital."""
        return 100 * np.diff(self.equity) / self.equity[0]


def evidence(result: Result, stressed: Result | None = None) -> Evidence:
    """Evidence of a replay of the gate window, and of one at raised costs."""
    return Evidence(
        name=result.policy,
        first_tick=int(result.ticks[0]),
        equity=result.equity,
        trades=result.metrics.trades,
        drawdown_pct=result.metrics.max_drawdown_pct,
        stressed_pnl=None if stressed is None else float(stressed.equity[-1] - stressed.equity[0]),
    )


@dataclass(frozen=True, eq=False)
class Trials:
    """What the challenger was chosen from: every member in every round that was ranked on validation."""

    count: int
    sharpes: NDArray[np.float64]
    """Their Sharpe ratios on validation, of hourly P&L and annual, NaN for failed ones."""
    gains: NDArray[np.float64] | None = None
    """[T] hourly net P&L of the challenger on validation, in any unit; without it there is no deflated Sharpe."""


@dataclass(frozen=True)
class Comparison:
    """The challenger beside one incumbent; rates in % of capital per 30 days."""

    incumbent: str
    advantage: float
    standard_error: float
    lower: float | None
    """Lower confidence bound of the advantage at the level of this attempt; None where the window is too short."""
    p_value: float
    detectable: float | None
    """Smallest true advantage that this window shows with 80 % power; None where the two are alike, or the window is
    too short."""
    passed: bool


@dataclass(frozen=True)
class Limit:
    """One thing that must hold besides."""

    name: str
    value: float | None
    """None where it was not measured, which fails."""
    bound: float
    passed: bool


@dataclass(frozen=True)
class Verdict:
    """Whether the challenger may trade, and every figure that the answer rests on."""

    challenger: str
    promoted: bool
    attempt: int
    """1 for the first since the last promotion."""
    level: float
    """Error that this attempt spends."""
    hours: int
    """Length of the gate window."""
    comparisons: tuple[Comparison, ...]
    limits: tuple[Limit, ...]
    trials: int
    deflated_sharpe: float | None
    """Chance that the challenger's Sharpe ratio on validation is more than the best of so many worthless trials would
    show there; reported only."""
    reasons: tuple[str, ...]
    """For people: what failed, or that nothing did."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values that survive JSON exactly."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Self:
        """The verdict that `as_dict` wrote, before or after JSON."""
        values = {field.name: told[field.name] for field in fields(cls)}
        values["comparisons"] = tuple(Comparison(**each) for each in told["comparisons"])
        values["limits"] = tuple(Limit(**each) for each in told["limits"])
        values["reasons"] = tuple(told["reasons"])
        return cls(**values)


def judge(
    challenger: Evidence,
    incumbents: Sequence[Evidence],
    settings: GateSettings,
    *,
    attempt: int,
    seed: int,
    trials: Trials,
) -> Verdict:
    """Compare the challenger with every incumbent at the level of this attempt, and look at the limits.

    The challenger must beat each incumbent at the full level: that it wins against all by luck is no likelier than that
    it does against the one that it does not beat (intersection-union). Raises ConfigurationError for paths that do not
    cover the same hours (a path may end early in ruin), for no incumbents and for an attempt below 1.
    """
    if not incumbents:
        raise ConfigurationError(f"{challenger.name} has nobody to beat: hand in the champion, the rule and flat")
    level = level_of(attempt, settings)
    comparisons = tuple(
        _compare(challenger, incumbent, settings, level, np.random.default_rng([seed, attempt, number]))
        for number, incumbent in enumerate(incumbents)
    )
    limits = tuple(_limits(challenger, settings))
    hours = max(len(each.equity) for each in (challenger, *incumbents)) - 1
    failed = [_beaten_by(each, hours) for each in comparisons if not each.passed]
    failed += [_exceeded(each) for each in limits if not each.passed]
    names = ", ".join(dict.fromkeys(each.incumbent for each in comparisons))
    return Verdict(
        challenger=challenger.name,
        promoted=not failed,
        attempt=attempt,
        level=level,
        hours=hours,
        comparisons=comparisons,
        limits=limits,
        trials=trials.count,
        deflated_sharpe=_deflated(trials),
        reasons=tuple(failed) or (f"beats {names}, each at {100 * level:.3g} % error, and is within every limit",),
    )


def proven_better(
    candidates: Sequence[Evidence], champion: Evidence, settings: GateSettings, *, seed: int
) -> str | None:
    """The first of the standing candidates, chosen by nobody, that beats the champion at settings.error; None where
    none does. So flat takes over from who loses, and the rule from who does nothing while it earns."""
    for number, candidate in enumerate(candidates):
        told = _compare(candidate, champion, settings, settings.error, np.random.default_rng([seed, 0, number]))
        if told.passed:
            return candidate.name
    return None


def level_of(attempt: int, settings: GateSettings) -> float:
    """The share of settings.error that an attempt spends: h / ((k + h - 1) (k + h)) for attempt k from 1, where h is
    half_spent_attempts. The shares of all attempts for ever sum to one, those of the first h to a half."""
    if attempt < 1:
        raise ConfigurationError(f"gate attempts are counted from 1 after a promotion: {attempt} is none")
    half = settings.half_spent_attempts
    return settings.error * half / ((attempt + half - 1) * (attempt + half))


def _compare(
    challenger: Evidence, incumbent: Evidence, settings: GateSettings, level: float, random: np.random.Generator
) -> Comparison:
    differences = _differences(challenger, incumbent)
    test = mean_test(differences, level, settings.block_hours, settings.resamples, random)
    needed = (test.critical + NormalDist().inv_cdf(POWER)) * test.standard_error
    told = differences.any() and math.isfinite(test.critical)
    return Comparison(
        incumbent=incumbent.name,
        advantage=test.mean * MONTH_HOURS,
        standard_error=test.standard_error * MONTH_HOURS,
        lower=test.lower * MONTH_HOURS if math.isfinite(test.critical) else None,
        p_value=test.p_value,
        detectable=needed * MONTH_HOURS if told else None,
        passed=test.p_value <= level,
    )


def _differences(challenger: Evidence, incumbent: Evidence) -> NDArray[np.float64]:
    """[T - 1] hourly advantage, % of initial capital."""
    hours = max(len(challenger.equity), len(incumbent.equity)) - 1
    ours, theirs = _gains(challenger, hours), _gains(incumbent, hours)
    if challenger.first_tick != incumbent.first_tick or len(ours) != len(theirs):
        raise ConfigurationError(
            f"{challenger.name} and {incumbent.name} cover different hours ({len(ours)} from {challenger.first_tick} "
            f"and {len(theirs)} from {incumbent.first_tick}): replay both on the same window"
        )
    if not hours:
        raise ConfigurationError("a gate window needs an hour at least: lengthen it")
    return ours - theirs


def _gains(one: Evidence, hours: int) -> NDArray[np.float64]:
    """Its gains; a path that ended because nothing was left of the capital gains nothing more."""
    if not np.isfinite(one.equity).all():
        raise CorruptData(f"the equity of {one.name} is not a number everywhere: look at the prices of its window")
    ruined = one.equity[-1] <= 0
    return np.pad(one.gains, (0, hours - len(one.gains))) if ruined else one.gains


def _limits(challenger: Evidence, settings: GateSettings) -> Iterator[Limit]:
    drawdown, trades, stressed = challenger.drawdown_pct, challenger.trades, challenger.stressed_pnl
    allowed = settings.max_drawdown_pct
    yield Limit("max_drawdown_pct", drawdown, allowed, drawdown <= allowed)
    yield Limit("min_trades", trades, settings.min_trades, trades >= settings.min_trades)
    yield Limit("stressed_pnl", stressed, 0.0, stressed is not None and stressed > 0)


def _beaten_by(comparison: Comparison, hours: int) -> str:
    """Why this incumbent stands."""
    name, gained = comparison.incumbent, comparison.advantage
    if comparison.p_value == 1 and comparison.standard_error == 0 and gained == 0:
        return f"no different from {name}: the two made the same P&L in every hour"
    window = f"{hours / 24:.0f} days"
    if comparison.lower is None or comparison.detectable is None:
        return f"cannot tell it from {name}: {window} are too few to show any advantage at this level"
    if gained <= 0:
        return f"earned {-gained:.3g} {RATE} less than {name}"
    return (
        f"cannot tell it from {name}: it earned {gained:.3g} {RATE} more, which may be luck (lower bound "
        f"{comparison.lower:.3g}); only an advantage above {comparison.detectable:.3g} {RATE} would show in {window}"
    )


def _exceeded(limit: Limit) -> str:
    value = limit.value
    match limit.name:
        case "max_drawdown_pct":
            return f"drawdown of {value:.3g} % exceeds the limit of {limit.bound:.3g} %"
        case "min_trades":
            return f"{value:.0f} closed trades are fewer than {limit.bound:.0f}"
    if value is None:
        return "was not replayed at raised costs"
    return f"lost {-value:,.2f} at raised costs" if value < 0 else "earned nothing at raised costs"


def _deflated(trials: Trials) -> float | None:
    if trials.gains is None:
        return None
    return deflated_sharpe_of(trials.gains, trials.sharpes / math.sqrt(HOURS_PER_YEAR), trials.count)
