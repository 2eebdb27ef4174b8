"""The gate: whether a challenger has proven on untouched market that it beats the champion and the plain policies.

Used by the training cycle; a refusal is the normal outcome. What is compared and why: docs/gate.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from backtest.replay import Result
from data.errors import ConfigurationError
from pbt_online.settings import GateSettings
from pbt_online.statistics import mean_test

POWER = 0.8
"""Chance with which an advantage of the smallest detectable size is seen."""
MONTH_HOURS = 720


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
    """Their annual Sharpe ratios on validation, NaN for failed ones."""


@dataclass(frozen=True)
class Comparison:
    """The challenger beside one incumbent; rates in % of capital per 30 days."""

    incumbent: str
    advantage: float
    lower: float
    """Lower confidence bound of the advantage at the level of this attempt."""
    standard_error: float
    p_value: float
    detectable: float | None
    """Smallest true advantage that this window shows with 80 % power; None where the two are alike."""
    passed: bool


@dataclass(frozen=True)
class Limit:
    """One thing that must hold besides."""

    name: str
    value: float | None
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
    """Chance that the challenger's Sharpe ratio is more than the best of so many lucky trials; reported only."""
    reasons: tuple[str, ...]
    """For people."""

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

    Raises ConfigurationError for paths that do not cover the same hours, or an attempt below 1.
    """
    level = level_of(attempt, settings)
    comparisons = tuple(
        _compare(challenger, incumbent, settings, level, np.random.default_rng([seed, attempt, number]))
        for number, incumbent in enumerate(incumbents)
    )
    limits = tuple(_limits(challenger, settings))
    promoted = all(each.passed for each in (*comparisons, *limits))
    return Verdict(
        challenger=challenger.name,
        promoted=promoted,
        attempt=attempt,
        level=level,
        hours=len(challenger.gains),
        comparisons=comparisons,
        limits=limits,
        trials=trials.count,
        deflated_sharpe=None,
        reasons=(),
    )


def level_of(attempt: int, settings: GateSettings) -> float:
    """The share of settings.error that an attempt spends."""
    if attempt < 1:
        raise ConfigurationError(f"gate attempts are counted from 1 after a promotion: {attempt} is none")
    half = 52
    return settings.error * half / ((attempt + half - 1) * (attempt + half))


def _compare(
    challenger: Evidence, incumbent: Evidence, settings: GateSettings, level: float, random: np.random.Generator
) -> Comparison:
    if challenger.first_tick != incumbent.first_tick or len(challenger.equity) != len(incumbent.equity):
        raise ConfigurationError(
            f"{challenger.name} and {incumbent.name} cover different hours: replay both on the same window"
        )
    differences = challenger.gains - incumbent.gains
    test = mean_test(differences, level, settings.block_hours, settings.resamples, random)
    detectable = (norm.isf(level) + norm.isf(1 - POWER)) * test.standard_error * MONTH_HOURS
    return Comparison(
        incumbent=incumbent.name,
        advantage=test.mean * MONTH_HOURS,
        lower=test.lower * MONTH_HOURS,
        standard_error=test.standard_error * MONTH_HOURS,
        p_value=test.p_value,
        detectable=float(detectable) if differences.any() else None,
        passed=test.lower > 0,
    )


def _limits(challenger: Evidence, settings: GateSettings) -> Iterator[Limit]:
    drawdown, trades, stressed = challenger.drawdown_pct, challenger.trades, challenger.stressed_pnl
    allowed = settings.max_drawdown_pct
    yield Limit("max_drawdown_pct", drawdown, allowed, drawdown <= allowed)
    yield Limit("min_trades", trades, settings.min_trades, trades >= settings.min_trades)
    yield Limit("stressed_pnl", stressed, 0.0, stressed is not None and stressed > 0)
