"""`bot evaluate`: saved versions, or plain policies, judged on the market that `bot backtest` plays."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from backtest.policies import Policy
from backtest.replay import Result
from backtest.tape import Fills, Tape
from backtest.trades import Trade
from bot.cli.backtest import tapes_of_market
from bot.cli.policies import learned_here, played, policy_named
from bot.cli.tables import comparison_table, kpis_table, print_json, score_table, show, trades_table, waiting
from bot.histories import past
from bot.identity import Bounds, describe
from bot.run_folder import opened_registry
from bot.settings import Settings
from bot.status import iso, key_figures, kpi_as_json, trade_as_json
from data.errors import FundingBotError, MissingData, StateError
from data.types import HOUR_MS
from pbt_online.cycle import examine_again
from pbt_online.fitness import Score
from pbt_online.manifest import Version

BEST = 5
"""Trades shown."""
COLUMNS = (
    "symbol", "long_venue", "short_venue", "entry_time", "exit_time", "pnl_usd", "pnl_pct", "duration_hours",
    "funding", "fees", "basis", "slippage", "cost_bps", "taker_cost_bps", "reason",
)  # fmt: skip


@dataclass(frozen=True)
class Evaluation:
    """A version played over a window."""

    name: str
    version: Version | None
    """None for a plain policy that was named as such."""
    result: Result
    row: Score | None = None
    """Of its last round, examined again; None where it has none, or where this market does not reach back so far."""

    @property
    def hours(self) -> int:
        """Length of the window that was played."""
        return int(self.result.ticks[-1] - self.result.ticks[0]) // HOUR_MS

    @property
    def best(self) -> list[Trade]:
        """The most profitable trades, best first."""
        return sorted(self.result.trades, key=lambda trade: (-trade.pnl, trade.opened_ms))[:BEST]

    @property
    def learned_here(self) -> list[str]:
        """The parts of the version's own window that this one overlaps: what it earns there proves little."""
        return learned_here(self.version, self.result)


def evaluate_version(settings: Settings, bounds: Bounds, name: str, output: Path | None, *, as_json: bool) -> None:
    """Play one version, print what came of it, and write its trades."""
    version, policy = policy_named(settings, name)
    with waiting(f"playing {name}; the first time, compiling takes half a minute"):
        row = None if version is None else _row(settings, version, policy)
        done = Evaluation(name, version, played(_tape(settings, bounds), policy), row)
    first, last = (iso(int(tick)).replace(":", "") for tick in done.result.ticks[[0, -1]])
    path = output or settings.var / "reports" / f"evaluation_{name}_{first}_{last}.csv"
    write_trades(path, done.result.trades)
    if as_json:
        print_json(_as_json(done) | {"csv": str(path)})
    else:
        _show(done, settings, path)


def compare_versions(settings: Settings, bounds: Bounds, *, as_json: bool) -> None:
    """Play every version of the registry; one that cannot play is named, and the others go on."""
    registry = opened_registry(settings)
    tape, done = _tape(settings, bounds), []
    for name in registry.names():
        try:
            version, policy = policy_named(settings, name)
        except FundingBotError as error:
            Console(stderr=True).print(f"left out: {error}", highlight=False, markup=False, soft_wrap=True)
            continue
        with waiting(f"playing {name}"):
            done.append(Evaluation(name, version, played(tape, policy)))
    if not done:
        raise StateError("no version of the registry can play here: see what is said above")
    if as_json:
        print_json([_as_json(one) for one in done])
        return
    learned = [f"{one.name} has seen this window before ({', '.join(one.learned_here)})" for one in done]
    window = done[0].result.ticks
    show(
        comparison_table([one.name for one in done], [one.result for one in done]),
        f"{describe(settings)}, {iso(int(window[0]))} to {iso(int(window[-1]))}",
        *(escape(text) for one, text in zip(done, learned, strict=True) if one.learned_here),
    )


def write_trades(path: Path, trades: Sequence[Trade]) -> None:
    """All trades as CSV; times are ISO 8601, UTC, money is in quote currency."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for t in trades:
            times = iso(t.opened_ms), iso(t.closed_ms)
            money = t.funding, t.fees, t.basis, t.slippage, t.cost_bps, t.taker_cost_bps
            writer.writerow([t.asset, t.long_venue, t.short_venue, *times, t.pnl, t.pnl_pct, t.hours, *money, t.reason])


def _row(settings: Settings, version: Version, policy: Policy) -> Score | None:
    if version.fitness is None or "validation" not in version.window:
        return None
    try:
        last = Bounds(to_ms=version.window["validation"][1])
        return examine_again(version, policy, past(settings, last))
    except MissingData:
        return None


def _tape(settings: Settings, bounds: Bounds) -> Tape:
    return tapes_of_market(settings, bounds, late_listings=False)(Fills.NEXT_OPEN)


def _show(done: Evaluation, settings: Settings, path: Path) -> None:
    result, won, lost = done.result, *_won_and_lost(done.result)
    seen = f"\nit has seen this window before: {', '.join(done.learned_here)}" if done.learned_here else ""
    fitness = None if done.version is None else done.version.fitness
    show(
        f"[bold]{escape(done.name)}[/bold] on {describe(settings)}, {iso(int(result.ticks[0]))} to "
        f"{iso(int(result.ticks[-1]))}{escape(seen)}",
        f"\nEvaluation summary\n  Total reward    {result.reward:+z,.2f}\n  Total P&L       "
        f"{result.metrics.pnl_pct:+z.3f} %\n  Episode length  {result.steps} steps, {done.hours} h\n",
        kpis_table(key_figures(result.metrics)),
        *([] if done.row is None or fitness is None else [score_table(done.row.as_dict(), fitness)]),
        trades_table(done.best, f"Top {len(done.best)} most profitable trades"),
        f"All trades saved to {escape(str(path))}\n  total {len(result.trades)}, won {won}, lost {lost}",
    )


def _won_and_lost(result: Result) -> tuple[int, int]:
    return sum(trade.pnl > 0 for trade in result.trades), sum(trade.pnl < 0 for trade in result.trades)


def _as_json(done: Evaluation) -> dict[str, Any]:
    result, (won, lost) = done.result, _won_and_lost(done.result)
    return {
        "version": done.name,
        "from": iso(int(result.ticks[0])),
        "to": iso(int(result.ticks[-1])),
        "reward": result.reward,
        "pnl_pct": result.metrics.pnl_pct,
        "steps": result.steps,
        "hours": done.hours,
        "equity": float(result.equity[-1]),
        "kpis": [kpi_as_json(one) for one in key_figures(result.metrics)],
        "metrics": asdict(result.metrics),
        "trades": {"total": len(result.trades), "won": won, "lost": lost},
        "best": [trade_as_json(trade) for trade in done.best],
        "fitness": None if done.version is None else done.version.fitness,
        "examined_again": None if done.row is None else done.row.as_dict(),
        "seen_before": done.learned_here,
    }
