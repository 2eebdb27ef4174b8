"""One process that works for another: spawned with one numerical thread, out of the way, and gone when its parent is.

Sweeps and learning give it to `worker_pool`; `pack`, `perform` and `unpack` are also how work travels to other
machines, and `one_thread` makes this process compute as a worker does.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from threadpoolctl import threadpool_limits

THREAD_LIMITS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Environment under which numerical libraries use one thread; they read it when they are imported."""
NICENESS = 10
"""Workers give way to whoever trades on the same machine."""


class Lost(Exception):
    """The worker died, or was killed, with its work; the message says how."""


def pack(function: Callable[..., Any], *arguments: Any, **named: Any) -> bytes:
    """Work as bytes; whatever pickle raises if it cannot."""
    return pickle.dumps((function, arguments, named), pickle.HIGHEST_PROTOCOL)


def perform(packed: bytes) -> bytes:
    """Do the work; the bytes hold its result, or what it raised with the worker's traceback as a note."""
    try:
        function, arguments, named = pickle.loads(packed)
        return pickle.dumps((function(*arguments, **named), None), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)))
        return _packed_error(error)


def unpack(outcome: bytes) -> Any:
    """What `perform` gave: returns the result or raises the error."""
    result, error = pickle.loads(outcome)
    if error is not None:
        raise error
    return result


def _packed_error(error: BaseException) -> bytes:
    """Errors that do not survive pickling travel as their text."""
    try:
        packed = pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)
        pickle.loads(packed)
    except Exception:
        return pickle.dumps((None, RuntimeError("".join(traceback.format_exception(error)))))
    return packed


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute here on one thread, as every worker does.

    Results depend on it: OpenBLAS rounds the products of a few hundred rows differently on two threads. Libraries that
    are imported only later keep to one thread.
    """
    torch = sys.modules.get("torch")  # which this package does not import
    threads = torch.get_num_threads() if torch else 1
    try:
        with _one_thread_when_imported(), threadpool_limits(1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)


@contextmanager
def _one_thread_when_imported() -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(THREAD_LIMITS)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class WorkerProcess:
    """A spawned process that does one piece of work after the other.

    `initial` is work that it does before any other (`begin`). `kill` may be called by any thread at any time; all else
    belongs to one thread.
    """

    def __init__(self, initial: bytes) -> None:
        """Start it; Lost if the system has no room for it."""
        self._initial = initial
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _one_thread_when_imported(), theirs:
            try:
                self._process.start()
            except OSError as why:
                raise Lost(f"it did not start: {why}") from why

    def __str__(self) -> str:
        return f"process {self._process.pid}"

    def begin(self) -> bytes:
        """Do the initial work."""
        return self.run(self._initial, None)

    def run(self, packed: bytes, timeout_s: float | None) -> bytes:
        """The outcome of the work; Lost if the process dies, or does not answer in time."""
        try:
            self._connection.send_bytes(packed)
            if not wait([self._connection], timeout_s):
                raise Lost(f"no answer within {timeout_s:g} s")
            return self._connection.recv_bytes()
        except (EOFError, OSError):
            self._process.join()
            raise Lost(f"it died, exit code {self._process.exitcode}") from None

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def close(self) -> None:
        """End it and leave nothing behind."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            packed = connection.recv_bytes()
        except EOFError:
            return
        connection.send_bytes(perform(packed))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
