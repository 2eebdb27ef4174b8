"""Which commands were carried out, on disk: one that Telegram tells again must not undo what a person did meanwhile.

Used by `service`. Numbers of updates begin anew after a quiet week, so that each is remembered with its time.
"""

import json
import logging
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from bot.alerts import TELEGRAM
from bot.telegram.commands import Request
from data.durable import write_whole

LOG = logging.getLogger(TELEGRAM)
MOST = 100
"""Telegram tells again what came within a day."""


class Handled:
    """The last commands that came to their end, in one file. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: deque[tuple[int, int]] = deque(_read(path), maxlen=MOST)

    def has(self, request: Request) -> bool:
        """Whether it was carried out."""
        return (request.update, request.sent_s) in self._known

    def add(self, requests: Sequence[Request]) -> None:
        """They were carried out; on disk when this returns. A disk that takes nothing is logged, no more."""
        self._known.extend((request.update, request.sent_s) for request in requests)
        try:
            write_whole(self._path, json.dumps(list(self._known)).encode())
        except OSError as error:
            LOG.warning("%s cannot be written (%s): after a restart /kill may be carried out again", self._path, error)


def _read(path: Path) -> list[tuple[int, int]]:
    try:
        return [(int(update), int(sent_s)) for update, sent_s in json.loads(path.read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        LOG.warning("%s cannot be understood (%r): a /kill that is heard again is carried out again", path, error)
        return []
