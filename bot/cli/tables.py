"""Tables and JSON for the terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from backtest.metrics import Metrics
from backtest.trades import Trade
from bot.status import Position, iso

MONEY_CAUSES = ("funding", "basis", "fees", "slippage", "transfers", "total")


def print_json(content: Any) -> None:
    """One JSON document on standard output."""
    print(json.dumps(content, indent=2, default=str))


def money_table(title: str, split: dict[str, float], capital: float) -> Table:
    """P&L by cause, in quote currency and % of capital."""
    table = Table(title=title, title_justify="left")
    table.add_column("P&L by")
    table.add_column("quote", justify="right")
    table.add_column("% of capital", justify="right")
    for cause in MONEY_CAUSES:
        table.add_row(cause, f"{split[cause]:+.2f}", f"{100 * split[cause] / capital:+.3f}", end_section=cause == "transfers")
    return table


def metrics_table(metrics: Metrics) -> Table:
    """Every figure of a run, named."""
    table = Table()
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in asdict(metrics).items():
        table.add_row(name.replace("_", " "), "-" if value is None else f"{value:,.3f}" if isinstance(value, float) else str(value))
    return table


def positions_table(positions: Sequence[Position]) -> Table:
    """Open positions, a line per leg."""
    table = Table(title=f"{len(positions)} open positions", title_justify="left")
    for name in ("slot", "asset", "since", "leg", "venue"):
        table.add_column(name)
    for name in ("quantity", "entry", "mark", "unrealised", "funding", "P&L", "P&L %"):
        table.add_column(name, justify="right")
    for p in positions:
        whole = (f"{p.funding:+.2f}", f"{p.pnl:+.2f}", f"{p.pnl_pct:+.3f}")
        for side, leg in (("long", p.long), ("short", p.short)):
            head = (str(p.slot), p.asset, p.opened) if side == "long" else ("", "", "")
            figures = (f"{leg.quantity:g}", f"{leg.entry_price:g}", f"{leg.mark:g}", f"{leg.unrealised:+.2f}")
            table.add_row(*head, side, leg.venue, *figures, *(whole if side == "long" else ("", "", "")), end_section=side == "short")
    return table


def trades_table(trades: Sequence[Trade]) -> Table:
    """Closed positions."""
    table = Table(title=f"{len(trades)} closed positions", title_justify="left")
    for name in ("asset", "long", "short", "opened", "closed"):
        table.add_column(name)
    for name in ("hours", "funding", "basis", "fees", "slippage", "P&L", "P&L %"):
        table.add_column(name, justify="right")
    table.add_column("reason")
    for t in trades:
        money = (f"{amount:+.2f}" for amount in (t.funding, t.basis, t.fees, t.slippage, t.pnl))
        table.add_row(
            t.asset, t.long_venue, t.short_venue, iso(t.opened_ms), iso(t.closed_ms), f"{t.hours:g}", *money,
            f"{t.pnl_pct:+.3f}", t.reason,
        )  # fmt: skip
    return table


def show(*parts: Any) -> None:
    """Print parts to the terminal."""
    console = Console()
    for part in parts:
        console.print(part)
