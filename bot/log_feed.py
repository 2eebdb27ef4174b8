"""Warnings of every process of the bot, read from its log files from where one was: what no ledger can tell yet.

A venue that does not answer keeps the trader from completing its hour, so no event is written. Used by the alerts.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.alerts import TELEGRAM

GRAVE = frozenset({"warning", "error", "critical"})
MOST_BYTES = 500_000
"""Of a file in one look; what is before them is passed over."""

Places = Mapping[str, tuple[int, int]]
"""By file: its inode, and how much of it was read."""


@dataclass(frozen=True)
class Warned:
    """One warning."""

    time_ms: int
    """Wall time."""
    text: str


class LogFeed:
    """The log files of a folder, `<process>.jsonl`, each with its predecessors `.1`, `.2`... beside it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def end(self) -> Places:
        """Where everything that is there was read. Raises OSError."""
        return {path.name: (path.stat().st_ino, path.stat().st_size) for path in self._folder.glob("*.jsonl")}

    def after(self, places: Places) -> tuple[list[Warned], Places]:
        """Warnings since then, file by file, and where they end. Raises OSError."""
        found: list[Warned] = []
        ends: dict[str, tuple[int, int]] = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            inode, offset = places.get(path.name, (0, 0))
            now = path.stat()
            if inode not in (0, now.st_ino):  # it was begun anew: what was left to read is in its predecessor
                before = path.with_name(f"{path.name}.1")
                if before.exists() and before.stat().st_ino == inode:
                    found += _warned(_lines(before, offset)[0])
                offset = 0
            lines, end = _lines(path, offset)
            found += _warned(lines)
            ends[path.name] = (now.st_ino, end)
        return found, ends


def _lines(path: Path, offset: int) -> tuple[list[bytes], int]:
    """Whole lines from `offset` on, and where the last one ends."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        skipped = max(0, size - MOST_BYTES - offset)
        file.seek(offset + skipped)
        content = file.read(MOST_BYTES)
    whole = content[: content.rfind(b"\n") + 1]
    lines = whole.splitlines()
    return lines[1:] if skipped else lines, offset + skipped + len(whole)


def _warned(lines: list[bytes]) -> list[Warned]:
    """Those that a person should see; not what Telegram's own loops say of Telegram."""
    found = []
    for line in lines:
        try:
            told = json.loads(line)
            if told["level"] in GRAVE and told["kind"] != TELEGRAM:
                found.append(Warned(int(1000 * datetime.fromisoformat(told["time"]).timestamp()), str(told["text"])))
        except (ValueError, KeyError, TypeError):  # other programs may write there, too
            continue
    return found
