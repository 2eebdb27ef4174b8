"""The registry: versions never change, damage is found before anything is read, and champions come and go whole."""

from pathlib import Path

import numpy as np
import pytest

from backtest.schema import Schema
from backtest.settings import EnvironmentSettings
from data.errors import StateError
from data.types import HOUR_MS
from pbt_online.manifest import Origin
from pbt_online.network import NetworkPolicy
from pbt_online.registry import Registry
from tests.unit.pbt_online.test_network import layers

SCHEMA = Schema(3, 5)
PAIRS = Schema(3, 5, "pairs", 8)
SETTINGS = EnvironmentSettings()
NOW = 1_736_899_200_000
"""2025-01-15 00:00 UTC."""
ORIGIN = Origin(
    created_ms=NOW,
    lineage={"run": "a", "member": 3, "round": 7, "parents": [1, 2]},
    window={"train": [NOW - 90 * HOUR_MS, NOW - 20 * HOUR_MS]},
    configuration={"hidden": [8]},
    fitness={"value": 0.1 + 0.2, "scores": [1e-17, -3.5]},
)


def network(seed: int = 0, schema: Schema = PAIRS) -> NetworkPolicy:
    return NetworkPolicy("member", schema, layers(schema.size, 8, schema.actions, seed=seed))


def seen(schema: Schema = PAIRS, count: int = 50) -> np.ndarray:
    return np.random.default_rng(5).normal(0, 1, (count, 7, schema.size)).astype(np.float32)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """One whose first champion is the rule."""
    opened = Registry(tmp_path)
    opened.champion(SCHEMA)
    return opened


def test_the_first_champion_is_the_carry_rule(tmp_path: Path) -> None:
    champion = Registry(tmp_path).champion(SCHEMA)
    assert ("plain", "rule", SCHEMA.hash) == (champion.kind, champion.policy, champion.schema_hash)
    assert "rule" == Registry(tmp_path).policy(champion, SETTINGS, 0).name


def test_a_promotion_lasts(registry: Registry, tmp_path: Path) -> None:
    registry.promote(registry.register_plain("flat", SCHEMA).name, NOW, "asked for")
    assert "flat" == Registry(tmp_path).champion(SCHEMA).policy
    told = Registry(tmp_path).history()[-1]
    assert (NOW, "asked for", 0) == (told.since_ms, told.why, told.before)


def test_what_was_never_registered_is_not_promoted(registry: Registry) -> None:
    with pytest.raises(StateError, match="manifest"):
        registry.promote("unknown", NOW, "")
    assert "rule" == registry.champion(SCHEMA).policy


@pytest.mark.parametrize("name", ["", "../versions", "a/b", ".draft", "rule\n", "/etc"])
def test_a_name_is_never_a_path(registry: Registry, name: str) -> None:
    with pytest.raises(StateError, match="no version's name"):
        registry.version(name)
    with pytest.raises(StateError, match="no version's name"):
        registry.register_network(network(), ORIGIN, name=name or "..")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": 3}', "not json", '{"name": "x", "history": []}'])
def test_a_damaged_champion_is_said_so(registry: Registry, tmp_path: Path, content: str) -> None:
    (tmp_path / "champion.json").write_text(content)
    with pytest.raises(StateError, match=str(tmp_path)):
        registry.champion(SCHEMA)


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "x"}'])
def test_a_damaged_manifest_is_said_so(registry: Registry, tmp_path: Path, content: str) -> None:
    champion = registry.champion(SCHEMA)
    (tmp_path / "versions" / champion.name / "manifest.json").write_text(content)
    with pytest.raises(StateError, match="manifest"):
        registry.champion(SCHEMA)
