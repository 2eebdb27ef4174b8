"""Stable-Baselines3's face of the environment, against Gymnasium's, step by step."""

from functools import cache

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

from backtest.environment import FundingArbitrageEnv
from backtest.policies import legal_actions
from backtest.scaler import fit_scaler
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.vector_environment import FundingArbitrageVecEnv

ACCOUNTS, EPISODE_H = 3, 60
VARIANTS = {
    "ranked": EnvironmentSettings(episode_hours=EPISODE_H),
    "every four hours, risk adjusted": EnvironmentSettings(
        episode_hours=EPISODE_H, decision_hours=4, reward="risk_adjusted"
    ),
    "excess over the rule": EnvironmentSettings(episode_hours=EPISODE_H, reward="excess"),
    "by pair": EnvironmentSettings(episode_hours=EPISODE_H, formulation="pairs", decision_hours=8),
}


@cache
def tape(variant: str) -> Tape:
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"))
    market = synthetic_market(SyntheticSettings(days=30, assets=data.assets))
    first = market.start_ms + data.history_hours * HOUR_MS
    return tape_of_market(market, data, VARIANTS[variant], first, first + 200 * HOUR_MS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_both_faces_walk_the_same_way(variant: str) -> None:
    """Observations, rewards, ends of episodes and what was seen at them, over several episodes of random actions."""
    many = FundingArbitrageVecEnv(tape(variant), ACCOUNTS, seed=5)
    single = DummyVecEnv([lambda: FundingArbitrageEnv(tape(variant))] * ACCOUNTS)
    single.seed(5)
    each = many.num_envs // ACCOUNTS
    random, ended = np.random.default_rng(1), 0
    assert many.reset().tobytes() == np.asarray(single.reset()).tobytes()
    for _ in range(150):
        actions = random.integers(0, tape(variant).schema.actions, many.num_envs)
        seen, rewards, dones, infos = many.step(actions)
        expected = single.step(actions.reshape(ACCOUNTS, each) if each > 1 else actions)
        assert seen.tobytes() == np.asarray(expected[0]).tobytes()
        assert dones.reshape(ACCOUNTS, each).tolist() == [[done] * each for done in expected[2].tolist()]
        if each == 1:
            assert rewards.tolist() == expected[1].astype(np.float32).tolist()
        for b in np.flatnonzero(expected[2]).tolist():
            ended += 1
            last = np.stack([infos[env]["terminal_observation"] for env in range(b * each, (b + 1) * each)])
            assert last.tobytes() == expected[3][b]["terminal_observation"].tobytes()
            assert infos[b * each]["TimeLimit.truncated"] is expected[3][b]["TimeLimit.truncated"] is True
    assert ended >= ACCOUNTS


@pytest.mark.parametrize("reward", ["pnl", "excess"])
def test_what_the_pairs_earn_is_what_the_account_earns(reward: str) -> None:
    """Without entry bonuses; transfers between venues belong to no pair, and none happens here."""
    plain = {"quality_entry_bonus": 0.0, "quality_entry_penalty": 0.0, "reward": reward, "episode_hours": 1000}
    settings = VARIANTS["by pair"].model_copy(update=plain)
    told = tape("by pair")
    env = FundingArbitrageVecEnv(Tape(**vars(told) | {"settings": settings}), 2, seed=1)
    env.reset()
    random, moved = np.random.default_rng(2), 0
    for _ in range(24):
        _, rewards, _, _ = env.step(random.integers(0, 3, env.num_envs))
        whole = env.simulation.accounts.progress["reward"]
        if env.simulation.accounts.books["pnl"][:, 4].any():
            continue
        moved += int(np.count_nonzero(whole))
        # Float32 rewards of pairs that nearly cancel.
        assert whole.tolist() == pytest.approx(rewards.reshape(2, -1).sum(axis=1).tolist(), abs=1e-2)
    assert moved > 10


def test_entries_that_pay_and_entries_that_do_not_are_told_apart_by_pair() -> None:
    told = tape("by pair")
    env = FundingArbitrageVecEnv(told, 1, seed=3)
    free = Tape(**vars(told) | {"settings": told.settings.model_copy(update={"quality_entry_bonus": 0.0})})
    other = FundingArbitrageVecEnv(free, 1, seed=3)
    differences: set[float] = set()
    env.reset()
    other.reset()
    random = np.random.default_rng(4)
    for _ in range(40):
        actions = random.integers(0, 3, env.num_envs)
        differences |= set(np.round(env.step(actions)[1] - other.step(actions)[1], 3).tolist())
    assert {0.0, 0.5} == differences


def test_masks_are_those_of_the_observations() -> None:
    env = FundingArbitrageVecEnv(tape("ranked"), 2)
    seen = env.reset()
    assert legal_actions(env.tape.schema, seen).tolist() == [mask.tolist() for mask in env.env_method("action_masks")]


@pytest.mark.parametrize("variant", ["ranked", "by pair"])
def test_what_is_handed_out_has_passed_the_scaler(variant: str) -> None:
    told = tape(variant)
    scaler = fit_scaler(told, told.first, told.first + 150)
    plain, scaled = FundingArbitrageVecEnv(told, 2, seed=1), FundingArbitrageVecEnv(told, 2, seed=1, scaler=scaler)
    assert scaler.apply(np.asarray(plain.reset())).tobytes() == np.asarray(scaled.reset()).tobytes()
    random, ended = np.random.default_rng(0), 0
    for _ in range(70):
        actions = random.integers(0, told.schema.actions, plain.num_envs)
        raw, ours = plain.step(actions), scaled.step(actions)
        assert scaler.apply(raw[0]).tobytes() == ours[0].tobytes()
        for one, other in zip(raw[3], ours[3], strict=True):
            if "terminal_observation" in one:
                ended += 1
                assert scaler.apply(one["terminal_observation"]).tobytes() == other["terminal_observation"].tobytes()
    assert ended


def test_observations_handed_out_are_not_overwritten_by_the_next_step() -> None:
    env = FundingArbitrageVecEnv(tape("ranked"), 2)
    first = env.reset()
    before = first.copy()
    env.step(np.array([1, 2]))
    assert before.tobytes() == first.tobytes()


def test_finished_episodes_are_reported_with_return_length_and_profit() -> None:
    env = FundingArbitrageVecEnv(tape("ranked"), 1, seed=0)
    env.reset()
    total, reports = 0.0, []
    for _ in range(EPISODE_H):
        _, rewards, _, infos = env.step(np.array([1]))
        total += float(rewards[0])
        reports += [info for info in infos if "episode" in info]
    (report,) = reports
    assert (total, EPISODE_H) == (pytest.approx(report["episode"]["r"], rel=1e-5), report["episode"]["l"])
    assert report["pnl_pct"] != 0.0


@pytest.mark.parametrize("variant", ["ranked", "by pair"])
def test_ppo_learns_on_it_and_its_weights_repeat(variant: str) -> None:
    def weights() -> bytes:
        env = FundingArbitrageVecEnv(tape(variant), 4, seed=1)
        model = PPO("MlpPolicy", env, n_steps=32, batch_size=64, n_epochs=2, seed=3, device="cpu")
        model.learn(3 * 32 * env.num_envs)
        return b"".join(value.numpy().tobytes() for value in model.policy.state_dict().values())

    assert weights() == weights()
