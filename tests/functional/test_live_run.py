"""`bot run --live` against a served sandbox: what is typed first, and kill -9 between two orders."""

import json
import os
import random
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from backtest.schema import schema_of
from bot.cli.live import confirm, phrase
from bot.identity import Bounds, world_file
from bot.run_folder import registry_of
from bot.settings import Settings
from data.errors import ConfigurationError
from tests.fakes.live_accounts import keys
from tests.fakes.venue_truth import by_asset, ledger_positions, rows, truth, unwritten, venue_positions
from tests.functional.commands import BOT, eventually

KILLS = 30 if os.environ.get("SOAK") else 3
SENT_WITHIN_S = 0.15
"""From the first order of a pair until its outcome is written, with the sandbox's answers slowed down."""
WORLD = {
    "data": {"assets": ["BTC", "INJ", "XRP"]},
    "environment": {"rebalance_below": 0.0},
    "risk": {"max_drawdown_pct": 100.0},
    "learning": {"schedule": {"enabled": False}},
}


@dataclass
class Rehearsal:
    """A served sandbox, and a configuration that trades at its accounts by chance, nearly every hour."""

    url: str
    config: Path
    var: Path

    def start(self, *more: object) -> subprocess.Popen[str]:
        """The bot, with the phrase typed."""
        arguments = ["run", "--live", "--config", str(self.config), "--var", str(self.var), *map(str, more)]
        process = subprocess.Popen(
            [BOT, *arguments], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            start_new_session=True, env=os.environ | keys(),
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write("rehearse live trading\n")
        process.stdin.flush()
        return process

    def orders(self) -> int:
        """How many the ledger has."""
        try:
            return len(rows(self.var, "select 1 from orders"))
        except sqlite3.OperationalError:  # no ledger yet
            return 0


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    sandbox = SandboxSettings.model_validate({"accounts": {"balance": 5_000.0}, "latency_ms": 50.0})
    settings = Settings.model_validate(WORLD | {"sandbox": sandbox, "var": tmp_path / "var"})
    with SandboxProcess(world_file(settings, Bounds()), tmp_path / "world" / "state.json") as served:
        config = tmp_path / "live.yaml"
        told = WORLD | {"profile": "live", "sandbox": {"url": served.url}}
        config.write_text(json.dumps(told))
        live = Settings.model_validate(told | {"var": tmp_path / "var"})
        registry = registry_of(live)
        chance = registry.register_plain("random", schema_of(live.environment))
        registry.promote(chance.name, None, "to trade often")
        yield Rehearsal(served.url, config, tmp_path / "var")


def test_nothing_is_sent_before_the_phrase_is_typed(rehearsal: Rehearsal) -> None:
    said = subprocess.run(
        [BOT, "run", "--live", "--config", rehearsal.config, "--var", rehearsal.var], input="yes\n",
        capture_output=True, text=True, env=os.environ | keys(), check=False, timeout=60,
    )  # fmt: skip
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


def test_a_run_that_is_killed_between_its_orders_ends_hedged_with_the_venues_truth_in_its_ledger(
    rehearsal: Rehearsal,
) -> None:
    chance, kills, amid = random.Random(5), 0, 0
    while kills < KILLS or (amid == 0 and kills < 4 * KILLS):
        kills += 1
        before, process = rehearsal.orders(), rehearsal.start()
        eventually(
            lambda before=before, process=process: rehearsal.orders() > before or process.poll() is not None,
            timeout_s=90,
        )
        assert process.poll() is None, process.communicate()[1]
        try:
            process.wait(chance.uniform(0, SENT_WITHIN_S))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        amid += len(rows(rehearsal.var, "select 1 from executions where number is null"))
    last = rehearsal.start("--hours", 2)
    _, said = last.communicate(timeout=90)
    assert 0 == last.returncode, said
    assert amid > 0, "no kill came in the middle of a pair"
    told = truth(rehearsal.url)
    assert set() == unwritten(told, rehearsal.var)
    assert venue_positions(told) == ledger_positions(rehearsal.var)
    assert {} == {asset: left for asset, left in by_asset(venue_positions(told)).items() if left}
    assert [] == [dict(row) for row in rows(rehearsal.var, "select * from executions where number is null")]
    assert [] == [dict(row) for row in rows(rehearsal.var, "select * from orders where state in ('unknown', 'open')")]
