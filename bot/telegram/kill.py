"""`/kill`: starts the kill switch as a process of its own, as `bot kill` is, and says what became of it."""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from html import escape
from threading import Thread
from typing import Any

from bot.settings import Settings

START = "from bot.cli.main import main; main()"
LAST_WORDS = 600


async def pull(settings: Settings, who: str) -> str:
    """Run the kill switch to its end; what became of it, as HTML.

    It is handed the settings by its standard input, so a full disk stops nothing. It belongs to a session of its own
    and no event loop knows it, so it goes on whatever becomes of this process.
    """
    told = settings.telegram
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", START, "kill", "--config", "/dev/stdin", "--json"]
            + ["--reason", f"/kill of {who} by Telegram"]
            + ["--grace", str(told.kill_grace_s), "--deadline", str(told.kill_deadline_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return f"🔴 <b>the kill switch could not be started</b> ({escape(str(error))}): run <code>bot kill</code>"
    return outcome(*await _ended(process, settings.model_dump_json().encode()))


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
