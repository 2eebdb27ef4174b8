"""`/pause`, `/resume` and `/help`: what is answered without asking anybody else. Used by `service`."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from bot.instance import is_running
from bot.latch import HALT, LATCH, Latch, Latches, LatchFile, LatchState, latch_line, lift, strict
from bot.settings import Settings
from bot.telegram.commands import MEANINGS, Request
from data.errors import StateError

FRESH_S = 60.0
"""Telegram keeps what nobody hears for a day: a /resume that is older was meant for what held when it was sent."""


def pause(settings: Settings, request: Request) -> str:
    """Hold entries back, on disk before this is answered."""
    file = LatchFile(settings.var / LATCH)
    reason = f"{' '.join(request.words) or 'paused'} ({request.who} by Telegram)"
    try:
        settings.var.mkdir(parents=True, exist_ok=True)
        changed = file.pause(reason)
    except OSError as error:
        return f"🔴 <b>not paused</b>: the latch cannot be written ({escape(str(error))}); /kill stops the trader"
    what = "⏸ entries are held back from now on" if changed else "nothing was changed"
    return f"{what}\n{_holds(settings)}"


def resume(settings: Settings, request: Request) -> str:
    """Let entries go on; what is more than a pause only after `yes`, and nothing by what was sent before it came."""
    held = _latches(settings).held()
    if stale := _stale(request, [latch for _, latch in held]):
        return f"🔴 not lifted: {stale}; send it again if you mean what holds now\n{_holds(settings)}"
    if (grave := strict(held)) and request.words[:1] != ("yes",):
        lines = "\n".join(escape(latch_line(latch)) for latch in grave)
        return f"⛔️ {lines}\nonce the cause is known and positions are as they should be: <code>/resume yes</code>"
    try:
        before = lift(held)
    except (StateError, OSError) as error:
        return f"🔴 not lifted: {escape(str(error))}"
    return f"▶️ before: {escape(before)}\n{_holds(settings)}"


def sent_at(request: Request) -> str:
    """When a command was sent, for people."""
    return datetime.fromtimestamp(request.sent_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def helped() -> str:
    """What may be sent."""
    return "\n".join(f"/{command.value} - {escape(text)}" for command, text in MEANINGS.items())


def _holds(settings: Settings) -> str:
    running = settings.var.is_dir() and is_running(settings.var)
    return f"{escape(latch_line(_latches(settings).read()))}\n{'a trader runs' if running else 'no trader runs'}"


def _stale(request: Request, held: Sequence[Latch]) -> str:
    """Why a command may have been meant for something else than what holds; nothing where it was not."""
    now_s = time.time()
    if abs(now_s - request.sent_s) > FRESH_S:
        here = datetime.fromtimestamp(now_s, UTC).strftime("%H:%M:%S UTC")
        return f"/{request.command} was sent at {sent_at(request)}, and here it is {here}"
    if any(_since_s(latch) > request.sent_s for latch in held):
        return f"/{request.command} was sent at {sent_at(request)}, before that or in the same second"
    return ""


def _since_s(latch: Latch) -> float:
    """Since when it holds; 0 where nothing does, or nobody knows."""
    try:
        return 0.0 if latch.state is LatchState.NONE else datetime.fromisoformat(latch.since).timestamp()
    except ValueError:
        return 0.0


def _latches(settings: Settings) -> Latches:
    return Latches([LatchFile(settings.var / LATCH), LatchFile(settings.var / HALT)])
