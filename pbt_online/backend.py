"""Where members train: in this process, in worker processes, or on a Ray cluster; the population submits work to it.

Which one, and how many workers, changes no result: functions are pure, and every process computes on one thread.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from functools import partial
from typing import ParamSpec, Protocol, TypeVar

import torch

from backtest.worker_pool import WorkerPool
from backtest.worker_process import WorkerProcess, one_thread, pack
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
def open_backend(settings: BackendSettings, initializer: Callable[[C], None], shared: C) -> Iterator[Backend]:
    """A backend whose workers have each called `initializer(shared)` once; `shared` travels once to each.

    Leaving the block, also by Ctrl-C, cancels work that has not begun and kills what has, and no worker is left behind.
    ConfigurationError if Ray is asked for and not installed or not reached.
    """
    if settings.kind == "process":
        with _one_thread_here():
            initializer(shared)
            yield _InProcess()
    else:
        initial = pack(initializer, shared)
        size = settings.workers or _processors()
        start = partial(WorkerProcess, initial)
        with WorkerPool(start, size, retries=settings.retries, timeout_s=settings.timeout_s) as pool:
            yield pool


class _InProcess(Executor):
    """Work is done where it is submitted, and its future is done when `submit` returns."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _one_thread_here() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with one_thread():
            yield
    finally:
        torch.set_num_threads(before)


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
