"""A walk forward's document in the terminal."""

from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from backtest.report.rows import ROWS
from bot.cli.tables import money_table
from bot.walk_report import Json


def summary(told: Json) -> list[Any]:
    """What a walk forward prints."""
    return [
        money_table("", told["lines"][0]["pnl"], told["initial_capital"]),
        lines_table(told),
        f"In hindsight no policy could have earned more than {told['hindsight']['carry']['pnl']:,.2f} by carry, or "
        f"{told['hindsight']['all']['pnl']:,.2f} with prices.",
        *([] if told["gate"] is None else [arms_table(told), _gate(told["gate"]), costs_table(told)]),
        _selection(told["selection"]),
        cycles_line(told),
        f"{told['market']}, {told['from']} to {told['to']}",
    ]


def lines_table(told: Json) -> Table:
    """A row per figure; columns are the bot and the plain policies."""
    lines = [line for line in told["lines"] if line["name"] not in told["arms"]]
    table = Table(title="beside the plain policies", title_justify="left", box=SIMPLE)
    table.add_column("figure", no_wrap=True)
    for line in lines:
        table.add_column(line["name"], justify="right")
    for row in ROWS:
        table.add_row(row.heading, *(row.told(line) for line in lines))
    return table


def arms_table(told: Json) -> Table:
    """A row per line, with the figures that decide."""
    table = Table(title="beside other ways to learn and to choose", title_justify="left", box=SIMPLE)
    table.add_column("who", no_wrap=True)
    for heading in ("P&L %", "largest fall %", "trades", "minus the rule, % per 30 days", "95 % from", "to"):
        table.add_column(heading, justify="right")
    for line in told["lines"]:
        metrics, beside = line["metrics"], line["against_rule"]
        bounds = ("–" if beside[end] is None else f"{beside[end]:+.3f}" for end in ("low", "high"))
        figures = (f"{metrics['pnl_pct']:+.3f}", f"{metrics['max_drawdown_pct']:.3f}", str(metrics["trades"]))
        table.add_row(line["name"], *figures, f"{beside['per_30_days']:+.3f}", *bounds)
    return table


def costs_table(told: Json) -> Table:
    """P&L where venues charge more or less than policies are told."""
    table = Table(title="P&L, %, where fees and spreads are", title_justify="left", box=SIMPLE)
    table.add_column("who", no_wrap=True)
    for one in told["costs"]:
        table.add_column(f"{one['factor']:g} x", justify="right")
    for name in told["costs"][0]["pnl_pct"]:
        table.add_row(name, *(f"{one['pnl_pct'][name]:+.3f}" for one in told["costs"]))
    return table


def cycles_line(told: Json) -> str:
    """What the gate did."""
    verdicts = [cycle["verdict"] for cycle in told["cycles"] if cycle["verdict"] is not None]
    promoted = sum(verdict["promoted"] for verdict in verdicts)
    line = f"{len(verdicts)} cycles: the gate promoted {promoted} challengers"
    if verdicts and not promoted:
        line += "; learning has added nothing here"
        line += ", and the rule went on trading" if len(told["champions"]) == 1 else ""
    return line


def _gate(told: Json) -> str:
    line = f"The gate {'saved' if told['per_30_days'] >= 0 else 'cost'} {abs(told['per_30_days']):.3f} % per 30 days"
    low, high = told["low"], told["high"]
    if low is None or high is None:
        return f"{line}; the window is too short to say how surely"
    return f"{line} (95 %: {low:+.3f} to {high:+.3f}){', which may be luck' if low <= 0 <= high else ''}"


def _selection(told: Json) -> str:
    deflated, luck = (
        "-" if told[name] is None else f"{100 * told[name]:.0f} %" for name in ("deflated_sharpe", "overfitting")
    )
    return f"{told['trials']} trials: deflated Sharpe ratio {deflated}, probability of backtest overfitting {luck}"
