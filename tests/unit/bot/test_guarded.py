"""The guard runs beside the trader as long as that runs: weather is waited out, and a defect of it ends the run."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot import guard as guards
from bot.guard import Guard, guarded
from bot.guard_settings import GuardSettings
from data.errors import StateError, VenueUnreachable


class Clock:
    """Every wait is over at once."""

    async def now_ms(self) -> int:
        return 0

    async def sleep_until(self, target_ms: int) -> None:
        await asyncio.sleep(0)


@dataclass
class Watched:
    """As much of it as the loop needs."""

    clock: Clock = field(default_factory=Clock)


class Rounds(Guard):
    """Rounds that fail as they are told, then go well."""

    def __init__(self, *failures: Exception | None) -> None:
        nothing: Any = None
        watched: Any = Watched()
        super().__init__(watched, GuardSettings(), nothing, nothing, nothing)
        self.failures = list(failures)
        self.done = 0

    async def minute(self) -> None:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        self.done += 1


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_a_round_goes_before_the_block_and_others_beside_it() -> None:
    async def talk() -> tuple[int, bool]:
        guard, stop = Rounds(), asyncio.Event()
        async with guarded(guard, stop):
            first = guard.done
            await until(lambda: guard.done > 3)
        return first, stop.is_set()

    assert (1, False) == asyncio.run(talk())


def test_what_venues_ledger_and_disk_fail_in_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "RETRY_S", 0.001)

    async def talk() -> None:
        guard = Rounds(None, VenueUnreachable("no answer"), StateError("locked"), OSError("full"))
        async with guarded(guard, asyncio.Event()):
            await until(lambda: guard.done > 2)

    asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_defect_of_the_guard_ends_the_run() -> None:
    async def talk() -> bool:
        stop = asyncio.Event()
        with pytest.raises(ZeroDivisionError):
            async with guarded(Rounds(None, ZeroDivisionError()), stop):
                await stop.wait()
        return stop.is_set()

    assert asyncio.run(asyncio.wait_for(talk(), 10))


def test_a_start_on_which_venues_and_books_cannot_be_compared_is_none() -> None:
    async def talk() -> None:
        async with guarded(Rounds(StateError("locked")), asyncio.Event()):
            raise AssertionError("nobody trades unguarded")

    with pytest.raises(StateError, match="locked"):
        asyncio.run(talk())


def test_on_paper_there_is_none() -> None:
    async def talk() -> bool:
        stop = asyncio.Event()
        async with guarded(None, stop):
            return stop.is_set()

    assert not asyncio.run(talk())
