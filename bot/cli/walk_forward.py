"""`bot backtest --walk-forward`: the whole bot's out-of-sample curve, beside what plain policies earned meanwhile."""

import asyncio
import hashlib
from dataclasses import asdict
from pathlib import Path
from shutil import rmtree
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.table import Table

from backtest.accounting import pnl_split
from backtest.metrics import Metrics, measure
from backtest.policies import plain_policy
from backtest.replay import replay_all
from backtest.sandbox.world import WARM_UP_MS, shown_market, start_ms
from backtest.tape import tape_of_market
from backtest.windows import Window
from bot.cli.tables import metrics_table, money_table, print_json, show
from bot.identity import Bounds, describe, market_name
from bot.instance import single_instance
from bot.settings import Settings
from bot.status import iso, trade_as_json
from bot.walk_forward import Walked, Watching, walk_forward
from data.errors import ConfigurationError
from data.market import Market
from data.types import HOUR_MS
from pbt_online.cycle import Watch
from pbt_online.gate import MONTH_HOURS
from pbt_online.statistics import mean_interval

PLAIN = ("rule", "flat")
CONFIDENCE = 0.95


def walk(settings: Settings, bounds: Bounds, *, fresh: bool, as_json: bool) -> None:
    """Walk, compare, print. A walk that was broken off is gone on with unless `fresh`."""
    if settings.profile != "sandbox":
        raise ConfigurationError("backtests play the sandbox's market: leave out --config, or give --replay DIR")
    market = shown_market(settings.sandbox, tuple(settings.data.venues), settings.data.assets)
    window = window_of(settings, bounds, market)
    folder = walk_folder(settings, window)
    with single_instance(folder):
        if fresh:
            rmtree(folder / "population", ignore_errors=True)
        walked = _walked(settings, market, window, folder / "population", Console(stderr=True))
    told = as_dict(settings, market, window, walked)
    if as_json:
        print_json(told)
        return
    show(
        money_table("", pnl_split(walked.books), settings.environment.initial_capital),
        metrics_table(measure(walked.equity, walked.trades)),
        _lines_table(told),
        _cycles_line(walked),
        f"{describe(settings)}, {iso(window.first_tick)} to {iso(window.last_tick)}",
    )


def window_of(settings: Settings, bounds: Bounds, market: Market) -> Window:
    """The hours that are lived through: by default from where `bot run` begins to the market's end."""
    first = bounds.from_ms
    if first is None:
        first = start_ms(settings.sandbox, market) + WARM_UP_MS
    newest = (market.end_ms - settings.data.decision_delay_s * 1000) // HOUR_MS * HOUR_MS
    last = newest if bounds.to_ms is None else bounds.to_ms
    return Window(first, last if bounds.hours is None else first + bounds.hours * HOUR_MS)


def walk_folder(settings: Settings, window: Window) -> Path:
    """Where a walk keeps what it has learnt: one for each market, window and settings that matter to it."""
    told = (
        market_name(settings),
        settings.data.model_dump_json(),
        settings.environment.model_dump_json(),
        settings.learning.model_dump_json(exclude={"backend"}),
        settings.seed,
        asdict(window),
    )
    return settings.var / "walk-forward" / hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def as_dict(settings: Settings, market: Market, window: Window, walked: Walked) -> dict[str, Any]:
    """Everything that is known of a walk, as plain data."""
    tape = tape_of_market(market, settings.data, settings.environment, window.first_tick, window.last_tick)
    plain = replay_all(tape, [plain_policy(name, tape.schema, settings.seed) for name in PLAIN])
    lines = [_line("product", walked.equity, measure(walked.equity, walked.trades), pnl_split(walked.books))]
    lines += [_line(result.policy, result.equity, result.metrics, pnl_split(result.books)) for result in plain]
    rule = plain[0].equity
    for line, equity in zip(lines, (walked.equity, *(result.equity for result in plain)), strict=True):
        line |= {"against_rule": _difference(equity, rule, settings)}
    return {
        "market": describe(settings),
        "from": iso(window.first_tick),
        "to": iso(window.last_tick),
        "lines": lines,
        "cycles": [
            {
                "at": iso(cycle.windows.gate.last_tick),
                "champion": cycle.champion,
                "challenger": cycle.challenger,
                "heir": cycle.heir,
                "verdict": None if cycle.verdict is None else cycle.verdict.as_dict(),
            }
            for cycle in walked.cycles
        ],
        "champions": [{"from": iso(tick), "version": name} for tick, name in walked.champions],
        "happened": [{"at": iso(one.tick), "kind": one.kind.value, "text": one.text} for one in walked.happened],
        "trades": [trade_as_json(trade) for trade in walked.trades],
        "curve": [[iso(int(tick)), float(worth)] for tick, worth in zip(walked.ticks, walked.equity, strict=True)],
    }


def _line(name: str, equity: np.ndarray, metrics: Metrics, split: dict[str, float]) -> dict[str, Any]:
    return {"name": name, "equity": float(equity[-1]), "pnl": split, "metrics": vars(metrics)}


def _difference(equity: np.ndarray, rule: np.ndarray, settings: Settings) -> dict[str, float | None]:
    """P&L minus the rule's, % of capital over the window, and per 30 days with its interval."""
    gate, capital = settings.learning.gate, float(equity[0])
    hourly = 100 * (np.diff(equity) - np.diff(rule)) / capital
    random = np.random.default_rng(settings.seed)
    low, high = mean_interval(hourly, CONFIDENCE, gate.block_hours, gate.resamples, random)
    bounds = [MONTH_HOURS * bound if np.isfinite(bound) else None for bound in (low, high)]
    return {
        "pnl_pct": float(hourly.sum()),
        "per_30_days": MONTH_HOURS * float(hourly.mean()),
        "low": bounds[0],
        "high": bounds[1],
    }


def _lines_table(told: dict[str, Any]) -> Table:
    table = Table(title="beside the plain policies", title_justify="left", box=SIMPLE)
    table.add_column("who")
    for heading in ("P&L %", "max fall %", "trades", "minus the rule, % per 30 days", f"{CONFIDENCE:.0%} interval"):
        table.add_column(heading, justify="right")
    for line in told["lines"]:
        metrics, beside = line["metrics"], line["against_rule"]
        interval = "-" if not beside["low"] else f"{beside['low']:+.3f} .. {beside['high']:+.3f}"
        table.add_row(
            line["name"], f"{metrics['pnl_pct']:+.3f}", f"{metrics['max_drawdown_pct']:.3f}", str(metrics["trades"]),
            f"{beside['per_30_days']:+.3f}", interval,
        )  # fmt: skip
    return table


def _cycles_line(walked: Walked) -> str:
    judged = [cycle for cycle in walked.cycles if cycle.verdict is not None]
    promoted = sum(cycle.verdict is not None and cycle.verdict.promoted for cycle in judged)
    told = f"{len(judged)} cycles: the gate promoted {promoted} challengers"
    if not promoted:
        told += "; learning has added nothing here, and the rule went on trading"
    return told


def _walked(settings: Settings, market: Market, window: Window, folder: Path, console: Console) -> Walked:
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("playing", total=window.hours)

        def cycle(number: int, of: int) -> None:
            bar.update(task, description=f"cycle {number} of {of}")

        def walked(tick: int, worth: float) -> None:
            bar.update(task, completed=(tick - window.first_tick) // HOUR_MS)

        learning = Watch(round=lambda done: bar.update(task, description=f"cycle {done.cycle}, round {done.number}"))
        return asyncio.run(walk_forward(settings, market, window, folder, Watching(cycle, learning, walked)))
