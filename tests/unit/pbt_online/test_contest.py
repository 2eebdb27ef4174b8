"""What a cycle leaves behind for a comparison without the gate."""

from dataclasses import replace
from pathlib import Path

import pytest

from data.errors import StateError
from pbt_online.contest import Contest, contests, hold_contest
from pbt_online.cycle import Watch, run_cycle
from pbt_online.memory import Memory
from tests.unit.pbt_online.test_cycle import history, learning


def test_the_best_and_the_vote_are_kept_as_versions_and_nobody_is_promoted(tmp_path: Path) -> None:
    told = learning(tmp_path, ensemble_size=2)
    cycle = run_cycle(told, history(), Watch())
    champion = told.registry.history()

    hold_contest(told, history(), cycle)

    (held,) = contests(told.folder)
    best, challenger = told.registry.version(held.best), told.registry.version(cycle.challenger or "")
    assert (cycle.number, challenger.weights_hash) == (held.cycle, best.weights_hash)
    assert held.best == told.registry.version(held.vote).members[0]
    assert 2 == len(told.registry.version(held.vote).members)
    assert champion == told.registry.history()

    names = told.registry.names()
    hold_contest(told, history(), cycle)  # noted already
    assert ([held], names) == (contests(told.folder), told.registry.names())

    (told.folder / "contests" / "0001.json").unlink()
    last = Memory(told.folder).entries[-1]
    Memory(told.folder).record(replace(last, cycle=2, round=1))
    hold_contest(told, history(), cycle)  # its members have gone on
    assert [] == contests(told.folder)


def test_a_contest_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "contests").mkdir()
    (tmp_path / "contests" / "0001.json").write_text('{"cycle": 1}')
    with pytest.raises(StateError, match=r"0001\.json cannot be read"):
        contests(tmp_path)
    (tmp_path / "contests" / "0001.json").write_text('{"cycle": 1, "best": "a", "vote": "b", "overfitting": null}')
    assert [Contest(1, "a", "b", None)] == contests(tmp_path)
