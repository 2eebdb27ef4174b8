"""Ends the bot that holds a folder, whatever state it is in: used by the kill switch."""

import os
import signal
import time
from pathlib import Path

from bot.instance import holder
from data.errors import StateError

LOOK_S = 0.05


def stop_bot(var: Path, grace_s: float) -> str:
    """Ask the process that holds `var` to end, and end it by force after `grace_s`; says in words what was done.

    Raises StateError where it cannot be ended: a process of another user, or one that left no number.
    """
    pid = holder(var)
    if pid is None:
        return "no bot was running"
    for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, max(grace_s, 5.0))):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return f"the bot (process {pid}) had just ended"
        except PermissionError as error:
            raise StateError(f"the bot (process {pid}) is another user's: end it as that user or as root") from error
        if _released(var, patience_s):
            return f"the bot (process {pid}) was ended by {number.name}"
    raise StateError(f"the bot (process {pid}) does not end, not even by force: restart the machine")


def _released(var: Path, patience_s: float) -> bool:
    """Whether nobody holds the folder any more, by the end of `patience_s`."""
    until = time.monotonic() + patience_s
    while holder(var) is not None:
        if time.monotonic() > until:
            return False
        time.sleep(LOOK_S)
    return True
