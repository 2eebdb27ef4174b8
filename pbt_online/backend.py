"""Where members train: in this process, in worker processes, or on a Ray cluster; the population submits work to it.

Which one, and how many workers, changes no result: functions are pure, and every process computes on one thread.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

from backtest.spare_workers import SpareWorkers
from backtest.worker_pool import Worker, WorkerPool
from backtest.worker_process import WorkerProcess, one_thread, pack
from data.errors import ConfigurationError
from pbt_online.settings import BackendSettings

A = TypeVar("A")
C = TypeVar("C")
P = ParamSpec("P")
R = TypeVar("R")


class Backend(Protocol):
    """Takes work and gives futures that `concurrent.futures.as_completed` and `wait` understand."""

    def submit(self, function: Callable[[A], R], argument: A, /) -> Future[R]:
        """Have `function(argument)` done.

        The function must be pure and importable by name, argument and result picklable. The future raises what the
        function raised, or `WorkerLost` when the work was lost with its worker more than `retries` times.
        """


@contextmanager
def open_backend(
    settings: BackendSettings, initializer: Callable[[C], None], shared: C, spares: SpareWorkers | None = None
) -> Iterator[Backend]:
    """A backend whose workers have each called `initializer(shared)` once; `shared` travels once to each. Worker
    processes are taken from `spares`, and kept there for the next backend.

    Leaving the block, also by Ctrl-C, cancels work that has not begun and kills what has, and no worker is left behind.
    ConfigurationError if Ray is asked for and not installed or not reached.
    """
    if settings.kind == "process":
        with one_thread(), _InProcess() as executor:
            initializer(shared)
            yield executor
        return
    initial = pack(initializer, shared)
    with (
        _ray(settings, initial) if settings.kind == "ray" else _processes(initial, spares) as (start, processors),
        WorkerPool(
            start, settings.workers or processors, retries=settings.retries, timeout_s=settings.timeout_s
        ) as pool,
    ):
        yield pool


def room(settings: BackendSettings) -> int:
    """How many workers the backend has processors for. ConfigurationError as `open_backend`."""
    if settings.kind == "process":
        return 1
    with _ray(settings, b"") if settings.kind == "ray" else _processes(b"", None) as (_, processors):
        return processors


Places = tuple[Callable[[], Worker], int]
"""How to start a worker, and how many there is room for."""


@contextmanager
def _processes(initial: bytes, spares: SpareWorkers | None) -> Iterator[Places]:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield partial(WorkerProcess if spares is None else spares.start, initial), allowed


@contextmanager
def _ray(settings: BackendSettings, initial: bytes) -> Iterator[Places]:
    try:
        from pbt_online import ray_worker
    except ModuleNotFoundError as missing:
        if missing.name != "ray":
            raise
        raise ConfigurationError("Ray is not installed: pip install 'funding-bot[ray]'") from missing
    with ray_worker.connected(settings.address) as processors:
        yield partial(ray_worker.RayWorker, ray_worker.stored(initial)), max(processors, 1)


class _InProcess(Executor):
    """Work is done where it is submitted, and its future is done when `submit` returns."""

    def __init__(self) -> None:
        self._closed = False

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        if self._closed:
            raise RuntimeError("the backend was closed: submit within the with block")
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        self._closed = True
