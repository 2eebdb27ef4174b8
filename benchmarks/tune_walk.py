"""Plain arms of `benchmarks.tune` as one account lives them, fitted anew every week, beside the rule."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.history import History
from backtest.policies import plain_policy
from backtest.schema import Schema, schema_of, settings_for
from backtest.settings import EnvironmentSettings
from backtest.statistics import mean_interval
from backtest.tape import Tape
from backtest.track import Track
from backtest.walk_forward import walk_along
from backtest.windows import Window
from benchmarks.tune import (
    NO_MARKET,
    STRETCHES,
    Stretch,
    Trial,
    as_the_rule_trades,
    history_of,
    learner_of,
    named,
    window_after,
)
from data.errors import ConfigurationError
from data.types import HOUR_MS
from pbt_online.gate import MONTH_HOURS
from pbt_online.settings import GateSettings

WEEK_MS = 168 * HOUR_MS
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Walked:
    """One arm on one stretch, from the end of its first cycle to a month after its last."""

    arm: Track
    rule: Track
    interval: tuple[float, float]
    """Of the arm's hourly P&L less the rule's, % of capital per 30 days."""

    @property
    def advantage(self) -> float:
        """The middle of it."""
        return float(_differences(self.arm, self.rule).mean() * MONTH_HOURS)


def walked(trial: Trial, stretch: Stretch, replay: Path) -> Walked:
    """Fit the arm to all of the past every week, and trade it for the week to come, on one account."""
    if trial.plain is None:
        raise ConfigurationError(f"{trial.name} trains members: bot backtest --walk-forward is what walks with them")
    history, account = history_of(trial, stretch, replay), trial.settings.environment
    window = Window(window_after(stretch.ends[0]).first_tick, window_after(stretch.ends[-1]).last_tick)
    learner = learner_of(trial.settings)
    policies = [
        (tick, trial.plain(replace(history, last=tick).tape(learner, Window(history.first, tick))))
        for tick in range(window.first_tick, window.last_tick, WEEK_MS)
    ]
    rule = [(window.first_tick, plain_policy("rule", schema_of(account), 0))]
    arm = walk_along(trial.name, _tapes(history, account, window), policies)
    beside = walk_along("rule", _tapes(history, as_the_rule_trades(account), window), rule)
    gate = GateSettings()
    interval = mean_interval(
        _differences(arm, beside), CONFIDENCE, gate.block_hours, gate.resamples, np.random.default_rng(0)
    )
    return Walked(arm, beside, (interval[0] * MONTH_HOURS, interval[1] * MONTH_HOURS))


def _tapes(history: History, account: EnvironmentSettings, window: Window) -> Callable[[Schema], Tape]:
    return cache(lambda schema: history.tape(settings_for(schema, account), window))


def _differences(arm: Track, rule: Track) -> NDArray[np.float64]:
    """[T] hourly, % of initial capital."""
    return 100 * (np.diff(arm.equity) / arm.equity[0] - np.diff(rule.equity) / rule.equity[0])


def show_walks(console: Console, replay: Path | None, names: Sequence[str]) -> None:
    """The plain arms of `names` (none: all) on every stretch. Raises ConfigurationError without a recorded market."""
    if replay is None:
        raise ConfigurationError(NO_MARKET)
    trials = [trial for trial in named(names) if names or trial.plain is not None]
    table = Table(title="One account, fitted anew every week; % of capital", title_justify="left", box=SIMPLE)
    for heading in ("stretch", "arm", "P&L", "trades", "the rule's", "trades", "above the rule, 30 days", "95 %"):
        table.add_column(heading, justify="left" if heading in ("stretch", "arm") else "right")
    for name, stretch in STRETCHES.items():
        for trial in trials:
            table.add_row(name, *_cells(walked(trial, stretch, replay)))
    console.print(table)


def _cells(told: Walked) -> Iterator[str]:
    yield told.arm.name
    for track in (told.arm, told.rule):
        yield f"{100 * (track.equity[-1] / track.equity[0] - 1):+.2f}"
        yield str(len(track.trades))
    yield f"{told.advantage:+.3f}"
    yield f"{told.interval[0]:+.2f} to {told.interval[1]:+.2f}"
