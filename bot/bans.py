"""Pairs that are left alone for a while, as a venue took a leg of them: kept in a file, so that a restart forgets none.

Written by the guard, read by the risk gate before every entry.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from data.durable import write_whole
from data.errors import StateError
from data.types import InstrumentKey

BANS = "bans.json"


class BanList:
    """The bans at `path`, in market time. One writing process, the one that also reads."""

    def __init__(self, path: Path) -> None:
        """Raises StateError for a file that is not understood."""
        self._path = path
        try:
            told = json.loads(path.read_bytes()) if path.exists() else {}
            self._until = {str(name): int(until) for name, until in told.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise StateError(
                f"{path} cannot be understood ({error!r}): restore it, or delete it to lift all bans"
            ) from error

    def ban(self, pair: Iterable[InstrumentKey], until_ms: int) -> None:
        """No entry into the pair, either way round, before then; on disk when it returns. Raises OSError."""
        self._until[_name(pair)] = until_ms
        write_whole(self._path, json.dumps(self._until, indent=1).encode())

    def bans(self, pair: Iterable[InstrumentKey], now_ms: int) -> bool:
        """Whether the pair is to be left alone at `now_ms`."""
        return now_ms < self._until.get(_name(pair), 0)


def _name(pair: Iterable[InstrumentKey]) -> str:
    return " ".join(sorted(f"{venue}|{symbol}" for venue, symbol in pair))
