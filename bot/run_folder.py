"""The folder of everything written at run time: what lies where, and which process holds it."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.identity import market_name
from bot.latch import LatchFile
from bot.settings import Settings
from data.errors import StateError
from pbt_online.registry import Registry

LOCK_ATTEMPTS = 10


def ledger_path(settings: Settings) -> Path:
    """Where the ledger is."""
    return settings.var / "ledger.sqlite"


def latch_file(settings: Settings) -> LatchFile:
    """What pauses and kills every bot on this folder."""
    return LatchFile(settings.var / "kill.json")


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
    with (var / "bot.lock").open("a") as lock:
        for attempt in range(LOCK_ATTEMPTS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if attempt == LOCK_ATTEMPTS - 1:
                    message = f"another bot is running on {var}: stop it first, or choose another --var"
                    raise StateError(message) from None
                time.sleep(0.05)  # somebody may just be asking whether a bot runs
        yield


def is_running(var: Path) -> bool:
    """Whether a bot holds `var` now."""
    with (var / "bot.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        return False
