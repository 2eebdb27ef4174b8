"""Manifests: what is written comes back, what makes a version what it is changes its fingerprint, and nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.schema import Schema
from data.errors import CorruptData, StateError
from pbt_online.manifest import MODEL, Version, code_version, digest, file_hash, joint_hash

SCHEMA = Schema(3, 5, "pairs", 8)
PLAIN = Version(name="", kind="network", schema=SCHEMA, schema_hash=SCHEMA.hash, files={"policy.npz": "a", MODEL: "b"})
HERE = Path("manifest.json")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_what_is_written_comes_back(content: dict[str, Any]) -> None:
    version = replace(PLAIN, lineage=content, verdict=content, fitness=content).named(None, "ppo")
    assert version == Version.from_json(version.as_json().encode(), HERE)


def test_a_name_says_kind_time_and_content() -> None:
    version = replace(PLAIN, created_ms=1_736_899_200_000).named(None, "ppo")
    assert f"ppo-20250115T00-{version.fingerprint[:6]}" == version.name
    assert ("mine", version.fingerprint) == ((told := version.named("mine", "ppo")).name, told.fingerprint)


@pytest.mark.parametrize(
    "change", [{"name": "other"}, {"code_version": "9"}, {"files": {"policy.npz": "a", MODEL: "of another second"}}]
)
def test_packaging_is_no_content(change: dict[str, Any]) -> None:
    assert PLAIN.named(None, "ppo").fingerprint == replace(PLAIN, **change).named(None, "ppo").fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "plain"}, {"schema": Schema(3, 5)}, {"policy": "rule"}, {"members": ("a",)}, {"scaler_hash": "s"},
        {"files": {"policy.npz": "b"}}, {"weights_hash": "w"}, {"created_ms": 1}, {"lineage": {"member": 1}},
        {"window": {"gate": [0, 1]}}, {"configuration": {"a": 1}}, {"verdict": {}}, {"fitness": {"value": 1.0}},
    ],
)  # fmt: skip
def test_everything_else_is(change: dict[str, Any]) -> None:
    assert PLAIN.named(None, "ppo").fingerprint != replace(PLAIN, **change).named(None, "ppo").fingerprint


@pytest.mark.parametrize("verdict", [None, {}, {"promoted": False}, {"promoted": True}])
def test_only_a_verdict_that_promotes_vouches(verdict: dict[str, Any] | None) -> None:
    assert (verdict == {"promoted": True}) == replace(PLAIN, verdict=verdict).vouched_for


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"schema": {}, "members": []}', b"\xff", b"null"])
def test_what_is_no_manifest_is_said_so(text: bytes) -> None:
    with pytest.raises(StateError, match="no manifest of this program"):
        Version.from_json(text, HERE)


def test_a_manifest_of_another_program_is_said_so() -> None:
    text = PLAIN.named(None, "ppo").as_json().replace('"verdict"', '"sentence"')
    with pytest.raises(StateError, match="no manifest of this program"):
        Version.from_json(text.encode(), HERE)


def test_a_change_by_hand_is_noticed() -> None:
    text = PLAIN.named(None, "ppo").as_json().replace('"decision_hours": 8', '"decision_hours": 1')
    with pytest.raises(CorruptData, match="manifest.json differs from its own fingerprint"):
        Version.from_json(text.encode(), HERE)


def test_an_ensemble_is_its_members_in_their_order() -> None:
    one, other = (replace(PLAIN, created_ms=time).named(None, "ppo") for time in (1, 2))
    hashes = {joint_hash(members) for members in ([one], [other], [one, other], [other, one])}
    assert 4 == len(hashes)


def test_hashes_are_sha256(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    assert "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" == file_hash(path), "FIPS 180-4's example"
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


def test_the_program_names_its_release() -> None:
    assert code_version().split("+")[0].count(".") >= 1
