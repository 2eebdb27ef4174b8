"""One policy over one tape: the curve, the trades and where the money came from."""

from functools import cache

import numpy as np
import pytest

from backtest.accounting import equity, pnl_split
from backtest.environment import FundingArbitrageEnv
from backtest.metrics import measure
from backtest.policies import plain_policy
from backtest.replay import Result, replay, replay_all
from backtest.schema import Schema
from backtest.settings import EnvironmentSettings
from backtest.simulated_venue import IN
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, MissingData
from data.market import Market
from data.settings import DataSettings, SyntheticSettings, VenueSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from tests.fakes.scripted_policy import Scripted
from tests.unit.backtest.markets import (
    HISTORY_H,
    coin,
    flat_bars,
    hour,
    pair_market,
    play_tape,
    repriced,
    steady_funding,
)

DAYS = 12
CAPITAL = 10_000.0
ONE_RANK = EnvironmentSettings(max_opportunities=1, initial_capital=3 * CAPITAL)
"""Slots of 10,000 a leg: 100 units at a price of 100."""


@cache
def tape() -> Tape:
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"))
    market = synthetic_market(SyntheticSettings(days=14 + DAYS + 1, assets=data.assets))
    first = market.start_ms + data.history_hours * HOUR_MS
    return tape_of_market(market, data, EnvironmentSettings(), first, first + DAYS * 24 * HOUR_MS)


def played(name: str) -> Result:
    return replay(tape(), plain_policy(name, tape().schema, seed=1))


@pytest.mark.parametrize("name", ["rule", "random", "flat"])
def test_the_split_of_the_pnl_adds_up_to_what_was_gained(name: str) -> None:
    result = played(name)
    split = pnl_split(result.books)
    causes = [split[cause] for cause in ("funding", "basis", "fees", "slippage", "transfers")]
    assert split["total"] == pytest.approx(sum(causes))
    assert result.equity[-1] - CAPITAL == pytest.approx(split["total"], abs=1e-6)
    assert equity(result.books) == result.equity[-1]


def test_open_positions_are_in_the_split_at_their_marks() -> None:
    hours = 20
    tape = play_tape(pair_market(HISTORY_H + hours), ONE_RANK, hours)
    result = replay(tape, Scripted(tape.schema, np.array([1], dtype=np.int64)))
    assert ([], 100.0) == (result.trades, result.books.quantity[0, 0])
    result.books.mark[0] = 101.0, 100.5
    expected = {"funding": 40.0, "basis": 100 * 0.5, "fees": -10.0, "slippage": -20.0, "transfers": 0.0, "total": 60.0}
    assert expected == pytest.approx(pnl_split(result.books))


def test_closed_trades_and_open_positions_are_all_that_was_gained() -> None:
    result = played("random")
    split, books = pnl_split(result.books), result.books
    closed = {cause: sum(getattr(trade, cause) for trade in result.trades) for cause in ("funding", "fees")}
    still_open = books.slot_pnl.sum(axis=0)
    assert len(result.trades) > 20
    assert split["funding"] == pytest.approx(closed["funding"] + still_open[0])
    assert split["fees"] == pytest.approx(closed["fees"] + still_open[2])


@pytest.mark.parametrize("name", ["rule", "random"])
def test_a_replay_repeats_to_the_bit(name: str) -> None:
    one, other = played(name), played(name)
    assert one.equity.tobytes() == other.equity.tobytes()
    assert one.trades == other.trades
    assert one.books.tobytes() == other.books.tobytes()


def test_the_order_in_which_venues_are_named_changes_nothing() -> None:
    market = pair_market(HISTORY_H + 30)
    # Different in everything that a venue could be confused by.
    one = VenueSettings(taker_fee_bps=1.0, half_spread_bps=2.0, maintenance_margin=0.03)
    other = VenueSettings(taker_fee_bps=4.0, half_spread_bps=8.0, maintenance_margin=0.12)
    ways = {"binance": one, "hyperliquid": other}, {"hyperliquid": other, "binance": one}
    answers = np.array([1, *[0] * 20, 2])
    tapes = [play_tape(market, ONE_RANK, 30, DataSettings(venues=venues, history_hours=HISTORY_H)) for venues in ways]
    runs = [replay(tape, Scripted(tape.schema, answers)) for tape in tapes]
    assert 1 == len(runs[0].trades)
    assert runs[0].trades == runs[1].trades
    assert runs[0].equity.tobytes() == runs[1].equity.tobytes()
    assert runs[0].books.cash.tolist() == runs[1].books.cash.tolist()


def test_the_curve_has_a_value_for_every_tick_from_the_first_decision_to_the_end() -> None:
    result = played("random")
    assert tape().panel.ticks[tape().first :].tolist() == result.ticks.tolist()
    assert (DAYS * 24 + 1, CAPITAL) == (len(result.equity), result.equity[0])
    assert ("random", measure(result.equity, result.trades)) == (result.policy, result.metrics)


def test_flat_keeps_the_capital() -> None:
    assert {CAPITAL} == set(played("flat").equity.tolist())


def test_a_replay_plays_the_whole_tape_whatever_the_length_of_an_episode() -> None:
    tape = play_tape(pair_market(HISTORY_H + 30), ONE_RANK.model_copy(update={"episode_hours": 2}), 30)
    result = replay(tape, Scripted(tape.schema, np.array([1], dtype=np.int64)))
    assert [hour(HISTORY_H + number) for number in range(31)] == result.ticks.tolist()


@pytest.mark.parametrize(("first", "last"), [(HISTORY_H - 1, HISTORY_H + 5), (HISTORY_H, HISTORY_H + 31)])
def test_a_window_that_the_market_does_not_cover_is_refused(first: int, last: int) -> None:
    data = DataSettings(history_hours=HISTORY_H)
    with pytest.raises(MissingData, match="2025-01-06 00h to 2025-01-15 06h"):
        tape_of_market(pair_market(HISTORY_H + 30), data, EnvironmentSettings(), hour(first), hour(last))


def test_a_window_without_a_pair_is_refused() -> None:
    data = DataSettings(history_hours=HISTORY_H, assets=("BBB",))
    with pytest.raises(MissingData, match="listed on two of the venues"):
        tape_of_market(pair_market(HISTORY_H + 30), data, EnvironmentSettings(), hour(HISTORY_H), hour(HISTORY_H + 5))


def test_a_policy_that_was_made_for_another_observation_is_refused() -> None:
    other = Schema(slots=3, opportunities=5, formulation="pairs")
    with pytest.raises(ConfigurationError, match="was made for"):
        replay(tape(), plain_policy("rule", other, seed=0))


def test_policies_side_by_side_do_not_touch_each_other() -> None:
    schema = tape().schema
    together = replay_all(tape(), [plain_policy(name, schema, seed=1) for name in ("random", "rule", "flat")])
    for name, result in zip(("random", "rule", "flat"), together, strict=True):
        alone = played(name)
        assert (alone.equity.tobytes(), alone.trades) == (result.equity.tobytes(), result.trades)


def test_a_window_without_an_hour_is_refused() -> None:
    data = DataSettings(history_hours=HISTORY_H)
    with pytest.raises(ConfigurationError, match="an hour at least"):
        tape_of_market(pair_market(HISTORY_H + 30), data, EnvironmentSettings(), hour(HISTORY_H), hour(HISTORY_H))


def test_an_account_that_is_ruined_is_told_once_while_the_others_play_on() -> None:
    """Longs fall to a hundredth and shorts rise tenfold three hours after the entry: both venues take all they have."""
    hours = HISTORY_H + 30
    legs = {coin(venue, base): venue for base in ("AAA", "BBB", "CCC") for venue in ("binance", "hyperliquid")}
    prices = {
        venue: repriced(flat_bars(hours), closes=dict.fromkeys(range(HISTORY_H + 3, hours), price))
        for venue, price in (("binance", 1.0), ("hyperliquid", 1000.0))
    }
    rates = {"binance": steady_funding(hours, 0.0), "hyperliquid": steady_funding(hours, 0.002)}
    market = Market(
        tuple(legs),
        {leg.key: prices[venue] for leg, venue in legs.items()},
        {leg.key: rates[venue] for leg, venue in legs.items()},
    )
    told = {"formulation": "pairs", "max_position_loss_pct": 100.0, "decision_hours": 8}
    tape = play_tape(market, ONE_RANK.model_copy(update=told), 30)
    entry = np.full((1, 3), IN)
    ruined, flat = replay_all(tape, [Scripted(tape.schema, entry), plain_policy("flat", tape.schema, 0)])
    assert ruined.equity[-1] <= 0
    assert (["liquidated"] * 3, 1, 4) == ([trade.reason for trade in ruined.trades], ruined.steps, flat.steps)
    alone = replay(tape, Scripted(tape.schema, entry))
    assert (alone.trades, alone.reward) == (ruined.trades, ruined.reward)


@pytest.mark.parametrize("name", ["rule", "random", "flat"])
def test_the_reward_is_what_the_environment_gives(name: str) -> None:
    result, env = played(name), FundingArbitrageEnv(tape())
    policy = plain_policy(name, tape().schema, seed=1)
    seen, _ = env.reset(options={"full_range": True})
    rewards, over = [], False
    while not over:
        seen, reward, terminated, over, _ = env.step(policy.decide(seen[None])[0])
        rewards.append(reward)
        assert not terminated
    assert (len(rewards), pytest.approx(sum(rewards), abs=1e-9)) == (result.steps, result.reward)
