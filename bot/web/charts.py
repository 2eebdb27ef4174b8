"""The page's pictures, laid out by the report's own chart code. Used by `page`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.report.chart import SIDE, Chart, lines, spanning
from backtest.report.family import Family, family
from bot.web.models import Curve, Population
from data.types import HOUR_MS


@dataclass(frozen=True)
class Drawn:
    """A line over time, and the area between it and zero as an SVG polygon."""

    chart: Chart
    area: str
    value: str
    """What it ends with."""


def draw_curve(curve: Curve, capital: float) -> tuple[Drawn, Drawn] | None:
    """P&L and drawdown, % (of initial capital, of the highest equity); None before the second hour."""
    if len(curve.tick_ms) < 2 or curve.tick_ms[-1] - curve.tick_ms[0] < HOUR_MS:
        return None
    pnl = 100 * (np.array(curve.equity) / capital - 1)
    return (
        _drawn("pnl", "Profit and loss", "% of initial capital", curve, pnl),
        _drawn("drawdown", "Drawdown", "% below the highest equity so far", curve, np.array(curve.drawdown_pct)),
    )


def draw_family(population: Population) -> Family:
    """Members by round, who copied whom."""
    return family([one.model_dump() for one in population.rounds])


def _drawn(name: str, title: str, caption: str, curve: Curve, values: NDArray[np.float64]) -> Drawn:
    first, last = curve.tick_ms[0], curve.tick_ms[-1]
    hours = np.arange(first, last + 1, HOUR_MS)  # an hour that was missed takes its room on the axis
    hourly = np.interp(hours, curve.tick_ms, values)
    hourly[-1] = values[-1]  # the last hour stands twice: before and after its trades
    chart = lines(name, title, caption, "%", first, [(title, hourly)], digits=3)
    zero = SIDE - SIDE / 100 * spanning(hourly).place(0.0)
    return Drawn(chart, f"0,{zero:.1f} {chart.series[0].points} {SIDE},{zero:.1f}", chart.series[0].last)
