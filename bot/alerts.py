"""What happened, for people: events of the trader, written to the log and kept in the ledger."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import BinaryIO

from bot.redaction import Redactor, redactor

LOG = logging.getLogger("bot")
TELEGRAM = "bot.telegram"
"""Logger of what Telegram's own loops meet: the alerts tell other warnings, and not these."""
MAX_LOG_BYTES, LOG_FILES = 5_000_000, 5


class Kind(StrEnum):
    """What an event is about."""

    STARTED = "started"
    RESUMED = "resumed"
    ENTERED = "entered"
    EXITED = "exited"
    UNFILLED = "unfilled"
    DENIED = "denied"
    LIQUIDATED = "liquidated"
    PROMOTED = "promoted"
    REFUSED = "refused"
    DATA = "data"
    TROUBLE = "trouble"
    FINISHED = "finished"


@dataclass(frozen=True)
class Event:
    """One thing that happened at a tick of market time (ms)."""

    tick: int
    kind: Kind
    text: str


def log_event(event: Event) -> None:
    """Write an event to the log, with its market time."""
    LOG.info(event.text, extra={"kind": event.kind.value, "market_ms": event.tick})


class _JsonLines(logging.Formatter):
    def __init__(self, redact: Redactor) -> None:
        super().__init__()
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "kind": getattr(record, "kind", record.name),
            "market_ms": getattr(record, "market_ms", None),
            "text": self._redact(record.getMessage()),
        }
        if record.exc_info:
            line["trace"] = self._redact(self.formatException(record.exc_info))
        return json.dumps(line)


def start_logging(directory: Path, process: str = "bot") -> None:
    """Log to `<process>.jsonl` in `directory`, one JSON object a line without secrets, rotated at 5 MB. Each process
    has a file of its own: two cannot rotate one."""
    directory.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(directory / f"{process}.jsonl", maxBytes=MAX_LOG_BYTES, backupCount=LOG_FILES)
    handler.setFormatter(_JsonLines(redactor()))
    LOG.handlers[:] = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def appended_log(path: Path) -> BinaryIO:
    """A file that another process writes its own words to; begun anew at 5 MB, the one before is kept as `.1`."""
    if path.exists() and path.stat().st_size >= MAX_LOG_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
