"""The population's memory: every round of every member, and the checkpoints that are still needed.

    rounds.jsonl                one line per member and round, in the order in which they ended
    checkpoints/<sha256>        weights and moments, named by their content

A checkpoint is on disk before the line that names it, and all lines are on disk before a checkpoint is deleted that
they no longer name: whatever is killed when, also by loss of power, the lines that are left can be gone on from; a
slice whose line was lost is trained again, to the same weights. A copy is a second line naming the same checkpoint, so
no checkpoint is ever moved. A round in which nobody survived is read as if it had not been, and done anew.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from data.durable import write_whole
from data.errors import CorruptData

JOURNAL = "rounds.jsonl"


@dataclass(frozen=True)
class Entry:
    """One member's round: what it began with and what came of it."""

    cycle: int
    round: int
    member: int
    reason: str
    """How its start came about: first, continued, or why it was replaced."""
    parent: int | None
    """The member whose weights it began with; None: a fresh start."""
    started_from: str | None
    """The checkpoint that it began with."""
    hyperparameters: Mapping[str, float]
    timesteps: int
    checkpoint: str | None = None
    """What it ended with; None where it failed."""
    score: Mapping[str, Any] | None = None
    failure: str | None = None
    seconds: float = 0.0


class Memory:
    """Entries and checkpoints under one folder; one process at a time, whose threads may store and record at once."""

    def __init__(self, folder: Path) -> None:
        """Reads what is there; a last line that was cut off by a crash is dropped. Raises CorruptData for others."""
        self.folder = folder
        self._journal = folder / JOURNAL
        self._lock = Lock()
        self._held: dict[str, bytes] = {}
        """Checkpoints that were stored or read and checked already."""
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
        self.entries = self._read()

    def record(self, entry: Entry) -> None:
        """Append `entry`; a kill does not lose it when this returns."""
        line = json.dumps(asdict(entry), separators=(",", ":")) + "\n"
        with self._lock, self._journal.open("a") as file:
            file.write(line)
            self.entries.append(entry)

    def round(self, cycle: int, number: int) -> dict[int, Entry]:
        """The entries of one round by member."""
        return {e.member: e for e in self.entries if (e.cycle, e.round) == (cycle, number)}

    def newest(self) -> dict[int, Entry]:
        """Each member's last entry."""
        return {entry.member: entry for entry in self.entries}

    def store(self, checkpoint: bytes, name: str) -> None:
        """Write `checkpoint`, whose SHA-256 is `name`, unless it is there. Atomic, and on disk when this returns."""
        path = self._path(name)
        if not path.exists():
            write_whole(path, checkpoint)
        self._held[name] = checkpoint

    def checkpoint(self, name: str) -> bytes:
        """The bytes of a checkpoint; raises CorruptData where they are gone or are not those that were written."""
        if name in self._held:
            return self._held[name]
        path = self._path(name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CorruptData(f"{path} cannot be read ({error.strerror}): restore it, or train with --fresh") from error
        if hashlib.sha256(content).hexdigest() != name:
            raise CorruptData(f"{path} is not what was written: restore it from a backup, or train with --fresh")
        self._held[name] = content
        return content

    def prune(self, keep: set[str]) -> None:
        """Put every line on disk, then delete the checkpoints that are not in `keep`."""
        with self._journal.open("a") as file:
            os.fsync(file.fileno())
        for path in (self.folder / "checkpoints").iterdir():
            if path.name not in keep:
                path.unlink()
        self._held = {name: content for name, content in self._held.items() if name in keep}

    def _path(self, name: str) -> Path:
        return self.folder / "checkpoints" / name

    def _read(self) -> list[Entry]:
        if not self._journal.exists():
            return []
        whole, _, cut = self._journal.read_text().rpartition("\n")
        if cut:
            with self._journal.open("r+") as file:
                file.truncate(len((whole + "\n").encode()) if whole else 0)
        return _entries(whole, self._journal)


def read_entries(folder: Path) -> list[Entry]:
    """The entries under `folder` for who only looks, while somebody may be writing: nothing is made, mended or held.
    Raises CorruptData."""
    journal = folder / JOURNAL
    return _entries(journal.read_text().rpartition("\n")[0], journal) if journal.exists() else []


def _entries(lines: str, journal: Path) -> list[Entry]:
    try:
        told = [Entry(**json.loads(line)) for line in lines.splitlines()]
    except (ValueError, TypeError) as error:
        raise CorruptData(f"{journal} is damaged ({error}): restore it, or train with --fresh") from error
    survived = {(entry.cycle, entry.round) for entry in told if entry.failure is None}
    last = {(entry.cycle, entry.round, entry.member): entry for entry in told}  # of a round that was done anew
    return [entry for key, entry in last.items() if key[:2] in survived]
