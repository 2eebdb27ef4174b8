"""`bot doctor`: a table of everything looked at, and an exit code that means something."""

import asyncio
import shlex
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path

import typer
from rich.markup import escape

from bot.access import Access, open_access
from bot.cli.safety_tables import findings_table
from bot.cli.tables import print_json, show
from bot.doctor.examination import examine
from bot.doctor.record import passed, remember
from bot.latch import LATCH, LatchFile
from bot.settings import Settings
from data.errors import ExitCode

FAULTS = ExitCode.CONFIGURATION
"""Exit code where a check failed."""


def examine_all(settings: Settings, config: Path | None, *, as_json: bool) -> None:
    """Look, show, remember; ends with FAULTS where anything failed."""

    def opened(name: str) -> AbstractAsyncContextManager[Access]:
        return open_access(name, settings)

    findings = asyncio.run(examine(settings, LatchFile(settings.var / LATCH), opened))
    well = passed(findings)
    if as_json:
        print_json({"passed": well, "findings": [asdict(finding) for finding in findings]})
    else:
        verdict = f"[bold]passed[/bold]; next: {escape(_next(settings, config))}"
        show(findings_table(findings), verdict if well else "[bold red]not fit to trade[/bold red]")
    try:
        remember(settings, findings, time.time())
    except OSError:  # of a folder that takes nothing, which was found
        if well:
            raise
    if not well:
        raise typer.Exit(FAULTS)


def _next(settings: Settings, config: Path | None) -> str:
    way = "--live" if settings.profile == "live" else "--paper"
    return f"bot run {way}" + ("" if config is None else f" --config {shlex.quote(str(config))}")
