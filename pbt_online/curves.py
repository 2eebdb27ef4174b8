"""Training curves for TensorBoard, written by the process that leads a cycle, a folder of its own for each cycle.

Used by `cycle` where `learning.tensorboard` is set. The step of every curve is the round.
"""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import ConfigurationError

if TYPE_CHECKING:
    from pbt_online.population import Round

FOLDER = "tensorboard"
"""Below the population's folder."""
VERSION = "brain.Event:2"


class Curves:
    """Appends what each round brought to a file of the format that TensorBoard reads. A file is whole at each round."""

    def __init__(self, folder: Path, cycle: int) -> None:
        """Raises ConfigurationError where TensorBoard is not installed."""
        try:
            from tensorboard.compat.proto.event_pb2 import Event
            from tensorboard.compat.proto.summary_pb2 import Summary
            from tensorboard.summary.writer.record_writer import RecordWriter
        except ImportError as error:
            raise ConfigurationError(
                "learning.tensorboard needs what is not installed: pip install 'funding-bot[tensorboard]', or switch "
                "it off"
            ) from error
        self._event, self._summary, self._writer = Event, Summary, RecordWriter
        below = folder / FOLDER / f"cycle-{cycle}"
        below.mkdir(parents=True, exist_ok=True)
        self._path = below / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}"
        self._append(Event(wall_time=time.time(), file_version=VERSION))

    def add(self, done: "Round") -> None:
        """A point of every curve."""
        summary = self._summary()
        for tag, value in points(done).items():
            summary.value.add(tag=tag, simple_value=value)
        self._append(self._event(wall_time=time.time(), step=done.number, summary=summary))

    def _append(self, event: object) -> None:
        with self._path.open("ab") as file:
            self._writer(file).write(event.SerializeToString())  # type: ignore[attr-defined] # made by protobuf


def points(done: "Round") -> Mapping[str, float]:
    """The curves' values after a round, by tag: scores, hyperparameters, and how the population stands."""
    return dict(_points(done))


def _points(done: "Round") -> Iterator[tuple[str, float]]:
    scores = {entry.member: float(entry.score["value"]) for entry in done.entries if entry.score is not None}
    yield "population/best score", max(scores.values())
    yield "population/mean score", sum(scores.values()) / len(scores)
    yield "population/diversity", done.diversity
    yield "population/members that copy", sum(decision.donor is not None for decision in done.decisions)
    yield "population/failed", len(done.entries) - len(scores)
    yield "population/seconds", done.seconds
    for member, score in scores.items():
        yield f"score/member {member}", score
    for entry in done.entries:
        for name, value in entry.hyperparameters.items():
            yield f"{name}/member {entry.member}", value
