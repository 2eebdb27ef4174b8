"""The compiled loops against numpy, torch and Stable-Baselines3."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from stable_baselines3.common.buffers import RolloutBuffer

from pbt_online.fast_kernels import activate, adam, advantages_of
from tests.unit.pbt_online.agents import environment


@settings(deadline=None)  # The first call compiles.
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40))
def test_tanh_is_within_a_few_units_of_the_last_place(values: list[float]) -> None:
    exact = np.tanh(np.array(values, dtype=np.float32).astype(np.float64))
    actual = np.array([values], dtype=np.float32)
    activate(actual, np.zeros(len(values), np.float32))
    assert np.all(np.abs(actual[0] - exact) <= 4e-7 * np.abs(exact) + 1e-44)


def test_tanh_of_what_is_not_a_number_is_none() -> None:
    values = np.array([[np.nan, np.inf, -np.inf]], dtype=np.float32)
    activate(values, np.zeros(3, np.float32))
    assert np.isnan(values[0, 0])
    assert [1.0, -1.0] == pytest.approx(values[0, 1:].tolist(), rel=1e-6)


def test_adam_is_torchs() -> None:
    draw = np.random.default_rng(0)
    weights = draw.normal(size=50).astype(np.float32)
    parameter = torch.nn.Parameter(torch.from_numpy(weights.copy()))
    theirs = torch.optim.Adam([parameter], lr=1e-3, eps=1e-5)
    first, second = np.zeros(50, np.float32), np.zeros(50, np.float32)
    for step in range(1, 30):
        gradient = draw.normal(size=50).astype(np.float32)
        parameter.grad = torch.from_numpy(0.5 * gradient)
        theirs.step()
        adam(weights, gradient, (first, second), 0.5, step, 1e-3, 1e-5)
    assert weights == pytest.approx(parameter.detach().numpy(), rel=1e-6, abs=1e-7)


@settings(deadline=None)  # The first call compiles.
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 1), st.floats(0, 1))
def test_advantages_are_those_of_the_rollout_buffer(seed: int, gamma: float, gae_lambda: float) -> None:
    env, draw = environment(), np.random.default_rng(seed)
    buffer = RolloutBuffer(
        7, env.observation_space, env.action_space, device="cpu", gae_lambda=gae_lambda, gamma=gamma, n_envs=3
    )
    buffer.rewards[:], buffer.values[:] = draw.normal(size=(2, 7, 3))
    buffer.episode_starts[:] = draw.random((7, 3)) < 0.3
    last, dones = draw.normal(size=3).astype(np.float32), draw.random(3) < 0.5
    buffer.compute_returns_and_advantage(torch.from_numpy(last), dones)
    actual = advantages_of(
        buffer.rewards, buffer.values, buffer.episode_starts, last, dones.astype(np.float32), gamma, gamma * gae_lambda
    )
    assert actual == pytest.approx(buffer.advantages, rel=1e-5, abs=1e-5)
