"""What can be changed from the page: pause, resume and kill, as the commands of these names do it. Used by `api`."""

import asyncio
import json
import logging
from contextlib import suppress
from typing import Any

from bot.alerts import LOG
from bot.kill_switch import KillSwitch, Said
from bot.latch import lift, strict
from bot.run_folder import latch_file, latches
from bot.settings import Settings
from bot.web.latch_view import latch_view
from bot.web.models import KillView, LatchView
from data.errors import StateError

LAST_WORDS = 600
LEAVE_S = 15.0
"""At the end a kill switch that is at work has so long to tell what became of it; it goes on by itself."""


class Controls:
    """One event loop. Files are written in threads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._switch = KillSwitch(settings, logging.getLogger(f"{LOG.name}.web"))
        self._kill: asyncio.Task[None] | None = None
        self.killed = KillView(state="idle")
        """What became of the kill switch."""

    def prepare(self) -> None:
        """Where orders are real the kill switch is held ready."""
        if self._settings.profile == "live":
            self._switch.prepare()

    def pause(self, reason: str) -> LatchView:
        """Hold entries back, on disk when it returns; what holds. Raises StateError where the disk refuses."""
        try:
            self._settings.var.mkdir(parents=True, exist_ok=True)
            latch_file(self._settings).pause(f"{reason} (from the web page)")
        except OSError as error:
            raise StateError(
                f"not paused, the latch cannot be written ({error}): the kill switch stops the bot"
            ) from error
        LOG.info("entries are paused from the web page: %s", reason)
        return latch_view(latches(self._settings).read())

    def resume(self, *, confirmed: bool) -> LatchView:
        """Let entries go on; what holds. Raises StateError where more than a pause holds and it was not
        `confirmed`, or the latch was set again meanwhile."""
        held = latches(self._settings).held()
        if strict(held) and not confirmed:
            raise StateError("more than a pause holds entries back: type resume to confirm that the cause is known")
        try:
            before = lift(held)
        except OSError as error:
            raise StateError(f"not lifted ({error}): mend the disk, then resume again") from error
        LOG.info("entries go on, from the web page; before: %s", before)
        return latch_view(latches(self._settings).read())

    def kill(self) -> KillView:
        """Pull the kill switch; what becomes of it is in `killed`."""
        if self._kill is None or self._kill.done():
            LOG.warning("the kill switch was pulled from the web page")
            self.killed = KillView(state="running", lines=("the kill switch is at work",))
            self._kill = asyncio.create_task(self._pull())
        return self.killed

    async def close(self) -> None:
        """Wait shortly for a kill switch that is at work; end the one that waits."""
        if self._kill is not None and not self._kill.done():
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._kill), LEAVE_S)
        self._switch.close()

    async def _pull(self) -> None:
        told = self._settings.web
        said = await self._switch.pull(
            "killed from the web page", grace_s=told.kill_grace_s, deadline_s=told.kill_deadline_s
        )
        self.killed = outcome(said)
        self.prepare()


def outcome(said: Said | None) -> KillView:
    """What `bot kill --json` printed, for people."""
    if said is None:
        return KillView(state="done", lines=("the kill switch could not be started: run `bot kill` on the machine",))
    try:
        told: dict[str, Any] = json.loads(said.out)
    except ValueError:
        words = said.err.decode(errors="replace").strip()[-LAST_WORDS:]
        return KillView(state="done", lines=("the kill switch failed: look at the venues, then kill again", words))
    head = "killed: everything is flat" if told["complete"] else "not everything is flat: look, then kill again"
    lines = [head, *told["troubles"]]
    if "venues" in told:
        lines += [told["bot"], *map(_venue, told["venues"])]
    else:
        lines.append(told["text"])
    return KillView(state="done", complete=told["complete"], lines=(*lines, "nothing is entered until resume"))


def _venue(one: dict[str, Any]) -> str:
    flat = "flat" if one["flat"] else "NOT PROVEN flat"
    closed = "".join(f"; {what} {s} {q:+g}" for what in ("closed", "left") for s, q in one[what].items())
    return f"{one['venue']}: {flat}, {one['seconds']:.1f} s{closed}" + (f"; {one['trouble']}" if one["trouble"] else "")
