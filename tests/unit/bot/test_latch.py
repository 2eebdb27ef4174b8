"""The latch: what is written holds for every process, nothing softer overwrites it, nobody knows it half."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.latch import Latch, LatchFile, LatchState, latch_line
from data.errors import StateError


@pytest.fixture
def latch(tmp_path: Path) -> LatchFile:
    return LatchFile(tmp_path / "var" / "kill.json")


def elsewhere(latch: LatchFile) -> LatchFile:
    """The same file as another process has it."""
    return LatchFile(latch.path)


def test_without_a_file_nothing_holds(latch: LatchFile) -> None:
    assert Latch(LatchState.NONE) == latch.read()


def test_a_pause_is_seen_with_its_reason_and_lifted(latch: LatchFile) -> None:
    assert latch.pause("funding looks odd")
    seen = elsewhere(latch).read()
    assert (LatchState.PAUSED, "funding looks odd") == (seen.state, seen.reason)
    elsewhere(latch).lift(seen)
    assert LatchState.NONE == latch.read().state
    assert [] == list(latch.path.parent.iterdir()), "nothing is left behind"


def test_a_kill_overrides_a_pause_and_is_not_overridden_by_one(latch: LatchFile) -> None:
    latch.pause("lunch")
    latch.kill("delta of 4 BTC")
    assert not elsewhere(latch).pause("lunch again")
    seen = latch.read()
    assert (LatchState.KILLED, "delta of 4 BTC") == (seen.state, seen.reason)


def test_a_reader_sees_every_change_at_once(latch: LatchFile) -> None:
    reader = elsewhere(latch)
    seen = [reader.read().state]
    latch.pause("x")
    seen.append(reader.read().state)
    latch.kill("x")
    seen += [reader.read().state, reader.read().state]
    latch.path.write_text("{")
    seen.append(reader.read().state)
    latch.path.unlink()
    seen.append(reader.read().state)
    expected = ["none", "paused", "killed", "killed", "unreadable", "none"]
    assert expected == seen


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{}", b'"killed"', b"\xff\xfe", b"[" * 100_000, b'{"state": "killed"}',
        b'{"state": "none", "since": "", "reason": ""}', b'{"state": "open", "since": "", "reason": ""}',
        b'{"state": "paused", "since": 3, "reason": ""}',
    ],
)  # fmt: skip
def test_what_is_not_understood_counts_as_unreadable_and_is_put_aside_when_lifted(
    latch: LatchFile, content: bytes
) -> None:
    latch.path.parent.mkdir()
    latch.path.write_bytes(content)
    seen = latch.read()
    assert LatchState.UNREADABLE == seen.state
    assert not latch.pause("x"), "it may have been a kill"
    latch.lift(seen)
    assert LatchState.NONE == latch.read().state
    assert content == (latch.path.parent / "kill.json.unreadable").read_bytes()


def test_a_folder_in_its_place_is_unreadable_too(latch: LatchFile) -> None:
    latch.path.mkdir(parents=True)
    seen = latch.read()
    assert LatchState.UNREADABLE == seen.state
    latch.lift(seen)
    assert LatchState.NONE == latch.read().state


def test_a_place_that_cannot_be_looked_at_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where a folder was")
    assert LatchState.UNREADABLE == LatchFile(tmp_path / "var" / "kill.json").read().state


def test_a_kill_that_came_after_the_look_is_not_lifted(latch: LatchFile) -> None:
    latch.pause("x")
    seen = latch.read()
    elsewhere(latch).kill("in between")
    with pytest.raises(StateError, match="set again"):
        latch.lift(seen)
    assert (LatchState.KILLED, "in between") == (latch.read().state, latch.read().reason)


@pytest.mark.parametrize(("before", "amid"), [("pause", "kill"), ("kill", "pause"), ("kill", "kill")])
def test_a_kill_amid_a_lifting_that_is_refused_stays(
    latch: LatchFile, monkeypatch: pytest.MonkeyPatch, before: str, amid: str
) -> None:
    """Between the taking away of what was set again and the putting back."""
    latch.pause("looked at")
    seen = latch.read()
    latch.lift(seen)
    getattr(elsewhere(latch), before)("set again")
    read = LatchFile.read

    def read_late(taken: LatchFile) -> Latch:
        getattr(elsewhere(latch), amid)("in that instant")
        return read(taken)

    with monkeypatch.context() as patch, pytest.raises(StateError, match="set again"):
        patch.setattr(LatchFile, "read", read_late)
        latch.lift(seen)
    assert LatchState.KILLED is latch.read().state
    assert [latch.path] == list(latch.path.parent.iterdir())


def test_lifting_what_nobody_holds_changes_nothing(latch: LatchFile) -> None:
    latch.lift(latch.read())
    assert LatchState.NONE == latch.read().state


def test_pauses_and_kills_at_the_same_time_in_one_process_disturb_nobody(latch: LatchFile) -> None:
    with ThreadPoolExecutor(4) as pool:
        for number in range(50):
            paused = list(pool.map(lambda who: elsewhere(latch).pause(f"by {who}"), range(4)))
            assert 1 == paused.count(True), number
            list(pool.map(lambda who: elsewhere(latch).kill(f"by {who}"), range(4)))
            assert LatchState.KILLED is latch.read().state
            seen = latch.read()
            list(pool.map(lambda _, seen=seen: elsewhere(latch).lift(seen), range(4)))
            assert LatchState.NONE is latch.read().state
    assert [] == list(latch.path.parent.iterdir()), "nothing is left behind"


def test_readers_never_see_half_a_file_nor_none_while_kills_follow_one_another(latch: LatchFile) -> None:
    latch.kill("first")
    done = threading.Event()

    def write() -> None:
        try:
            for number in range(100):
                latch.kill(f"number {number} " + "x" * number)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    reader, states = elsewhere(latch), set()
    while not done.is_set():
        states.add(reader.read().state)
    writer.join()
    assert {LatchState.KILLED} == states


def test_the_file_is_for_people_too(latch: LatchFile) -> None:
    latch.kill("by hand")
    told = json.loads(latch.path.read_text())
    assert {"state", "since", "reason"} == set(told)
    assert told["since"].endswith("+00:00")
    assert latch.path.stat().st_size < 4096


def test_a_time_is_told_to_the_minute_and_one_that_is_none_as_it_stands() -> None:
    since = "2026-11-22T07:05:04.877+00:00"
    assert "entries are paused since 2026-11-22 07:05 UTC: lunch" == latch_line(
        Latch(LatchState.PAUSED, since, "lunch")
    )
    assert "killed since noon, positions are only reduced: x" == latch_line(Latch(LatchState.KILLED, "noon", "x"))
