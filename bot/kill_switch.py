"""The kill switch as a process of its own, as `bot kill` is: for who serves people apart from the trader.

Used by Telegram and the web page. The process is started beforehand and waits, so that nothing has to be loaded, and no
disk read, when it is needed.
"""

import asyncio
import json
import logging
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread

from bot.settings import Settings

COMMAND = (sys.executable, "-P", "-m", "bot.cli.standby")


@dataclass(frozen=True)
class Said:
    """What the process wrote: `bot kill --json` on stdout, what failed on stderr."""

    out: bytes
    err: bytes


class KillSwitch:
    """One standby at a time. Once it is pulled it goes on whatever becomes of this process: it belongs to a session of
    its own, no event loop knows it, and what it has to know it was told."""

    def __init__(self, settings: Settings, log: logging.Logger) -> None:
        """`log` is told where none can be held ready."""
        self._settings = settings
        self._log = log
        self._standby: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Have a process wait, if none does."""
        if self._standby is not None and self._standby.poll() is None:
            return
        try:
            self._standby = _started()
        except OSError as error:
            self._log.warning("no kill switch can be held ready (%s): it is started when it is needed", error)

    async def pull(self, reason: str, *, grace_s: float, deadline_s: float) -> Said | None:
        """Run it to its end; what it said, None where it could not even be started."""
        self.prepare()
        process, self._standby = self._standby, None
        if process is None:
            return None
        order = {
            "settings": self._settings.model_dump(mode="json"), "reason": reason, "grace_s": grace_s,
            "deadline_s": deadline_s,
        }  # fmt: skip
        return await _ended(process, json.dumps(order).encode())

    def close(self) -> None:
        """End the one that waits; not one that was pulled."""
        if self._standby is not None:
            self._standby.kill()
            self._standby.communicate()
            self._standby = None


def _started() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)


async def _ended(process: subprocess.Popen[bytes], told: bytes) -> Said:
    """What the process said, once it has ended. Its thread keeps nobody from ending before it."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[Said] = loop.create_future()

    def wait() -> None:
        words = Said(*process.communicate(told))
        with suppress(RuntimeError):  # nobody listens any more
            loop.call_soon_threadsafe(lambda: None if said.done() else said.set_result(words))

    Thread(target=wait, name="kill", daemon=True).start()
    return await said
