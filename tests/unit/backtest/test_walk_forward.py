"""An account that is walked hour by hour fares as one that is replayed, whoever decides, and changes hands as it is."""

from functools import cache

import numpy as np
import pytest

from backtest.accounting import pnl_split
from backtest.policies import plain_policy
from backtest.replay import replay
from backtest.schema import Schema, settings_for
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from backtest.walk_forward import Walk, walk_along
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
    track = walk.track(name)
    assert np.array_equal(played.ticks, track.ticks)
    assert np.array_equal(played.equity, track.equity)
    assert played.trades == list(track.trades)
    assert pnl_split(played.books) == pytest.approx(track.split)
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
    track = walk.track("rule, then flat")
    assert len(track.ticks) == len(track.equity) == len(track.causes) == len(track.gross)
    assert {trade.opened_ms for trade in walk.trades} >= {int(tick) for tick in held.opened_at if tick}


def test_a_policy_handed_over_to_itself_changes_nothing() -> None:
    walk = Walk(tape, plain_policy("rule", HOURLY, seed=1))
    while not walk.over:
        walk.follow(plain_policy("rule", HOURLY, seed=1))
        walk.hour()
    assert np.array_equal(walked(HOURLY).track("rule").equity, walk.track("rule").equity)


def test_policies_trade_one_after_the_other_each_from_its_tick_on() -> None:
    ticks = walked(HOURLY).track("rule").ticks
    policies = [(int(tick), plain_policy(name, HOURLY, 1)) for tick, name in ((ticks[0], "rule"), (ticks[150], "flat"))]
    told, alone = walk_along("both", tape, policies), walked(HOURLY).track("rule")
    assert np.array_equal(alone.equity[:151], told.equity[:151])
    assert told.gross[-1] == 0.0
    assert max(trade.closed_ms for trade in told.trades) <= ticks[155]
