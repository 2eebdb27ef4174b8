"""Worker processes that outlive a pool: the next one begins on them instead of starting its own. For walks, in which
a population learns every few days of market time, and each of its pools would load the same libraries again.

Work is pure, so who did what before changes no result, as within one pool. A process ends after some pools, so that
nothing can pile up in it.
"""

import threading
from types import TracebackType
from typing import Self

from backtest.worker_process import Lost, WorkerProcess

POOLS = 8
"""How many pools a process works for."""


class SpareWorkers:
    """Processes between two pools. May be used by any thread; leaving the `with` block ends them."""

    def __init__(self, pools: int = POOLS) -> None:
        self._pools = pools
        self._lock = threading.Lock()
        self._idle: list[tuple[WorkerProcess, int]] = []
        self._ended = False

    def start(self, initial: bytes) -> "LentWorker":
        """A worker that does `initial` before anything else, on a process that idles or on a new one; Lost if the
        system has no room for it."""
        process, worked_for = self._taken() or (WorkerProcess(b""), 0)
        return LentWorker(self, process, initial, worked_for + 1)

    def give_back(self, process: WorkerProcess, worked_for: int) -> None:
        """Keep a process that has nothing to do, or end it if it has worked for enough pools."""
        with self._lock:
            kept = worked_for < self._pools and not self._ended
            if kept:
                self._idle.append((process, worked_for))
        if not kept:
            process.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        with self._lock:
            self._ended = True
        while (spare := self._taken()) is not None:
            spare[0].close()

    def _taken(self) -> tuple[WorkerProcess, int] | None:
        with self._lock:
            return self._idle.pop() if self._idle else None


class LentWorker:
    """A process while it works for one pool (`worker_pool.Worker`): killed only at work, and else given back."""

    def __init__(self, spares: SpareWorkers, process: WorkerProcess, initial: bytes, worked_for: int) -> None:
        self._spares, self._process = spares, process
        self._initial, self._worked_for = initial, worked_for
        self._lock = threading.Lock()
        self._working = self._ended = self._unfit = False

    def __str__(self) -> str:
        return str(self._process)

    def begin(self) -> bytes | bytearray:
        """Do the initial work, on another process if this one died while it idled."""
        try:
            return self.run(self._initial, None)
        except Lost:
            if self._worked_for == 1 or self._ended:
                raise
        self._process.close()
        with self._lock:
            self._process, self._worked_for, self._unfit = WorkerProcess(b""), 1, False
        return self.run(self._initial, None)

    def run(self, packed: bytes, timeout_s: float | None) -> bytes | bytearray:
        """The outcome of the work; Lost if the process dies, does not answer in time, or is no longer the pool's."""
        with self._lock:
            if self._ended:
                raise Lost("its pool has ended")
            self._working = True
        try:
            outcome = self._process.run(packed, timeout_s)
        except BaseException:
            self._unfit = True
            raise
        with self._lock:
            self._working = False
        return outcome

    def kill(self) -> None:
        """End it at once if it works; it works for this pool no more."""
        with self._lock:
            self._ended = True
            if self._working:
                self._unfit = True
                self._process.kill()

    def close(self) -> None:
        """Give the process back, or leave nothing behind of one that was lost or killed."""
        if self._unfit:
            self._process.close()
        else:
            self._spares.give_back(self._process, self._worked_for)
