"""Processes that outlive their pools: who is used again, who is not, and what they remember."""

import os
import time
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path

import pytest

from backtest.spare_workers import SpareWorkers
from backtest.worker_pool import WorkerPool
from backtest.worker_process import pack
from tests.functional.commands import eventually

_taken: list[int] = []


def take(number: int) -> None:
    _taken[:] = [number]


def told() -> tuple[int, list[int]]:
    return os.getpid(), _taken


def hang(begun: Path) -> None:
    begun.touch()
    time.sleep(600)


def die() -> None:
    os._exit(3)


def pool(spares: SpareWorkers, number: int) -> WorkerPool:
    return WorkerPool(partial(spares.start, pack(take, number)), 1, retries=0)


def asked(spares: SpareWorkers, number: int) -> tuple[int, list[int]]:
    """Which process a pool of its own has, and what that was told at its beginning."""
    with pool(spares, number) as workers:
        return workers.submit(told).result()


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_works_for_so_many_pools_and_knows_only_what_the_last_one_told_it() -> None:
    with SpareWorkers(pools=2) as spares:
        first, second, third = (asked(spares, number) for number in (1, 2, 3))
        assert not runs(first[0])
    assert ([1], [2], [3]) == (first[1], second[1], third[1])
    assert first[0] == second[0] != third[0]
    assert not runs(third[0])


def test_a_process_that_died_while_it_idled_is_replaced() -> None:
    with SpareWorkers() as spares:
        first, _ = asked(spares, 1)
        os.kill(first, 9)
        other, number = asked(spares, 2)
    assert first != other and [2] == number


def test_a_process_that_was_killed_at_work_is_not_used_again(tmp_path: Path) -> None:
    with SpareWorkers() as spares:
        first, _ = asked(spares, 1)
        with pool(spares, 2) as workers:
            stuck = workers.submit(hang, tmp_path / "begun")
            eventually(lambda: (tmp_path / "begun").exists() or stuck.done())
        with pytest.raises(CancelledError):
            stuck.result()
        assert not runs(first)
        other, _ = asked(spares, 3)
    assert first != other


def test_a_process_that_died_at_work_is_replaced_at_once() -> None:
    with SpareWorkers() as spares:
        first, _ = asked(spares, 1)
        with WorkerPool(partial(spares.start, pack(take, 2)), 1, retries=0) as workers:
            assert workers.submit(die).exception() is not None
            other, number = workers.submit(told).result()
    assert first != other and [2] == number
