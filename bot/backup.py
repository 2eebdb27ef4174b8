"""Backups: everything that a run needs to go on elsewhere, as it was at one instant, in one file. Used by `bot db`.

While a bot runs, the instant is one at which it might have been killed: it writes its hours whole, and a start goes on
from any such moment. So the ledger lets nobody write while the files that have changed lately are copied, and most of
them are copied before.
"""

import os
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.archive import pack, unpack
from bot.instance import single_instance
from bot.ledger.copying import copy_in, copy_out
from bot.ledger.feed import LEDGER
from bot.ledger.schema import NEWEST
from bot.ledger.store import Ledger
from bot.run_files import REPLACED, CopiedFiles
from bot.run_folder import existing_ledger, ledger_place, open_ledger
from bot.settings import Settings
from data.errors import StateError
from pbt_online.manifest import code_version


@dataclass(frozen=True)
class Backup:
    """What a backup holds."""

    run: int | None
    """The newest run; None where nothing has run."""
    tick: int | None
    """Its last complete hour, ms."""
    files: int
    """Beside the ledger."""
    bytes: int
    """Of the backup."""


def back_up(settings: Settings, file: Path, *, lake: bool = False) -> Backup:
    """Write a backup of the run-time folder and the ledger to `file`, while a bot runs or not. The lake is left out
    unless `lake`: venues tell it again. Raises StateError where nothing is there, or `file` is."""
    if file.exists():
        raise StateError(f"{file} exists: choose another name, or move it away")
    ledger = existing_ledger(settings)
    if ledger is None:
        raise StateError(f"there is nothing to back up: no ledger {ledger_place(settings)}")
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(ledger), tempfile.TemporaryDirectory(dir=file.parent, prefix=".backup-") as staging:
        copied = CopiedFiles(settings.var, Path(staging), lake=lake)
        copied.refresh()
        copy_out(ledger, Path(staging) / LEDGER, copied.settle)
        about = {"made": datetime.now(UTC).isoformat(timespec="seconds"), "code": code_version(), "schema": NEWEST}
        pack(Path(staging), file, about)
        return _told(Path(staging) / LEDGER, copied.count, file)


def restore(settings: Settings, file: Path, *, force: bool = False) -> Backup:
    """Bring back what `file` holds, into the run-time folder and the ledger of `settings`, whichever database that is
    in. Raises StateError, having changed nothing, for a file that is not a whole backup, while a bot runs, and where
    anything would be overwritten; with `force` files in the way are moved aside, and a ledger in PostgreSQL is
    emptied."""
    with single_instance(settings.var), tempfile.TemporaryDirectory(dir=settings.var, prefix=".restore-") as staging:
        unpacked = Path(staging)
        unpack(file, unpacked)
        if not (unpacked / LEDGER).exists():
            raise StateError(f"{file} holds no ledger: name one that `bot db backup` has written")
        told = _told(unpacked / LEDGER, sum(path.is_file() for path in unpacked.rglob("*")) - 1, file)
        there = _in_the_way(settings, sorted(path.name for path in unpacked.iterdir()), force=force)
        in_var = ledger_place(settings).path is not None
        if in_var:
            _move_aside(settings.var, there)
        with closing(open_ledger(settings)) as ledger, ledger.held():
            copy_in(unpacked / LEDGER, ledger)
        if not in_var:
            _move_aside(settings.var, there)
        for path in unpacked.iterdir():
            if not path.name.startswith(LEDGER):
                path.rename(settings.var / path.name)
        return told


def _in_the_way(settings: Settings, names: list[str], *, force: bool) -> list[str]:
    """Names of what lies where the backup's content is to lie; raises StateError for any of it unless `force`."""
    var, place = settings.var, ledger_place(settings)
    ours = [LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm"] if place.path is not None else []
    there = [name for name in [*ours, *(name for name in names if name != LEDGER)] if (var / name).exists()]
    taken = [str(var / name) for name in there]
    if place.path is None and _has_runs(settings):
        taken.append(f"the runs in {place}")
    if taken and not force:
        raise StateError(
            f"{', '.join(taken)} would be overwritten: restore into another place, or move this aside by --force"
        )
    return there


def _move_aside(var: Path, names: list[str]) -> None:
    if names:
        aside = var / f"{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        aside.mkdir()
        for name in names:
            (var / name).rename(aside / name)


def _has_runs(settings: Settings) -> bool:
    ledger = existing_ledger(settings)
    if ledger is None:
        return False
    with closing(ledger):
        return ledger.latest() is not None


def _told(path: Path, files: int, backup: Path) -> Backup:
    with closing(Ledger(path)) as ledger:
        run = ledger.latest()
        ticks = [] if run is None else ledger.equity(run.id)[0].tolist()
    return Backup(None if run is None else run.id, ticks[-1] if ticks else None, files, backup.stat().st_size)
