"""The pages of the documentation lead to what is there, and the site is built of all of them."""

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from bot.cli.commands_page import commands
from tests.functional.commands import soak

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
FETCHED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(https?:[^\s\">]+)")


def links(page: Path) -> list[str]:
    """Where a page links to, but for other hosts."""
    found = LINK.findall(CODE.sub("", page.read_text()))
    return [unquote(link) for link in found if not link.startswith(("http:", "https:", "mailto:"))]


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by."""
    titles = re.findall(r"^#+ (.+)$", CODE.sub(lambda code: code.group().strip("`"), page.read_text()), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower()) for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert [] == broken


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: str(page.relative_to(DOCS)))
def test_no_page_of_the_site_links_out_of_it(page: Path) -> None:
    assert [] == [link for link in links(page) if not (page.parent / link).resolve().is_relative_to(DOCS)]


def test_every_page_is_in_the_navigation_once() -> None:
    told = yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]
    assert sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")) == sorted(pages_of(told))


def pages_of(told: object) -> list[str]:
    if isinstance(told, str):
        return [told]
    below = told.values() if isinstance(told, dict) else told
    return [page for entry in below for page in pages_of(entry)]  # type: ignore[attr-defined]


def test_every_command_has_its_place_among_what_it_is_for() -> None:
    page = (DOCS / "how_to.md").read_text()
    assert [] == [name for name, _ in commands() if f"`{name}" not in page and f"\n{name} " not in page]


@soak
def test_the_site_is_built_without_a_warning_and_asks_nothing_of_other_hosts(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="the site needs the extra: pip install --editable '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == built.returncode, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    asked = {page.name: FETCHED.findall(page.read_text()) for page in pages}
    assert {} == {name: hosts for name, hosts in asked.items() if hosts}
    assert "FundingArbitrageEnv" in (tmp_path / "site/reference/backtest.html").read_text()
