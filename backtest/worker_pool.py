"""An executor whose work outlives its workers: what is lost with one is given to another. For sweeps and learning.

Each worker has a thread here, its lane, which starts the worker, then takes work for it, and so knows what it lost.
"""

import logging
import signal
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Executor, Future
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from backtest.worker_process import Lost, pack, unpack
from data.errors import WorkerLost

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class Worker(Protocol):
    """Something that does one piece of work after the other, elsewhere; `worker_process.WorkerProcess` is one.

    `kill` may be called by any thread at any time, and makes a `run` or `begin` under way raise Lost; all else belongs
    to one thread.
    """

    def begin(self) -> bytes | bytearray:
        """Wait until it runs and has done its initial work, whose outcome this gives; Lost if it dies."""

    def run(self, packed: bytes, timeout_s: float | None) -> bytes | bytearray:
        """The outcome (`worker_process.perform`) of packed work; Lost if it dies or does not answer in time."""

    def kill(self) -> None:
        """End it at once."""

    def close(self) -> None:
        """End it and leave nothing behind."""


@dataclass(eq=False)
class _Work:
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    named: dict[str, Any]
    future: Future[Any] = field(default_factory=Future)
    losses: int = 0

    def __str__(self) -> str:
        name = getattr(self.function, "__qualname__", str(self.function))
        return f"{name}({', '.join(str(argument)[:80] for argument in self.arguments)})"

    def begins(self) -> bool:
        """Whether it is to be done: not if it was cancelled meanwhile."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def abandon(self) -> None:
        if not self.future.cancel():
            self.future.set_exception(CancelledError("the workers were stopped before this was done"))


class WorkerPool(Executor):
    """At most `size` workers, each started when there is work for it.

    Functions must be pure and, like arguments and results, picklable: work is repeated when its worker is lost, at most
    `retries` times, after which its future raises `WorkerLost`. Work that takes longer than `timeout_s` is lost and its
    worker killed; starting a worker has no limit. What a function raises is passed on and not repeated. `submit` may be
    called by any thread. Leaving the `with` block cancels what has not begun and kills what has.
    """

    def __init__(self, start: Callable[[], Worker], size: int, *, retries: int, timeout_s: float | None = None) -> None:
        self._start, self._size = start, size
        self._retries, self._timeout_s = retries, timeout_s
        self._changed = threading.Condition()
        self._waiting: deque[_Work] = deque()
        self._lanes: list[threading.Thread] = []
        self._workers: set[Worker] = set()
        self._idle = 0
        self._closed = self._killed = False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Have the work done; RuntimeError after the end."""
        work = _Work(fn, args, kwargs)
        with self._changed:
            if self._closed:
                raise RuntimeError("the workers were stopped: submit within the with block")
            self._waiting.append(work)
            if len(self._waiting) > self._idle and len(self._lanes) < self._size:
                self._open_lane()
            self._changed.notify()
        return work.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more work; workers end when there is none left."""
        with self._changed:
            self._closed = True
            if cancel_futures:
                self._abandon_waiting()
            self._changed.notify_all()
            lanes = list(self._lanes)
        if wait:
            for lane in lanes:
                lane.join()

    def kill(self) -> None:
        """Cancel what has not begun, kill what has, and wait until every worker is gone."""
        with self._changed:
            self._closed = self._killed = True
            self._abandon_waiting()
            for worker in self._workers:
                worker.kill()
        self.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.kill()

    def _abandon_waiting(self) -> None:
        while self._waiting:
            self._waiting.popleft().abandon()

    def _lane(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited by workers, from their first instant
        worker: Worker | None = None
        while self._work_waits() and (worker := worker or self._hired()):
            work = self._taken()
            if work and not self._done(work, worker):
                worker = None
        if worker:
            self._dismiss(worker)
        with self._changed:
            self._lanes.remove(threading.current_thread())
            if self._waiting and not self._lanes:  # submitted while this, the last lane, was ending
                self._open_lane()

    def _open_lane(self) -> None:
        name = f"worker {len(self._lanes) + 1}"
        self._lanes.append(threading.Thread(target=self._lane, name=name, daemon=True))
        self._lanes[-1].start()

    def _work_waits(self) -> bool:
        """Wait until there is work; False when there will be none."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._idle -= 1
            return bool(self._waiting)

    def _taken(self) -> _Work | None:
        """The next work; None if another lane was quicker while this one started its worker."""
        with self._changed:
            while self._waiting:
                work = self._waiting.popleft()
                if work.begins():
                    return work
        return None

    def _hired(self) -> Worker | None:
        """A worker that has begun; None if none can be had, after answering for the work that waits."""
        for _ in range(1 + self._retries):
            worker = None
            try:
                with self._changed:
                    if self._killed:
                        return None
                    worker = self._start()
                    self._workers.add(worker)
                unpack(worker.begin())
                return worker
            except BaseException as error:
                why = error
            if worker:
                self._dismiss(worker)
            if not isinstance(why, Lost):
                break
        self._give_up(why)
        return None

    def _give_up(self, why: BaseException) -> None:
        """Fail the work that waits, unless workers were merely lost as they started, and others are left to do it."""
        with self._changed:
            if self._killed or (isinstance(why, Lost) and self._workers):
                return
            failed = list(self._waiting)
            self._waiting.clear()
        for work in failed:
            if work.begins():
                lost = WorkerLost(f"{work} has no worker: each was lost as it started ({why}); is memory short?")
                work.future.set_exception(lost if isinstance(why, Lost) else why)

    def _dismiss(self, worker: Worker) -> None:
        with self._changed:
            self._workers.discard(worker)
        worker.close()

    def _done(self, work: _Work, worker: Worker) -> bool:
        """Answer the work's future, or have it done again; whether the worker can go on."""
        try:
            outcome = worker.run(pack(work.function, *work.arguments, **work.named), self._timeout_s)
        except Lost as why:
            self._dismiss(worker)
            self._lost(work, f"{worker}: {why}")
            return False
        except Exception as error:  # it cannot be packed
            work.future.set_exception(error)
            return True
        try:
            result = unpack(outcome)
        except BaseException as error:
            work.future.set_exception(error)
        else:
            work.future.set_result(result)
        return True

    def _lost(self, work: _Work, why: str) -> None:
        work.losses += 1
        with self._changed:
            if self._killed:
                work.abandon()
                return
            if work.losses <= self._retries:
                self._waiting.appendleft(work)
                self._changed.notify()
                LOG.warning("%s was lost with its worker (%s) and is given to another.", work, why)
                return
        times = f"{work.losses} times" if work.losses > 1 else "once"
        work.future.set_exception(WorkerLost(f"{work} was lost with its worker {times} ({why}); is memory short?"))
