"""An account that is walked hour by hour fares as one that is replayed, whoever decides, and changes hands as it is."""

from functools import cache

import numpy as np
import pytest

from backtest.policies import plain_policy
from backtest.replay import replay
from backtest.schema import Schema, settings_for
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from backtest.walk_forward import Walk
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS

DAYS = 12
HOURLY, BY_PAIR = Schema(3, 5), Schema(3, 5, "pairs", 8)


@cache
def tape(schema: Schema) -> Tape:
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"))
    market = synthetic_market(SyntheticSettings(days=14 + DAYS + 1, assets=data.assets))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = settings_for(schema, EnvironmentSettings())
    return tape_of_market(market, data, settings, first, first + DAYS * 24 * HOUR_MS)


def walked(schema: Schema, name: str = "rule") -> Walk:
    walk = Walk(tape, plain_policy(name, schema, seed=1))
    while not walk.over:
        walk.hour()
    return walk


@pytest.mark.parametrize("name", ["rule", "random", "flat"])
@pytest.mark.parametrize("schema", [HOURLY, BY_PAIR])
def test_a_walk_under_one_policy_is_its_replay(schema: Schema, name: str) -> None:
    walk, played = walked(schema, name), replay(tape(schema), plain_policy(name, schema, seed=1))
    ticks, equity = walk.curve
    assert np.array_equal(played.ticks, ticks)
    assert np.array_equal(played.equity, equity)
    assert played.trades == walk.trades
    assert played.books == walk.books


def test_who_takes_over_finds_the_positions_of_who_went_before() -> None:
    walk = Walk(tape, plain_policy("rule", HOURLY, seed=1))
    while not (walk.books.quantity != 0).any():
        walk.hour()
    held = walk.books
    walk.follow(plain_policy("flat", BY_PAIR, seed=1))
    assert held == walk.books
    for _ in range(8):
        walk.hour()
    assert not walk.books.quantity.any()
    assert len(walk.curve[0]) == len(walk.curve[1])
    assert {trade.opened_ms for trade in walk.trades} >= {int(tick) for tick in held.opened_at if tick}


def test_a_policy_handed_over_to_itself_changes_nothing() -> None:
    walk = Walk(tape, plain_policy("rule", HOURLY, seed=1))
    while not walk.over:
        walk.follow(plain_policy("rule", HOURLY, seed=1))
        walk.hour()
    assert np.array_equal(walked(HOURLY).curve[1], walk.curve[1])
