"""The population's lineage and the hyperparameter schedules that it found, laid out like charts; used by `pictures`."""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from backtest.report.chart import SIDE, Tick

Json = dict[str, Any]


@dataclass(frozen=True)
class Node:
    """One member's round: where it stands out of SIDE, and how well it did beside the others of its cycle."""

    across: float
    down: float
    strength: int
    """0..100: rank of its score in its cycle; a failure has -1."""
    text: str


@dataclass(frozen=True)
class Edge:
    """From whom a round went on; `kind` is kept, copied, or best on the way to the last round's best."""

    points: str
    kind: str


@dataclass(frozen=True)
class Family:
    """Members by round."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    members: tuple[Tick, ...]
    cycles: tuple[Tick, ...]
    """Where each cycle begins."""
    columns: int


@dataclass(frozen=True)
class Schedule:
    """One hyperparameter of every member over the rounds."""

    name: str
    edges: tuple[Edge, ...]
    low: str
    high: str
    last: str
    """What the best of the last round had."""


def family(rounds: Sequence[Json]) -> Family:
    """The tree of `rounds`."""
    columns, members = _columns(rounds), sorted({one["member"] for one in rounds})
    rows = {member: (number + 0.5) / len(members) for number, member in enumerate(members)}
    places = [(columns[one["cycle"], one["round"]], rows[one["member"]]) for one in rounds]
    begins = [key for key in columns if key[1] == 1]
    shown = begins[:: len(begins) // 12 + 1]
    return Family(
        nodes=tuple(
            Node(SIDE * x, SIDE * y, strength, _told(one))
            for (x, y), strength, one in zip(places, _strengths(rounds), rounds, strict=True)
        ),
        edges=_edges(rounds, places),
        members=tuple(Tick(100 * row, str(member)) for member, row in rows.items()),
        cycles=tuple(Tick(100 * columns[key], str(key[0])) for key in shown),
        columns=len(columns),
    )


def schedules(rounds: Sequence[Json], space: Json) -> tuple[Schedule, ...]:
    """Every hyperparameter over the rounds, on its own range."""
    columns, best = _columns(rounds), _best_line(rounds)
    told = []
    for name, dimension in space.items():
        low, high = _ends(dimension)
        places = [
            (columns[one["cycle"], one["round"]], 1 - _place(one["hyperparameters"].get(name, low), dimension))
            for one in rounds
        ]
        last = "–" if not best else f"{rounds[best[-1]]['hyperparameters'].get(name, math.nan):.3g}"
        told.append(Schedule(name, _edges(rounds, places), f"{low:g}", f"{high:g}", last))
    return tuple(told)


def _columns(rounds: Sequence[Json]) -> dict[tuple[int, int], float]:
    """Where each round of each cycle stands, from left to right out of 1."""
    keys = sorted({(one["cycle"], one["round"]) for one in rounds})
    return {key: (number + 0.5) / len(keys) for number, key in enumerate(keys)}


def _edges(rounds: Sequence[Json], places: Sequence[tuple[float, float]]) -> tuple[Edge, ...]:
    """Those of the best line last, to be drawn above the others."""
    best, edges = set(_best_line(rounds)), []
    for number, one in enumerate(rounds):
        if (before := one["came_from"]) is None:
            continue
        (x1, y1), (x2, y2) = places[before], places[number]
        kept = rounds[before]["member"] == one["member"]
        kind = "best" if number in best else "kept" if kept else "copied"
        edges.append(Edge(f"{SIDE * x1:.1f},{SIDE * y1:.1f} {SIDE * x2:.1f},{SIDE * y2:.1f}", kind))
    order = ("kept", "copied", "best")
    return tuple(sorted(edges, key=lambda edge: order.index(edge.kind)))


def _best_line(rounds: Sequence[Json]) -> list[int]:
    """The places of the rounds that led to the best of the last one, oldest first."""
    if not rounds:
        return []
    last = max((one["cycle"], one["round"]) for one in rounds)
    ended = [
        (one["score"], -number)
        for number, one in enumerate(rounds)
        if (one["cycle"], one["round"]) == last and one["score"] is not None
    ]
    place: int | None = -max(ended)[1] if ended else None
    line = []
    while place is not None:
        line.append(place)
        place = rounds[place]["came_from"]
    return line[::-1]


def _strengths(rounds: Sequence[Json]) -> list[int]:
    """Scores of one cycle are of one window and can be ranked; those of two cannot."""
    by_cycle = defaultdict(list)
    for one in rounds:
        if one["score"] is not None:
            by_cycle[one["cycle"]].append(one["score"])
    ordered = {cycle: sorted(scores) for cycle, scores in by_cycle.items()}
    return [-1 if one["score"] is None else _rank(one["score"], ordered[one["cycle"]]) for one in rounds]


def _rank(score: float, ordered: Sequence[float]) -> int:
    """0..100; equals share their ranks."""
    return round(50 * (bisect_left(ordered, score) + bisect_right(ordered, score)) / len(ordered))


def _told(one: Json) -> str:
    how = "failed" if one["score"] is None else f"score {one['score']:+.4f}"
    source = "" if one["parent"] in (None, one["member"]) else f", copied {one['parent']}"
    return f"cycle {one['cycle']}, round {one['round']}, member {one['member']}: {how}{source} ({one['reason']})"


def _ends(dimension: Json) -> tuple[float, float]:
    choices = dimension["choices"] or (dimension["low"], dimension["high"])
    return choices[0], choices[-1]


def _place(value: float, dimension: Json) -> float:
    """0 at the low end, 1 at the high one."""
    if dimension["choices"]:
        nearest = min(range(len(dimension["choices"])), key=lambda i: abs(dimension["choices"][i] - value))
        return nearest / max(len(dimension["choices"]) - 1, 1)
    low, high = dimension["low"], dimension["high"]
    if dimension["log"]:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)
