"""Tables of the kill switch and of the doctor."""

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Table

from bot.doctor.finding import Finding, Verdict
from bot.killer import Killed

COLOURS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "red"}


def killed_table(killed: Killed) -> Table:
    """A line per venue."""
    table = Table(title=f"{killed.kill}: {escape(killed.bot)}", title_justify="left", box=SIMPLE)
    for column in ("venue", "found", "closed", "left", "orders left", "flat", "seconds", "trouble"):
        table.add_column(column)
    for one in killed.venues:
        flat = "[green]yes[/green]" if one.flat else "[red]NOT PROVEN[/red]"
        amounts = (_amounts(part) for part in (one.found, one.closed, one.left))
        orders = str(one.orders_left)
        table.add_row(one.venue, *amounts, orders, flat, f"{one.seconds:.1f}", escape(one.trouble))
    return table


def findings_table(findings: Sequence[Finding]) -> Table:
    """A line per check; what to do below what was seen."""
    table = Table(box=SIMPLE)
    for column in ("check", "venue", "", "seen, and what to do"):
        table.add_column(column)
    for one in findings:
        colour = COLOURS[one.verdict]
        told = escape(one.text) + (f"\n[bold]{escape(one.remedy)}[/bold]" if one.remedy else "")
        table.add_row(one.check, one.venue, f"[{colour}]{one.verdict.value}[/{colour}]", told)
    return table


def _amounts(quantities: Mapping[str, float]) -> str:
    return "\n".join(f"{symbol} {quantity:+g}" for symbol, quantity in sorted(quantities.items())) or "-"
