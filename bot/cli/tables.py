"""Tables and JSON for the terminal."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from backtest.metrics import Metrics
from backtest.replay import Result
from backtest.trades import Trade
from backtest.yardsticks import Comparison
from bot.status import Kpi, Position, iso
from pbt_online.manifest import Version
from pbt_online.registry import Tenure

MONEY_CAUSES = ("funding", "basis", "fees", "slippage", "transfers", "total")


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(content, indent=2, default=str))


def money_table(title: str, split: dict[str, float], capital: float) -> Table:
    """P&L by cause, in quote currency and % of capital."""
    table = Table(title=title, title_justify="left", box=SIMPLE)
    table.add_column("P&L by")
    table.add_column("quote", justify="right")
    table.add_column("% of capital", justify="right")
    for cause in MONEY_CAUSES:
        table.add_row(
            cause, f"{split[cause]:+z.2f}", f"{100 * split[cause] / capital:+z.3f}", end_section=cause == "transfers"
        )
    return table


def metrics_table(metrics: Metrics) -> Table:
    """Every figure of a run, named."""
    table = Table(box=SIMPLE)
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in asdict(metrics).items():
        table.add_row(
            name.replace("_", " "),
            "-" if value is None else f"{value:,.3f}" if isinstance(value, float) else str(value),
        )
    return table


def positions_table(positions: Sequence[Position]) -> Table:
    """Open positions, a line per leg."""
    table = _table(
        f"{len(positions)} open positions", ("asset", "leg"), ("quantity", "entry", "mark", "open P&L", "net P&L")
    )
    for p in positions:
        for side, leg in (("long", p.long), ("short", p.short)):
            figures = (f"{leg.quantity:g}", f"{leg.entry_price:.6g}", f"{leg.mark:.6g}", f"{leg.unrealised:+z.2f}")
            head, total = (p.asset, f"{p.pnl:+z.2f}") if side == "long" else (f"{p.hours:g} h", f"{p.pnl_pct:+z.2f} %")
            table.add_row(head, f"{side} {leg.venue}", *figures, total, end_section=side == "short")
    return table


def trades_table(trades: Sequence[Trade], title: str | None = None) -> Table:
    """Closed positions, two lines each."""
    table = _table(
        title or f"{len(trades)} closed positions",
        ("asset", "long, short", "times"),
        ("funding", "basis", "costs", "P&L"),
    )
    for t in trades:
        money = (f"{amount:+z.2f}" for amount in (t.funding, t.basis, t.fees + t.slippage, t.pnl))
        table.add_row(t.asset, t.long_venue, _short_time(t.opened_ms), *money)
        reason = ("", t.reason if t.reason != "policy" else "", f"{t.cost_bps:.1f} bps", f"{t.pnl_pct:+z.2f} %")
        table.add_row(f"{t.hours:g} h", t.short_venue, _short_time(t.closed_ms), *reason, end_section=True)
    return table


def yardsticks_table(comparison: Comparison, capital: float) -> Table:
    """A column per policy, and what hindsight could have earned."""
    table = _table("", ("",), [line.name for line in comparison.lines])
    for cause in (*MONEY_CAUSES[:-1], "total"):
        amounts = (f"{line.pnl[cause]:+z,.2f}" for line in comparison.lines)
        table.add_row(cause, *amounts, end_section=cause == "transfers")
    shares = [100 * line.pnl["total"] / capital for line in comparison.lines]
    for name, figures in (
        ("% of capital", shares),
        ("% of best carry", [line.carry_share_pct for line in comparison.lines]),
        ("% of best of all", [line.share_pct for line in comparison.lines]),
        ("drawdown, %", [line.max_drawdown_pct for line in comparison.lines]),
    ):
        table.add_row(name, *("-" if figure is None else f"{figure:,.2f}" for figure in figures))
    table.add_row("trades", *(str(line.trades) for line in comparison.lines))
    table.caption = (
        f"In hindsight no policy could have earned more than {comparison.carry_bound.pnl:,.2f} by carry, that is "
        f"funding less fees and slippage, or {comparison.bound.pnl:,.2f} with prices, most of which is bounce that "
        "nobody foresees. The columns of the best are schedules that come this near."
    )
    table.caption_justify = "left"
    return table


def timing_table(comparison: Comparison) -> Table:
    """What each policy's P&L owes to when its decisions fill."""
    table = _table("P&L by when decisions fill", ("policy",), ("same close", "next open", "hour later", "the trap"))
    for one in comparison.timings:
        pnl = (one.same_close, one.next_open, one.hour_later, one.owed_to_the_trap)
        table.add_row(one.name, *(f"{amount:+z,.2f}" for amount in pnl))
    table.caption = "The trap: same close less next open, what filling at the observed close would invent."
    table.caption_justify = "left"
    return table


def kpis_table(kpis: Sequence[Kpi]) -> Table:
    """The key figures against their targets."""
    table = _table("Key figures", ("figure",), ("value", "target", "met"))
    for one in kpis:
        met = "-" if one.met is None else "yes" if one.met else "no"
        target = f"{'>' if one.above else '<'} {one.target:g}{one.unit}"
        table.add_row(one.name, "-" if one.value is None else f"{one.value:,.3f}{one.unit}", target, met)
    return table


def comparison_table(names: Sequence[str], results: Sequence[Result]) -> Table:
    """A line per policy, best P&L first."""
    table = Table(box=SIMPLE, padding=0)
    table.add_column("version", overflow="fold")
    for name in ("reward", "P&L %", "won %", "factor", "hours", "Sharpe", "fall %", "trades"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, one in sorted(zip(names, results, strict=True), key=lambda pair: -pair[1].metrics.pnl_pct):
        m = one.metrics
        told = (
            "-" if figure is None else f"{figure:,.{digits}f}"
            for figure, digits in (
                (one.reward, 0), (m.pnl_pct, 2), (m.win_rate_pct, 0), (m.profit_factor, 2), (m.average_hours, 0),
                (m.sharpe_per_trade, 2), (m.max_drawdown_pct, 2),
            )
        )  # fmt: skip
        table.add_row(escape(name), *told, str(m.trades))
    table.caption = "factor: profit factor; hours: held on average; Sharpe: per trade; fall: drawdown"
    table.caption_justify = "left"
    return table


def versions_table(versions: Mapping[str, Version | str], champion: str) -> Table:
    """What the registry holds; a text stands for a version that is damaged."""
    table = _table(f"{len(versions)} versions", ("", "version", "kind", "decides", "gate"), ("fitness",))
    for name, one in versions.items():
        mark = "*" if name == champion else ""
        if isinstance(one, str):
            table.add_row(mark, escape(name), "damaged", "-", "-", "-")
            continue
        rhythm = f"{one.schema.formulation}, {one.schema.decision_hours} h"
        gate = "not asked" if one.verdict is None else "promoted" if one.vouched_for else "refused"
        value = (one.fitness or {}).get("value")
        fitness = f"{value:+.4f}" if isinstance(value, float | int) else "-"
        table.add_row(mark, escape(name), one.kind, rhythm, gate, fitness)
    table.caption = "* the champion"
    table.caption_justify = "left"
    return table


def manifest_table(title: str, content: Mapping[str, Any]) -> Table:
    """A manifest, a line per entry that says something."""
    table = Table(title=escape(title), title_justify="left", box=SIMPLE)
    table.add_column("entry", no_wrap=True)
    table.add_column("content", overflow="fold")
    for name, value in content.items():
        if value not in (None, "", {}, [], ()):
            shown = iso(value) if name == "created_ms" else value if isinstance(value, str) else json.dumps(value)
            table.add_row(name, escape(shown))
    return table


def champions_table(history: Sequence[Tenure]) -> Table:
    """Every champion, oldest first."""
    table = _table("Champions", ("since", "version", "why"), ())
    for one in history:
        table.add_row("-" if one.since_ms is None else _short_time(one.since_ms), escape(one.name), escape(one.why))
    return table


SCORE_HEADINGS = ("reward", "P&L %", "win rate", "trades", "score")


def score_figures(score: Mapping[str, Any]) -> tuple[str, ...]:
    """A score under SCORE_HEADINGS."""
    rate = score["win_rate_pct"]
    return (
        f"{score['reward']:+z,.2f}",
        f"{score['pnl_pct']:+z.3f}",
        "-" if rate is None else f"{rate:.1f} %",
        str(score["trades"]),
        f"{score['value']:+.4f}",
    )


def score_table(again: Mapping[str, Any], then: Mapping[str, Any]) -> Table:
    """The row of a version's last round, as it was written then and as it comes out again."""
    table = _table("Its row in its last round", ("when",), SCORE_HEADINGS)
    table.add_row("in training", *score_figures(then))
    table.add_row("examined again", *score_figures(again))
    table.caption = "the same to the last digit" if again == then else "NOT the same: other data or another program"
    table.caption_justify = "left"
    return table


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Say on the terminal what takes a while; nothing where the output is a file or a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(text):
        yield


def _short_time(ms: int) -> str:
    return iso(ms)[2:16].replace("T", " ")


def show(*parts: Any) -> None:
    """Print parts to the terminal; lines are never broken where the output is a file or a pipe."""
    console = Console()
    for part in parts:
        console.print(part, soft_wrap=isinstance(part, str))


def _table(title: str, words: Sequence[str], figures: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=SIMPLE)
    for name in words:
        table.add_column(name, no_wrap=True)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table
