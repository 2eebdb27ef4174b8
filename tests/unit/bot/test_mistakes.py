"""A mistake in a configuration is told by file, line, key and the nearest valid key; all of them at once."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pydantic import ValidationError

from bot.configuration import load_settings
from bot.mistakes import _all_keys, mistakes_of
from bot.settings import Settings
from bot.yaml_text import read_yaml
from data.errors import ConfigurationError


def told(folder: Path, text: str) -> list[str]:
    """What is said of a configuration, without the file's name."""
    path = folder / "some.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("sed: 1", "1: sed: unknown key: did you mean seed?"),
        ("risk:\n  max_leg: 1", "2: risk.max_leg: unknown key: did you mean risk.max_leg_notional?"),
        ("max_positions: 3", "1: max_positions: unknown key: did you mean environment.max_positions?"),
        (
            "risk: {initial_capital: 3}",
            "1: risk.initial_capital: unknown key: did you mean environment.initial_capital?",
        ),
        ("xyz: 1", "1: xyz: unknown key: the nearest valid one is"),
        (
            "data:\n  venues:\n    binance:\n      fees_tier: 1\n    okx:",
            "4: data.venues.binance.fees_tier: unknown key: did you mean data.venues.binance.fee_tier?",
        ),
        (
            "sandbox:\n  faults:\n  - kind: status\n    status: 503\n    retry_after: 3",
            "5: sandbox.faults.0.retry_after: unknown key: did you mean sandbox.faults.0.retry_after_s?",
        ),
        (
            "sandbox:\n  faults:\n  - kind: status\n    status: many",
            "4: sandbox.faults.0.status: must be a valid integer",
        ),
        ("seed: many", "1: seed: must be a valid integer, not 'many'"),
        ("\nseed: -1", "2: seed: must be greater than or equal to 0, not -1"),
        ("profile: real", "1: profile: must be 'sandbox', 'paper' or 'live', not 'real'"),
        ("data:\n  assets: BTC", "2: data.assets: must be a list such as [A, B], not 'BTC'"),
        ("data:\n  assets: [NO]", "2: data.assets.0: must be text: put it in quotes, not False"),
        ("risk: 5", "1: risk: must hold keys, each on a line of its own below it"),
        ("data:\n  venues:\n    binance:", "2: data.venues: Dictionary should have at least 2 items"),
        ("data:\n  venues: {binance: , binanse: }", "2: data.venues.binanse: unknown venue 'binanse': choose from"),
        ("environment:\n  max_positions: .nan", "2: environment.max_positions: must be a finite number, not nan"),
        ("sandbox:\n  begin: 2025-02-30", "2: sandbox.begin: must be a valid datetime"),
        ("sandbox:\n  outages:\n  - {venue: okx, begin: 2025-01-01}", "3: sandbox.outages.0.end: is missing"),
        ("environment: {reprice_s: 7}", "1: environment: reprice_s and maker_patience_s must be multiples of look_s"),
        ("- a list", " must hold keys, each on a line of its own below it"),
        ("seed: 1\nseed: 2", "2: seed: is told twice, first in line 1: keep one of them"),
    ],
)
def test_a_mistake_is_told_by_line_and_key(tmp_path: Path, text: str, line: str) -> None:
    assert [line] == [said[: len(line)] for said in told(tmp_path, text)]


def test_all_mistakes_are_told_at_once_in_their_order(tmp_path: Path) -> None:
    text = "risk: {}\nseed: x\nvar: 5\nrisk:\n  nonsense: 1\n  max_drawdown_pct: 200\n"
    said = told(tmp_path, text)
    assert ["2: seed", "3: var", "4: risk", "5: risk.nonsense", "6: risk.max_drawdown_pct"] == [
        ":".join(line.split(":")[:2]) for line in said
    ]


def test_all_that_does_not_fit_together_is_told_at_once(tmp_path: Path) -> None:
    text = "profile: live\nenvironment:\n  initial_capital: 16000\n"
    raised = "would deny every entry, as {} may come to {}: raise it, or lower environment.initial_capital"
    assert [
        " risk.max_gross_notional: 30,000 " + raised.format("all legs", "32,000"),
        " risk.max_leg_notional: 5,000 " + raised.format("a leg", "5,333"),
        "2: environment.rebalance_below: no money is moved between real venues: set it to 0",
    ] == told(tmp_path, text)


def test_what_may_be_a_secret_at_the_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    secret = "0x" + "5e" * 32
    text = f"seed: '{secret}'\nsandbox: {{accounts: {{wallet: shorter-secret, private_key: '{secret}0'}}}}\n"
    assert 4 == len(said := told(tmp_path, text + f"BINANCE_API_KEY: '{secret}'\n"))
    assert not any("5e5e" in line or "shorter-secret" in line for line in said)


@pytest.mark.parametrize("section", ["risk", "data", "learning", "environment"])
def test_a_section_with_nothing_in_it_is_as_the_models_say(tmp_path: Path, section: str) -> None:
    path = tmp_path / "some.yaml"
    path.write_text(f"{section}:\n")
    assert Settings() == load_settings(path)


KEYS = sorted({way for _, way in _all_keys(Settings) if way.count(".") and len(way.split(".")[-1]) > 6})


@given(st.sampled_from(KEYS), st.integers(0, 6))
def test_a_key_without_one_of_its_letters_is_found(key: str, at: int) -> None:
    *sections, name = key.split(".")
    content: object = {name[:at] + name[at + 1 :]: 1}
    for section in reversed(sections):
        content = {section: content}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(content)
    document = read_yaml(json.dumps(content).encode())
    said = [mistake.text for mistake in mistakes_of(caught.value, document, Settings)]
    assert f"unknown key: did you mean {key}?" in said


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=8)
    | st.just("2025-01-01"),
    lambda below: st.lists(below, max_size=2) | st.dictionaries(st.text(max_size=4) | st.integers(), below, max_size=2),
    max_leaves=4,
)


@effort(max_examples=40)
@given(st.sampled_from(sorted({way for _, way in _all_keys(Settings)})), JUNK)
def test_whatever_stands_at_a_key_it_is_taken_or_told_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, key: str, junk: object
) -> None:
    content = junk
    for section in reversed(key.split(".")):
        content = {section: content}
    path = tmp_path_factory.getbasetemp() / "junk.yaml"
    path.write_text(yaml.safe_dump(content))
    try:
        load_settings(path)
    except ConfigurationError as error:
        assert [] == [line for line in str(error).splitlines() if not line.startswith(f"{path}:")]


@pytest.mark.parametrize("key", ["1", "null", "true", "2025-01-01", "1.5", "[1, 2]", "{a: 1}"])
def test_a_key_that_is_no_text_is_told_with_its_line(tmp_path: Path, key: str) -> None:
    assert [True] == [line.startswith("2:") for line in told(tmp_path, f"seed: 1\n? {key}\n: 1\n")]
