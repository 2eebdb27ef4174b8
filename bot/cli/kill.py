"""`bot kill`: latch, end the bot, close everything, and say what the venues show afterwards."""

import asyncio
import json
import time
from contextlib import AbstractAsyncContextManager, closing, suppress
from dataclasses import asdict
from importlib import import_module
from threading import Thread
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape

from bot.latch import LATCH, LatchFile
from bot.settings import Settings
from data.errors import ExitCode

if TYPE_CHECKING:
    from bot.killer import Killed, Killer

NOT_FLAT = ExitCode.VENUE
"""Exit code where positions or orders may be left."""
LOOK_S = 0.5


def kill_bot(settings: Settings, reason: str, *, deadline_s: float, grace_s: float, as_json: bool) -> None:
    """Everything that the kill switch does; ends with NOT_FLAT unless all of it came about."""
    from bot.killer import Killer

    killer = Killer(settings.var, LatchFile(settings.var / LATCH))
    if settings.profile != "live":
        _kill_paper(killer, settings, reason, deadline_s, as_json=as_json)
        return
    killer.latch(reason)
    # What speaks to venues takes seconds to load: meanwhile the bot has its grace.
    loading = Thread(target=import_module, args=("bot.access",), daemon=True)
    loading.start()
    bot = killer.stop(grace_s)
    loading.join()
    with suppress(OSError):  # a terminal that is gone, or who started this and is: closing goes on
        typer.secho(f"latched; {bot}; closing everything on {', '.join(settings.data.venues)}", err=True)
    killed = asyncio.run(_flatten(killer, settings, bot, deadline_s))
    _show(killed, as_json=as_json)
    if not killed.complete:
        raise typer.Exit(NOT_FLAT)


async def _flatten(killer: "Killer", settings: Settings, bot: str, deadline_s: float) -> "Killed":
    from bot.access import Access, open_access

    def opened(name: str) -> AbstractAsyncContextManager[Access]:
        return open_access(name, settings)

    return await killer.flatten(list(settings.data.venues), opened, bot, deadline_s)


def _show(killed: "Killed", *, as_json: bool) -> None:
    from bot.cli.safety_tables import killed_table

    if as_json:
        print(json.dumps(asdict(killed) | {"complete": killed.complete}, indent=2))
        return
    console = Console()
    console.print(killed_table(killed))
    for trouble in killed.troubles:
        console.print(f"[bold red]{escape(trouble)}[/bold red]", soft_wrap=True)
    if killed.complete:
        text = "[bold]flat, as every venue says[/bold]; nothing is traded until `bot resume`"
    else:
        text = "[bold red]not everything is flat and stopped:[/bold red] look at the venues, then `bot kill` again"
    console.print(text, soft_wrap=True)


def _kill_paper(killer: "Killer", settings: Settings, reason: str, deadline_s: float, *, as_json: bool) -> None:
    """On paper nothing lies at a venue: the latch has the trader close its positions at its next tick, and the next
    start where none runs. Waits for that as long as a bot runs."""
    from bot.cli.tables import print_json, show
    from bot.instance import is_running

    latched = killer.latch(reason)
    until = time.monotonic() + deadline_s
    while (left := _paper_positions(settings)) and is_running(settings.var) and time.monotonic() < until:
        time.sleep(LOOK_S)
    complete = latched and not left
    when = "at the bot's next hour" if is_running(settings.var) else "at the next start of the bot"
    rest = f"positions on paper that are closed {when}: {left}" if left else "no position on paper is open"
    if as_json:
        told = {"complete": complete, "latched": latched, "positions": left, "text": rest}
        print_json(told | {"troubles": list(killer.troubles)})
    else:
        show(f"{'latched' if latched else killer.troubles[-1]}; {rest}; nothing is entered until `bot resume`")
    if not complete:
        raise typer.Exit(NOT_FLAT)


def _paper_positions(settings: Settings) -> int:
    """How many positions the newest run holds, as its last hour left them; none where it is over."""
    from bot.opened_ledger import existing_ledger

    ledger = existing_ledger(settings)
    if ledger is None:
        return 0
    with closing(ledger):
        run = ledger.latest()
        saved = None if run is None or run.state != "running" else ledger.snapshot(run.id)
        return 0 if saved is None else int((saved[1].opened_at != 0).sum())
