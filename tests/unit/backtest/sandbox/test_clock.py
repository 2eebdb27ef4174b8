"""The market clock: stepped, running, and what its state file lets it do."""

import json
from pathlib import Path
from typing import Any

import pytest

from backtest.sandbox.clock import MarketClock, WorldIdentity
from data.errors import StateError

THIS = WorldIdentity("aaaa", "the world of this test")
OTHER = WorldIdentity("bbbb", "another one")
BEGIN, END = 1_000_000, 9_000_000


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "clock.json"


def clock(state: Path, identity: WorldIdentity = THIS, **changes: Any) -> MarketClock:
    return MarketClock(state, identity, **({"begin_ms": BEGIN, "end_ms": END} | changes))


class Seconds:
    """Real time that a test moves."""

    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


def test_a_new_clock_begins_at_the_beginning(state: Path) -> None:
    assert clock(state).now_ms() == BEGIN


def test_a_stepped_clock_never_goes_back_nor_past_the_end(state: Path) -> None:
    stepped = clock(state)

    reached = [stepped.advance_to(target) for target in (BEGIN + 500, BEGIN + 400, END + 1, BEGIN)]

    assert reached == [BEGIN + 500, BEGIN + 500, END, END]


def test_a_stepped_clock_does_not_move_with_real_time(state: Path) -> None:
    seconds = Seconds()
    stepped = clock(state, real_s=seconds)
    seconds.now += 1000

    assert stepped.now_ms() == BEGIN


def test_a_running_clock_moves_at_its_speed_and_stops_at_the_end(state: Path) -> None:
    seconds = Seconds()
    running = clock(state, speed=100.0, real_s=seconds)

    seconds.now += 2.5
    assert running.now_ms() == BEGIN + 250_000
    seconds.now += 1e6
    assert running.now_ms() == END


def test_a_running_clock_cannot_be_advanced(state: Path) -> None:
    with pytest.raises(StateError, match="runs by itself, at speed 2"):
        clock(state, speed=2.0).advance_to(END)


def test_every_advance_is_saved_before_it_returns(state: Path) -> None:
    clock(state).advance_to(BEGIN + 7)

    assert clock(state).now_ms() == BEGIN + 7


def test_a_running_clock_goes_on_from_where_it_was_saved(state: Path) -> None:
    seconds = Seconds()
    running = clock(state, speed=10.0, real_s=seconds)
    seconds.now += 3
    running.save()
    seconds.now += 1000  # nobody was there

    assert clock(state, speed=10.0, real_s=seconds).now_ms() == BEGIN + 30_000


def test_nothing_is_written_when_nothing_has_changed(state: Path) -> None:
    stepped = clock(state)
    state.unlink()
    stepped.save()

    assert not state.exists()


def test_a_save_leaves_no_other_file_behind(state: Path) -> None:
    clock(state).advance_to(BEGIN + 1)

    assert [file.name for file in state.parent.iterdir()] == ["clock.json"]


def test_a_half_written_file_of_a_crash_is_not_read(state: Path) -> None:
    clock(state).advance_to(BEGIN + 1)
    state.with_name("clock.json.new").write_text('{"now_')

    assert clock(state).now_ms() == BEGIN + 1


def test_the_state_of_another_world_says_whose_it_is_and_what_to_do(state: Path) -> None:
    clock(state, OTHER)

    with pytest.raises(
        StateError, match=r"another world \(another one\).*\(the world of this test\).*delete"
    ) as refusal:
        clock(state)
    assert refusal.value.exit_code == 5


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"now_ms": 1}', '"now_ms"', "\udcff"])
def test_a_file_that_is_no_state_is_refused(state: Path, content: str) -> None:
    state.write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(StateError, match="not a readable sandbox state; delete"):
        clock(state)


@pytest.mark.parametrize("now", [BEGIN - 1, END + 1, 2e6, "2000000", None, True])
def test_a_time_that_the_world_does_not_have_is_refused(state: Path, now: Any) -> None:
    state.write_text(json.dumps({"world": THIS.label, "fingerprint": THIS.fingerprint, "now_ms": now}))

    with pytest.raises(StateError, match="which this world does not have"):
        clock(state)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nowhere.*cannot be written"):
        clock(tmp_path / "nowhere" / "clock.json")
