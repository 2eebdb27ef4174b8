"""One tape of decisions through the environment and through the trader with its paper executor, over real HTTP."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from backtest.environment import FundingArbitrageEnv
from backtest.policies import RandomLegal
from backtest.replay import replay
from backtest.tape import Tape, tape_of_market
from bot.ledger.store import Ledger
from bot.runtime import ledger_path, run
from bot.settings import Settings
from bot.worlds import Bounds
from data.settings import DataSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from tests.fakes.scripted_policy import Scripted

HOURS = 120


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(var=tmp_path, data=DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE")))


def test_a_sequence_of_actions_gives_the_same_equity_and_trades_on_both_paths(settings: Settings) -> None:
    tape = _tape(settings)
    actions = _busy_actions(tape)
    in_environment = replay(tape, Scripted(actions))
    number = asyncio.run(_trade(settings, Scripted(actions)))
    ledger = Ledger(ledger_path(settings))
    ticks, equity = ledger.equity(number)
    assert len(in_environment.trades) > 10, "too few trades to prove anything"
    assert ticks.tolist() == in_environment.ticks.tolist()
    np.testing.assert_allclose(equity, in_environment.equity, rtol=1e-9)
    assert in_environment.trades == ledger.trades(number)


def _tape(settings: Settings) -> Tape:
    market = synthetic_market(settings.sandbox.synthetic, tuple(settings.data.venues))
    first = market.start_ms + settings.data.history_hours * HOUR_MS
    return tape_of_market(market, settings.data, settings.environment, first, first + HOURS * HOUR_MS)


def _busy_actions(tape: Tape) -> np.ndarray:
    """What a random policy does, with an impossible action now and then."""
    env, random = FundingArbitrageEnv(tape), np.random.default_rng(5)
    policy = RandomLegal(tape.schema, seed=3)
    observation, _ = env.reset(options={"full_range": True})
    actions, done = [], False
    while not done:
        legal = policy.decide(observation[None, :])[0]
        action = random.integers(tape.schema.actions) if random.random() < 0.2 else legal
        actions.append(action)
        observation, _, _, done, _ = env.step(np.int64(action))
    return np.array(actions, dtype=np.int64)


async def _trade(settings: Settings, policy: Scripted) -> int:
    bounds = Bounds(hours=HOURS)
    return await run(settings, bounds, fresh=True, stop=asyncio.Event(), watch=lambda _: None, policy=policy)
