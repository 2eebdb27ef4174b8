"""The market as a Gymnasium environment: its interface, its reward by hand, its episodes."""

from dataclasses import replace

import gymnasium.spaces
import gymnasium.utils.env_checker
import numpy as np
import pytest
import stable_baselines3.common.env_checker

import backtest
from backtest.environment import FundingArbitrageEnv, spaces_of
from backtest.policies import CarryRule
from backtest.settings import EnvironmentSettings
from data.types import HOUR_MS
from tests.unit.backtest.markets import HISTORY_H, flat_bars, hour, pair_market, play_tape, repriced

HOURS = 100
HOLD, ENTER, EXIT = np.int64(0), np.int64(1), np.int64(3)
"""With two ranks and three slots."""
FIRST = HISTORY_H
"""The hour of the first decision; a settlement falls on it and on every eighth after it."""
CAPITAL = 15_000.0
SETTINGS = EnvironmentSettings(max_positions=3, max_opportunities=2, full_range=True, initial_capital=CAPITAL)
"""Slots of 5,000 a leg: 50 units at a price of 100."""


def environment(
    settings: EnvironmentSettings = SETTINGS,
    short_rate: float = 0.002,
    long_opens: dict[int, float] | None = None,
    long_closes: dict[int, float] | None = None,
    short_closes: dict[int, float] | None = None,
) -> FundingArbitrageEnv:
    """One pair at a price of 100, long on binance; prices may differ at some hours of the market."""
    bars = {
        "binance": repriced(flat_bars(FIRST + HOURS), long_opens or {}, long_closes or {}),
        "hyperliquid": repriced(flat_bars(FIRST + HOURS), {}, short_closes or {}),
    }
    market = pair_market(FIRST + HOURS, short_rate=short_rate, bars=bars)
    return FundingArbitrageEnv(play_tape(market, settings, HOURS))


def rewards(env: FundingArbitrageEnv, *actions: np.int64) -> list[float]:
    env.reset()
    return [env.step(action)[1] for action in actions]


def test_the_package_offers_the_environment_by_name() -> None:
    assert FundingArbitrageEnv is backtest.FundingArbitrageEnv


def scaled(gain: float) -> float:
    """The reward of a gain: three times its basis points of the capital."""
    return 3 * gain / CAPITAL * 1e4


PAIRS = SETTINGS.model_copy(update={"formulation": "pairs", "decision_hours": 8})
KEEP, IN, FLAT = ([answer] for answer in range(3))
"""For the one pair of this market."""


@pytest.mark.filterwarnings("ignore:.*infinity:UserWarning")  # P&L and spreads have no bounds to name
@pytest.mark.parametrize("settings", [SETTINGS, PAIRS])
def test_gymnasium_accepts_the_environment(settings: EnvironmentSettings) -> None:
    gymnasium.utils.env_checker.check_env(environment(settings), skip_render_check=True)


@pytest.mark.filterwarnings("ignore:.*unconventional shape:UserWarning")  # a row per pair; its VecEnv has vectors
@pytest.mark.parametrize("settings", [SETTINGS, PAIRS])
def test_stable_baselines_accepts_the_environment(settings: EnvironmentSettings) -> None:
    stable_baselines3.common.env_checker.check_env(environment(settings), skip_render_check=True)


def test_the_sizes_of_the_spaces_are_the_references_by_default() -> None:
    env = environment(EnvironmentSettings())
    assert ((124,), 9) == (env.observation_space.shape, env.action_space.n)


@pytest.mark.parametrize(("slots", "ranks"), [(1, 1), (4, 2)])
def test_the_sizes_of_the_spaces_follow_the_settings(slots: int, ranks: int) -> None:
    settings = EnvironmentSettings(max_positions=slots, max_opportunities=ranks)
    seen, answered = spaces_of(play_tape(pair_market(FIRST + HOURS), settings, HOURS))
    assert (5 + 3 * slots + 22 * ranks,) == seen.shape
    assert gymnasium.spaces.Discrete(1 + ranks + slots) == answered


# The reward


def test_holding_nothing_earns_nothing() -> None:
    assert [0.0] * 20 == rewards(environment(), *[HOLD] * 20)


def test_the_reward_of_a_good_entry_is_its_basis_points_and_the_bonus() -> None:
    env = environment(long_closes={FIRST + 1: 101.0})
    fees = 50 * (100.1 + 99.9) * 0.0005
    slippage = 50 * (0.1 + 0.1)
    gained = 50 * (101.0 - 100.0) - fees - slippage
    assert [scaled(gained) + 0.5, scaled(-50.0)] == pytest.approx(rewards(env, ENTER, HOLD))


def test_the_reward_of_an_entry_that_does_not_pay_for_itself_has_the_penalty() -> None:
    # 1 bp every 8 h is 9 in 72 h, and the round trip costs 60.
    env = environment(short_rate=0.0001)
    assert [scaled(-15.0) - 0.5] == pytest.approx(rewards(env, ENTER))


def test_an_entry_is_judged_by_what_the_decision_saw() -> None:
    """At the next tick a settlement cancels the three days before it, so that the entry would no longer look good."""
    market = pair_market(FIRST + HOURS)
    key = next(leg.key for leg in market.instruments if leg.venue == "hyperliquid")
    steady, settles = market.settlements[key], FIRST + 8
    rate = np.where(steady.time == hour(settles), -8 * 0.002, steady.rate)
    market = replace(market, settlements={**market.settlements, key: replace(steady, rate=rate)})
    env = FundingArbitrageEnv(play_tape(market, SETTINGS, HOURS))
    *_, entered = rewards(env, *[HOLD] * 7, ENTER)
    assert hour(settles) == env.tick
    assert scaled(-15.0 - 50 * 100 * 0.016) + 0.5 == pytest.approx(entered)
    an_hour_later = rewards(env, *[HOLD] * 8, ENTER)[-1]
    assert scaled(-15.0) - 0.5 == pytest.approx(an_hour_later)


def test_the_reward_scales_with_the_capital_and_the_settings() -> None:
    settings = SETTINGS.model_copy(
        update={"initial_capital": 2 * CAPITAL, "pnl_reward_scale": 0.5, "quality_entry_bonus": 7.0}
    )
    # Twice the money loses twice as much, which is the same in basis points.
    assert [scaled(-15.0) / 6 + 7.0] == pytest.approx(rewards(environment(settings), ENTER))


def test_funding_is_rewarded_when_it_settles() -> None:
    seen = rewards(environment(), ENTER, *[HOLD] * 16)
    received = scaled(50 * 100.0 * 0.002)
    assert [0.0] * 6 + [received] + [0.0] * 7 + [received] + [0.0] == pytest.approx(seen[1:])


def test_an_entry_that_is_refused_and_an_exit_have_neither_bonus_nor_penalty() -> None:
    refused_then_left = rewards(environment(), ENTER, ENTER, EXIT, EXIT)
    assert [0.0, scaled(-15.0), 0.0] == pytest.approx(refused_then_left[1:])


def test_the_rewards_without_bonuses_add_up_to_the_change_of_equity() -> None:
    settings = SETTINGS.model_copy(update={"quality_entry_bonus": 0.0, "quality_entry_penalty": 0.0})
    env, random = environment(settings), np.random.default_rng(3)
    env.reset()
    steps = [env.step(random.integers(6)) for _ in range(HOURS)]
    assert len(env.trades) > 10
    assert scaled(steps[-1][4]["equity"] - CAPITAL) == pytest.approx(sum(reward for _, reward, *_ in steps))


# Fills


def test_a_decision_never_fills_at_the_close_that_it_saw() -> None:
    prices = []
    for close in (100.0, 101.0, 98.0):
        env = environment(long_closes={FIRST: close})
        rewards(env, ENTER)
        prices.append(float(env.books.entry_price[0, 0]))
    assert [100.1, 100.1, 100.1] == prices


def test_a_decision_fills_at_the_open_that_follows_it() -> None:
    env = environment(long_opens={FIRST: 101.0})
    rewards(env, ENTER)
    assert (101.0 * 1.001, 50.0) == pytest.approx((env.books.entry_price[0, 0], env.books.quantity[0, 0]))


def test_a_trade_says_what_happened_from_entry_to_exit() -> None:
    env = environment()
    rewards(env, HOLD, ENTER, *[HOLD] * 9, EXIT)
    (trade,) = env.trades
    assert ("AAA", "binance", "hyperliquid", "policy") == (
        trade.asset,
        trade.long_venue,
        trade.short_venue,
        trade.reason,
    )
    assert (hour(FIRST + 1), hour(FIRST + 11), 10.0) == (trade.opened_ms, trade.closed_ms, trade.hours)
    assert [100.1, 99.9, 99.9, 100.1] == [trade.long_entry, trade.long_exit, trade.short_entry, trade.short_exit]
    assert (50.0, 50 * 100.1) == pytest.approx((trade.quantity, trade.notional))
    assert (10.0, 0.0, -10.0, -20.0) == pytest.approx((trade.funding, trade.basis, trade.fees, trade.slippage))
    assert CAPITAL + trade.pnl == pytest.approx(env.step(HOLD)[4]["equity"])


def test_a_new_episode_forgets_the_trades_of_the_last() -> None:
    env = environment()
    rewards(env, ENTER, EXIT)
    assert 1 == len(env.trades)
    env.reset()
    assert [] == env.trades


# Episodes


def test_an_episode_that_reaches_its_length_is_truncated_and_never_terminated() -> None:
    env = environment(SETTINGS.model_copy(update={"full_range": False, "episode_hours": 7}))
    env.reset(seed=1)
    ends = [env.step(HOLD)[2:4] for _ in range(7)]
    assert [(False, False)] * 6 + [(False, True)] == ends


@pytest.mark.parametrize("by_option", [True, False])
def test_the_full_range_is_played_from_the_first_decision_to_the_last_tick(by_option: bool) -> None:
    env = environment(SETTINGS.model_copy(update={"full_range": not by_option}))
    _, info = env.reset(options={"full_range": True} if by_option else None)
    ticks, truncated = [info["tick"]], False
    while not truncated:
        _, _, terminated, truncated, info = env.step(HOLD)
        ticks.append(info["tick"])
        assert not terminated
    assert [hour(FIRST + number) for number in range(HOURS + 1)] == ticks


def test_a_leg_that_loses_more_than_its_venue_holds_costs_that_and_no_more() -> None:
    env = environment(short_closes={FIRST + 1: 400.0})  # 50 short units lose 15,000, and half of that is there
    env.reset()
    _, _, terminated, truncated, info = env.step(ENTER)
    assert (False, False) == (terminated, truncated), "the other venue's money is not the venue's to take"
    assert 7_400 < info["equity"] < 7_500


def windowed(length: int) -> FundingArbitrageEnv:
    return environment(SETTINGS.model_copy(update={"full_range": False, "episode_hours": length}))


def test_the_same_seed_gives_the_same_window_and_another_seed_another() -> None:
    env = windowed(10)
    starts = {seed: env.reset(seed=seed)[1]["tick"] for seed in range(20)}
    assert starts == {seed: env.reset(seed=seed)[1]["tick"] for seed in range(20)}
    assert len(set(starts.values())) > 10


def test_windows_that_follow_one_seed_differ_but_repeat() -> None:
    env, again = windowed(10), windowed(10)
    runs = [[one.reset(seed=4)[1]["tick"], *(one.reset()[1]["tick"] for _ in range(9))] for one in (env, again)]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) > 3


def test_random_windows_reach_from_end_to_end_and_never_beyond() -> None:
    env = windowed(90)
    env.reset(seed=0)
    starts = {(env.reset()[1]["tick"] - hour(FIRST)) // HOUR_MS for _ in range(300)}
    assert set(range(HOURS - 90 + 1)) == starts


def test_an_episode_longer_than_the_tape_is_the_tape() -> None:
    env = windowed(10 * HOURS)
    _, info = env.reset(seed=0)
    assert hour(FIRST) == info["tick"]
    assert [False] * (HOURS - 1) + [True] == [env.step(HOLD)[3] for _ in range(HOURS)]


def test_the_stop_loss_acts_without_being_asked() -> None:
    env = environment(long_closes={FIRST + 1: 98.0})
    rewards(env, ENTER, HOLD)
    (trade,) = env.trades
    assert ("stop_loss", hour(FIRST + 1)) == (trade.reason, trade.closed_ms)


# Formulations, decision intervals, rewards, masks


def test_by_pair_every_pair_is_seen_and_answered() -> None:
    env = environment(PAIRS)
    seen, _ = env.reset()
    assert ((1, 25), [3]) == (seen.shape, env.action_space.nvec.tolist())
    names = env.tape.schema.names
    assert (0.0, 0.0) == (seen[0, names.index("pair.held")], seen[0, names.index("position.held_time")])
    seen = env.step(np.array(IN))[0]
    assert (1.0, pytest.approx(8 / 168)) == (
        seen[0, names.index("pair.held")],
        seen[0, names.index("position.held_time")],
    )
    assert [[True, False, True]] == env.action_masks().tolist()
    env.step(np.array(FLAT))
    assert [8.0] == [trade.hours for trade in env.trades]


def test_a_step_of_eight_hours_earns_what_eight_steps_of_one_do() -> None:
    """The carry of a day; the decision falls on the hours at which the venues settle."""
    hourly, slow = environment(), environment(SETTINGS.model_copy(update={"decision_hours": 8}))
    singles = rewards(hourly, ENTER, *[HOLD] * 23)
    whole = rewards(slow, ENTER, HOLD, HOLD)
    assert [sum(singles[0:8]), sum(singles[8:16]), sum(singles[16:24])] == pytest.approx(whole)
    assert hourly.tick == slow.tick


def test_a_stop_loss_does_not_wait_for_the_next_decision() -> None:
    env = environment(SETTINGS.model_copy(update={"decision_hours": 8}), long_closes={FIRST + 3: 98.0})
    env.reset()
    env.step(ENTER)
    (trade,) = env.trades
    assert ("stop_loss", hour(FIRST + 3)) == (trade.reason, trade.closed_ms)


def test_an_episode_waits_for_the_first_hour_of_decision() -> None:
    env = environment(SETTINGS.model_copy(update={"decision_hours": 8, "full_range": False, "episode_hours": 20}))
    starts = {(env.reset(seed=seed)[1]["tick"] - hour(FIRST)) // HOUR_MS for seed in range(30)}
    assert {0} == {start % 8 for start in starts}
    assert len(starts) > 3


def test_the_rule_earns_no_excess_over_itself() -> None:
    env = environment(SETTINGS.model_copy(update={"reward": "excess", "quality_entry_bonus": 0.0}))
    rule = CarryRule(env.tape.schema)
    seen, _ = env.reset()
    for _ in range(HOURS):
        seen, reward, _, _, _ = env.step(rule.decide(seen[None])[0])
        assert reward == pytest.approx(0.0, abs=1e-9)
    assert env.books.opened_at.any(), "a rule that holds nothing proves nothing"


def test_the_excess_of_doing_nothing_is_what_the_rule_loses_and_earns() -> None:
    plain, excess = environment(), environment(SETTINGS.model_copy(update={"reward": "excess"}))
    rule = CarryRule(plain.tape.schema)
    seen, _ = plain.reset()
    excess.reset()
    for _ in range(30):
        action = rule.decide(seen[None])[0]
        seen, earned, _, _, _ = plain.step(action)
        bonus = plain.tape.settings.quality_entry_bonus if action != HOLD else 0.0
        assert excess.step(HOLD)[1] == pytest.approx(bonus - earned)


def test_a_reward_adjusted_for_risk_is_the_gain_less_its_square() -> None:
    aversion = 0.05
    adjusted = SETTINGS.model_copy(update={"reward": "risk_adjusted", "risk_aversion": aversion})
    moves = {FIRST + 1: 100.5, FIRST + 2: 99.9, FIRST + 3: 100.2}
    plain = rewards(environment(long_closes=moves), HOLD, ENTER, HOLD, HOLD)
    bonus = [0.0, SETTINGS.quality_entry_bonus, 0.0, 0.0]
    gains = [(reward - extra) / SETTINGS.pnl_reward_scale for reward, extra in zip(plain, bonus, strict=True)]
    expected = [
        SETTINGS.pnl_reward_scale * (gain - aversion / 2 * gain**2) + extra
        for gain, extra in zip(gains, bonus, strict=True)
    ]
    assert expected == pytest.approx(rewards(environment(adjusted, long_closes=moves), HOLD, ENTER, HOLD, HOLD))
    assert any(abs(gain) > 5 for gain in gains)


def test_masks_allow_entries_into_what_is_shown_and_exits_of_what_is_held() -> None:
    env = environment()
    env.reset()
    assert [True, True, False, False, False, False] == env.action_masks().tolist()
    env.step(ENTER)
    assert [True, False, False, True, False, False] == env.action_masks().tolist()
