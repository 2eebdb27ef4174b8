"""The files of a run-time folder that a backup holds: copied while a bot changes them. Used by `bot.backup`."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from bot.instance import LOCK
from bot.ledger.feed import LEDGER
from data.errors import StateError

LAKE = "lake"
_LEFT_OUT = {LOCK, "doctor.json", "logs", "reports", "walk-forward"}
"""What no run goes on from: a lock, an examination of this machine, and what is for people."""
_PASSING = ("-wal", "-shm", ".lock", ".tmp", ".backup")
"""Ends of names of what is being written, or is a backup itself."""
REPLACED = "replaced-"
"""Begins the names of folders of what a restore moved aside."""
_SQLITE = b"SQLite format 3\0"
_LOOKS = 20
"""So often files are looked at again until none has changed."""


_Stamp = tuple[int, ...]


class CopiedFiles:
    """The files of a run-time folder in another one, copied again where they have changed since."""

    def __init__(self, var: Path, to: Path, *, lake: bool) -> None:
        self._var = var
        self._to = to
        self._left_out = _LEFT_OUT if lake else _LEFT_OUT | {LAKE}
        self._seen: dict[Path, _Stamp] = {}

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._seen)

    def settle(self) -> None:
        """Copy until nothing has changed from one look to the next; raises StateError where that never comes."""
        if not any(not self.refresh() for _ in range(_LOOKS)):
            raise StateError(f"the files in {self._var} change faster than they are copied: try again in a moment")

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

    def _found(self) -> Iterator[tuple[Path, _Stamp]]:
        """What is there, but for what is left out: that is not even looked at, as a lake is large."""
        for top in sorted(self._var.iterdir()) if self._var.exists() else []:
            if top.name in self._left_out or top.name.startswith((LEDGER, REPLACED, ".")):
                continue
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                name = path.relative_to(self._var)
                passing = any(part.startswith(".") for part in name.parts) or path.name.endswith(_PASSING)
                if not passing and (stamp := _stamp(path)):
                    yield name, stamp


def _stamp(path: Path) -> _Stamp:
    """Differs once the file has changed, or the log that SQLite keeps beside it; empty where there is none."""
    log = path.with_name(f"{path.name}-wal")
    try:
        looks = [one.stat() for one in (path, log) if one.is_file()]
    except FileNotFoundError:
        return ()
    return tuple(part for one in looks for part in (one.st_ino, one.st_size, one.st_mtime_ns))


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
