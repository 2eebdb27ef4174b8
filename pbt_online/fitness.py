"""What a member is worth: its policy played over many pseudo-universes of the validation window, against the rule.

One path over one window holds a handful of trades and ranks by luck. A play is an account of its own with part of the
assets and a start of its own; all plays run side by side in one simulation. Used by training to rank members, and to
choose the challenger.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import BASIS, slot_total
from backtest.metrics import HOURS_PER_YEAR
from backtest.policies import CarryRule, Policy
from backtest.simulation import Simulation
from backtest.tape import Tape
from data.errors import ConfigurationError, MissingData
from data.types import HOUR_MS
from pbt_online.settings import FitnessSettings

Floats = NDArray[np.float64]

MONTH_H = 720
"""Gains are told per 30 days."""
FACTOR_CAP = 10.0
"""A profit factor counts as no more: without a losing trade there is none."""
_LEAST_ASSETS = 2


@dataclass(frozen=True)
class Examination:
    """The plays that every member is examined on: U of them, in the order of their starts."""

    tape: Tape
    """Of the validation window, in V universes."""
    universes: NDArray[np.int64]
    """[U] which of the tape's universes each play sees."""
    starts: NDArray[np.int64]
    """[U] rows of the tape."""
    lasts: NDArray[np.int64]
    """[U]."""
    rule: Floats
    """[U] P&L of the carry rule in each play, % of capital per 30 days."""
    settings: FitnessSettings


@dataclass(frozen=True)
class Score:
    """How a policy did. Means are over plays."""

    value: float
    """What members are ranked by, after `FitnessSettings.measure`; always a number."""
    scores: Floats
    """[U] the same measure of each play; always numbers."""
    regimes: tuple[float, ...]
    """Mean of `scores` over the plays that start in each part of the window, in time order."""
    reward: float
    """Mean reward of a play, all steps added."""
    pnl_pct: float
    """Mean gain of a play, % of capital."""
    win_rate_pct: float | None
    """Closed positions with a gain, % of all that were closed; None without any."""
    trades: int
    """Closed positions, of all plays together."""
    sharpe: float | None
    """Mean of the plays' annualised Sharpe ratios of hourly changes of equity, of those that have one; None without."""
    drawdown_pct: float
    """Mean of the plays' largest falls from an earlier high, %."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values that survive JSON exactly."""
        return {**vars(self), "scores": self.scores.tolist(), "regimes": list(self.regimes)}


@dataclass(frozen=True)
class _Plays:
    """What came of the plays: U of them, M positions, those still held at the end behind the closed ones."""

    pnl_pct: Floats
    """[U]."""
    hours: NDArray[np.int64]
    """[U]."""
    reward: Floats
    """[U]."""
    sharpe: Floats
    """[U], NaN where there is none."""
    drawdown_pct: Floats
    """[U]."""
    play: NDArray[np.int64]
    """[M] whose position it was."""
    split: Floats
    """[M, 5] P&L split of each position; what is still held counts as it is marked."""
    closed: int
    """How many of the M were closed."""

    @property
    def monthly(self) -> Floats:
        """[U] % of capital per 30 days."""
        return self.pnl_pct * MONTH_H / self.hours


def examination(tape: Tape, settings: FitnessSettings, seed: int) -> Examination:
    """The plays on a validation window: universes drawn with `seed`, starts spread evenly over the window.

    A single play sees the whole market over the whole window. Raises MissingData where the window has no two
    decisions.
    """
    first, last = tape.first, len(tape.panel.ticks) - 1
    if last - first < 2 * tape.settings.decision_hours:
        raise MissingData("a validation window without two decisions: lengthen it, or collect more history")
    alone = settings.universes == 1
    member = (
        np.ones((1, len(tape.features.legs)), dtype=np.bool_)
        if alone
        else draw_universes(tape, settings.universes, settings.universe_share, np.random.default_rng([seed, 0]))
    )
    hours = last - first if alone else min(24 * settings.episode_days, last - first)
    starts = _aligned(tape, first + _spread(last - hours - first, settings.universes))
    plan = Examination(
        tape=tape.in_universes(member),
        universes=np.arange(settings.universes) % len(member),
        starts=starts,
        lasts=np.minimum(starts + hours, last),
        rule=np.zeros(settings.universes),
        settings=settings,
    )
    return Examination(**vars(plan) | {"rule": _play(plan, CarryRule(tape.schema)).monthly})


def draw_universes(tape: Tape, count: int, share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """[V, P] the pairs of V <= `count` distinct random sets of assets, each `share` of those that have a pair.

    All pairs of an asset go together; a set has two assets at least. V is below `count` only where there are not so
    many distinct sets. Raises MissingData where the tape has no pair.
    """
    asset_of = np.array([str(tape.panel.instruments[a].asset) for a, _ in tape.features.legs])
    assets = np.unique(asset_of)
    if len(assets) == 0:
        raise MissingData("a tape without a pair has no universes: configure assets that two venues list")
    size = min(len(assets), max(_LEAST_ASSETS, round(share * len(assets))))
    return np.array([np.isin(asset_of, assets[list(chosen)]) for chosen in _subsets(len(assets), size, count, random)])


def _subsets(among: int, size: int, count: int, random: np.random.Generator) -> Sequence[tuple[int, ...]]:
    """Distinct subsets of 0..among-1; all of them, shuffled, where there are no more than `count`."""
    if comb(among, size) <= 2 * count:
        everyone = list(combinations(range(among), size))
        return [everyone[index] for index in random.permutation(len(everyone))[:count]]
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < count:
        drawn[tuple(sorted(random.choice(among, size, replace=False).tolist()))] = None
    return list(drawn)


def _spread(span: int, count: int) -> NDArray[np.int64]:
    """[U] whole hours spread evenly over 0..span."""
    return np.floor(span * (np.arange(count) + 0.5) / count).astype(np.int64)


def _aligned(tape: Tape, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first decision at or after each row."""
    return rows + -(tape.panel.ticks[rows] // HOUR_MS) % tape.settings.decision_hours


def examine(examination: Examination, policy: Policy) -> Score:
    """Play every universe with `policy`, which decides for all of them at once.

    Raises ConfigurationError for a policy that was made for another schema.
    """
    settings = examination.settings
    plays = _play(examination, policy)
    scores, value = _measured(plays, examination)
    regime = np.arange(len(scores)) * settings.regimes // len(scores)
    wins = plays.split[: plays.closed].sum(axis=1) > 0
    known = plays.sharpe[np.isfinite(plays.sharpe)]
    return Score(
        value=value,
        scores=scores,
        regimes=tuple(float(scores[regime == part].mean()) for part in np.unique(regime)),
        reward=float(plays.reward.mean()),
        pnl_pct=float(plays.pnl_pct.mean()),
        win_rate_pct=float(100 * wins.mean()) if len(wins) else None,
        trades=plays.closed,
        sharpe=float(known.mean()) if len(known) else None,
        drawdown_pct=float(plays.drawdown_pct.mean()),
    )


def _measured(plays: _Plays, examination: Examination) -> tuple[Floats, float]:
    """The measure of each play [U], and of all."""
    settings, count = examination.settings, len(plays.hours)
    match settings.measure:
        case "excess_pnl":
            scores = plays.monthly - examination.rule
        case "reward":
            scores = plays.reward
        case "sharpe":
            sharpe = np.nan_to_num(plays.sharpe)
            lacking = np.maximum(settings.preferred_sharpe - sharpe, 0.0)
            scores = sharpe - lacking - np.maximum(plays.drawdown_pct - settings.max_drawdown_pct, 0.0)
        case "profit_factor":
            pnl = plays.split.sum(axis=1)
            gains, losses = (_by_play(plays, np.maximum(sign * pnl, 0.0), count) for sign in (1, -1))
            return _factor(gains, losses), float(_factor(gains.sum(), losses.sum()))
        case "accuracy":
            carried = plays.split.sum(axis=1) - plays.split[:, BASIS] > 0
            right, entries = (
                _by_play(plays, carried.astype(np.float64), count),
                np.bincount(plays.play, minlength=count),
            )
            return right / np.maximum(entries, 1), float(right.sum() / max(entries.sum(), 1))
    return scores, float(scores.mean())


def _by_play(plays: _Plays, values: Floats, count: int) -> Floats:
    """[U] the sums of [M] values of positions."""
    sums = np.zeros(count)
    np.add.at(sums, plays.play, values)
    return sums


def _factor(gains: Floats, losses: Floats) -> Floats:
    """Gains over losses, at most FACTOR_CAP; 0 without gains."""
    return np.minimum(gains, FACTOR_CAP * losses) / np.where(losses > 0, losses, 1.0) + FACTOR_CAP * (
        (losses == 0) & (gains > 0)
    )


def _play(examination: Examination, policy: Policy) -> _Plays:
    tape, count = examination.tape, len(examination.starts)
    if policy.schema != tape.schema:
        raise ConfigurationError(f"policy {policy.name} was made for {policy.schema}, not for {tape.schema}")
    simulation = Simulation(tape, count, keep_curve=True)
    for b in range(count):
        simulation.begin(b, *(int(of[b]) for of in (examination.starts, examination.lasts, examination.universes)))
    reward, play, split = np.zeros(count), [np.zeros(0, dtype=np.int64)], [np.zeros((0, 5))]
    while not simulation.done.all():
        playing = ~simulation.done
        simulation.step(policy.decide(simulation.observations))
        reward += np.where(playing, simulation.reward, 0.0)
        for b in np.flatnonzero(playing & (simulation.closed > 0)).tolist():
            closed = int(simulation.closed[b])
            play.append(np.full(closed, b))
            split.append(simulation.accounts.closings[b]["pnl"][:closed].copy())
    closed = sum(len(part) for part in play)
    holder, held = _held(simulation)
    sharpe, drawdown = _figures(simulation, examination)
    return _Plays(
        pnl_pct=100 * (simulation.equity / tape.settings.initial_capital - 1),
        hours=examination.lasts - examination.starts,
        reward=reward,
        sharpe=sharpe,
        drawdown_pct=drawdown,
        play=np.concatenate([*play, holder]),
        split=np.concatenate([*split, held]),
        closed=closed,
    )


def _held(simulation: Simulation) -> tuple[NDArray[np.int64], Floats]:
    """[H] accounts and [H, 5] P&L splits of the positions that are held, marked to market."""
    books = simulation.accounts.books
    holder, slot = np.nonzero(books["opened_at"])
    split = books["slot_pnl"][holder, slot]
    marked = [slot_total(books[b], number) for b, number in zip(holder.tolist(), slot.tolist(), strict=True)]
    split[:, BASIS] += np.array(marked) - split.sum(axis=1)
    return holder, split


def _figures(simulation: Simulation, examination: Examination) -> tuple[Floats, Floats]:
    """[U] annualised Sharpe ratio of hourly changes (NaN where equity never moves) and largest drawdown, %."""
    sharpe, drawdown = np.full(simulation.count, np.nan), np.zeros(simulation.count)
    for b, (start, reached) in enumerate(zip(examination.starts, simulation.row, strict=True)):
        curve = simulation.accounts.curve[b, start : reached + 1]
        changes = np.diff(curve) / curve[0]
        if (deviation := changes.std()) > 1e-15:
            sharpe[b] = changes.mean() / deviation * np.sqrt(HOURS_PER_YEAR)
        drawdown[b] = 100 * np.max(1 - curve / np.maximum.accumulate(curve))
    return sharpe, drawdown
