"""The pool of workers over workers that are lost by script: whatever is lost, every future is answered, and rightly."""

import threading
from collections import Counter
from concurrent.futures import CancelledError, Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.worker_pool import WorkerPool
from backtest.worker_process import Lost, one_thread, pack, perform, unpack
from data.errors import WorkerLost
from tests.functional.commands import eventually


class ScriptedWorker:
    """Works in the lane's own thread, and is lost with work as often as the script says."""

    def __init__(self, losses: Counter[int], starts: list[bool], gate: threading.Event | None = None) -> None:
        self._losses, self._starts, self._gate = losses, starts, gate

    def begin(self) -> bytes:
        if self._starts and not self._starts.pop():
            raise Lost("as it started")
        return perform(pack(int))

    def run(self, packed: bytes, timeout_s: float | None) -> bytes:
        result = perform(packed)
        if self._gate:
            self._gate.wait()
            raise Lost("killed")
        if self._losses[unpack(result)] > 0:
            self._losses[unpack(result)] -= 1
            raise Lost("by script")
        return result

    def kill(self) -> None:
        if self._gate:
            self._gate.set()

    def close(self) -> None:
        pass


@given(
    st.lists(st.integers(0, 4), max_size=12),
    st.lists(st.booleans(), max_size=8),
    st.integers(1, 4),
    st.integers(0, 3),
)
def test_every_future_is_answered_and_only_work_lost_too_often_fails(
    losses: list[int], starts: list[bool], size: int, retries: int
) -> None:
    script = Counter(dict(enumerate(losses)))
    with WorkerPool(lambda: ScriptedWorker(script, starts), size, retries=retries) as pool:
        futures = [pool.submit(abs, -number) for number in range(len(losses))]
        found = [future.exception() or future.result() for future in futures]
    for number, (lost, answer) in enumerate(zip(losses, found, strict=True)):
        if isinstance(answer, WorkerLost):
            assert lost > retries or "no worker" in str(answer)
            assert f"abs(-{number})" in str(answer) or number == 0
        else:
            assert number == answer
            assert lost <= retries


def test_work_that_comes_while_the_last_worker_is_given_up_is_answered_too() -> None:
    """The lane that ends still counts as one at that moment."""
    begun, later = threading.Event(), list[Future[int]]()

    def lost() -> ScriptedWorker:
        begun.wait()
        raise Lost("as it started")

    with WorkerPool(lost, 1, retries=0) as pool:
        first = pool.submit(abs, -1)
        first.add_done_callback(lambda _: later.append(pool.submit(abs, -2)))
        begun.set()
        assert isinstance(first.exception(10), WorkerLost)
        (second,) = eventually(lambda: later, 10)
        assert isinstance(second.exception(10), WorkerLost)


@given(st.lists(st.integers(0, 2), max_size=12), st.integers(1, 4))
def test_workers_that_start_lose_nothing_within_the_retries(losses: list[int], size: int) -> None:
    script = Counter(dict(enumerate(losses)))
    with WorkerPool(lambda: ScriptedWorker(script, []), size, retries=2) as pool:
        assert list(range(len(losses))) == list(pool.map(abs, range(len(losses))))


def test_cancelled_work_is_not_begun_and_the_end_kills_what_runs() -> None:
    gate = threading.Event()
    with WorkerPool(lambda: ScriptedWorker(Counter(), [], gate), 1, retries=2) as pool:
        running = pool.submit(abs, -1)
        eventually(running.running)
        waiting = [pool.submit(abs, -2), pool.submit(abs, -3)]
        assert waiting[0].cancel()
    assert all(future.cancelled() for future in waiting)
    with pytest.raises(CancelledError):
        running.result()


def test_a_pool_that_is_shut_down_ends_its_work_first() -> None:
    with WorkerPool(lambda: ScriptedWorker(Counter(), []), 2, retries=0) as pool:
        futures = [pool.submit(abs, -number) for number in range(5)]
        pool.shutdown()
        assert [0, 1, 2, 3, 4] == [future.result(timeout=0) for future in futures]
        with pytest.raises(RuntimeError, match="submit within the with block"):
            pool.submit(abs, -1)


def test_what_work_raises_carries_the_workers_traceback() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        unpack(perform(pack(divmod, 1, 0)))
    assert "In a worker:\nTraceback" in caught.value.__notes__[0]


def test_one_thread_is_left_behind_as_it_was_found() -> None:
    import torch

    before = torch.get_num_threads()
    with one_thread():
        assert 1 == torch.get_num_threads()
    assert before == torch.get_num_threads()
