"""Options that several commands take, with their help."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M"]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file, or paper; none: the embedded sandbox.")]
Var = Annotated[Path | None, typer.Option("--var", help="Folder for everything written at run time.")]
Replay = Annotated[Path | None, typer.Option("--replay", help="Replay recorded files of this folder.")]
Venues = Annotated[str | None, typer.Option("--venues", help="Venues, separated by commas.")]
Assets = Annotated[str | None, typer.Option("--assets", help="Assets, separated by commas, e.g. BTC,1000PEPE.")]
From = Annotated[datetime | None, typer.Option("--from", formats=TIMES, help="First hour traded, UTC.")]
To = Annotated[datetime | None, typer.Option("--to", formats=TIMES, help="Last hour, UTC: marked, not traded.")]
Hours = Annotated[int | None, typer.Option("--hours", min=1, help="Stop after this many market hours.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the synthetic market and of random policies.")]
SandboxUrl = Annotated[str | None, typer.Option("--sandbox", help="Use the sandbox that `bot sandbox` serves here.")]
Timing = Literal["next_open", "same_close", "hour_later"]
NEXT: Timing = "next_open"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
