"""`bot run --live` against a served sandbox: what is typed first. Kills are in `test_live_soak`."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from bot.cli.live import confirm, phrase
from bot.identity import Bounds, world_file
from bot.settings import Settings
from data.errors import ConfigurationError
from tests.fakes.live_accounts import keys
from tests.fakes.venue_truth import truth
from tests.functional.commands import bot

WORLD = {
    "data": {"assets": ["BTC", "INJ", "XRP"]},
    "environment": {"rebalance_below": 0.0},
    "learning": {"schedule": {"enabled": False}},
}


@dataclass
class Rehearsal:
    """A served sandbox, and a configuration that trades at its accounts."""

    url: str
    config: Path
    var: Path


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    sandbox = SandboxSettings.model_validate({"accounts": {"balance": 5_000.0}})
    settings = Settings.model_validate(WORLD | {"sandbox": sandbox, "var": tmp_path / "var"})
    with SandboxProcess(world_file(settings, Bounds()), tmp_path / "world" / "state.json") as served:
        config = tmp_path / "live.yaml"
        told = WORLD | {"profile": "live", "sandbox": {"url": served.url}}
        config.write_text(json.dumps(told))
        yield Rehearsal(served.url, config, tmp_path / "var")


def test_nothing_is_sent_before_the_phrase_is_typed(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in keys().items():
        monkeypatch.setenv(name, value)
    said = bot("run", "--live", "--config", rehearsal.config, "--var", rehearsal.var, typed="yes\n", timeout_s=60)
    assert 2 == said.returncode
    assert "the phrase was not typed: nothing was sent" in said.stderr
    assert {"binance": [], "hyperliquid": []} == {name: one["orders"] for name, one in truth(rehearsal.url).items()}


@pytest.mark.parametrize(("live", "profile"), [(False, "live"), (True, "sandbox")])
def test_a_configuration_is_for_one_way_of_trading(live: bool, profile: str) -> None:
    told = Settings.model_validate({"profile": profile, "environment": {"rebalance_below": 0.0}})
    with pytest.raises(ConfigurationError, match="--live needs a configuration with `profile: live`"):
        confirm(told, live=live)


def test_real_money_is_named_in_its_phrase() -> None:
    live = Settings.model_validate({"profile": "live", "environment": {"rebalance_below": 0.0}})
    assert "trade real money on binance and hyperliquid" == phrase(live)
