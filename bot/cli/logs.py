"""`bot logs`: what the processes of a bot wrote, in the order in which it happened, for people."""

import json
import logging
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from bot.settings import Settings
from data.errors import StateError

LOOK_S = 0.5
COLOURS = {"warning": "yellow", "error": "bold red"}


def show_logs(settings: Settings, *, level: str, lines: int, follow: bool) -> None:
    """The newest `lines` of at least `level`; then, with `follow`, what comes until Ctrl-C. Raises StateError where
    nothing has run."""
    folder = settings.var / "logs"
    if not folder.is_dir():
        raise StateError(f"nothing has run in {settings.var} yet: start with `bot run --paper`, or choose --var")
    ends: dict[Path, int] = {}
    known = _news(folder, ends, level)
    for line in known[max(0, len(known) - lines) :]:
        _show(line)
    while follow:
        time.sleep(LOOK_S)
        for line in _news(folder, ends, level):
            _show(line)


def _news(folder: Path, ends: dict[Path, int], level: str) -> list[dict[str, Any]]:
    """The lines since the last look, which ended where `ends` says; a file that is shorter by now was begun anew."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as file:
            begin = ends.get(path, 0)
            file.seek(begin if begin <= path.stat().st_size else 0)
            whole, _, rest = file.read().rpartition(b"\n")
            ends[path] = file.tell() - len(rest)
        found += [_parsed(line) | {"process": path.stem} for line in whole.splitlines()]
    numbers = logging.getLevelNamesMapping()
    chosen = [line for line in found if numbers[line["level"].upper()] >= numbers[level.upper()]]
    return sorted(chosen, key=lambda line: str(line["time"]))


def _parsed(line: bytes) -> dict[str, Any]:
    """A line that was cut off, by a full disk for one, is shown as it is."""
    try:
        return dict(json.loads(line))
    except ValueError:
        return {"time": "", "level": "error", "text": line.decode(errors="replace")}


def _show(line: dict[str, Any]) -> None:
    text = f"{line['time'][:19].replace('T', ' ')}  {line['process']:10}  {line['text']}"
    if "trace" in line:
        text += f"\n{line['trace']}"
    Console(soft_wrap=True).print(Text(text, style=COLOURS.get(line["level"], "")))
