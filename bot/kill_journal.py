"""What the kill switch did, line by line, on disk before it is done: for people, and for the bot that books it later.

`bot kill` appends; the reconciliation at the bot's next start reads which orders were the kill switch's.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

KILL_MARK = "kill"
"""Begins the client id of every order of the kill switch; no other order's begins so."""


class KillJournal:
    """One JSON object a line, each flushed to the device, and each on a line of its own even where the one before was
    cut. One writing process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.trouble = ""
        """Why lines could not be kept; closing goes on without them."""

    def write(self, line: dict[str, Any]) -> None:
        """Append a line; a disk that takes none is noted in `trouble` and stops nothing."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write("\n" + json.dumps(line, default=str))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.trouble = f"{self._path} cannot be written ({error.strerror})"

    def lines(self) -> Iterator[dict[str, Any]]:
        """Every line so far, oldest first, but for one that a power failure cut."""
        if not self._path.exists():
            return
        for line in self._path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:  # its order was never sent: sending waits until the line is on disk
                continue


def is_kill(client_id: str) -> bool:
    """Whether an order was the kill switch's."""
    return client_id.startswith(KILL_MARK)
