"""Backends on this machine: this process, and pools of two and three worker processes."""

import os
import sys
from concurrent.futures import CancelledError, as_completed
from pathlib import Path

import pytest

import pbt_online
from data.errors import ConfigurationError, WorkerLost
from pbt_online.backend import open_backend
from pbt_online.settings import BackendSettings
from tests.contract.backend_contract import (  # noqa: F401  the tests of every backend
    SHARED,
    expected,
    test_a_closed_backend_takes_no_work,
    test_the_backend_changes_no_byte_of_a_result_and_shares_once_with_each_worker,
    test_what_a_function_raises_is_passed_on_as_it_is_and_not_repeated,
    test_work_is_submitted_as_other_work_ends,
    test_workers_compute_on_one_thread,
)
from tests.fakes import work

POOL = BackendSettings(kind="pool", workers=2)


@pytest.fixture(params=["process", "pool"])
def settings(request: pytest.FixtureRequest) -> BackendSettings:
    return BackendSettings(kind=request.param, workers=2)


def test_the_number_of_workers_changes_no_byte(expected: dict[int, bytes]) -> None:  # noqa: F811
    with open_backend(BackendSettings(kind="pool", workers=3), work.take, SHARED) as backend:
        futures = [backend.submit(work.learned, seed) for seed in expected]
        assert list(expected.values()) == [future.result() for future in futures]


def test_workers_give_way() -> None:
    with open_backend(POOL, work.take, SHARED) as backend:
        assert min(os.nice(0) + 10, 19) == backend.submit(work.niceness, 0).result()


def test_work_lost_with_a_killed_worker_is_done_by_another(expected: dict[int, bytes], tmp_path: Path) -> None:  # noqa: F811
    with open_backend(POOL, work.take, SHARED) as backend:
        futures = {backend.submit(work.learned_after_death, (seed, tmp_path / "killed")): seed for seed in expected}
        found = {futures[future]: future.result() for future in as_completed(futures)}
    assert (tmp_path / "killed").exists()
    assert expected == found


def test_work_that_kills_every_worker_fails_by_name_and_alone() -> None:
    settings = POOL.model_copy(update={"retries": 1})
    with open_backend(settings, work.take, SHARED) as backend:
        futures = [backend.submit(work.deadly, number) for number in range(10)]
        with pytest.raises(WorkerLost, match=r"deadly\(7\) was lost with its worker 2 times .*exit code -9"):
            futures[7].result()
        assert [0, 1, 2, 3, 4, 5, 6, 8, 9] == [future.result() for future in futures if future is not futures[7]]


def test_work_that_hangs_is_lost_and_done_again(tmp_path: Path) -> None:
    settings = POOL.model_copy(update={"timeout_s": 1.0})
    with open_backend(settings, work.take, SHARED) as backend:
        future = backend.submit(work.slow_the_first_time, (3, tmp_path / "hung"))
        assert 3 == future.result()


def test_work_that_hangs_for_ever_fails() -> None:
    settings = POOL.model_copy(update={"timeout_s": 0.2, "retries": 0})
    with open_backend(settings, work.take, SHARED) as backend:
        with pytest.raises(WorkerLost, match=r"asleep\(1\) was lost .*no answer within 0.2 s"):
            backend.submit(work.asleep, 1).result()
        assert 4 == backend.submit(work.doubled, 2).result()


def test_what_cannot_travel_is_said_and_costs_no_worker() -> None:
    with open_backend(POOL.model_copy(update={"workers": 1}), work.take, SHARED) as backend:
        before = backend.submit(work.process, 0).result()
        with pytest.raises(Exception, match="pickle"):
            backend.submit(lambda number: number, 1).result()
        with pytest.raises(Exception, match="pickle"):
            backend.submit(work.unpicklable, 1).result()
        with pytest.raises(RuntimeError, match="Stubborn: ab"):
            backend.submit(work.stubborn, 1).result()
        assert before == backend.submit(work.process, 0).result()


def test_an_initializer_that_raises_answers_for_all_work() -> None:
    with open_backend(POOL, work.refuse, SHARED) as backend:
        for future in [backend.submit(work.doubled, number) for number in range(3)]:
            with pytest.raises(ValueError, match="this cannot be taken"):
                future.result()


def test_workers_that_die_as_they_start_fail_the_work_that_waits() -> None:
    with open_backend(POOL.model_copy(update={"retries": 1}), work.die, SHARED) as backend:
        for future in [backend.submit(work.doubled, number) for number in range(3)]:
            with pytest.raises(WorkerLost, match=r"doubled\(\d\) has no worker"):
                future.result()


def test_ray_that_is_not_installed_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "pbt_online.ray_worker", raising=False)
    monkeypatch.delattr(pbt_online, "ray_worker", raising=False)
    with (
        pytest.raises(ConfigurationError, match=r"pip install 'funding-bot\[ray\]'"),
        open_backend(BackendSettings(kind="ray"), work.take, SHARED),
    ):
        pass


def test_leaving_the_block_cancels_what_has_not_begun_and_kills_what_has() -> None:
    with open_backend(POOL.model_copy(update={"workers": 1}), work.take, SHARED) as backend:
        backend.submit(work.doubled, 1).result()
        running, waiting = [backend.submit(work.asleep, number) for number in range(2)]
    with pytest.raises(CancelledError):
        running.result()
    assert waiting.cancelled()
