"""`bot pause` and `bot resume`: hold entries back, and let them go on. A running bot sees it at its next entry."""

import sys
from dataclasses import asdict

import typer
from rich.markup import escape

from bot.cli.tables import print_json, show
from bot.instance import LOCK, is_running
from bot.latch import Latch, latch_line, lift, strict
from bot.opened_ledger import ledger_path
from bot.run_folder import latch_file, latches
from bot.settings import Settings
from data.errors import ConfigurationError


def pause_entries(settings: Settings, reason: str, *, as_json: bool) -> None:
    """Pause, unless something stricter or the same holds already."""
    file = latch_file(settings)
    changed = file.pause(reason)
    _told(settings, file.read(), "entries are held back from now on" if changed else "nothing was changed", as_json)


def resume_entries(settings: Settings, *, yes: bool, as_json: bool) -> None:
    """Lift what holds, after saying what that is; raises ConfigurationError where a kill is not confirmed."""
    held = latches(settings).held()
    if grave := strict(held):
        _confirm(f"this lifts what stops the bot: {'; '.join(map(latch_line, grave))}", yes)
    before = lift(held)
    _told(settings, latches(settings).read(), f"before: {before}", as_json)


def _confirm(what: str, yes: bool) -> None:
    if yes:
        typer.secho(what, err=True, fg=typer.colors.YELLOW)
    elif not sys.stdin.isatty():
        raise ConfigurationError(f"{what}; add --yes once the cause is known and positions are as they should be")
    elif not typer.confirm(f"{what}; lift it?", err=True):
        raise ConfigurationError(f"{what}; nothing was changed")


def _told(settings: Settings, latch: Latch, what: str, as_json: bool) -> None:
    running = settings.var.is_dir() and is_running(settings.var)
    if as_json:
        print_json({"latch": asdict(latch), "var": str(settings.var), "running": running})
        return
    where = "a bot runs there now" if running else "no bot runs there now"
    # whoever ran there left its lock; a ledger that was restored has none, and one in PostgreSQL is no file
    if not any(path.exists() for path in (settings.var / LOCK, ledger_path(settings))):
        where = "no bot has ever run there: is --var right?"
    show(escape(what), f"[bold]{escape(latch_line(latch))}[/bold]", escape(f"{settings.var}: {where}"))
