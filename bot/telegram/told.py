"""What each chat was told, on disk: a restart tells nothing twice and leaves nothing out. Used by the alerts."""

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path
from threading import Lock

from bot.alerts import TELEGRAM
from data.durable import write_whole

LOG = logging.getLogger(TELEGRAM)


@dataclass
class ChatMemory:
    """Of one chat."""

    cursors: dict[str, int] = field(default_factory=dict)
    """By kind: the number of the newest event of the ledger that was told, or passed over."""
    facts: dict[str, str] = field(default_factory=dict)
    """By name: the state that was told."""
    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By log file: what was read of it."""
    warned: list[str] = field(default_factory=list)
    """What the log told lately: the ledger may tell it again."""


class Told:
    """The memory of all chats, in one file. May be used from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = Lock()
        self._chats = _read(path)

    def of(self, chat: int) -> ChatMemory | None:
        """What a chat was told; None for one that is new."""
        return self._chats.get(chat)

    def remember(self, chat: int, memory: ChatMemory) -> None:
        """Keep it, on disk when this returns; a disk that takes nothing is logged, and stops no alert."""
        with self._writing:
            if self._chats.get(chat) == memory:
                return
            self._chats[chat] = memory
            content = json.dumps({str(one): asdict(told) for one, told in self._chats.items()})
            try:
                write_whole(self._path, content.encode())
            except OSError as error:
                LOG.warning("%s cannot be written (%s): after a restart some alerts may come again", self._path, error)


def _read(path: Path) -> dict[int, ChatMemory]:
    try:
        return {int(chat): ChatMemory(**told) for chat, told in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        LOG.warning("%s cannot be understood (%r): alerts begin with what happens from now on", path, error)
        return {}
