"""What docs/sandbox.md shows is understood."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from backtest.sandbox.stream_faults import AnyFault
from bot.settings import load_settings

PAGE = (Path(__file__).parents[3] / "docs/sandbox.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BODIES = re.findall(r"sandbox/faults -d '(.*)'", PAGE)
KINDS = {"status", "timeout", "delay", "reset", "down", "cut", "cut_json", "empty", "html", "stale", "drop"}


def test_every_configuration_on_the_page_can_be_loaded(tmp_path: Path) -> None:
    kinds = set()
    for number, text in enumerate(YAML):
        (path := tmp_path / f"{number}.yaml").write_text(text)
        kinds |= {fault.kind for fault in load_settings(path).sandbox.faults}
    assert KINDS == kinds


def test_every_body_on_the_page_is_a_script() -> None:
    faults = TypeAdapter(tuple[AnyFault, ...])
    assert KINDS == {
        fault.kind for body in BODIES for told in json.loads(body).values() for fault in faults.validate_python(told)
    }


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_is_in_the_table(kind: str) -> None:
    assert f"| `{kind}` |" in PAGE
