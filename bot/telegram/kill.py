"""`/kill`: the kill switch, and what became of it, in words for a chat. Used by `service`."""

import json
import logging
from html import escape
from typing import Any

from bot.alerts import TELEGRAM
from bot.kill_switch import KillSwitch
from bot.settings import Settings

LOG = logging.getLogger(TELEGRAM)
LAST_WORDS = 600


class Kill:
    """The kill switch of these settings, held ready."""

    def __init__(self, settings: Settings) -> None:
        self._told = settings.telegram
        self._switch = KillSwitch(settings, LOG)

    def prepare(self) -> None:
        """Have a process wait, if none does."""
        self._switch.prepare()

    async def pull(self, who: str) -> tuple[str, bool]:
        """Run it to its end; what became of it, as HTML, and whether it could say so."""
        said = await self._switch.pull(
            f"/kill of {who} by Telegram", grace_s=self._told.kill_grace_s, deadline_s=self._told.kill_deadline_s
        )
        if said is None:
            return "🔴 <b>the kill switch could not be started</b>: run <code>bot kill</code> on the machine", False
        return outcome(said.out, said.err), bool(said.out)

    def close(self) -> None:
        """End the one that waits; not one that was pulled."""
        self._switch.close()


def outcome(out: bytes, err: bytes) -> str:
    """What `bot kill --json` printed, as HTML."""
    try:
        told: dict[str, Any] = json.loads(out)
    except ValueError:
        words = err.decode(errors="replace").strip()[-LAST_WORDS:]
        return f"🔴 <b>the kill switch failed: look at the venues, then /kill again</b>\n<pre>{escape(words)}</pre>"
    if told["complete"]:
        head = "🟢 <b>killed: everything is flat</b>"
    elif told.get("latched") and not told["troubles"]:
        head = "🟡 <b>killed; open on paper</b>"
    else:
        head = "🔴 <b>not everything is flat and stopped: look at the venues, then /kill again</b>"
    lines = [head, *(f"⚠️ {escape(trouble)}" for trouble in told["troubles"])]
    if "venues" in told:
        lines += [escape(told["bot"]), *map(_venue, told["venues"])]
    else:
        lines.append(escape(told["text"]))
    return "\n".join([*lines, "nothing is entered until <code>/resume yes</code>"])


def _venue(one: dict[str, Any]) -> str:
    mark, word = ("🟢", "flat") if one["flat"] else ("🔴", "NOT PROVEN flat")
    text = f"{mark} {escape(one['venue'])}: {word}, {one['seconds']:.1f} s"
    for what in ("closed", "left"):
        text += "".join(f"\n    {what} {escape(symbol)} {quantity:+g}" for symbol, quantity in one[what].items())
    return text + (f"\n    {escape(one['trouble'])}" if one["trouble"] else "")
