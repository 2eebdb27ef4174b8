"""Checkpoints of small agents: round trips, the same bytes, and bytes that are refused."""

import hashlib

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load, save
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvStepReturn

from backtest.schema import Schema
from data.errors import CorruptData
from pbt_online.checkpoint import actor_layers, pack, unpack, weights_hash
from pbt_online.fast_ppo import FastPPO, new_agent
from pbt_online.network import NetworkPolicy, network_of
from pbt_online.settings import LearnerSettings

torch.set_num_threads(1)

SCHEMA = Schema(slots=3, opportunities=5)
LEARNER = LearnerSettings(hidden=(16, 8), rollout=64, batch_size=32, epochs=2)
CHOSEN = {"learning_rate": 1e-3, "gamma": 0.9}


class NoiseVecEnv(VecEnv):
    """Two environments of noise that pay for the first action; `seed` begins the noise anew."""

    def __init__(self, size: int = SCHEMA.size) -> None:
        box = spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.render_mode = None
        super().__init__(2, box, spaces.Discrete(SCHEMA.actions))
        self.seed(0)

    def seed(self, seed: int | None = None) -> list[int | None]:
        self._random = np.random.default_rng(seed)
        return [seed] * 2

    def reset(self) -> NDArray[np.float32]:
        return self._random.normal(size=(2, *self.observation_space.shape)).astype(np.float32)  # type: ignore[misc]

    def step_async(self, actions: NDArray[np.int64]) -> None:
        self._paid = (actions == 0).astype(np.float32)

    def step_wait(self) -> VecEnvStepReturn:
        return self.reset(), self._paid, np.zeros(2, np.bool_), [{}, {}]

    def close(self) -> None: ...

    def get_attr(self, attr_name: str, indices: object = None) -> list[object]:
        return [getattr(self, attr_name)] * 2

    def set_attr(self, attr_name: str, value: object, indices: object = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: object, indices: object = None, **kwargs: object) -> list[object]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: type, indices: object = None) -> list[bool]:
        return [False] * 2


def agent(seed: int = 1, learner: LearnerSettings = LEARNER, **changed: float) -> FastPPO:
    return new_agent(NoiseVecEnv(), learner, {**CHOSEN, **changed}, seed=seed)


def trained() -> FastPPO:
    model = agent()
    model.learn(128)
    return model


def test_weights_moments_and_age_come_back_and_hyperparameters_stay_as_set() -> None:
    model, other = trained(), agent(seed=2, learning_rate=5e-4)
    data = pack(model)
    unpack(data, other)
    assert data == pack(other)
    assert 128 == other.num_timesteps
    assert 5e-4 == other.policy.optimizer.param_groups[0]["lr"]
    step, zero = next(iter(other.policy.optimizer.state.values()))["step"], 0.0
    assert (8.0, True) == (float(step), zero < float(np.abs(load(data)["exp_avg.action_net.bias"]).max()))


def test_the_same_agent_gives_the_same_bytes() -> None:
    assert pack(trained()) == pack(trained())
    assert weights_hash(pack(trained())) == hashlib.sha256(pack(trained())).hexdigest()


def test_an_agent_that_has_not_learned_yet_has_a_checkpoint() -> None:
    data = pack(agent())
    other = agent(seed=2)
    unpack(data, other)
    other.set_random_seed(3)
    other.learn(64)
    again = agent()
    again.set_random_seed(3)
    again.learn(64)
    assert pack(again) == pack(other)


def test_going_on_from_a_checkpoint_is_going_on() -> None:
    """In mid-training, given that the environment and the generators begin anew at a slice's start."""
    model = trained()
    data = pack(model)
    model.apply_hyperparameters({"learning_rate": 2e-3})
    model.set_random_seed(11)
    model._last_obs = None
    model.learn(128, reset_num_timesteps=False)
    other = agent(seed=11, learning_rate=2e-3)
    unpack(data, other)
    other.learn(128, reset_num_timesteps=False)
    assert pack(model) == pack(other)
    assert 256 == other.num_timesteps


def test_a_copy_shares_nothing_with_its_donor() -> None:
    data = pack(trained())
    one, two = agent(), agent()
    unpack(data, one)
    unpack(data, two)
    one.learn(64, reset_num_timesteps=False)
    assert data == pack(two)


def test_a_plain_ppo_can_be_packed_and_unpacked() -> None:
    model = PPO(
        "MlpPolicy",
        NoiseVecEnv(),
        n_steps=32,
        batch_size=32,
        device="cpu",
        policy_kwargs={"net_arch": {"pi": [16, 8], "vf": [16, 8]}},
    )
    unpack(pack(trained()), model)
    model.learn(192, reset_num_timesteps=False)
    other = agent()
    unpack(pack(model), other)
    assert pack(model) == pack(other)


def test_the_actor_decides_as_a_network_policy() -> None:
    model = trained()
    seen = np.random.default_rng(0).normal(size=(50, SCHEMA.size)).astype(np.float32)
    policy = NetworkPolicy("packed", SCHEMA, actor_layers(pack(model)))
    assert network_of(model, "model", SCHEMA).logits(seen).tolist() == policy.logits(seen).tolist()
    assert model.predict(seen, deterministic=True)[0].tolist() == policy.decide(seen).tolist()


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused_both_ways(number: float) -> None:
    model = trained()
    arrays = load(pack(model))
    arrays["exp_avg.action_net.bias"] = np.full(SCHEMA.actions, number, np.float32)
    for read in (actor_layers, lambda data: unpack(data, agent())):
        with pytest.raises(CorruptData, match=r"exp_avg\.action_net\.bias holds a number that is not finite"):
            read(save(arrays))
    with torch.no_grad():
        model.policy.action_net.bias[0] = number
    with pytest.raises(CorruptData, match=r"policy\.action_net\.bias holds a number that is not finite"):
        pack(model)


@given(st.binary(max_size=200) | st.integers(0, 8000).map(lambda length: PACKED[:length]))
def test_foreign_and_truncated_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(CorruptData, match=r"restore it from a backup, or leave it out"):
        actor_layers(data)


PACKED = pack(agent())


def test_tensors_of_something_else_are_refused() -> None:
    for arrays in ({}, {"weight": np.ones(3)}, {"step": np.ones(1), "num_timesteps": np.zeros(0)}):
        with pytest.raises(CorruptData, match="are no checkpoint of an agent"):
            actor_layers(save(arrays))
    with pytest.raises(CorruptData, match="no actor of an MlpPolicy: action_net.weight is missing"):
        actor_layers(save({"step": np.ones(1), "num_timesteps": np.ones(1)}))


def test_another_networks_checkpoint_is_refused_and_changes_nothing() -> None:
    model = trained()
    before = pack(model)
    with pytest.raises(CorruptData, match=r"is of another network \(exp_avg\.action_net\.weight, "):
        unpack(pack(agent(learner=LEARNER.model_copy(update={"hidden": (16, 9)}))), model)
    assert before == pack(model)
