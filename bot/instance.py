"""Which process holds the folder of everything written at run time: one bot at a time, and found by its number."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data.errors import StateError

LOCK, SERVICE_LOCK = "bot.lock", "service.lock"
"""Of who trades or collects, and of the supervisor that keeps them."""
LOCK_ATTEMPTS = 10


@contextmanager
def single_instance(var: Path, lock_name: str = LOCK) -> Iterator[None]:
    """Hold `var` for this process alone; raises StateError while another bot holds it."""
    var.mkdir(parents=True, exist_ok=True)
    with (var / lock_name).open("a") as lock:
        for attempt in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt == LOCK_ATTEMPTS - 1:
                    message = f"another bot is running on {var}: stop it first, or choose another --var"
                    raise StateError(message) from None
                time.sleep(0.05)  # somebody may just be asking whether a bot runs
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_running(var: Path) -> bool:
    """Whether a bot holds `var` now. Asks for no write, so that a disk that takes none can be asked about too."""
    if not (var / LOCK).exists():
        return False
    with (var / LOCK).open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False


def holder(var: Path) -> int | None:
    """The process that holds `var` now; None where none does. Raises StateError where it has not said who it is."""
    if not is_running(var):
        return None
    told = (var / LOCK).read_text()
    if not told.isdecimal():
        raise StateError(f"{var / LOCK} is held by a process that left no number there: end that bot by hand")
    return int(told)
