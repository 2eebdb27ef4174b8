"""The walk forward's report in a browser: it asks for nothing, complains of nothing, and can be read on a phone."""

from pathlib import Path

import pytest

from backtest.report.page import page
from tests.functional.browser import opened
from tests.unit.backtest.report.documents import document


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_the_report_opens_by_itself(width: int, dark: bool, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text(page(document()))
    seen = opened(path, width=width, dark=dark, profile=tmp_path / "profile")
    assert {path.as_uri(), "data:,"} >= set(seen.requests)
    assert [] == seen.complaints
    assert seen.width <= width
    assert seen.smallest_text >= 11
    assert ("rgb(13, 17, 23)" if dark else "rgb(246, 247, 249)") == seen.background
