"""`bot doctor`: a table of everything looked at, and an exit code that means something."""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict

import typer

from bot.access import Access, open_access
from bot.cli.safety_tables import findings_table
from bot.cli.tables import print_json, show
from bot.doctor.examination import examine
from bot.doctor.record import passed, remember
from bot.latch import LATCH, LatchFile
from bot.settings import Settings

FAULTS = 2
"""Exit code where a check failed."""


def examine_all(settings: Settings, *, as_json: bool) -> None:
    """Look, remember, show; ends with FAULTS where anything failed."""

    def opened(name: str) -> AbstractAsyncContextManager[Access]:
        return open_access(name, settings)

    findings = asyncio.run(examine(settings, LatchFile(settings.var / LATCH), opened))
    remember(settings, findings, time.time())
    well = passed(findings)
    if as_json:
        print_json({"passed": well, "findings": [asdict(finding) for finding in findings]})
    else:
        show(findings_table(findings), "[bold]passed[/bold]" if well else "[bold red]not fit to trade[/bold red]")
    if not well:
        raise typer.Exit(FAULTS)
