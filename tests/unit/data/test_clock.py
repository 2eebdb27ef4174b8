import asyncio
import time

import pytest

from data.clock import WallClock

NOON_S = 1_736_164_800


class Machine:
    """An operating system whose time passes only while somebody sleeps; `jumps` are added to the naps, in turn."""

    def __init__(self, *jumps: float) -> None:
        self.now_s = float(NOON_S)
        self.naps: list[float] = []
        self._jumps = list(jumps)

    def time_ns(self) -> int:
        return round(self.now_s * 1e9)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now_s += seconds + (self._jumps.pop(0) if self._jumps else 0.0)


def slept_until(monkeypatch: pytest.MonkeyPatch, machine: Machine, target_ms: int) -> int:
    """The time at which the clock woke up."""
    monkeypatch.setattr(time, "time_ns", machine.time_ns)
    monkeypatch.setattr(asyncio, "sleep", machine.sleep)

    async def wait() -> int:
        clock = WallClock()
        await clock.sleep_until(target_ms)
        return await clock.now_ms()

    return asyncio.run(wait())


def test_market_time_is_the_machine_s_time() -> None:
    before = time.time_ns() // 1_000_000
    now = asyncio.run(WallClock().now_ms())

    assert before <= now <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("target_ms", [0, NOON_S * 1000 - 1, NOON_S * 1000])
def test_what_is_past_is_not_waited_for(monkeypatch: pytest.MonkeyPatch, target_ms: int) -> None:
    machine = Machine()
    slept_until(monkeypatch, machine, target_ms)

    assert [] == machine.naps


def test_it_wakes_at_the_time_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine()

    assert (NOON_S + 12) * 1000 == slept_until(monkeypatch, machine, (NOON_S + 12) * 1000)
    assert 12 == pytest.approx(sum(machine.naps))


def test_it_never_naps_for_long_so_that_a_machine_that_was_suspended_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine = Machine(0.0, 3600.0)
    woke = slept_until(monkeypatch, machine, (NOON_S + 1800) * 1000)

    assert [5.0, 5.0] == machine.naps
    assert (NOON_S + 3610) * 1000 == woke


def test_a_clock_that_is_set_back_is_waited_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(-60.0)

    assert (NOON_S + 4) * 1000 == slept_until(monkeypatch, machine, (NOON_S + 4) * 1000)
    assert 64 == pytest.approx(sum(machine.naps))
