"""Backups: everything that a run needs to go on elsewhere, as it was at one instant, in one file. Used by `bot db`.

While a bot runs, the instant is one at which it might have been killed: it writes its hours whole, and a start goes on
from any such moment. So the ledger lets nobody write while the files that have changed lately are copied, and most of
them are copied before.
"""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.archive import pack, unpack
from bot.instance import SERVICE_LOCK, single_instance
from bot.ledger.copying import copy_in, copy_out
from bot.ledger.feed import LEDGER
from bot.ledger.schema import NEWEST
from bot.ledger.store import Ledger
from bot.opened_ledger import existing_ledger, ledger_place, open_ledger
from bot.run_files import REPLACED, CopiedFiles
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
    var = settings.var
    with (
        single_instance(var, SERVICE_LOCK), single_instance(var),
        tempfile.TemporaryDirectory(dir=var, prefix=".restore-") as staging,
    ):  # fmt: skip
        unpacked, made = Path(staging) / "unpacked", Path(staging) / "made"
        for folder in (unpacked, made):
            folder.mkdir()
        unpack(file, unpacked)
        if not (unpacked / LEDGER).exists():
            raise StateError(f"{file} holds no ledger: name one that `bot db backup` has written")
        told = _told(unpacked / LEDGER, sum(path.is_file() for path in unpacked.rglob("*")) - 1, file)
        there = _in_the_way(settings, sorted(path.name for path in unpacked.iterdir()), force=force)
        files = [path for path in unpacked.iterdir() if not path.name.startswith(LEDGER)]
        if ledger_place(settings).path is not None:
            _fill(Ledger(made / LEDGER), unpacked)
            with _exchanged(var, there, [*files, *made.iterdir()]):
                return told
        with _exchanged(var, there, files):
            _fill(open_ledger(settings), unpacked)
            return told


def _fill(ledger: Ledger, unpacked: Path) -> None:
    with closing(ledger), ledger.held():
        copy_in(unpacked / LEDGER, ledger)


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


@contextmanager
def _exchanged(var: Path, names: Sequence[str], new: Sequence[Path]) -> Iterator[None]:
    """What has `names` in `var` is moved aside, and `new` is in its place; where that or what follows fails, all of it
    is moved back."""
    aside = var / f"{REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    moves = [(var / name, aside / name) for name in names] + [(path, var / path.name) for path in new]
    moved: list[tuple[Path, Path]] = []
    if names:
        aside.mkdir()
    try:
        for here, there in moves:
            here.rename(there)
            moved.append((here, there))
        yield
    except BaseException:
        for here, there in reversed(moved):
            there.rename(here)
        if names:
            aside.rmdir()
        raise


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
