"""What every backend keeps. A test file that imports these tests and gives them a `settings` fixture runs them."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, as_completed, wait
from pathlib import Path

import numpy as np
import pytest

from backtest.worker_process import one_thread
from pbt_online.backend import open_backend
from pbt_online.settings import BackendSettings
from tests.fakes import work

SHARED = np.random.default_rng(5).normal(size=(333, 256)).astype(np.float32)


@pytest.fixture(scope="session")
def expected() -> dict[int, bytes]:
    """What each seed gives where nothing is distributed."""
    with one_thread():
        work.take(SHARED)
        return {seed: work.learned(seed) for seed in range(6)}


def test_the_backend_changes_no_byte_of_a_result_and_shares_once_with_each_worker(
    settings: BackendSettings, expected: dict[int, bytes], tmp_path: Path
) -> None:
    with open_backend(settings, work.take_and_sign, (SHARED, tmp_path)) as backend:
        futures = {backend.submit(work.learned, seed): seed for seed in expected}
        found = {futures[future]: future.result() for future in as_completed(futures)}
    assert expected == found
    signatures = [path.name.partition("-")[0] for path in tmp_path.iterdir()]
    assert len(set(signatures)) == len(signatures) <= (settings.workers or 1)


def test_workers_compute_on_one_thread(settings: BackendSettings) -> None:
    with open_backend(settings, work.take, SHARED) as backend:
        assert {1} == backend.submit(work.threads, 0).result()


def test_what_a_function_raises_is_passed_on_as_it_is_and_not_repeated(
    settings: BackendSettings, tmp_path: Path
) -> None:
    with open_backend(settings, work.take, SHARED) as backend:
        future = backend.submit(work.refused, tmp_path / "tries")
        with pytest.raises(ZeroDivisionError) as caught:
            future.result()
        assert ("no such luck", 7) == caught.value.args
        assert 14 == backend.submit(work.doubled, 7).result(), "the next work is done all the same"
    assert "tried\n" == (tmp_path / "tries").read_text()


def test_work_is_submitted_as_other_work_ends(settings: BackendSettings) -> None:
    def walk(backend) -> Iterator[int]:
        running: set[Future[int]] = {backend.submit(work.doubled, start) for start in (1, 3, 5)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
                if future.result() < 20:
                    running.add(backend.submit(work.doubled, future.result()))

    with open_backend(settings, work.take, SHARED) as backend:
        assert [2, 4, 6, 8, 10, 12, 16, 20, 24, 32] == sorted(walk(backend))


def test_a_closed_backend_takes_no_work(settings: BackendSettings) -> None:
    with open_backend(settings, work.take, SHARED) as backend:
        pass
    with pytest.raises(RuntimeError, match="submit within the with block"):
        backend.submit(work.doubled, 1)
