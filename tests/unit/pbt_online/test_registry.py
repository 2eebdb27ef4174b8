"""The registry: the rule is the first champion, and damaged files are said so."""

from pathlib import Path

import pytest

from backtest.schema import Schema
from data.errors import StateError
from pbt_online.registry import Registry

SCHEMA = Schema(3, 5)


def test_the_first_champion_is_the_carry_rule(tmp_path: Path) -> None:
    champion = Registry(tmp_path).champion(SCHEMA)
    assert ("plain", "rule", SCHEMA.hash) == (champion.kind, champion.policy, champion.schema_hash)
    assert "rule" == Registry(tmp_path).policy(champion, SCHEMA, 0).name


def test_a_promotion_lasts(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.champion(SCHEMA)
    registry.promote(registry.register_plain("flat", SCHEMA).name)
    assert "flat" == Registry(tmp_path).champion(SCHEMA).policy


def test_what_was_never_registered_is_not_promoted(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.champion(SCHEMA)
    with pytest.raises(StateError, match="manifest"):
        registry.promote("unknown")
    assert "rule" == registry.champion(SCHEMA).policy


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": 3}', "not json"])
def test_a_damaged_champion_is_said_so(tmp_path: Path, content: str) -> None:
    registry = Registry(tmp_path)
    registry.champion(SCHEMA)
    (tmp_path / "champion.json").write_text(content)
    with pytest.raises(StateError, match=str(tmp_path)):
        registry.champion(SCHEMA)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "x"}'])
def test_a_damaged_manifest_is_said_so(tmp_path: Path, content: str) -> None:
    registry = Registry(tmp_path)
    champion = registry.champion(SCHEMA)
    (tmp_path / "versions" / champion.name / "manifest.json").write_text(content)
    with pytest.raises(StateError, match="manifest"):
        registry.champion(SCHEMA)


def test_what_an_interrupted_promotion_left_behind_changes_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.champion(SCHEMA)
    flat = registry.register_plain("flat", SCHEMA)
    (tmp_path / "champion.tmp").write_text('{"name": "fl')
    assert "rule" == Registry(tmp_path).champion(SCHEMA).policy
    registry.promote(flat.name)
    assert "flat" == Registry(tmp_path).champion(SCHEMA).policy


def test_a_promotion_that_cannot_be_written_leaves_the_champion(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    registry.champion(SCHEMA)
    flat = registry.register_plain("flat", SCHEMA)
    (tmp_path / "champion.tmp").mkdir()
    with pytest.raises((StateError, OSError)):
        registry.promote(flat.name)
    assert "rule" == Registry(tmp_path).champion(SCHEMA).policy


def test_the_same_policy_and_observations_are_the_same_version(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert registry.register_plain("rule", SCHEMA) == registry.register_plain("rule", SCHEMA)
    assert registry.register_plain("rule", SCHEMA).name != registry.register_plain("rule", Schema(4, 5)).name
    assert registry.register_plain("rule", SCHEMA) == registry.version(registry.register_plain("rule", SCHEMA).name)


def test_the_champion_stays_whatever_observations_are_made_today(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    first = registry.champion(SCHEMA)
    assert first == registry.champion(Schema(4, 5))
