"""What a cycle writes for TensorBoard is what TensorBoard reads, and changes nothing else."""

import builtins
from pathlib import Path
from typing import Any

import pytest

from data.errors import ConfigurationError
from pbt_online.curves import FOLDER, Curves
from pbt_online.cycle import Watch, run_cycle
from pbt_online.population import Round
from tests.unit.pbt_online.test_cycle import broken_off, history, learning

LEARNING_RATE = "learning_rate/member 0"


def test_tensorboard_reads_the_curves_of_every_round(tmp_path: Path) -> None:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="needs TensorBoard")
    begun = broken_off(learning(tmp_path))
    told, rounds = learning(tmp_path, tensorboard=True), list[Round]()
    cycle = run_cycle(told, history(), Watch(round=rounds.append))
    assert begun.number == cycle.number, "whoever switches it on goes on with the cycle that was begun"
    read = reader.EventAccumulator(str(told.folder / FOLDER / "cycle-1")).Reload()
    drawn = {
        tag: [(point.step, point.value) for point in read.Scalars(tag)] for tag in ("score/member 0", LEARNING_RATE)
    }
    entries = [(done.number, done.entries[0]) for done in rounds]
    assert [(number, pytest.approx((e.score or {})["value"])) for number, e in entries] == drawn["score/member 0"]
    expected = [(number, pytest.approx(e.hyperparameters["learning_rate"])) for number, e in entries]
    assert expected == drawn[LEARNING_RATE]
    best = [point.value for point in read.Scalars("population/best score")]
    assert [pytest.approx(max((e.score or {})["value"] for e in done.entries)) for done in rounds] == best


def test_without_tensorboard_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported = builtins.__import__

    def missing(name: str, *arguments: Any, **named: Any) -> Any:
        if name.startswith("tensorboard"):
            raise ImportError(name)
        return imported(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigurationError, match=r"pip install 'funding-bot\[tensorboard\]', or switch"):
        Curves(tmp_path, 1)
    assert [] == list(tmp_path.iterdir())


def test_nothing_is_written_unless_it_is_asked_for(tmp_path: Path) -> None:
    assert not learning(tmp_path).settings.tensorboard
