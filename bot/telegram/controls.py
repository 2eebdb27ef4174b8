"""`/pause`, `/resume` and `/help`: what is answered without asking anybody else. Used by `service`."""

from html import escape

from bot.instance import is_running
from bot.latch import HALT, LATCH, Latches, LatchFile, latch_line, lift, strict
from bot.settings import Settings
from bot.telegram.commands import MEANINGS, Request
from data.errors import StateError


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
    """Let entries go on; what is more than a pause only after `yes`."""
    held = _latches(settings).held()
    if (grave := strict(held)) and request.words[:1] != ("yes",):
        lines = "\n".join(escape(latch_line(latch)) for latch in grave)
        return f"⛔️ {lines}\nonce the cause is known and positions are as they should be: <code>/resume yes</code>"
    try:
        before = lift(held)
    except (StateError, OSError) as error:
        return f"🔴 not lifted: {escape(str(error))}"
    return f"▶️ before: {escape(before)}\n{_holds(settings)}"


def helped() -> str:
    """What may be sent."""
    return "\n".join(f"/{command.value} - {escape(text)}" for command, text in MEANINGS.items())


def _holds(settings: Settings) -> str:
    running = settings.var.is_dir() and is_running(settings.var)
    return f"{escape(latch_line(_latches(settings).read()))}\n{'a trader runs' if running else 'no trader runs'}"


def _latches(settings: Settings) -> Latches:
    return Latches([LatchFile(settings.var / LATCH), LatchFile(settings.var / HALT)])
