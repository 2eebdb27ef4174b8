"""Tables and JSON for the terminal."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from backtest.metrics import Metrics
from backtest.trades import Trade
from backtest.yardsticks import Comparison
from bot.status import Position, iso

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
            cause, f"{split[cause]:+.2f}", f"{100 * split[cause] / capital:+.3f}", end_section=cause == "transfers"
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
            figures = (f"{leg.quantity:g}", f"{leg.entry_price:.6g}", f"{leg.mark:.6g}", f"{leg.unrealised:+.2f}")
            head, total = (p.asset, f"{p.pnl:+.2f}") if side == "long" else (f"{p.hours:g} h", f"{p.pnl_pct:+.2f} %")
            table.add_row(head, f"{side} {leg.venue}", *figures, total, end_section=side == "short")
    return table


def trades_table(trades: Sequence[Trade]) -> Table:
    """Closed positions, two lines each."""
    table = _table(
        f"{len(trades)} closed positions", ("asset", "long, short", "times"), ("funding", "basis", "costs", "P&L")
    )
    for t in trades:
        money = (f"{amount:+.2f}" for amount in (t.funding, t.basis, t.fees + t.slippage, t.pnl))
        table.add_row(t.asset, t.long_venue, _short_time(t.opened_ms), *money)
        reason = ("", "", t.reason if t.reason != "policy" else "", f"{t.pnl_pct:+.2f} %")
        table.add_row(f"{t.hours:g} h", t.short_venue, _short_time(t.closed_ms), *reason, end_section=True)
    return table


def yardsticks_table(comparison: Comparison, capital: float) -> Table:
    """A column per policy, and what hindsight could have earned."""
    table = _table("", ("",), [line.name for line in comparison.lines])
    for cause in (*MONEY_CAUSES[:-1], "total"):
        amounts = (f"{line.pnl[cause]:+,.2f}" for line in comparison.lines)
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
        table.add_row(one.name, *(f"{amount:+,.2f}" for amount in pnl))
    table.caption = "The trap: same close less next open, what filling at the observed close would invent."
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
