"""One process that works for another: spawned with one numerical thread, out of the way, and gone when its parent is.

Sweeps and learning give it to `worker_pool`; `pack`, `perform` and `unpack` are also how work travels to other
machines, and `one_thread` makes this process compute as a worker does.
"""

import multiprocessing
import os
import pickle
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import wait
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


def perform(packed: bytes | bytearray) -> bytes:
    """Do the work; the bytes hold its result, or what it raised with the worker's traceback as a note."""
    try:
        function, arguments, named = pickle.loads(packed)
        return pickle.dumps((function(*arguments, **named), None), pickle.HIGHEST_PROTOCOL)
    except BaseException as error:
        error.add_note("In a worker:\n" + "".join(traceback.format_exception(error)))
        return _packed_error(error)


def unpack(outcome: bytes | bytearray) -> Any:
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
        self._socket, theirs = socket.socketpair()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        with _one_thread_when_imported(), theirs:
            try:
                self._process.start()
            except OSError as why:
                raise Lost(f"it did not start: {why}") from why

    def __str__(self) -> str:
        return f"process {self._process.pid}"

    def begin(self) -> bytes | bytearray:
        """Do the initial work."""
        return self.run(self._initial, None)

    def run(self, packed: bytes, timeout_s: float | None) -> bytes | bytearray:
        """The outcome of the work; Lost if the process dies, or does not answer in time."""
        try:
            _send(self._socket, packed)
            if not wait([self._socket], timeout_s):
                raise Lost(f"no answer within {timeout_s:g} s")
            return _receive(self._socket)
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
        self._socket.close()


def _serve(parent: socket.socket) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the parent decides
    os.nice(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            packed = _receive(parent)
        except EOFError:
            return
        _send(parent, perform(packed))


def _send(to: socket.socket, content: bytes) -> None:
    """Length, then content. multiprocessing's own connections take twice as long for megabytes."""
    to.sendall(len(content).to_bytes(8))
    to.sendall(content)


def _receive(sender: socket.socket) -> bytearray:
    """What was sent; EOFError where the other side is gone."""
    size = int.from_bytes(_exactly(sender, 8))
    return _exactly(sender, size)


def _exactly(sender: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    missing = memoryview(content)
    while missing:
        count = sender.recv_into(missing)
        if not count:
            raise EOFError
        missing = missing[count:]
    return content


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
