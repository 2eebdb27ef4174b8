"""What docs/sandbox.md shows is understood."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import TypeAdapter

from backtest.sandbox.accounts.events import Event
from backtest.sandbox.distortions import Distortion
from backtest.sandbox.stream_faults import AnyFault
from bot.configuration import load_settings

PAGE = (Path(__file__).parents[3] / "docs/sandbox.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
BODIES = re.findall(r"sandbox/faults -d '(.*)'", PAGE)
KINDS = {
    "status", "timeout", "delay", "reset", "down", "cut", "cut_json", "empty", "html", "answer", "doubled", "stale",
    "drop",
}  # fmt: skip

HAPPENS = re.findall(r"sandbox/accounts/binance -d '(.*)'", PAGE)
EVENTS = {get_args(one.model_fields["kind"].annotation)[0] for one in get_args(get_args(Event)[0])}
DISTORTIONS = set(get_args(Distortion.model_fields["kind"].annotation))


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


@pytest.mark.parametrize("kind", sorted(EVENTS | DISTORTIONS))
def test_every_event_and_every_distortion_is_in_a_table(kind: str) -> None:
    assert f"| `{kind}` |" in PAGE


def test_every_event_on_the_page_can_happen() -> None:
    events = TypeAdapter(Event)
    assert EVENTS > {events.validate_json(body).kind for body in HAPPENS} > set()
