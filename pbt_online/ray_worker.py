"""Workers on a Ray cluster, an actor each, for when one machine is outgrown. Used by `backend`; imports Ray.

Ray places actors and tells of their death; what is done then is `backtest.worker_pool`'s decision, as with processes.
"""

import logging
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError

from backtest.worker_process import THREAD_LIMITS, Lost, perform
from data.errors import ConfigurationError

LOG = logging.getLogger(__name__)
KNOCK_S = 10
PATIENCE_S = 60
"""A worker that the cluster has not placed after so long is waited for aloud."""


@contextmanager
def connected(address: str | None) -> Iterator[int]:
    """Connect to the cluster at `address`, or start one on this machine; gives its number of processors.

    A connection that exists already is used and left as it is. ConfigurationError if the cluster cannot be reached.
    """
    if ray.is_initialized():
        yield _processors()
        return
    if address and "://" not in address and ":" in address:
        _knock(address)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing is reported to anyone
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        local = {"address": "local", "include_dashboard": False, "_temp_dir": folder}
        try:
            ray.init(**({"address": address} if address else local), log_to_driver=False, logging_level=logging.WARNING)
        except (ConnectionError, RuntimeError, ValueError) as why:
            raise ConfigurationError(
                f"no Ray cluster at {address or 'this machine'} ({why}): look at backend.address"
            ) from why
        try:
            yield _processors()
        finally:
            ray.shutdown()


class RayWorker:
    """An actor with one processor, somewhere on the cluster; `worker_pool.Worker` says what it does.

    `initial` refers to packed work in Ray's object store (`stored`).
    """

    def __init__(self, initial: Any) -> None:
        self._initial = initial
        options = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0, "runtime_env": {"env_vars": THREAD_LIMITS}}
        self._actor = ray.remote(_Performer).options(**options).remote()

    def __str__(self) -> str:
        return str(self._actor)

    def begin(self) -> bytes:
        """Wait until the cluster has a processor to spare, however long, and do the initial work."""
        try:
            outcome = self._actor.perform.remote(self._initial)
            while not ray.wait([outcome], timeout=PATIENCE_S)[0]:
                LOG.warning("A worker waits for the Ray cluster to have a free processor.")
            return ray.get(outcome)
        except RayError as why:
            raise Lost(_first_line(why)) from why

    def run(self, packed: bytes, timeout_s: float | None) -> bytes:
        """The outcome of the work; Lost if the actor or its machine dies, or does not answer in time."""
        try:
            return ray.get(self._actor.perform.remote(packed), timeout=timeout_s)
        except GetTimeoutError:
            raise Lost(f"no answer within {timeout_s:g} s") from None
        except RayError as why:
            raise Lost(_first_line(why)) from why

    def kill(self) -> None:
        """End it at once."""
        ray.kill(self._actor)

    def close(self) -> None:
        """End it; Ray cleans up."""
        self.kill()


def _knock(address: str) -> None:
    """Ray itself tries for minutes before it says that nobody answers."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), KNOCK_S).close()
    except (OSError, ValueError) as why:
        raise ConfigurationError(f"no Ray cluster at {address} ({why}): look at backend.address") from why


def stored(packed: bytes) -> Any:
    """A reference to packed work that every machine of the cluster fetches once."""
    return ray.put(packed)


class _Performer:
    """What lives in the actor's process. Bytes travel, not objects: Ray's own arrays would be read-only."""

    def perform(self, packed: bytes) -> bytes:
        return perform(packed)


def _processors() -> int:
    return int(ray.cluster_resources().get("CPU", 0))


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
