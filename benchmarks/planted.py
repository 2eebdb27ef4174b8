"""What one cycle of learning makes of a market whose truth is known: `python -m benchmarks planted`. See docs/learning.md."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from backtest.history import History
from backtest.policies import Policy, plain_policy
from backtest.replay import Result, replay_all
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape
from benchmarks.planted_market import Oracle
from data.market import Market
from data.settings import DataSettings
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle
from pbt_online.registry import Registry
from pbt_online.settings import BackendSettings, LearnerSettings, LearningSettings, PopulationSettings
from pbt_online.tuned_rule import tune_rule

DAYS = 450
"""The default windows, their embargoes, and the history that the first features need."""


@dataclass(frozen=True)
class Outcome:
    """One cycle, and how everybody fared on its gate window."""

    cycle: Cycle
    results: Mapping[str, Result]
    """Of challenger, oracle, rule, tuned rule and flat: by pair, every eight hours."""
    seconds: float

    def pnl_pct(self, name: str) -> float:
        """Net gain of the gate window, % of capital."""
        equity = self.results[name].equity
        return float(100 * (equity[-1] / equity[0] - 1))


def settings(timesteps: int, workers: int, hidden: Sequence[int] = (256, 256, 128)) -> LearningSettings:
    """The defaults, but for the steps of each member and where they train."""
    return LearningSettings(
        learner=LearnerSettings(hidden=tuple(hidden)),
        population=PopulationSettings(timesteps=timesteps),
        backend=BackendSettings(workers=workers),
    )


def history_of(market: Market) -> History:
    """All of `market`."""
    data = DataSettings()
    newest = (market.end_ms - data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS
    return History(market, data, newest)


def learn(market: Market, told: LearningSettings, seed: int, folder: Path, watch: Watch) -> Outcome:
    """One cycle of a new population on `market`, the rule being champion; its work is kept in `folder`."""
    begun = time.monotonic()
    registry = Registry(folder / "registry")
    learning = Learning(told, EnvironmentSettings(), seed, folder / "population", registry)
    history = history_of(market)
    cycle = run_cycle(learning, history, watch)
    seconds = time.monotonic() - begun
    version = registry.version(str(cycle.challenger))
    challenger = registry.policy(version, learning.learner, seed)
    gate = history.tape(learning.learner, cycle.windows.gate)
    return Outcome(cycle, yardsticks(gate, challenger, history.tape(learning.learner, cycle.windows.train)), seconds)


def yardsticks(gate: Tape, challenger: Policy, train: Tape) -> Mapping[str, Result]:
    """The challenger and everything that it is held against, over the gate window."""
    rivals: dict[str, Policy] = {
        "challenger": challenger,
        "oracle": Oracle(gate.schema),
        "rule": plain_policy("rule", gate.schema, 0),
        "tuned rule": tune_rule(train),
        "flat": plain_policy("flat", gate.schema, 0),
    }
    return dict(zip(rivals, replay_all(gate, list(rivals.values())), strict=True))
