"""The registry: versions never change, damage is found before anything is read, and champions come and go whole."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from importlib.metadata import version as package_version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.scaler import fit_scaler
from backtest.schema import Schema, settings_for
from backtest.settings import EnvironmentSettings
from data.errors import ConfigurationError, CorruptData, StateError
from data.types import HOUR_MS
from pbt_online.ensemble import Ensemble
from pbt_online.manifest import Origin, Version
from pbt_online.network import NetworkPolicy
from pbt_online.registry import Registry
from tests.unit.backtest.markets import HISTORY_H, pair_market, play_tape
from tests.unit.pbt_online.networks import layers

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


def test_a_version_that_is_not_there_is_said_so(registry: Registry) -> None:
    with pytest.raises(StateError, match="bot champion list"):
        registry.version("ppo-none")


def test_the_same_policy_and_observations_are_the_same_version(registry: Registry) -> None:
    rule = registry.register_plain("rule", SCHEMA)
    assert rule == registry.register_plain("rule", SCHEMA) == registry.version(rule.name)
    others = [Schema(4, 5), Schema(3, 5, "pairs"), Schema(3, 5, "pairs", 8)]
    names = {rule.name, *(registry.register_plain("rule", other).name for other in others)}
    assert (4, sorted(names)) == (len(names), registry.names())


def test_a_policy_that_nothing_has_is_not_registered(registry: Registry) -> None:
    with pytest.raises(ConfigurationError, match="flat, rule, random"):
        registry.register_plain("best", SCHEMA)


def test_the_champion_stays_whatever_observations_are_made_today(registry: Registry) -> None:
    first = registry.champion(SCHEMA)
    assert first == registry.champion(Schema(4, 5))
    slots = EnvironmentSettings(max_positions=4)
    assert Schema(4, 5) == registry.policy(first, slots, 0).schema


def test_a_network_comes_back_as_it_went(registry: Registry) -> None:
    version = registry.register_network(network(), ORIGIN, model_zip=b"a zip")
    assert version == registry.version(version.name)
    assert ("network", PAIRS, PAIRS.hash) == (version.kind, version.schema, version.schema_hash)
    assert version.name == f"ppo-20250115T00-{version.fingerprint[:6]}"
    for name in vars(ORIGIN):
        if name != "weights_hash":
            assert getattr(ORIGIN, name) == getattr(version, name)
    assert version.weights_hash == version.files["policy.npz"]
    assert version.code_version.startswith(package_version("funding-bot"))
    policy = registry.policy(version, SETTINGS, 0)
    assert isinstance(policy, NetworkPolicy)
    assert network().logits(seen()).tobytes() == policy.logits(seen()).tobytes()
    assert (version.name, PAIRS) == (policy.name, policy.schema)
    assert b"a zip" == registry.file(version, "model.zip").read_bytes()


def test_the_scaler_travels_with_the_network(registry: Registry) -> None:
    told = play_tape(pair_market(HISTORY_H + 101), settings_for(PAIRS, SETTINGS), 101)
    scaler = fit_scaler(told, told.first, told.first + 100)
    with_scaler = NetworkPolicy("member", PAIRS, layers(PAIRS.size, 8, PAIRS.actions), scaler)
    version = registry.register_network(with_scaler, ORIGIN)
    policy = registry.policy(version, SETTINGS, 0)
    assert with_scaler.decide(seen()).tolist() == policy.decide(seen()).tolist()
    assert version.scaler_hash is not None
    assert registry.register_network(network(), ORIGIN).scaler_hash is None


def test_the_same_content_is_the_same_version_however_its_zip_is_packed(registry: Registry) -> None:
    first = registry.register_network(network(), ORIGIN, model_zip=b"packed at nine")
    again = registry.register_network(network(), ORIGIN, model_zip=b"packed at ten")
    assert first == again
    assert b"packed at nine" == registry.file(again, "model.zip").read_bytes()


def test_whatever_differs_makes_another_version(registry: Registry) -> None:
    told = [
        registry.register_network(network(), ORIGIN),
        registry.register_network(network(1), ORIGIN),
        *(
            registry.register_network(network(), replace(ORIGIN, **{name: value}))
            for name, value in (
                ("created_ms", NOW + 1), ("lineage", {}), ("window", {}), ("configuration", {"hidden": [9]}),
                ("verdict", {"promoted": False}), ("fitness", None), ("weights_hash", "ab"),
            )
        ),
    ]  # fmt: skip
    assert len(told) == len({one.name for one in told})


def test_a_name_keeps_its_content(registry: Registry) -> None:
    first = registry.register_network(network(), ORIGIN, name="mine")
    with pytest.raises(StateError, match="mine exists with another content"):
        registry.register_network(network(1), ORIGIN, name="mine")
    assert first == registry.version("mine") == registry.register_network(network(), ORIGIN, name="mine")
    assert network().logits(seen()).tobytes() == registry.policy(first, SETTINGS, 0).logits(seen()).tobytes()  # type: ignore[attr-defined]


def flip(path: Path) -> None:
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["policy.npz", "policy.json", "model.zip"])
@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_file_that_differs_is_refused_before_anything_is_read(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, damage: Callable[[Path], object]
) -> None:
    version = registry.register_network(network(), ORIGIN, model_zip=b"zip" * 100)
    damage(tmp_path / "versions" / version.name / name)
    monkeypatch.setattr(NetworkPolicy, "load", lambda folder: pytest.fail("a damaged version was opened"))
    for use in (
        lambda: registry.policy(version, SETTINGS, 0),
        lambda: registry.promote(version.name, NOW, ""),
        lambda: registry.file(version, name),
    ):
        with pytest.raises(CorruptData, match="restore it from a backup or remove the version"):
            use()
    assert "rule" == registry.champion(SCHEMA).policy


def test_a_manifest_that_was_changed_is_refused(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_network(network(), replace(ORIGIN, verdict={"promoted": False}))
    path = tmp_path / "versions" / version.name / "manifest.json"
    path.write_text(path.read_text().replace('"promoted": false', '"promoted": true'))
    with pytest.raises(CorruptData, match="fingerprint"):
        registry.version(version.name)


def test_a_manifest_in_another_folder_is_refused(registry: Registry, tmp_path: Path) -> None:
    version = registry.register_network(network(), ORIGIN)
    (tmp_path / "versions" / version.name).rename(tmp_path / "versions" / "other")
    with pytest.raises(CorruptData, match=version.name):
        registry.version("other")


def test_a_network_for_another_account_is_refused(registry: Registry) -> None:
    version = registry.register_network(network(), ORIGIN)
    with pytest.raises(ConfigurationError, match=f"version {version.name}: a policy made for 3 slots"):
        registry.policy(version, EnvironmentSettings(max_positions=4), 0)


def test_what_was_not_kept_is_said_so(registry: Registry) -> None:
    with pytest.raises(StateError, match="without model.zip"):
        registry.file(registry.register_network(network(), ORIGIN), "model.zip")


def test_an_ensemble_votes_by_its_members(registry: Registry) -> None:
    names = [registry.register_network(network(seed), ORIGIN).name for seed in range(3)]
    version = registry.register_ensemble(names, ORIGIN)
    assert ("ensemble", tuple(names), PAIRS) == (version.kind, version.members, version.schema)
    assert version == registry.register_ensemble(names, ORIGIN) == registry.version(version.name)
    policy = registry.policy(version, SETTINGS, 0)
    expected = Ensemble("by hand", [network(seed) for seed in range(3)]).decide(seen())
    assert (expected.tolist(), version.name) == (policy.decide(seen()).tolist(), policy.name)
    assert registry.promote(version.name, NOW, "") == registry.champion(SCHEMA)


def test_an_ensemble_whose_member_is_damaged_is_refused(registry: Registry, tmp_path: Path) -> None:
    names = [registry.register_network(network(seed), ORIGIN).name for seed in range(3)]
    version = registry.register_ensemble(names, ORIGIN)
    flip(tmp_path / "versions" / names[1] / "policy.npz")
    with pytest.raises(CorruptData, match=names[1]):
        registry.policy(version, SETTINGS, 0)


def test_a_member_that_was_replaced_as_a_whole_is_noticed(registry: Registry, tmp_path: Path) -> None:
    names = [registry.register_network(network(seed), ORIGIN, name=f"m{seed}").name for seed in range(3)]
    version = registry.register_ensemble(names, ORIGIN)
    shutil.rmtree(tmp_path / "versions" / "m1")
    registry.register_network(network(9), ORIGIN, name="m1")
    with pytest.raises(CorruptData, match="a member of"):
        registry.policy(version, SETTINGS, 0)


def test_an_ensemble_of_what_does_not_fit_together_is_refused(registry: Registry) -> None:
    pairs, ranked = registry.register_plain("rule", PAIRS).name, registry.register_plain("rule", SCHEMA).name
    vote = registry.register_ensemble([pairs, pairs], ORIGIN).name
    for members in ([], [pairs, ranked], [pairs, vote]):
        with pytest.raises(ConfigurationError, match="versions of one schema"):
            registry.register_ensemble(members, ORIGIN)
    with pytest.raises(StateError, match="no version"):
        registry.register_ensemble([pairs, "none"], ORIGIN)


def line(registry: Registry, *seeds: int) -> list[str]:
    """Champions one after the other, the rule first."""
    names = [registry.champion(SCHEMA).name]
    for seed in seeds:
        names.append(registry.promote(registry.register_network(network(seed), ORIGIN).name, NOW + seed, "better").name)
    return names


def test_rolling_back_again_goes_further_back_and_forgets_nothing(registry: Registry) -> None:
    rule, one, two = line(registry, 1, 2)
    assert [one, rule] == [registry.rollback(NOW + 9).name for _ in range(2)]
    with pytest.raises(StateError, match="no champion came before"):
        registry.rollback(NOW + 9)
    assert [rule, one, two, one, rule] == [tenure.name for tenure in registry.history()]
    assert (NOW + 9, "rolled back") == (registry.history()[-1].since_ms, registry.history()[-1].why)


def test_who_is_promoted_after_a_rollback_falls_back_to_whom_it_replaced(registry: Registry) -> None:
    rule, *_ = line(registry, 1)
    registry.rollback(NOW)
    registry.promote(registry.register_network(network(2), ORIGIN).name, NOW, "")
    assert rule == registry.rollback(NOW).name


def test_a_time_that_is_lived_anew_knows_no_later_champion(registry: Registry) -> None:
    rule, one, _ = line(registry, 1, 2)
    registry.rewind(NOW + 1)
    assert [rule, one] == [tenure.name for tenure in registry.history()]
    registry.rewind(NOW)
    assert [rule] == [tenure.name for tenure in registry.history()]


def test_who_was_promoted_by_hand_stays_when_time_is_lived_anew(registry: Registry) -> None:
    rule, one, two = line(registry, 1, 2)
    registry.promote(one, NOW + 5, "promoted by hand", by_hand=True)
    registry.promote(two, NOW + 7, "better")
    for now in (NOW, NOW - 3):
        registry.rewind(now)
        assert [(rule, None), (one, now)] == [(tenure.name, tenure.since_ms) for tenure in registry.history()]
        assert one == registry.champion_at(SCHEMA, now).name
    assert rule == registry.rollback(NOW).name


def test_who_was_brought_back_by_hand_stays_when_time_is_lived_anew(registry: Registry) -> None:
    rule, _, two = line(registry, 1, 2)
    registry.rollback(NOW + 5, "rolled back by hand", by_hand=True)
    registry.promote(two, NOW + 7, "promoted by hand", by_hand=True)
    registry.demote(NOW + 8, "drawdown")
    registry.rewind(NOW)
    assert [rule, two] == [tenure.name for tenure in registry.history()]
    registry.rollback(NOW + 9, "rolled back by hand", by_hand=True)
    registry.rewind(NOW)
    assert rule == registry.champion(SCHEMA).name


def test_a_champion_that_is_promoted_by_hand_once_more_stays_too(registry: Registry) -> None:
    rule, one = line(registry, 1)
    before = registry.history()[-1]
    registry.promote(one, NOW + 5, "promoted by hand", by_hand=True)
    assert replace(before, by_hand=True) == registry.history()[-1]
    registry.rewind(NOW)
    assert [rule, one] == [tenure.name for tenure in registry.history()]


def test_promoting_the_champion_again_changes_nothing(registry: Registry) -> None:
    rule, one = line(registry, 1)
    before = registry.history()
    assert one == registry.promote(one, NOW + 50, "once more").name
    assert before == registry.history()
    assert rule == registry.rollback(NOW).name


def test_a_champion_is_demoted_to_its_predecessor_and_at_last_to_flat(registry: Registry) -> None:
    rule, _ = line(registry, 1)
    told = [registry.demote(NOW, "drawdown") for _ in range(3)]
    assert [rule, "flat", "flat"] == [told[0].name, told[1].policy, told[2].policy]
    assert "drawdown" == registry.history()[-1].why
    with pytest.raises(StateError, match="no champion came before"):
        registry.rollback(NOW)


def test_a_champion_is_demoted_to_flat_on_request(registry: Registry) -> None:
    line(registry, 1, 2)
    told = registry.demote(NOW, "drawdown", to_flat=True)
    assert ("flat", 1) == (told.policy, told.schema.decision_hours), "it leaves hour by hour"
    assert "flat" == registry.policy(told, EnvironmentSettings(max_positions=4), 0).name


def test_a_damaged_predecessor_is_passed_over(registry: Registry, tmp_path: Path) -> None:
    rule, one, _ = line(registry, 1, 2)
    flip(tmp_path / "versions" / one / "policy.npz")
    with pytest.raises(CorruptData, match=one):
        registry.rollback(NOW)
    assert rule == registry.demote(NOW, "drawdown").name


def test_a_damaged_champion_can_still_be_demoted(registry: Registry, tmp_path: Path) -> None:
    for name in line(registry, 1):
        (tmp_path / "versions" / name / "manifest.json").write_text("{")
    assert "flat" == registry.demote(NOW, "drawdown").policy == registry.champion(SCHEMA).policy


def test_nobody_can_be_demoted_where_nobody_trades(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="bot run --paper"):
        Registry(tmp_path).demote(NOW, "")


MOVES = st.lists(st.sampled_from(["promote 1", "promote 2", "promote 3", "rollback", "demote", "flat"]), max_size=12)


@given(moves=MOVES)
@settings(max_examples=25, deadline=None)
def test_the_champion_is_whom_a_stack_of_champions_says(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    registry = Registry(tmp_path_factory.mktemp("registry"))
    stack = [registry.champion(SCHEMA).name]
    plain = {move: Schema(3, 5, "pairs", int(move[-1])) for move in moves if move.startswith("promote")}
    for move in moves:
        if move in plain:
            name = registry.register_plain("rule", plain[move]).name
            registry.promote(name, NOW, move)
            stack += [name] if stack[-1] != name else []
        elif move == "rollback" and len(stack) == 1:
            with pytest.raises(StateError):
                registry.rollback(NOW)
        elif move == "rollback" or (move == "demote" and len(stack) > 1):
            stack.pop()
            registry.rollback(NOW) if move == "rollback" else registry.demote(NOW, move)
        else:
            stack = [registry.demote(NOW, move, to_flat=True).name]
        assert stack[-1] == registry.champion(SCHEMA).name == registry.history()[-1].name


def test_what_an_interrupted_promotion_left_behind_changes_nothing(registry: Registry, tmp_path: Path) -> None:
    flat = registry.register_plain("flat", SCHEMA)
    (tmp_path / "champion.tmp").write_text('{"name": "fl')
    assert "rule" == Registry(tmp_path).champion(SCHEMA).policy
    registry.promote(flat.name, NOW, "")
    assert "flat" == Registry(tmp_path).champion(SCHEMA).policy


def test_a_half_written_version_is_invisible_and_swept_away(registry: Registry, tmp_path: Path) -> None:
    draft = tmp_path / "versions" / ".draft"
    draft.mkdir()
    (draft / "manifest.json").write_text("{")
    (draft / "policy.npz").write_text("half of")
    rule = registry.champion(SCHEMA).name
    assert [rule] == registry.names()
    version = registry.register_network(network(), ORIGIN)
    assert sorted([rule, version.name]) == registry.names()
    assert {"policy.json", "policy.npz"} == set(version.files)
    assert not draft.exists()


def test_a_promotion_that_cannot_be_written_leaves_the_champion(registry: Registry, tmp_path: Path) -> None:
    flat = registry.register_plain("flat", SCHEMA)
    (tmp_path / "champion.tmp").mkdir()
    with pytest.raises(StateError, match="make room or mend the permissions"):
        registry.promote(flat.name, NOW, "")
    assert "rule" == registry.champion(SCHEMA).policy


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from backtest.schema import Schema, settings_for
from data.errors import StateError
from pbt_online.manifest import Origin
from pbt_online.network import NetworkPolicy
from pbt_online.registry import Registry

registry, room = Registry(Path(sys.argv[1])), int(sys.argv[2])
schema = Schema(3, 5, "pairs", 8)
network = NetworkPolicy("big", schema, [(np.ones((schema.size, 3)), np.ones(3))])
flat = registry.register_plain("flat", Schema(3, 5)).name
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
for write in (
    lambda: registry.register_network(network, Origin(lineage={"run": "a" * 4_000})),
    lambda: registry.promote(flat, 0, "w" * room),
):
    try:
        write()
        sys.exit("it was written")
    except StateError as error:
        print(error)
"""


@pytest.mark.parametrize("room", [300, 700, 3_000])
def test_a_full_disk_leaves_everything_as_it_was(registry: Registry, tmp_path: Path, room: int) -> None:
    """No file may have more than `room` bytes: not the weights, or not the manifest, and not the champion's reason."""
    known = registry.register_network(network(), ORIGIN)
    registry.register_plain("flat", SCHEMA)
    before, history = registry.names(), registry.history()
    ended = run_script(FULL_DISK, tmp_path, room)
    said, errors = ended.communicate(timeout=60)
    assert (0, 2) == (ended.returncode, said.count("make room")), said + errors
    assert (before, history) == (registry.names(), registry.history())
    assert network().decide(seen()).tolist() == registry.policy(known, SETTINGS, 0).decide(seen()).tolist()
    assert registry.register_network(network(5), ORIGIN).name in registry.names()


PROMOTIONS = """
import sys
from pathlib import Path
from backtest.schema import Schema, settings_for
from pbt_online.registry import Registry

registry, schema = Registry(Path(sys.argv[1])), Schema(3, 5, "pairs", int(sys.argv[2]))
for number in range(10):
    registry.promote(registry.register_plain("rule" if number % 2 else "flat", schema).name, 0, "")
"""


def test_writers_take_turns_and_readers_see_before_or_after(registry: Registry, tmp_path: Path) -> None:
    writers = [run_script(PROMOTIONS, tmp_path, hours) for hours in (1, 2)]
    lengths, reading = [], True
    while reading:
        reading = any(writer.poll() is None for writer in writers)
        lengths.append(len(registry.history()))
        assert registry.champion(SCHEMA).policy in ("rule", "flat")
        assert all(registry.version(name).kind == "plain" for name in registry.names())
    assert lengths == sorted(lengths)
    assert [(0, "", "")] * 2 == [(writer.returncode, *writer.communicate()) for writer in writers]
    assert 1 + 20 == len(registry.history()), "a promotion was lost"
    assert [*range(20)] == [tenure.before for tenure in registry.history()[1:]]


def run_script(text: str, *arguments: object) -> subprocess.Popen[str]:
    """In a process of its own."""
    command = [sys.executable, "-c", text, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", [Version, Origin])
def test_a_version_cannot_be_changed_in_memory_either(registry: Registry, kind: type) -> None:
    told = registry.champion(SCHEMA)
    assert isinstance(told, kind)
    with pytest.raises(FrozenInstanceError):
        told.created_ms = 3  # type: ignore[misc]
