"""What one cycle of learning makes of a market whose truth is known: `python -m benchmarks planted`."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.box import SIMPLE
from rich.console import Console
from rich.status import Status
from rich.table import Table

from backtest.history import History
from backtest.policies import Policy, plain_policy
from backtest.replay import Result, replay, replay_all
from backtest.schema import settings_for
from backtest.settings import EnvironmentSettings
from benchmarks.planted_market import Oracle, noise_market, planted_market
from data.market import Market
from data.settings import DataSettings
from data.types import HOUR_MS
from pbt_online.cycle import Learning, Watch, run_cycle
from pbt_online.cycles import Cycle
from pbt_online.population import Round
from pbt_online.registry import Registry
from pbt_online.settings import BackendSettings, LearnerSettings, LearningSettings, PopulationSettings
from pbt_online.tuned_rule import tune_rule

DAYS = 450
"""The default windows, their embargoes, and the history that the first features need."""
HEIR = "who trades then"
MARKETS = {"planted": planted_market, "noise": noise_market}


@dataclass(frozen=True)
class Outcome:
    """One cycle, and how everybody fared on its gate window."""

    cycle: Cycle
    results: Mapping[str, Result]
    """By role, `HEIR` among them: the challenger if it passed, or who took over, or the champion that goes on."""
    seconds: float
    """Of the cycle."""

    def pnl_pct(self, role: str) -> float:
        """Net gain over the gate window, % of capital."""
        equity = self.results[role].equity
        return float(100 * (equity[-1] / equity[0] - 1))


def history_of(market: Market) -> History:
    """All of `market`."""
    data = DataSettings()
    return History(market, data, (market.end_ms - data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS)


def learn(market: Market, settings: LearningSettings, seed: int, folder: Path, watch: Watch | None = None) -> Outcome:
    """One cycle of a new population on `market`, the plain rule being champion; all that it writes is in `folder`."""
    registry, history = Registry(folder / "registry"), history_of(market)
    learning = Learning(settings, EnvironmentSettings(), seed, folder / "population", registry)
    begun = time.monotonic()
    cycle = run_cycle(learning, history, watch or Watch())
    return Outcome(cycle, _results(learning, history, cycle), time.monotonic() - begun)


def _results(learning: Learning, history: History, cycle: Cycle) -> Mapping[str, Result]:
    """Everybody over the gate window at the learner's hours by pair; the champion and the heir as they trade."""
    gate = history.tape(learning.learner, cycle.windows.gate)
    rivals: dict[str, Policy] = {
        "challenger": _policy(learning, str(cycle.challenger)),
        "oracle": Oracle(gate.schema),
        "rule": plain_policy("rule", gate.schema, 0),
        "tuned rule": tune_rule(history.tape(learning.learner, cycle.windows.train)),
    }
    results = dict(zip(rivals, replay_all(gate, list(rivals.values())), strict=True))
    for role, version in (("rule, hourly", cycle.champion), (HEIR, cycle.heir or cycle.champion)):
        policy = _policy(learning, version)
        own = history.tape(settings_for(policy.schema, learning.environment), cycle.windows.gate)
        results[role] = replay(own, policy)
    return results


def _policy(learning: Learning, version: str) -> Policy:
    return learning.registry.policy(learning.registry.version(version), learning.environment, learning.seed)


def show_planted(console: Console, timesteps: int, seeds: int, workers: int) -> None:
    """Cycles on both markets with everything at its default but the hidden layers and the steps of each member."""
    settings = LearningSettings(
        learner=LearnerSettings(hidden=(64, 64)),
        population=PopulationSettings(timesteps=timesteps),
        backend=BackendSettings(workers=workers),
    )
    table = Table(title=f"One cycle of 8 members x {timesteps:,} steps, gate window of 180 days", box=SIMPLE)
    roles = ("oracle", "challenger", "rule", "tuned rule", "rule, hourly", HEIR)
    for heading in ("market", *roles, "share of the oracle", "verdict", "s"):
        table.add_column(heading, justify="right")
    for kind, market in MARKETS.items():
        for seed in range(seeds):
            with TemporaryDirectory() as folder, console.status(f"{kind} {seed}") as status:
                watch = Watch(round=lambda done, told=f"{kind} {seed}": _tell(status, told, done))  # type: ignore[misc]
                outcome = learn(market(seed, DAYS), settings, seed, Path(folder), watch)
            table.add_row(f"{kind} {seed}", *_row(outcome, roles))
    table.caption = "P&L, % of capital (closed trades); who trades then: challenger, flat or the champion (hourly rule)"
    console.print(table)


def _tell(status: Status, told: str, done: Round) -> None:
    status.update(f"{told}: round {done.number}/{done.rounds}")


def _row(outcome: Outcome, roles: tuple[str, ...]) -> list[str]:
    share = outcome.pnl_pct("challenger") / outcome.pnl_pct("oracle")
    verdict = outcome.cycle.verdict
    return [
        *(f"{outcome.pnl_pct(role):+.2f} ({len(outcome.results[role].trades)})" for role in roles),
        f"{100 * share:.0f} %" if outcome.pnl_pct("oracle") > 0 else "-",
        "promoted" if verdict is not None and verdict.promoted else f"refused, {outcome.cycle.heir or 'no'} succeeds",
        f"{outcome.seconds:.0f}",
    ]
