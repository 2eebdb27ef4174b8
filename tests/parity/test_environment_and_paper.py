"""One tape of decisions through the environment and through the trader with its paper executor, over real HTTP."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtest.policies import Actions
from backtest.replay import Result, replay
from backtest.schema import Schema, settings_for
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from bot.identity import Bounds
from bot.ledger.store import Ledger
from bot.opened_ledger import ledger_path
from bot.runtime import run
from bot.settings import RiskSettings, Settings
from data.settings import DataSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from tests.fakes.scripted_policy import Scripted
from tests.functional.commands import soak
from tests.parity.test_books_reference import Clumsy, Overheard

ASSETS = ("BTC", "INJ", "XRP", "1000PEPE")
THIN = {
    "binance": VenueSettings(half_spread_bps=0.5, level_quote=600.0, levels=3),
    "hyperliquid": VenueSettings(
        half_spread_bps=1.0, level_quote=200.0, levels=6, margin_mode="isolated", leverage=5.0
    ),
}


RESTS = {"execution": "maker_first", "look_s": 60, "reprice_s": 240}


@pytest.mark.parametrize(
    ("hours", "venues", "environment", "least"),
    [
        (120, {}, {}, 10),
        pytest.param(96, {}, {"formulation": "pairs", "decision_hours": 8}, 10, marks=soak),
        pytest.param(
            72, THIN, {"transfer_hours": 5, "max_position_loss_pct": 0.3, "price_collar_bps": 30.0}, 5, marks=soak
        ),
        pytest.param(
            72, THIN, {"formulation": "pairs", "decision_hours": 4, "max_position_loss_pct": 0.3}, 5, marks=soak
        ),
        (36, {}, RESTS, 8),
        pytest.param(
            48,
            THIN,
            RESTS | {"maker_gives_up": "leave", "max_position_loss_pct": 0.3, "price_collar_bps": 30.0},
            3,
            marks=soak,
        ),
        (48, THIN, RESTS | {"formulation": "pairs", "decision_hours": 8, "maker_patience_s": 600}, 3),
    ],
    ids=[
        "every hour",
        "by pair",
        "thin and isolated",
        "thin and isolated, by pair",
        "resting",
        "resting or left, thin",
        "resting, thin, by pair",
    ],
)
def test_a_sequence_of_decisions_gives_the_same_books_on_both_paths(
    tmp_path: Path, hours: int, venues: dict[str, VenueSettings], environment: dict[str, Any], least: int
) -> None:
    data = DataSettings(assets=ASSETS, **({"venues": venues} if venues else {}))  # type: ignore[arg-type]
    risk = RiskSettings(max_drawdown_pct=100.0)
    settings = Settings.model_validate({"var": tmp_path, "data": data, "environment": environment, "risk": risk})
    tape = tape_of(settings, hours)
    answers = busy_answers(tape)
    played = replay(tape, Scripted(tape.schema, answers))
    number = asyncio.run(trade(settings, Scripted(tape.schema, answers), hours))
    assert len(played.trades) >= least, "too few trades to prove anything"
    assert_same(played, Ledger(ledger_path(settings)), number)
    assert (partial_fills(ledger_path(settings)) > 0) == bool(venues)


@pytest.mark.parametrize(
    ("mine", "settings"),
    [(Schema(3, 5, "pairs", 8), Schema(3, 5)), (Schema(3, 5, "ranked", 2), Schema(3, 5, "pairs", 4))],
)
def test_a_policy_trades_by_its_own_schema_whatever_the_settings_say(
    tmp_path: Path, mine: Schema, settings: Schema
) -> None:
    said = settings_for(settings, EnvironmentSettings())
    risk, data = RiskSettings(max_drawdown_pct=100.0), DataSettings(assets=ASSETS)
    told = Settings(var=tmp_path, data=data, environment=said, risk=risk)
    tape = tape_of(told.model_copy(update={"environment": settings_for(mine, said)}), 72)
    answers = busy_answers(tape)
    played = replay(tape, Scripted(mine, answers))
    number = asyncio.run(trade(told, Scripted(mine, answers), 72))
    assert len(played.trades) >= 5, "too few trades to prove anything"
    assert_same(played, Ledger(ledger_path(told)), number)


def partial_fills(path: Path) -> int:
    """How many orders the order books did not hold in full."""
    smaller = "abs(cast(fills.quantity as real)) < 0.999 * abs(cast(intents.quantity as real))"
    with closing(sqlite3.connect(path)) as connection:
        query = f"select count(*) from fills join intents using (client_id) where {smaller}"
        (count,) = connection.execute(query).fetchone()
    return int(count)


def assert_same(played: Result, ledger: Ledger, number: int) -> None:
    """Equity by hour, trades, and every field of the books at the end."""
    ticks, equity = ledger.equity(number)
    assert ticks.tolist() == played.ticks.tolist()
    np.testing.assert_allclose(equity, played.equity, rtol=1e-9)
    traded = ledger.trades(number)
    assert [(one.asset, one.opened_ms, one.closed_ms, one.reason) for one in played.trades] == [
        (one.asset, one.opened_ms, one.closed_ms, one.reason) for one in traded
    ]
    for one, other in zip(played.trades, traded, strict=True):
        for name, value in vars(one).items():
            assert getattr(other, name) == (pytest.approx(value, rel=1e-9, abs=1e-9) if name in MEASURED else value)
    tick, books = ledger.snapshot(number) or (0, played.books)
    assert tick == played.ticks[-1]
    for name in played.books.dtype.names or ():
        np.testing.assert_allclose(books[name], played.books[name], rtol=1e-9, atol=1e-9, err_msg=name)


MEASURED = {
    "quantity", "long_entry", "long_exit", "short_entry", "short_exit", "notional", "funding", "basis", "fees",
    "slippage", "saved",
}  # fmt: skip


def tape_of(settings: Settings, hours: int) -> Tape:
    market = synthetic_market(settings.sandbox.synthetic, tuple(settings.data.venues))
    first = market.start_ms + settings.data.history_hours * HOUR_MS
    return tape_of_market(market, settings.data, settings.environment, first, first + hours * HOUR_MS)


def busy_answers(tape: Tape) -> Actions:
    listening = Overheard(Clumsy(tape.schema, seed=3))
    replay(tape, listening)
    return np.array(listening.answered, dtype=np.int64)


async def trade(settings: Settings, policy: Scripted, hours: int) -> int:
    bounds = Bounds(hours=hours)
    return await run(settings, bounds, fresh=True, stop=asyncio.Event(), watch=lambda _: None, policy=policy)
