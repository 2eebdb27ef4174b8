"""Positions over time and the gate's verdicts, laid out like charts; used by `pictures`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from backtest.report.chart import SIDE, Scale, Tick, signed, spanning, value_ticks

Json = dict[str, Any]


@dataclass(frozen=True)
class Bar:
    """A position, from left to right out of SIDE."""

    left: float
    width: float
    kind: str
    """gain or loss; open where it is still held."""
    text: str


@dataclass(frozen=True)
class Strip:
    """The positions in one pair."""

    name: str
    detail: str
    total: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Interval:
    """One cycle's advantage over an incumbent, out of SIDE."""

    across: float
    value: float
    low: float
    cut: bool
    """The lower bound lies below the picture, or nowhere."""
    kind: str
    text: str


@dataclass(frozen=True)
class Verdicts:
    """The advantage of every challenger over the rule, with its lower bound."""

    intervals: tuple[Interval, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    zero: float


@dataclass(frozen=True)
class Hurdle:
    """One thing that every challenger must pass, cycle by cycle: None where it was not asked."""

    name: str
    passed: tuple[bool | None, ...]


def strips(told: Json, time: Scale) -> tuple[Strip, ...]:
    """A strip for each pair that was held, by the time of its first entry."""
    positions = defaultdict(list)
    for one in [*told["trades"], *told["held"]]:
        positions[one["asset"], one["long_venue"], one["short_venue"]].append(one)
    ordered = sorted(positions.items(), key=lambda pair: min(one["opened_ms"] for one in pair[1]))
    return tuple(
        Strip(
            asset,
            f"long {long}, short {short}",
            signed(sum(one["pnl"] for one in held)),
            tuple(_bar(one, time) for one in held),
        )
        for (asset, long, short), held in ordered
    )


def verdicts(cycles: Sequence[Json], incumbent: str = "rule") -> Verdicts | None:
    """Advantages over `incumbent`, % per 30 days; None where no cycle was judged."""
    judged = [cycle for cycle in cycles if cycle["verdict"] is not None]
    if not judged:
        return None
    beside = [next(c for c in cycle["verdict"]["comparisons"] if c["incumbent"] == incumbent) for cycle in judged]
    gained = np.array([one["advantage"] for one in beside])
    lows = np.array([np.nan if one["lower"] is None else one["lower"] for one in beside])
    reach = 3 * float(np.abs(gained).max(initial=0.0)) or 1.0
    scale = spanning(np.concatenate([gained, lows[lows >= -reach], [-reach / 3, reach / 3]]))
    return Verdicts(
        intervals=tuple(
            _interval(number, len(judged), cycle, one, scale)
            for number, (cycle, one) in enumerate(zip(judged, beside, strict=True))
        ),
        across=tuple(
            Tick(_middle(number, len(judged)), str(cycle["number"]))
            for number, cycle in enumerate(judged)
            if number % (len(judged) // 12 + 1) == 0
        ),
        up=tuple(Tick(100 - scale.place(value), label) for value, label in value_ticks(scale)),
        zero=_down(0.0, scale),
    )


def hurdles(cycles: Sequence[Json]) -> tuple[Hurdle, ...]:
    """Who and what had to be beaten, and by which challengers it was."""
    judged = [cycle["verdict"] for cycle in cycles if cycle["verdict"] is not None]
    asked = [
        {f"beats {one['incumbent']}": one["passed"] for one in verdict["comparisons"]}
        | {_LIMITS.get(one["name"], one["name"]): one["passed"] for one in verdict["limits"]}
        for verdict in judged
    ]
    names = dict.fromkeys(name for row in asked for name in row)
    return tuple(Hurdle(name, tuple(row.get(name) for row in asked)) for name in names)


_LIMITS = {
    "max_drawdown_pct": "drawdown within limit",
    "min_trades": "enough trades",
    "stressed_pnl": "earns at raised costs",
}


def _bar(one: Json, time: Scale) -> Bar:
    left = SIDE / 100 * time.place(one["opened_ms"])
    right = SIDE / 100 * time.place(one.get("closed_ms", time.high))
    until = f"{one['closed']}, {one['reason']}" if "closed" in one else "still held"
    kind = ("gain" if one["pnl"] >= 0 else "loss") + ("" if "closed" in one else " open")
    return Bar(left, max(right - left, 2.0), kind, f"{one['opened']} to {until}: {signed(one['pnl'])}")


def _interval(number: int, of: int, cycle: Json, one: Json, scale: Scale) -> Interval:
    lower, promoted = one["lower"], cycle["verdict"]["promoted"]
    cut = lower is None or lower < scale.low
    bound = "no lower bound" if lower is None else f"lower bound {signed(lower, 3)}"
    text = f"cycle {cycle['number']}: {signed(one['advantage'], 3)} % per 30 days, {bound}"
    return Interval(
        across=SIDE / 100 * _middle(number, of),
        value=_down(one["advantage"], scale),
        low=SIDE if cut else _down(lower, scale),
        cut=cut,
        kind="gain" if promoted else "refused",
        text=f"{text}, {'promoted' if promoted else 'refused'}",
    )


def _middle(number: int, of: int) -> float:
    return 100 * (number + 0.5) / of


def _down(value: float, scale: Scale) -> float:
    return SIDE - SIDE / 100 * scale.place(value)
