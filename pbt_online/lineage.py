"""Where members come from: the memory as a tree, as a picture, and as the schedule that made one member."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from pbt_online.memory import Entry


def lineage(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every entry as plain values, with `came_from`: the place of the entry that it went on from, or None."""
    came_from = _predecessors(entries)
    return [asdict(entry) | {"came_from": came_from[place]} for place, entry in enumerate(entries)]


def schedule_of(entries: Sequence[Entry], checkpoint: str) -> list[Entry]:
    """The entries that led to `checkpoint`, from a fresh start on; raises KeyError where no entry ended with it."""
    came_from = _predecessors(entries)
    places = [place for place, entry in enumerate(entries) if entry.checkpoint == checkpoint]
    if not places:
        raise KeyError(checkpoint)
    place: int | None = places[0]
    schedule = []
    while place is not None:
        schedule.append(entries[place])
        place = came_from[place]
    return schedule[::-1]


def draw(entries: Sequence[Entry], path: Path) -> None:
    """Draw members by round: lines are weights that go on, arrows are copies, colours are scores, crosses failures.

    The file's ending names the format, such as .svg or .png.
    """
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    columns = {key: x for x, key in enumerate(sorted({(entry.cycle, entry.round) for entry in entries}))}
    places = [(columns[entry.cycle, entry.round], entry.member) for entry in entries]
    members = len({entry.member for entry in entries})
    figure, axes = pyplot.subplots(figsize=(2 + 0.5 * len(columns), 1.5 + 0.35 * members), layout="constrained")
    for place, before in enumerate(_predecessors(entries)):
        if before is not None:
            copied = entries[before].member != entries[place].member
            style = {"arrowstyle": "->" if copied else "-", "color": "tab:red" if copied else "0.7"}
            axes.annotate("", places[place], places[before], arrowprops=style)
    scores = np.array([np.nan if entry.score is None else entry.score["value"] for entry in entries])
    x, y = np.array(places, dtype=float).reshape(-1, 2).T
    alive = np.isfinite(scores)
    shown = axes.scatter(x[alive], y[alive], c=scores[alive], cmap="viridis", zorder=3)
    axes.scatter(x[~alive], y[~alive], marker="x", color="black", zorder=3)
    figure.colorbar(shown, label="score")
    axes.set(xlabel="round", ylabel="member", yticks=sorted({entry.member for entry in entries}))
    axes.set_xticks(list(columns.values()), [f"{cycle}.{number}" for cycle, number in columns], rotation=90)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    pyplot.close(figure)


def _predecessors(entries: Sequence[Entry]) -> list[int | None]:
    """For each entry the place of the one that brought the checkpoint it began with."""
    brought: dict[str, int] = {}
    places: list[int | None] = []
    for place, entry in enumerate(entries):
        places.append(None if entry.started_from is None else brought.get(entry.started_from))
        if entry.checkpoint is not None:
            brought[entry.checkpoint] = place
    return places
