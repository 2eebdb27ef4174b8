"""The page is one file that asks for nothing, has every section, and escapes what it is told."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from backtest.report.page import page
from backtest.report.trades import write_trades
from tests.unit.backtest.report.documents import document

SECTIONS = (
    "equity", "drawdown", "causes", "positions", "exposure", "shares", "learning", "verdicts", "schedules", "lineage",
    "figures", "arms", "costs", "targets", "selection", "trades",
)  # fmt: skip
VOID = {"meta", "link", "input", "br"}
"""Elements without an end."""


class Read(HTMLParser):
    """What elements there are, and whether each is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.names: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.names.append(tag)
        self.ids += [told["id"] or ""] if "id" in told else []
        self.references += [
            told[name] or "" for name in ("src", "href", "srcset", "action", "xlink:href") if name in told
        ]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()


@pytest.fixture(scope="module")
def text() -> str:
    return page(document())


def test_every_section_is_there_once(text: str) -> None:
    ids = Read(text).ids
    assert set(SECTIONS) <= set(ids)
    assert len(ids) == len(set(ids))


def test_nothing_is_asked_of_anywhere(text: str) -> None:
    read = Read(text)
    assert ["data:,"] == read.references
    assert not {"script", "iframe", "img", "object", "embed"} & set(read.names)
    assert not re.findall(r"https?://|@import|url\(", text)


def test_what_is_told_is_escaped(text: str) -> None:
    assert "synthetic &lt;market&gt;" in text
    assert "cannot tell it from &lt;rule&gt;" in text


def test_every_picture_says_in_words_what_it_shows(text: str) -> None:
    drawn = re.findall(r"<svg [^>]*>", text)
    assert len(drawn) > 8
    assert all('role="img"' in one and 'aria-label="' in one for one in drawn)


def test_best_and_worst_trades_are_not_told_twice() -> None:
    assert "Worst trades" in page(document(trades=9))
    assert "All trades" in page(document(trades=8))
    assert "No position was closed." in page(document(trades=0))


def test_what_was_not_compared_is_left_out() -> None:
    ids = Read(page(document() | {"arms": {}, "gate": None, "costs": []})).ids
    assert not {"arms", "costs"} & set(ids)


def test_a_walk_without_a_cycle_has_a_page_too() -> None:
    text = page(document(cycles=0))
    assert "No cycle was trained." in text
    Read(text)


def test_tables_of_trades_hold_what_the_document_says(tmp_path: Path) -> None:
    trades = document()["trades"]
    as_text, as_table = write_trades(tmp_path, trades)
    assert trades == pq.read_table(as_table).to_pylist()
    rows = list(csv.DictReader(as_text.read_text().splitlines()))
    assert trades == [typed(row, trades[0]) for row in rows]


def test_no_trades_leave_empty_tables_with_every_column(tmp_path: Path) -> None:
    as_text, as_table = write_trades(tmp_path, [])
    columns = pq.read_table(as_table).column_names
    assert columns == as_text.read_text().strip().split(",")
    assert set(columns) == set(document()["trades"][0])


def typed(row: dict[str, str], like: dict[str, Any]) -> dict[str, Any]:
    """The texts of a row as what they are in `like`."""
    return {name: type(like[name])(value) for name, value in row.items()}


def test_a_bot_that_did_what_the_rule_did_says_so() -> None:
    told = document()
    told["lines"][0]["against_rule"] = told["lines"][1]["against_rule"]
    assert "exactly what the carry rule earned" in page(told)
    assert "exactly what the carry rule earned" not in page(document())
