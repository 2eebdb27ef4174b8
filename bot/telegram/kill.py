"""`/kill`: the kill switch as a process of its own, as `bot kill` is, and what became of it. Used by `service`.

The process is started beforehand and waits, so that nothing has to be loaded, and no disk read, when it is needed.
"""

import asyncio
import json
import logging
import subprocess
import sys
from contextlib import suppress
from html import escape
from threading import Thread
from typing import Any

from bot.alerts import TELEGRAM
from bot.settings import Settings

LOG = logging.getLogger(TELEGRAM)

COMMAND = (sys.executable, "-P", "-m", "bot.cli.standby")
LAST_WORDS = 600


class KillSwitch:
    """One standby at a time. Once it is pulled it goes on whatever becomes of this process: it belongs to a session of
    its own, no event loop knows it, and what it has to know it was told."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._standby: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Have a process wait, if none does."""
        if self._standby is not None and self._standby.poll() is None:
            return
        try:
            self._standby = _started()
        except OSError as error:
            LOG.warning("no kill switch can be held ready (%s): it is started when it is needed", error)

    async def pull(self, who: str) -> str:
        """Run it to its end; what became of it, as HTML."""
        self.prepare()
        process, self._standby = self._standby, None
        if process is None:
            return "🔴 <b>the kill switch could not be started</b>: run <code>bot kill</code> on the machine"
        told = self._settings.telegram
        order = {
            "settings": self._settings.model_dump(mode="json"), "reason": f"/kill of {who} by Telegram",
            "grace_s": told.kill_grace_s, "deadline_s": told.kill_deadline_s,
        }  # fmt: skip
        return outcome(*await _ended(process, json.dumps(order).encode()))

    def close(self) -> None:
        """End the one that waits; not one that was pulled."""
        if self._standby is not None:
            self._standby.kill()
            self._standby.communicate()
            self._standby = None


def _started() -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(COMMAND, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True)


async def _ended(process: subprocess.Popen[bytes], told: bytes) -> tuple[bytes, bytes]:
    """What the process said, once it has ended. Its thread keeps nobody from ending before it."""
    loop = asyncio.get_running_loop()
    said: asyncio.Future[tuple[bytes, bytes]] = loop.create_future()

    def wait() -> None:
        words = process.communicate(told)
        with suppress(RuntimeError):  # nobody listens any more
            loop.call_soon_threadsafe(lambda: None if said.done() else said.set_result(words))

    Thread(target=wait, name="kill", daemon=True).start()
    return await said


def outcome(out: bytes, err: bytes) -> str:
    """What `bot kill --json` printed, as HTML."""
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        words = err.decode(errors="replace").strip()[-LAST_WORDS:]
        return f"🔴 <b>the kill switch failed: look at the venues, then /kill again</b>\n<pre>{escape(words)}</pre>"
    if told["complete"]:
        head = "🟢 <b>killed: everything is flat</b>"
    else:
        head = "🔴 <b>not everything is flat and stopped: look at the venues, then /kill again</b>"
    lines = [head, *(f"⚠️ {escape(trouble)}" for trouble in told["troubles"])]
    if "venues" in told:
        lines += [escape(told["bot"]), *map(_venue, told["venues"])]
    else:
        lines.append(_on_paper(told["positions"]))
    return "\n".join([*lines, "nothing is entered until <code>/resume yes</code>"])


def _on_paper(left: int) -> str:
    return f"{left} positions on paper are closed at the trader's next hour" if left else "no position on paper is open"


def _venue(one: dict[str, Any]) -> str:
    mark, word = ("🟢", "flat") if one["flat"] else ("🔴", "NOT PROVEN flat")
    text = f"{mark} {escape(one['venue'])}: {word}, {one['seconds']:.1f} s"
    for what in ("closed", "left"):
        text += "".join(f"\n    {what} {escape(symbol)} {quantity:+g}" for symbol, quantity in one[what].items())
    return text + (f"\n    {escape(one['trouble'])}" if one["trouble"] else "")
