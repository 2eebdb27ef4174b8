"""One tape of decisions through the environment, the paper executor and the live executor at the sandbox's accounts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from backtest.replay import replay
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from bot.identity import Bounds, world_file
from bot.ledger.store import Ledger
from bot.run_folder import ledger_path
from bot.settings import RiskSettings, Settings
from data.settings import DataSettings, VenueSettings
from tests.fakes.live_accounts import keys
from tests.fakes.scripted_policy import Scripted
from tests.parity.test_environment_and_paper import ASSETS, assert_same, busy_answers, tape_of, trade

THIN = {
    "binance": VenueSettings(half_spread_bps=0.5, level_quote=600.0, levels=3),
    "hyperliquid": VenueSettings(half_spread_bps=1.0, level_quote=200.0, levels=6),
}


@pytest.mark.parametrize(
    ("hours", "venues", "environment", "least"),
    [
        (72, {}, {}, 5),
        (72, THIN, {"max_position_loss_pct": 0.3, "price_collar_bps": 30.0}, 5),
    ],
    ids=["every hour", "thin"],
)
def test_a_sequence_of_decisions_gives_the_same_books_live(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hours: int,
    venues: dict[str, VenueSettings],
    environment: dict[str, Any],
    least: int,
) -> None:
    for name, value in keys().items():
        monkeypatch.setenv(name, value)
    data = DataSettings(assets=ASSETS, **({"venues": venues} if venues else {}))  # type: ignore[arg-type]
    told = {"data": data, "environment": environment | {"rebalance_below": 0.0}}
    told |= {"risk": RiskSettings(max_drawdown_pct=100.0), "sandbox": SandboxSettings(accounts={"balance": 5_000.0})}
    settings = Settings.model_validate(told | {"var": tmp_path / "paper"})
    tape = tape_of(settings, hours)
    answers = busy_answers(tape)
    played = replay(tape, Scripted(tape.schema, answers))
    with SandboxProcess(world_file(settings, Bounds()), tmp_path / "world.json") as sandbox:
        rehearsed = settings.sandbox.model_copy(update={"url": sandbox.url})
        live = Settings.model_validate(told | {"var": tmp_path / "live", "profile": "live", "sandbox": rehearsed})
        number = asyncio.run(trade(live, Scripted(tape.schema, answers), hours))
    assert len(played.trades) >= least, "too few trades to prove anything"
    assert_same(played, Ledger(ledger_path(live)), number)
