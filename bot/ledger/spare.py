"""Where exits are written down when the ledger takes nothing: a file whose room is reserved beforehand. Used by
`journal`, which takes its lines over at the next start."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOM = 262_144
"""Bytes: some hundred orders, in blocks that a full disk cannot take away."""


class SpareJournal:
    """Lines of JSON in a file of fixed size. One writing process."""

    def __init__(self, path: Path) -> None:
        """Reserves the room, where it is not reserved yet, and cuts off a line that a crash left half written."""
        self._path = path
        rows = self.rows() if path.exists() else []
        whole = "".join(_line(row) for row in rows)
        if not path.exists() or path.read_text() != whole.ljust(ROOM):
            self._fill(whole)
        self._end = len(self._text().encode())

    @property
    def used(self) -> bool:
        """Whether anything is in it."""
        return self._end > 0

    def append(self, row: Mapping[str, Any]) -> None:
        """On the disk when it returns; raises OSError where even this file cannot be written."""
        line = _line(row).encode()
        with self._path.open("r+b") as file:
            file.seek(self._end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._end += len(line)

    def rows(self) -> list[dict[str, Any]]:
        """What was written, oldest first; a line that was cut off by a crash was never acted on, and is left out."""
        return [json.loads(line) for line in self._text().splitlines(keepends=True) if line.endswith("}\n")]

    def clear(self) -> None:
        """Everything in it is in the ledger now."""
        self._fill("")
        self._end = 0

    def _text(self) -> str:
        return self._path.read_text().rstrip(" ")

    def _fill(self, text: str) -> None:
        new = self._path.with_name(self._path.name + ".new")
        with new.open("w") as file:
            file.write(text.ljust(ROOM))
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)


def _line(row: Mapping[str, Any]) -> str:
    return json.dumps(row) + "\n"
