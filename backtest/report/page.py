"""The report of a walk forward: one HTML file with everything in it, from the document that `--json` prints."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from backtest.report.chart import signed
from backtest.report.pictures import pictures
from backtest.report.rows import ROWS

Json = dict[str, Any]
SHOWN = 8
"""Trades shown at either end."""


def page(told: Json) -> str:
    """The HTML of a document: no script, no request, light and dark, for any width."""
    environment = Environment(
        loader=PackageLoader("backtest.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["signed"] = signed
    ranked = sorted(told["trades"], key=lambda trade: (-trade["pnl"], trade["opened_ms"]))
    return environment.get_template("page.html").render(
        told=told,
        product=told["lines"][0],
        drawn=pictures(told),
        rows=ROWS,
        best=ranked[:SHOWN],
        worst=ranked[SHOWN:][::-1][:SHOWN],
        judged=[cycle for cycle in told["cycles"] if cycle["verdict"] is not None],
    )
