"""One tape of decisions through the environment, the paper executor and the live executor at the sandbox's accounts."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.replay import replay
from backtest.sandbox.client import SandboxProcess
from backtest.sandbox.settings import SandboxSettings
from bot.identity import Bounds, world_file
from bot.ledger.store import Ledger
from bot.opened_ledger import ledger_path
from bot.settings import RiskSettings, Settings
from data.settings import DataSettings, VenueSettings
from tests.fakes.live_accounts import keys
from tests.fakes.scripted_policy import Scripted
from tests.fakes.venue_truth import ledger_positions, truth, unwritten, venue_positions
from tests.functional.commands import soak
from tests.parity.test_environment_and_paper import ASSETS, RESTS, assert_same, busy_answers, tape_of, trade

THIN = {
    "binance": VenueSettings(half_spread_bps=0.5, level_quote=600.0, levels=3),
    "hyperliquid": VenueSettings(half_spread_bps=1.0, level_quote=200.0, levels=6),
}


@pytest.mark.parametrize(
    ("hours", "venues", "environment", "least"),
    [
        (40, {}, {}, 5),
        pytest.param(40, {"bybit": VenueSettings(), "okx": VenueSettings()}, {}, 5, marks=soak),
        pytest.param(40, THIN, {"max_position_loss_pct": 0.3, "price_collar_bps": 30.0}, 5, marks=soak),
        (14, {}, RESTS, 4),
        pytest.param(60, {}, RESTS, 10, marks=soak),
        pytest.param(40, {"bybit": VenueSettings(), "okx": VenueSettings()}, RESTS, 5, marks=soak),
    ],
    ids=["Binance and Hyperliquid", "Bybit and OKX", "thin", "resting", "long at rest", "resting, Bybit and OKX"],
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
    assets = ASSETS if "bybit" not in venues else ASSETS[:3]  # nobody there has contracts of 1000PEPE in common
    data = DataSettings(assets=assets, **({"venues": venues} if venues else {}))  # type: ignore[arg-type]
    told = {"data": data, "environment": environment | {"rebalance_below": 0.0}, "guard": {"enabled": False}}
    told |= {"risk": RiskSettings(max_drawdown_pct=100.0), "sandbox": SandboxSettings(accounts={"balance": 5_000.0})}
    settings = Settings.model_validate(told | {"var": tmp_path / "paper"})
    tape = tape_of(settings, hours)
    answers = busy_answers(tape)
    played = replay(tape, Scripted(tape.schema, answers))
    with SandboxProcess(world_file(settings, Bounds()), tmp_path / "world.json") as sandbox:
        rehearsed = settings.sandbox.model_copy(update={"url": sandbox.url})
        live = Settings.model_validate(told | {"var": tmp_path / "live", "profile": "live", "sandbox": rehearsed})
        number = asyncio.run(trade(live, Scripted(tape.schema, answers), hours))
        accounts = truth(sandbox.url)
    assert len(played.trades) >= least, "too few trades to prove anything"
    assert_same(played, Ledger(ledger_path(live)), number)
    _, books = Ledger(ledger_path(live)).snapshot(number) or (0, played.books)
    wallets = [float(accounts[name]["cash"]) for name in sorted(accounts)]
    np.testing.assert_allclose(books.cash, wallets, rtol=1e-9)
    assert venue_positions(accounts) == ledger_positions(live.var)
    assert set() == unwritten(accounts, live.var)
