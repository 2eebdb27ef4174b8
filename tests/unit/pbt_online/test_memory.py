from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from data.errors import CorruptData
from pbt_online.memory import Entry, Memory

ENTRY = Entry(1, 1, 0, "first", None, None, {"learning_rate": 1e-4}, 100, "a" * 64, {"value": 0.1 + 0.2}, None, 1.5)


def test_what_is_recorded_is_read_again_as_it_was(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    entries = [ENTRY, replace(ENTRY, member=1, checkpoint=None, score=None, failure="CorruptData: NaN")]
    for entry in entries:
        memory.record(entry)
    assert entries == Memory(tmp_path).entries
    assert {0: entries[0], 1: entries[1]} == Memory(tmp_path).newest()


def test_a_line_that_a_crash_cut_off_is_dropped_and_the_next_one_stands_alone(tmp_path: Path) -> None:
    Memory(tmp_path).record(ENTRY)
    journal = tmp_path / "rounds.jsonl"
    journal.write_text(journal.read_text() + '{"cycle": 1, "rou')
    memory = Memory(tmp_path)
    assert [ENTRY] == memory.entries
    memory.record(replace(ENTRY, round=2))
    assert [1, 2] == [entry.round for entry in Memory(tmp_path).entries]


def test_a_damaged_line_in_the_middle_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    Memory(tmp_path).record(ENTRY)
    journal = tmp_path / "rounds.jsonl"
    journal.write_text("nonsense\n" + journal.read_text())
    with pytest.raises(CorruptData, match="restore it, or train with --fresh"):
        Memory(tmp_path)


def stored(memory: Memory, content: bytes) -> str:
    name = sha256(content).hexdigest()
    memory.store(content, name)
    return name


def test_a_checkpoint_is_kept_once_however_often_it_is_stored(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    name = stored(memory, b"weights")
    assert name == stored(memory, b"weights")
    assert b"weights" == memory.checkpoint(name) == Memory(tmp_path).checkpoint(name)
    assert [name] == [path.name for path in (tmp_path / "checkpoints").iterdir()]


def test_a_checkpoint_that_was_changed_or_lost_is_refused(tmp_path: Path) -> None:
    changed, lost = (stored(Memory(tmp_path), content) for content in (b"weights", b"others"))
    (tmp_path / "checkpoints" / changed).write_bytes(b"weighty")
    (tmp_path / "checkpoints" / lost).unlink()
    for name in (changed, lost):
        with pytest.raises(CorruptData):
            Memory(tmp_path).checkpoint(name)


def test_pruning_deletes_what_nobody_needs_and_what_a_crash_left_half_written(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    kept, dropped = stored(memory, b"kept"), stored(memory, b"dropped")
    (tmp_path / "checkpoints" / f"{dropped}.tmp").write_bytes(b"half")
    memory.prune({kept})
    assert [kept] == [path.name for path in (tmp_path / "checkpoints").iterdir()]
    with pytest.raises(CorruptData):
        memory.checkpoint(dropped)
