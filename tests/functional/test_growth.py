"""When one machine is outgrown: what docs/growth.md promises, by the command line, on the parts that it names."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from data.secrets import LEDGER_URL
from tests.fakes.ledger_places import ledger_place, query
from tests.fakes.object_store import object_store
from tests.functional.commands import bot, said, soak, started
from tests.functional.test_train import CONFIG as TINY
from tests.functional.test_train import weights

HOURS = 4
PATIENCE_S = 240
TRADED = {"majors": ["BTC", "ETH"], "small": ["INJ", "XRP"]}
"""What each of two bots trades."""


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    pytest.importorskip("moto", reason="moto is not installed: pip install 'funding-bot[dev]' tests lakes on S3 too")
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'funding-bot[s3]' tests lakes on S3 too")
    with object_store() as url:
        yield url


@pytest.fixture
def postgres(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, str]]:
    """One database with an account for each bot: its name by the bot's."""
    with ledger_place("postgresql", tmp_path) as one, ledger_place("postgresql", tmp_path) as two:
        monkeypatch.setenv(LEDGER_URL, os.environ["LEDGER_POSTGRES"])
        yield dict(zip(TRADED, (one.account or "", two.account or ""), strict=True))


def written(folder: Path, name: str, assets: list[str], **more: object) -> Path:
    path = folder / f"{name}.yaml"
    told = {"data": {"assets": assets}, "learning": {"schedule": {"enabled": False}}}
    path.write_text(yaml.safe_dump({key: {**told.get(key, {}), **value} for key, value in (told | more).items()}))
    return path


def test_two_bots_trade_their_own_accounts_of_one_database_and_keep_their_lakes_on_one_object_store(
    postgres: dict[str, str], bucket: str, tmp_path: Path
) -> None:
    configs = {
        name: written(tmp_path, name, assets, ledger={"account": postgres[name]},
                      data={"assets": assets, "lake": f"{bucket}/{name}"})
        for name, assets in TRADED.items()
    }  # fmt: skip
    arguments = {name: ("--config", config, "--var", tmp_path / name) for name, config in configs.items()}
    running = {name: started("run", "--paper", "--hours", HOURS, *told) for name, told in arguments.items()}
    for name, process in running.items():
        _, err = process.communicate(timeout=PATIENCE_S)
        assert 0 == process.returncode, f"{name}: {err}"

    both = " UNION ALL ".join(
        f"SELECT '{name}', count(*) FROM \"{account}\".ticks" for name, account in postgres.items()
    )
    with ledger_place("postgresql", tmp_path) as place:
        assert dict.fromkeys(TRADED, HOURS + 1) == dict(query(place, both))
    for name, told in arguments.items():
        assert not list((tmp_path / name).rglob("*.sqlite*"))
        assert not (tmp_path / name / "lake").exists()
        assert 10_000 == said(bot("status", *told, "--json"))["initial_capital"]
        lake = f"{bucket}/{name}"
        rows = pd.concat([pd.read_parquet(path) for path in _files(lake, "settlements")])
        assert set(TRADED[name]) == {symbol.split("/")[0] for symbol in rows.symbol}


@soak
def test_a_bot_on_database_and_object_store_ends_as_one_on_files(
    postgres: dict[str, str], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = TRADED["small"]
    far = written(tmp_path, "far", assets, ledger={"account": postgres["small"]},
                  data={"assets": assets, "lake": f"{bucket}/far"})  # fmt: skip
    near = written(tmp_path, "near", assets)

    def ended(config: Path) -> dict:
        told = ("--config", config, "--var", tmp_path / config.stem)
        return said(bot("run", "--paper", "--hours", HOURS, *told, "--json"))

    on_servers = ended(far)
    monkeypatch.delenv(LEDGER_URL)
    assert ended(near) == on_servers


@soak
def test_a_cycle_on_a_cluster_of_two_machines_gives_the_weights_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'funding-bot[ray]' tests the cluster too")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        backend = {"kind": "ray", "workers": 2, "address": cluster.address}
        wide = _learning(tmp_path, "wide", backend)
        said(bot("train", "--config", wide, "--var", tmp_path / "wide", "--json"))
        expected = said(bot("train", "--estimate", "--config", wide, "--var", tmp_path / "wide", "--json"))
    finally:
        cluster.shutdown()
    assert (2, 2) == (expected["workers"], expected["costs"]["processors"])
    alone = _learning(tmp_path, "alone", {"kind": "process"})
    said(bot("train", "--config", alone, "--var", tmp_path / "alone", "--json"))
    assert weights(wide, tmp_path / "wide") == weights(alone, tmp_path / "alone")


def _learning(folder: Path, name: str, backend: dict[str, object]) -> Path:
    told = yaml.safe_load(TINY)
    told["learning"]["backend"] = backend
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(told))
    return path


@soak
def test_what_a_cycle_will_take_is_told_without_leaving_a_trace(tmp_path: Path) -> None:
    config, var = _learning(tmp_path, "tiny", {"kind": "pool"}), tmp_path / "var"
    told = said(bot("train", "--estimate", "--config", config, "--var", var, "--workers", 1, "--json"))
    costs = told["costs"]
    assert told["cycle_s"] == told["by_processors"]["1"]
    assert told["cycle_s"] > costs["prepare_s"] + costs["gate_s"] + 3 * 3 * costs["slice_s"]
    assert told["by_processors"]["3"] < told["cycle_s"]
    assert not var.exists()


def test_every_test_that_the_page_names_is_there() -> None:
    root = Path(__file__).parents[2]
    page = (root / "docs" / "growth.md").read_text()
    files = [root / name for name in re.findall(r"`(tests/[\w/]+\.py)`", page)]
    there = "".join(path.read_text() for path in files)
    named = re.findall(r"`(test_\w+)`", page)
    assert len(named) > 5
    assert [] == [name for name in named if f"def {name}(" not in there]


def _files(lake: str, table: str) -> list[str]:
    import fsspec

    store = fsspec.filesystem("s3", skip_instance_cache=True)
    return [f"s3://{path}" for path in store.find(lake) if f"/{table}/" in path and path.endswith(".parquet")]
