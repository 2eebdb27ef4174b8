"""The table in docs/controls.md is what the tests' marks say; `python -m tests.faults.test_table` writes it."""

import importlib
from collections import defaultdict
from pathlib import Path

from tests.faults.controls import CONTROLS

PAGE = Path(__file__).parents[2] / "docs" / "controls.md"
BEGINS, ENDS = "<!-- generated from tests/faults -->\n", "<!-- end -->"


def held() -> dict[int, list[tuple[str, str, str]]]:
    """By control: test, venues, and those of the soak."""
    found: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.faults.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and hasattr(test, "holds") and test.__module__.endswith(path.stem):
                numbers, venues, soak = test.holds
                for number in numbers:
                    found[number].append((f"{path.name}::{name}", ", ".join(venues), ", ".join(soak)))
    return found


def table() -> str:
    """A row for each control and test."""
    rows = ["| # | control | venues | soak | test |", "|---|---|---|---|---|"]
    for number, what in CONTROLS.items():
        for test, venues, soak in held()[number]:
            rows.append(f"| {number} | {what} | {venues} | {soak} | `{test}` |")
    return "\n".join(rows) + "\n"


def page() -> str:
    """The whole page, with the table as it must be."""
    before, mark, rest = PAGE.read_text().partition(BEGINS)
    _, end, after = rest.partition(ENDS)
    return before + mark + table() + end + after


def test_the_page_shows_what_the_tests_hold() -> None:
    assert page() == PAGE.read_text(), "write it anew: python -m tests.faults.test_table"


def test_every_control_is_held_by_a_test() -> None:
    assert [] == [number for number in CONTROLS if not held()[number]]


if __name__ == "__main__":
    PAGE.write_text(page())
