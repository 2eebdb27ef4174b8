"""A walk forward's document in the terminal."""

from collections.abc import Callable
from typing import Any

from rich.box import SIMPLE
from rich.table import Table

from bot.cli.tables import money_table
from bot.walk_report import Json

FIGURES: tuple[tuple[str, str, Callable[[Json], Any]], ...] = (
    ("P&L, %", "+.3f", lambda line: line["metrics"]["pnl_pct"]),
    ("APR, %", "+.2f", lambda line: line["figures"]["apr_pct"]),
    ("minus the rule, % per 30 days", "+.3f", lambda line: line["against_rule"]["per_30_days"]),
    ("  95 % from", "+.3f", lambda line: line["against_rule"]["low"]),
    ("  to", "+.3f", lambda line: line["against_rule"]["high"]),
    ("Sharpe ratio, annual", ".2f", lambda line: line["figures"]["sharpe"]["value"]),
    ("  95 % from", ".2f", lambda line: line["figures"]["sharpe"]["low"]),
    ("  to", ".2f", lambda line: line["figures"]["sharpe"]["high"]),
    ("largest drawdown, %", ".3f", lambda line: line["metrics"]["max_drawdown_pct"]),
    ("longest drawdown, h", "d", lambda line: line["figures"]["longest_drawdown_hours"]),
    ("% of best carry", ".1f", lambda line: line["share_of_carry_pct"]),
    ("% of best of all", ".1f", lambda line: line["share_of_hindsight_pct"]),
    ("trades closed", "d", lambda line: line["metrics"]["trades"]),
    ("won, %", ".1f", lambda line: line["metrics"]["win_rate_pct"]),
    ("profit factor", ".2f", lambda line: line["metrics"]["profit_factor"]),
    ("held on average, h", ".1f", lambda line: line["metrics"]["average_hours"]),
    ("turnover, x capital a year", ".1f", lambda line: line["figures"]["turnover"]),
    ("exposure, x equity", ".2f", lambda line: line["figures"]["exposure"]),
)
"""What is told of every line: heading, format, where it stands."""


def summary(told: Json) -> list[Any]:
    """What a walk forward prints."""
    return [
        money_table("", told["lines"][0]["pnl"], told["initial_capital"]),
        lines_table(told),
        f"In hindsight no policy could have earned more than {told['hindsight']['carry']['pnl']:,.2f} by carry, or "
        f"{told['hindsight']['all']['pnl']:,.2f} with prices.",
        _selection(told["selection"]),
        cycles_line(told),
        f"{told['market']}, {told['from']} to {told['to']}",
    ]


def lines_table(told: Json) -> Table:
    """A column per line, a row per figure."""
    table = Table(title="beside the plain policies", title_justify="left", box=SIMPLE)
    table.add_column("figure", no_wrap=True)
    for line in told["lines"]:
        table.add_column(line["name"], justify="right")
    for heading, shape, figure in FIGURES:
        values = (figure(line) for line in told["lines"])
        table.add_row(heading, *("-" if value is None else f"{value:{shape}}" for value in values))
    return table


def cycles_line(told: Json) -> str:
    """What the gate did."""
    verdicts = [cycle["verdict"] for cycle in told["cycles"] if cycle["verdict"] is not None]
    promoted = sum(verdict["promoted"] for verdict in verdicts)
    line = f"{len(verdicts)} cycles: the gate promoted {promoted} challengers"
    if not promoted:
        line += "; learning has added nothing here, and the rule went on trading"
    return line


def _selection(told: Json) -> str:
    deflated, luck = (
        "-" if told[name] is None else f"{100 * told[name]:.0f} %" for name in ("deflated_sharpe", "overfitting")
    )
    return f"{told['trials']} trials: deflated Sharpe ratio {deflated}, probability of backtest overfitting {luck}"
