"""`bot train`, `bot lineage` and what they leave for `bot champion` and `bot evaluate`, by the command line alone."""

import json
import os
import signal
from pathlib import Path

import pytest

from tests.functional.commands import bot, eventually, said, soak, started

CONFIG = """\
data:
  assets: [BTC, INJ, XRP, ETH]
sandbox:
  past_days: 60
learning:
  learner: {hidden: [16], rollout: 256, epochs: 2, clone_epochs: 1}
  population: {size: 3, timesteps: 1500, perturbation_interval: 500}
  fitness: {universes: 4, episode_days: 5}
"""
"""The default formulation, cloned from the rule, as small as it gets."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, config: Path) -> Path:
    """The folder of one cycle in two workers; what it printed is in train.txt."""
    var = tmp_path_factory.mktemp("trained")
    done = bot("train", "--config", config, "--var", var, "--workers", 2)
    assert done.returncode == 0, done.stderr
    (var / "train.txt").write_text(done.stdout)
    return var


def lineage(config: Path, var: Path) -> list[dict]:
    return said(bot("lineage", "--config", config, "--var", var, "--json"))


def weights(config: Path, var: Path) -> dict[tuple[int, int], str]:
    return {(entry["round"], entry["member"]): entry["checkpoint"] for entry in lineage(config, var)}


@soak
def test_every_round_has_its_table_and_the_cycle_ends_with_a_verdict(trained: Path) -> None:
    shown = (trained / "train.txt").read_text()
    for words in ("round 1/3", "round 3/3", "member", "reward", "P&L %", "win rate", "trades", "copies member", "lr="):
        assert words in shown
    for words in ("the gate", "against", "lower bound", "detectable", "tuned rule", "flat"):
        assert words in shown
    assert "refused\nchampion: rule-" in shown or "promoted\nchampion: ppo-" in shown or "champion: flat-" in shown


@soak
def test_one_worker_gives_the_same_weights_as_two(trained: Path, config: Path, tmp_path: Path) -> None:
    said(bot("train", "--config", config, "--var", tmp_path, "--workers", 1, "--json"))
    assert weights(config, trained) == weights(config, tmp_path)


@soak
def test_training_that_was_killed_goes_on_to_the_same_weights_and_verdict(
    trained: Path, config: Path, tmp_path: Path
) -> None:
    """Those of two workers, though here one process does everything."""
    alone = tmp_path / "alone.yaml"
    alone.write_text(config.read_text() + "  backend: {kind: process}\n")
    arguments = ("train", "--config", alone, "--var", tmp_path)
    process = started(*arguments)
    eventually(lambda: _lines(tmp_path) >= 3, process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert 3 <= _lines(tmp_path) < 9
    resumed = said(bot(*arguments, "--json"))
    assert weights(config, trained) == weights(config, tmp_path)
    assert _verdict(trained) == resumed[0]["verdict"]


@soak
def test_the_next_cycle_goes_on_with_the_living_population(trained: Path, config: Path, tmp_path: Path) -> None:
    first, second = said(
        bot("train", "--config", config, "--var", tmp_path, "--cycles", 2, "--timesteps", 500, "--json")
    )
    assert (1, 2) == (first["number"], second["number"])
    assert first["windows"]["gate"]["last_tick"] < second["windows"]["gate"]["last_tick"]
    entries = lineage(config, tmp_path)
    assert {entry["came_from"] for entry in entries if entry["cycle"] == 2} <= {0, 1, 2}
    assert 2 == second["verdict"]["attempt"]


@soak
def test_a_version_that_is_evaluated_again_brings_the_row_of_its_round(trained: Path, config: Path) -> None:
    versions = said(bot("champion", "list", "--config", config, "--var", trained, "--json"))
    (name,) = (version["name"] for version in versions if version["kind"] == "network")
    shown = said(bot("evaluate", name, "--config", config, "--var", trained, "--hours", 100, "--json"))
    assert shown["fitness"] is not None
    assert shown["fitness"] == shown["examined_again"]


@soak
def test_a_member_retraced_along_its_schedule_has_the_same_weights(trained: Path, config: Path) -> None:
    told = said(bot("lineage", "--config", config, "--var", trained, "--retrace", 1, "--json"))
    assert weights(config, trained)[3, 1] == told["weights"]


@soak
def test_lineage_is_drawn(trained: Path, config: Path, tmp_path: Path) -> None:
    picture = tmp_path / "lineage.svg"
    shown = bot("lineage", "--config", config, "--var", trained, "--picture", picture)
    assert shown.returncode == 0, shown.stderr
    assert "<svg" in picture.read_text()[:1000]


def test_too_short_a_history_says_what_is_missing(config: Path, tmp_path: Path) -> None:
    ended = bot("train", "--config", config, "--var", tmp_path, "--from", "2025-01-10")
    assert (4, True) == (ended.returncode, "days of history" in ended.stderr)


@soak
def test_an_unfinished_cycle_is_not_gone_on_with_under_other_settings(config: Path, tmp_path: Path) -> None:
    process = started("train", "--config", config, "--var", tmp_path, "--workers", 1)
    eventually(lambda: _lines(tmp_path) >= 1, process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    ended = bot("train", "--config", config, "--var", tmp_path, "--population", 4)
    assert (5, True) == (ended.returncode, "--fresh" in ended.stderr)


def test_lineage_of_nothing_says_how_to_get_some(tmp_path: Path) -> None:
    ended = bot("lineage", "--var", tmp_path)
    assert (5, True) == (ended.returncode, "bot train" in ended.stderr)


def _lines(var: Path) -> int:
    return sum(path.read_text().count("\n") for path in var.glob("population/*/rounds.jsonl"))


def _verdict(var: Path) -> dict:
    (path,) = var.glob("population/*/cycles/0001.json")
    return json.loads(path.read_text())["verdict"]
