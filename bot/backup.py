"""Backups: everything that a run needs to go on elsewhere, as it was at one instant, in one file. Used by `bot db`.

While a bot runs, the instant is one at which it might have been killed: it writes its hours whole, and a start goes on
from any such moment. So the ledger lets nobody write while the files that have changed lately are copied, and most of
them are copied before.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.archive import pack, unpack
from bot.instance import LOCK, single_instance
from bot.ledger.copying import copy_in, copy_out
from bot.ledger.schema import NEWEST
from bot.ledger.store import Ledger
from bot.run_folder import LEDGER, existing_ledger, ledger_place, open_ledger
from bot.settings import Settings
from data.errors import StateError
from pbt_online.manifest import code_version

LAKE = "lake"
_LEFT_OUT = {LOCK, "doctor.json", "logs", "reports", "walk-forward"}
"""What no run goes on from: a lock, an examination of this machine, and what is for people."""
_REPLACED = "replaced-"
_SQLITE = b"SQLite format 3\0"
_LOOKS = 20
"""So often files are looked at again until none has changed."""


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
        copied = _Copied(settings.var, Path(staging), lake=lake)
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
        _make_way(settings, sorted(path.name for path in unpacked.iterdir()), force=force)
        with closing(open_ledger(settings)) as ledger, ledger.held():
            copy_in(unpacked / LEDGER, ledger)
        for path in unpacked.iterdir():
            if not path.name.startswith(LEDGER):
                path.rename(settings.var / path.name)
        return told


class _Copied:
    """The files of a run-time folder in another one, copied again where they have changed since."""

    def __init__(self, var: Path, to: Path, *, lake: bool) -> None:
        self._var = var
        self._to = to
        self._left_out = _LEFT_OUT if lake else _LEFT_OUT | {LAKE}
        self._seen: dict[Path, tuple[int, ...]] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._seen)

    def settle(self) -> None:
        """Copy until nothing has changed from one look to the next."""
        for _ in range(_LOOKS):
            if not self.refresh():
                return

    def refresh(self) -> bool:
        """Copy what has changed, and forget what is gone; whether there was any of it."""
        found = dict(self._found())
        changed = [name for name, stamp in found.items() if self._seen.get(name) != stamp]
        gone = self._seen.keys() - found.keys()
        for name in gone:
            (self._to / name).unlink(missing_ok=True)
        for name in changed:
            try:
                _copy(self._var / name, self._to / name)
            except FileNotFoundError:  # it went meanwhile: the next look will not see it
                found[name] = ()
        self._seen = found
        return bool(changed or gone)

    def _found(self) -> Iterator[tuple[Path, tuple[int, ...]]]:
        for path in sorted(self._var.rglob("*")):
            name = path.relative_to(self._var)
            top = name.parts[0]
            if top in self._left_out or top.startswith((LEDGER, _REPLACED)):
                continue
            if any(part.startswith(".") for part in name.parts) or path.name.endswith(
                ("-wal", "-shm", ".lock", ".tmp")
            ):
                continue
            try:
                stamps = [path.stat()] if path.is_file() else []
                stamps += [log.stat() for log in (path.with_name(f"{path.name}-wal"),) if stamps and log.exists()]
            except FileNotFoundError:
                continue
            if stamps:
                yield name, tuple(part for one in stamps for part in (one.st_ino, one.st_size, one.st_mtime_ns))


def _copy(source: Path, target: Path) -> None:
    """A file as it is now; one of SQLite with what its log holds."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file:
        database = file.read(len(_SQLITE)) == _SQLITE
    if not database:
        shutil.copyfile(source, target)
        return
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)


def _make_way(settings: Settings, names: list[str], *, force: bool) -> None:
    """Nothing lies where the backup's content is to lie."""
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
    if there:
        aside = var / f"{_REPLACED}{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
        aside.mkdir()
        for name in there:
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
        saved = None if run is None else ledger.snapshot(run.id)
    number, tick = None if run is None else run.id, None if saved is None else saved[0]
    return Backup(number, tick, files, backup.stat().st_size)
