"""Warnings are read from log files once each, whatever is rotated, cut or strange."""

import json
from pathlib import Path

from bot import log_feed
from bot.log_feed import LogFeed


def write(path: Path, *texts: str, level: str = "warning", kind: str = "bot") -> None:
    with path.open("a") as file:
        for text in texts:
            line = {"time": "2026-01-06T02:00:00.000+00:00", "level": level, "kind": kind, "text": text}
            file.write(json.dumps(line) + "\n")


def test_each_warning_is_read_once_and_only_whole_lines_are(tmp_path: Path) -> None:
    feed, path = LogFeed(tmp_path), tmp_path / "bot.jsonl"
    assert ([], {}) == feed.after({})
    write(path, "before")
    places = feed.end()
    write(path, "one")
    write(path, "info", level="info")
    write(path, "Telegram's own", kind="bot.telegram")
    with path.open("a") as file:
        file.write("no json\n[]\n" + '{"time": "2026-01-06T02:00:00.000+00:00", "level": "error", "ki')
    found, places = feed.after(places)
    assert [(1_767_664_800_000, "one")] == [(one.time_ms, one.text) for one in found]
    with path.open("a") as file:
        file.write('nd": "bot", "text": "two"}\n')
    found, places = feed.after(places)
    assert ["two"] == [one.text for one in found]
    assert [] == feed.after(places)[0]


def test_what_was_left_in_a_file_that_was_rotated_is_read_there(tmp_path: Path) -> None:
    feed, path = LogFeed(tmp_path), tmp_path / "bot.jsonl"
    write(path, "read")
    places = feed.end()
    write(path, "left")
    path.rename(tmp_path / "bot.jsonl.1")
    write(path, "new")
    write(tmp_path / "collector.jsonl", "of another process")
    found, places = feed.after(places)
    assert ["left", "new", "of another process"] == [one.text for one in found]
    assert [] == feed.after(places)[0]


def test_of_very_much_the_newest_is_read(tmp_path: Path) -> None:
    feed, path = LogFeed(tmp_path), tmp_path / "bot.jsonl"
    line = (
        len(json.dumps({"time": "2026-01-06T02:00:00.000+00:00", "level": "warning", "kind": "bot", "text": "00000"}))
        + 1
    )
    count = 2 * log_feed.MOST_BYTES // line
    write(path, *(f"{number:05d}" for number in range(count)))
    found, places = feed.after({})
    assert f"{count - 1:05d}" == found[-1].text
    assert log_feed.MOST_BYTES // line - 2 <= len(found) <= log_feed.MOST_BYTES // line
    assert [] == feed.after(places)[0]
