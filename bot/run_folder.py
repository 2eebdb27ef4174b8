"""The folder of everything written at run time: what lies where, and which process holds it."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.identity import market_name
from bot.settings import Settings
from data.errors import StateError
from pbt_online.registry import Registry

LOCK = "bot.lock"
LOCK_ATTEMPTS = 10


def ledger_path(settings: Settings) -> Path:
    """Where the ledger is."""
    return settings.var / "ledger.sqlite"


def registry_of(settings: Settings) -> Registry:
    """The policies of this market: what was learnt in one is never traded in another."""
    return Registry(settings.var / "registry" / market_name(settings))


def lake_place(settings: Settings) -> str:
    """Where this market's lake lies: a folder or a URL."""
    name = market_name(settings)
    return str(settings.var / "lake" / name) if not settings.data.lake else f"{settings.data.lake}/{name}"


@contextmanager
def single_instance(var: Path) -> Iterator[None]:
    """Hold `var` for this process alone; raises StateError while another bot holds it."""
    var.mkdir(parents=True, exist_ok=True)
    with (var / LOCK).open("a") as lock:
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
