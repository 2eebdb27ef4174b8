"""`bot db`: back the ledger and its run up, bring it back elsewhere, migrate it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.arguments import AsJson, Config, Var
from bot.cli.options import Options

if TYPE_CHECKING:
    from bot.backup import Backup

db_app = typer.Typer(help="The ledger and its run: back up, restore, migrate.", no_args_is_help=True)


@db_app.command()
def backup(
    file: Annotated[Path, typer.Argument(help="The file to write, e.g. monday.backup.")],
    config: Config = None,
    var: Var = None,
    lake: Annotated[bool, typer.Option("--lake", help="With the collected data.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write everything that the run needs to go on elsewhere into one file, also while the bot runs."""
    from bot.backup import back_up

    _told("backed up", back_up(Options(config=config, var=var).settings(), file, lake=lake), file, as_json=as_json)


@db_app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="What `bot db backup` wrote.")],
    config: Config = None,
    var: Var = None,
    force: Annotated[bool, typer.Option("--force", help="Move aside what is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup into a run-time folder and its ledger; the next `bot run` goes on from there."""
    from bot.backup import restore as bring_back

    _told("restored", bring_back(Options(config=config, var=var).settings(), file, force=force), file, as_json=as_json)


@db_app.command()
def upgrade(config: Config = None, var: Var = None, as_json: AsJson = False) -> None:
    """Migrate the ledger to this version; every start does so too."""
    from bot.cli.tables import print_json, show
    from bot.ledger.schema import NEWEST, copy_of, revision_at
    from bot.run_folder import existing_ledger, ledger_place
    from data.errors import StateError

    settings = Options(config=config, var=var).settings()
    place = ledger_place(settings)
    before = revision_at(place)
    ledger = existing_ledger(settings)
    if ledger is None:
        raise StateError(f"there is no ledger {place}: start with `bot run --paper`, or name its folder by --var")
    ledger.close()
    copy = None if place.path is None or before == NEWEST else copy_of(place.path, before or "")
    if as_json:
        print_json({"ledger": str(place), "before": before, "now": NEWEST, "copy": None if copy is None else str(copy)})
        return
    kept = "" if copy is None else f"; as it was before it lies in {copy}"
    show(f"{place}: {'schema ' + NEWEST + ' already' if before == NEWEST else f'schema {before} -> {NEWEST}'}{kept}")


def _told(done: str, one: "Backup", file: Path, *, as_json: bool) -> None:
    from dataclasses import asdict

    from bot.cli.tables import print_json, show
    from bot.status import iso

    if as_json:
        print_json(asdict(one) | {"file": str(file)})
        return
    run = "no run" if one.run is None else f"run {one.run}"
    until = "" if one.tick is None else f" up to {iso(one.tick)}"
    show(f"{done}: {run}{until} and {one.files} files, {one.bytes / 1e6:,.1f} MB in {file}")
