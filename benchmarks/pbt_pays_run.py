"""The whole of `python -m benchmarks pbt_pays`: what it learns from, and where table, JSON and markdown go."""

import json
from functools import lru_cache
from pathlib import Path

from rich.console import Console

from backtest.history import History
from backtest.settings import EnvironmentSettings
from benchmarks.pbt_pays import Plan, pay
from benchmarks.pbt_pays_report import markdown, table, tell
from benchmarks.planted import DAYS, history_of
from benchmarks.planted_market import planted_market
from bot.instance import single_instance
from data.durable import write_whole
from data.recorded import recorded_market
from data.settings import DataSettings
from data.types import HOUR_MS
from pbt_online.settings import BackendSettings, LearnerSettings, LearningSettings, PopulationSettings, ScheduleSettings

COINS = ("ADA", "AVAX", "BNB", "BTC", "DOGE", "DOT", "ETH", "LTC", "SOL", "TON", "TRX", "XRP")
"""Of a recorded market: those that both venues list all the time."""


def show_pbt_pays(
    console: Console, folder: Path, replay: Path | None, timesteps: int, seeds: int, workers: int
) -> None:
    """Do what is not done yet, then print a table and write `pbt_pays.json` and `pbt_pays.md` into `folder`.

    Everything is at its default but hidden layers and steps, as in `planted`. A planted market is drawn anew for every
    seed; a recorded one is the same for all, so that intervals tell of luck in learning and not of other markets."""
    plan = (
        planted_plan(timesteps, seeds, workers) if replay is None else recorded_plan(replay, timesteps, seeds, workers)
    )
    with single_instance(folder):
        outcomes = pay(plan, folder, lambda text: console.print(text, highlight=False))
        told = tell(plan.market, outcomes)
        write_whole(folder / "pbt_pays.json", json.dumps(told.as_json(), indent=2).encode())
        write_whole(folder / "pbt_pays.md", markdown(told).encode())
    console.print(table(told))


def planted_plan(timesteps: int, seeds: int, workers: int) -> Plan:
    """A market with a pattern for every seed, a week longer than one cycle needs."""
    hours = ScheduleSettings().cycle_hours

    @lru_cache(maxsize=1)
    def history(seed: int) -> History:
        return history_of(planted_market(seed, DAYS + -(-hours // 24)))

    return Plan(
        f"planted markets, {timesteps:,} steps a member", history, _settings(timesteps, workers), EnvironmentSettings(),
        hours, seeds,
    )  # fmt: skip


def recorded_plan(folder: Path, timesteps: int, seeds: int, workers: int) -> Plan:
    """All that Binance and Hyperliquid have in common of twelve coins; windows shrink to what there is."""
    data = DataSettings(assets=COINS)
    market = recorded_market(folder, tuple(data.venues), COINS)
    begins = max(int(bars.open_time[0]) for bars in market.bars.values()) + data.history_hours * HOUR_MS
    history = History(market, data, min(int(bars.open_time[-1]) for bars in market.bars.values()), begins)
    return Plan(
        f"recorded market, {timesteps:,} steps a member", lambda seed: history, _settings(timesteps, workers),
        EnvironmentSettings(), ScheduleSettings().cycle_hours, seeds,
    )  # fmt: skip


def _settings(timesteps: int, workers: int) -> LearningSettings:
    return LearningSettings(
        learner=LearnerSettings(hidden=(64, 64)),
        population=PopulationSettings(timesteps=timesteps, perturbation_interval=10_000),
        backend=BackendSettings(workers=workers),
    )
