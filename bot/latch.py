"""The latch: a file that stops entries until a person lifts it, whatever restarts meanwhile.

Written by `bot pause` and by the kill switch, read by the risk gate before every entry, lifted by `bot resume`. Each of
them is a process of its own, so that the file is all they share: it is there whole or not at all.
"""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from data.durable import write_whole
from data.errors import StateError

LATCH, HALT = "kill.json", "halt.json"
"""Names of the files: of people and the kill switch, and of the guard, below the run-time folder."""


class LatchState(StrEnum):
    """What entries may do, from mild to strict. Exits may go on in all of them."""

    NONE = "none"
    PAUSED = "paused"
    """No entries; positions are held and closed as the policy wants."""
    KILLED = "killed"
    """Positions are only reduced, until there are none."""
    UNREADABLE = "unreadable"
    """Something is in the file and nobody knows what: to be taken as killed."""


@dataclass(frozen=True)
class Latch:
    """What the file says."""

    state: LatchState
    since: str = ""
    """Wall time, ISO 8601, UTC."""
    reason: str = ""


NOT_OURS = Latch(LatchState.UNREADABLE, reason="its content is not what `bot pause` or the kill switch wrote")


class LatchFile:
    """The latch at `path`. Reading costs a look at the file's stamp while it stays as it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._known = Latch(LatchState.UNREADABLE)

    def read(self) -> Latch:
        """What holds now; UNREADABLE for whatever is neither absent nor understood."""
        try:
            status = self.path.stat()
            stamp = (status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size)
            if stamp != self._stamp:
                self._known, self._stamp = _understood(self.path.read_bytes()), stamp
        except FileNotFoundError:
            return Latch(LatchState.NONE)
        except OSError as error:
            return Latch(LatchState.UNREADABLE, reason=f"{self.path} cannot be read ({error.strerror})")
        return self._known

    def kill(self, reason: str) -> None:
        """Allow nothing but reductions, whatever held before. On disk when it returns; raises OSError otherwise."""
        self._beside(LatchState.KILLED, reason).replace(self.path)
        self._flush_folder()

    def pause(self, reason: str) -> bool:
        """Allow no entries, on disk when it returns. False, changing nothing, where something holds already: a kill
        that comes at the same time is never overwritten."""
        beside = self._beside(LatchState.PAUSED, reason)
        try:
            os.link(beside, self.path)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
        self._flush_folder()
        return True

    def lift(self, seen: Latch) -> None:
        """Allow everything again. Raises StateError, changing nothing, where it is no longer `seen` that holds. What
        could not be read is put aside."""
        taken = self._passing()
        try:
            self.path.rename(taken)
        except FileNotFoundError:
            return
        held = LatchFile(taken).read()
        if held.state != seen.state or held.since != seen.since:
            self._put_back(taken, held)
            raise StateError("the latch was set again meanwhile: look at `bot status`, then decide anew")
        if held.state is LatchState.UNREADABLE:
            taken.replace(self.path.with_name(f"{self.path.name}.unreadable"))
        else:
            taken.unlink()
        self._flush_folder()

    def _put_back(self, taken: Path, held: Latch) -> None:
        """A pause where nothing has been set meanwhile, as that may be a kill; anything stricter in any case."""
        if held.state is not LatchState.PAUSED:
            taken.replace(self.path)
            return
        with suppress(FileExistsError):
            os.link(taken, self.path)
        taken.unlink()

    def _beside(self, state: LatchState, reason: str) -> Path:
        """The content in a file of this call, on disk."""
        since = datetime.now(UTC).isoformat(timespec="milliseconds")
        beside = self._passing()
        write_whole(beside, json.dumps({"state": state.value, "since": since, "reason": reason}, indent=1).encode())
        return beside

    def _passing(self) -> Path:
        """A name that nobody else has: people, page and Telegram may act at once, in one process too."""
        return self.path.with_name(f".{self.path.name}.{uuid4().hex}")

    def _flush_folder(self) -> None:
        """A new name is on disk once its folder is."""
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Holding(Protocol):
    """What the risk gate asks."""

    def read(self) -> Latch:
        """What holds now."""


class Latches:
    """Several latches read as one: the strictest holds."""

    def __init__(self, files: Sequence[LatchFile]) -> None:
        self.files = tuple(files)

    def read(self) -> Latch:
        """What holds now."""
        return max((latch for _, latch in self.held()), key=lambda latch: list(LatchState).index(latch.state))

    def held(self) -> list[tuple[LatchFile, Latch]]:
        """What each of them says, to lift those that hold."""
        return [(file, file.read()) for file in self.files]


def strict(held: Sequence[tuple[LatchFile, Latch]]) -> list[Latch]:
    """Those that a person must want to lift: more than pauses."""
    return [latch for _, latch in held if latch.state not in (LatchState.NONE, LatchState.PAUSED)]


def lift(held: Sequence[tuple[LatchFile, Latch]]) -> str:
    """Lift everything that was seen to hold; what it was, in words. Raises StateError where that has changed."""
    holding = [(file, latch) for file, latch in held if latch.state is not LatchState.NONE]
    for file, latch in holding:
        file.lift(latch)
    return "; ".join(latch_line(latch) for _, latch in holding) or "nothing held entries back"


def latch_line(latch: Latch) -> str:
    """What holds, in a line for people."""
    match latch.state:
        case LatchState.NONE:
            return "nothing holds entries back"
        case LatchState.UNREADABLE:
            return f"entries are stopped, as the latch file cannot be understood: {latch.reason}"
        case LatchState.PAUSED:
            return f"entries are paused since {_minute(latch.since)}: {latch.reason}"
        case LatchState.KILLED:
            return f"killed since {_minute(latch.since)}, positions are only reduced: {latch.reason}"


def _minute(since: str) -> str:
    """A file that somebody wrote by hand may have any words there."""
    try:
        return datetime.fromisoformat(since).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    except ValueError:
        return since or "an unknown time"


def _understood(content: bytes) -> Latch:
    try:
        told = json.loads(content)
        latch = Latch(LatchState(told["state"]), told["since"], told["reason"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return NOT_OURS
    words = isinstance(latch.since, str) and isinstance(latch.reason, str)
    return latch if words and latch.state in (LatchState.PAUSED, LatchState.KILLED) else NOT_OURS
