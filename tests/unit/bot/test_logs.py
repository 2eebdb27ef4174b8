"""`bot logs` shows what all processes wrote, in the order in which it happened."""

import json
from pathlib import Path

import pytest

from bot.cli.logs import _news, show_logs
from bot.settings import Settings
from data.errors import StateError


def write(var: Path, process: str, *lines: tuple[str, str, str]) -> None:
    (var / "logs").mkdir(exist_ok=True)
    with (var / "logs" / f"{process}.jsonl").open("a") as file:
        for time, level, text in lines:
            print(json.dumps({"time": f"2025-01-11T10:00:{time}.000+00:00", "level": level, "text": text}), file=file)


def shown(var: Path, capsys: pytest.CaptureFixture[str], level: str = "info", lines: int = 50) -> list[str]:
    show_logs(Settings(var=var), level=level, lines=lines, follow=False)
    return [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_lines_come_in_order_and_the_newest_of_the_level_that_is_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "supervisor", ("01", "info", "begun"), ("04", "warning", "the trader ended"))
    write(tmp_path, "bot", ("02", "info", "entered"), ("03", "error", "[bold]broken[/bold]"))
    assert [
        "supervisor  begun", "bot         entered", "bot         [bold]broken[/bold]", "supervisor  the trader ended",
    ] == shown(tmp_path, capsys)  # fmt: skip
    assert ["bot         [bold]broken[/bold]", "supervisor  the trader ended"] == shown(tmp_path, capsys, "warning")
    assert ["supervisor  the trader ended"] == shown(tmp_path, capsys, lines=1)


def test_what_comes_is_shown_once_also_after_a_file_was_begun_anew_or_a_line_is_half_there(tmp_path: Path) -> None:
    ends: dict[Path, int] = {}
    write(tmp_path, "bot", ("01", "info", "one"))
    assert ["one"] == [line["text"] for line in _news(tmp_path / "logs", ends, "info")]
    with (tmp_path / "logs" / "bot.jsonl").open("a") as file:
        file.write('{"time": "2025", "level": "info", ')
    assert [] == _news(tmp_path / "logs", ends, "info")
    with (tmp_path / "logs" / "bot.jsonl").open("a") as file:
        file.write('"text": "two"}\n')
    assert ["two"] == [line["text"] for line in _news(tmp_path / "logs", ends, "info")]
    (tmp_path / "logs" / "bot.jsonl").rename(tmp_path / "logs" / "bot.jsonl.1")
    write(tmp_path, "bot", ("05", "info", "three"))
    assert ["three"] == [line["text"] for line in _news(tmp_path / "logs", ends, "info")]


def test_where_nothing_has_run_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="nothing has run"):
        show_logs(Settings(var=tmp_path), level="info", lines=50, follow=False)
