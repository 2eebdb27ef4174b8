"""What is drawn of a walk forward's document; used by `page`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backtest.figures import drawdowns
from backtest.report.chart import Chart, Scale, Tick, lines, time_ticks
from backtest.report.family import Family, Schedule, family, schedules
from backtest.report.strips import Hurdle, Strip, Verdicts, hurdles, strips, verdicts
from backtest.track import CAUSES
from data.types import HOUR_MS

Json = dict[str, Any]


@dataclass(frozen=True)
class Share:
    """One bar of what was earned of what there was."""

    name: str
    pnl: float
    width: float
    """% of the longest."""
    kind: str


@dataclass(frozen=True)
class Pictures:
    """Everything that the page draws."""

    equity: Chart
    drawdown: Chart
    causes: Chart
    exposure: Chart
    positions: tuple[Strip, ...]
    time: tuple[Tick, ...]
    shares: tuple[Share, ...]
    family: Family | None
    schedules: tuple[Schedule, ...]
    verdicts: Verdicts | None
    hurdles: tuple[Hurdle, ...]


def pictures(told: Json) -> Pictures:
    """The pictures of a document."""
    first, capital, rounds = told["first_ms"], told["initial_capital"], told["rounds"]
    changes = [(one["from_ms"], one["version"]) for one in told["champions"][1:]]
    time = Scale(first, first + told["hours"] * HOUR_MS)
    names = [line["name"] for line in told["lines"]]
    worth = {name: np.array(told["curves"][name]["equity"]) for name in names}
    product = {cause: np.array(told["curves"]["product"][cause]) for cause in (*CAUSES, "gross")}
    return Pictures(
        equity=lines(
            "equity", "P&L", "Net of all costs, % of initial capital. Dashed verticals: a new champion.", "%", first,
            [(name, 100 * (worth[name] / capital - 1)) for name in names], changes,
        ),
        drawdown=lines(
            "drawdown", "Drawdown", "Below the highest equity so far, %.", "%", first,
            [(name, drawdowns(worth[name])) for name in names],
        ),
        causes=lines(
            "causes", "What the P&L is made of", "The bot's P&L so far by cause; what is held counts as marked.",
            "quote", first, _caused(product),
        ),
        exposure=lines(
            "exposure", "Exposure", "Notional held, both legs, over equity.", "×", first,
            [("product", product["gross"] / worth["product"])],
        ),
        positions=strips(told, time),
        time=time_ticks(time),
        shares=_shares(told),
        family=family(rounds) if rounds else None,
        schedules=schedules(rounds, told["search_space"]) if rounds else (),
        verdicts=verdicts(told["cycles"]),
        hurdles=hurdles(told["cycles"]),
    )  # fmt: skip


def _caused(product: dict[str, NDArray[np.float64]]) -> list[tuple[str, NDArray[np.float64]]]:
    """The causes that did anything; funding, what it is all about, in any case."""
    return [(cause, product[cause]) for cause in CAUSES if cause == "funding" or product[cause].any()]


def _shares(told: Json) -> tuple[Share, ...]:
    """P&L of every line beside the best that hindsight could have earned."""
    earned = [(line["name"], line["pnl"]["total"], "own") for line in told["lines"]]
    there = [
        ("best carry", told["hindsight"]["carry"]["pnl"], "there"),
        ("best of all", told["hindsight"]["all"]["pnl"], "there"),
    ]
    longest = max(abs(pnl) for _, pnl, _ in earned + there) or 1.0
    return tuple(
        Share(name, pnl, 100 * abs(pnl) / longest, "loss" if pnl < 0 else kind) for name, pnl, kind in earned + there
    )
