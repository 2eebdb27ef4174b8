"""What the processes that the bot starts have in common: they begin with a job on stdin, hide secrets in what they say,
end when their parent does, and end with an exit code that means something.
"""

import asyncio
import ctypes
import faulthandler
import gc
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any, NoReturn, cast

from bot.redaction import RedactedStream, redactor
from data.errors import FundingBotError, StateError

PARENT_GONE = 1
ASKED = 128 + signal.SIGTERM
"""Exit code of a process that did not reach its end because a signal asked it to stop."""
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


def begin() -> None:
    """The first thing that such a process does. SIGUSR1 has it write down where it stands, even if it hangs."""
    faulthandler.register(signal.SIGUSR1, file=sys.stderr)
    hide = redactor()
    sys.stdout, sys.stderr = (cast(Any, RedactedStream(stream, hide)) for stream in (sys.stdout, sys.stderr))


def read_job() -> dict[str, Any]:
    """What is to be done: the first line of stdin."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        job: dict[str, Any] = json.loads(stdin.readline())
    return job


def end_with_parent() -> None:
    """From now on this process ends when its parent does, whatever either is at."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    threading.Thread(target=_end_with_stdin, daemon=True).start()


def give_back_memory() -> None:
    """Have the C library return what it keeps free: among the small pieces that live for a day or a month it never
    would by itself. Nothing where it knows no such call (others than glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def end_on_signals(stop: asyncio.Event) -> None:
    """Have SIGINT and SIGTERM set `stop`; a second one ends the process where it is. Inside an event loop."""
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        stop.set()
        loop.remove_signal_handler(number)  # a second Ctrl-C does not wait for the hour to be done

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)


def exit_with(work: Callable[[], int]) -> NoReturn:
    """Work, and end with what it gives; an expected failure is one line on stderr and its exit code."""
    try:
        code = work()
    except FundingBotError as error:
        print(error, file=sys.stderr)
        code = error.exit_code
    except OSError as error:
        print(f"{error}: make room or mend the permissions", file=sys.stderr)
        code = StateError.exit_code
    raise SystemExit(code)


def _end_with_stdin() -> None:
    os.read(sys.stdin.fileno(), 1)  # returns when the pipe is closed; nothing more is ever written to it
    os._exit(PARENT_GONE)
