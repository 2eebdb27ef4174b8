"""What the tables of a walk forward say of every line, and by which formula; for its page and the terminal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One figure of every line."""

    heading: str
    shape: str
    """Format of a value."""
    of: Callable[[Json], Any]
    """The value in a line of the document; None where there is none."""
    formula: str

    def told(self, line: Json) -> str:
        """The value for people."""
        value = self.of(line)
        return "–" if value is None else f"{value:{self.shape}}"


def _metric(name: str) -> Callable[[Json], Any]:
    return lambda line: line["metrics"][name]


def _figure(name: str) -> Callable[[Json], Any]:
    return lambda line: line["figures"][name]


def _sharpe(part: str) -> Callable[[Json], Any]:
    return lambda line: line["figures"]["sharpe"][part]


def _beside(part: str) -> Callable[[Json], Any]:
    return lambda line: line["against_rule"][part]


ROWS = (
    Row("P&L, %", "+.3f", _metric("pnl_pct"), "(final − initial equity) / initial equity"),
    Row("APR, %", "+.2f", _figure("apr_pct"), "P&L × 8760 / hours, not compounded"),
    Row(
        "minus the rule, % per 30 days", "+.3f", _beside("per_30_days"),
        "mean hourly P&L less the rule's, % of capital, × 720",
    ),
    Row("    95 % from", "+.3f", _beside("low"), "studentised stationary bootstrap of the paired hourly differences"),
    Row("    to", "+.3f", _beside("high"), "the same; – where the window is too short to say"),
    Row("Sharpe ratio, annual", ".2f", _sharpe("value"), "mean / standard deviation of hourly returns × √8760"),
    Row("    95 % from", ".2f", _sharpe("low"), "the same bootstrap of the ratio's influence function"),
    Row("    to", ".2f", _sharpe("high"), "the same"),
    Row("largest drawdown, %", ".3f", _metric("max_drawdown_pct"), "largest fall from an earlier high"),
    Row(
        "longest drawdown, h", ",d", _figure("longest_drawdown_hours"),
        "longest time from a high until it is reached again, or until the end",
    ),
    Row(
        "% of best carry", ".1f", lambda line: line["share_of_carry_pct"],
        "P&L without basis, of what hindsight could have earned by carry alone",
    ),
    Row(
        "% of best of all", ".1f", lambda line: line["share_of_hindsight_pct"],
        "P&L, of what hindsight could have earned, prices included",
    ),
    Row("trades closed", ",d", _metric("trades"), "pair positions, both legs closed"),
    Row("won, %", ".1f", _metric("win_rate_pct"), "winning trades / trades"),
    Row("profit factor", ".2f", _metric("profit_factor"), "sum of winning trades / |sum of losing trades|"),
    Row("held on average, h", ".1f", _metric("average_hours"), "mean of exit − entry time"),
    Row("Sharpe ratio per trade", ".2f", _metric("sharpe_per_trade"), "mean / deviation of returns × √(trades a day)"),
    Row("turnover, × capital a year", ".1f", _figure("turnover"), "notional of all fills / capital × 8760 / hours"),
    Row("exposure, × equity", ".2f", _figure("exposure"), "gross notional / equity, mean over hours"),
    Row("invested, % of hours", ".1f", _figure("invested_pct"), "hours at whose end something is held"),
)  # fmt: skip
