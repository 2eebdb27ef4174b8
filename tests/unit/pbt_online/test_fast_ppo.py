"""FastPPO against Stable-Baselines3's own code: the same experience, gradients, steps and files."""

import hashlib
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import CallbackList
from stable_baselines3.common.vec_env import VecEnv
from torch.distributions import Categorical, kl_divergence

from backtest.scaler import fit_scaler
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, CorruptData
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS
from pbt_online.checkpoint import pack
from pbt_online.fast_kernels import activate, adam, advantages_of
from pbt_online.fast_ppo import FastPPO, new_agent
from pbt_online.fast_update import Update, update_by_autograd, whole_batch, write_gradient
from pbt_online.settings import LearnerSettings
from pbt_online.vector_environment import FundingArbitrageVecEnv

torch.set_num_threads(1)

LEARNER = LearnerSettings(
    hidden=(64, 32), accounts=4, rollout=128, batch_size=48, epochs=3, precision="highest", max_grad_norm=0.5
)
"""Batches of 48, 48 and 32."""
CHOSEN = {"learning_rate": 3e-4, "gamma": 0.97, "gae_lambda": 0.9, "ent_coef": 0.02, "clip_range": 0.15}


@cache
def tape(formulation: str = "ranked") -> Tape:
    """Episodes of 20 hours: some end, truncated, in every rollout."""
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE"))
    market = synthetic_market(SyntheticSettings(days=30, assets=data.assets))
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(episode_hours=20, formulation=formulation)  # type: ignore[arg-type]
    return tape_of_market(market, data, settings, first, first + 200 * HOUR_MS)


def environment(formulation: str = "ranked") -> FundingArbitrageVecEnv:
    """Scaled, as members learn: raw observations saturate tanh, where gradients are lost in rounding."""
    told = tape(formulation)
    return FundingArbitrageVecEnv(told, LEARNER.accounts, scaler=fit_scaler(told, told.first, told.first + 150))


def agent(seed: int = 1, learner: LearnerSettings = LEARNER, formulation: str = "ranked", **changed: float) -> FastPPO:
    return new_agent(environment(formulation), learner, {**CHOSEN, **changed}, seed=seed)


def plain(seed: int = 1, env: VecEnv | None = None, **changed: float) -> PPO:
    """What `agent` is, without our code."""
    hidden = list(LEARNER.hidden)
    options = {
        "n_steps": 32,
        "batch_size": LEARNER.batch_size,
        "n_epochs": LEARNER.epochs,
        "vf_coef": LEARNER.vf_coef,
        "max_grad_norm": LEARNER.max_grad_norm,
    }
    with warnings.catch_warnings(action="ignore"):
        model = PPO(
            "MlpPolicy",
            env or environment(),
            policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}},
            seed=seed,
            device="cpu",
            **{**options, **CHOSEN, **changed},  # type: ignore[arg-type]
        )
    model.set_random_seed(seed)
    return model


def learn(model: PPO, timesteps: int = 1) -> None:
    """Both draw from the global generators of torch and numpy, so each begins where they begin."""
    model.set_random_seed(1)
    model.learn(timesteps)


def disturb(model: PPO, size: float = 0.02) -> None:
    """Move every weight a little, so that the policy is no longer the one that collected."""
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.policy.parameters():
            parameter.add_(size * torch.randn(parameter.shape, generator=draw))


def told(model: FastPPO, **changed: float) -> Update:
    values = {
        "epochs": 1,
        "batch_size": 128,
        "clip_range": 0.2,
        "ent_coef": 0.0,
        "vf_coef": 0.5,
        "kl_coef": 0.0,
        "max_grad_norm": 1e9,
        "normalize_advantage": True,
    }
    return Update(**{**values, **changed})  # type: ignore[arg-type]


def gradients(model: FastPPO, settings: Update) -> dict[str, torch.Tensor]:
    """The written-out gradient over the whole buffer, by parameter."""
    network = model.flat_network()
    assert network is not None
    batch = whole_batch(model.rollout_buffer, model.reference if settings.kl_coef else None, model.device)
    write_gradient(network, batch, settings, np.zeros(6))
    names, parameters = zip(*model.policy.named_parameters(), strict=True)
    parts = torch.split(network.gradient.clone(), [p.numel() for p in parameters])
    return {name: part.view(p.shape) for name, part, p in zip(names, parts, parameters, strict=True)}


def assert_close(expected: Mapping[str, torch.Tensor], actual: Mapping[str, torch.Tensor]) -> None:
    assert expected.keys() == actual.keys()
    for name, value in expected.items():
        assert (actual[name] - value).abs().max() <= 1e-5 * value.abs().max(), name


SETS = {
    "the defaults": {},
    "clipped often": {"clip_range": 0.02},
    "entropy": {"ent_coef": 0.1},
    "value loss alone counts double": {"vf_coef": 2.0},
    "advantages as they are": {"normalize_advantage": False, "ent_coef": 0.003},
    "all": {"clip_range": 0.1, "ent_coef": 0.05, "vf_coef": 0.25},
}


@pytest.mark.parametrize("settings", SETS.values(), ids=list(SETS))
@pytest.mark.parametrize("formulation", ["ranked", "pairs"])
def test_gradients_are_those_of_stable_baselines3(settings: dict[str, float], formulation: str) -> None:
    """Its own train(), of one epoch with one minibatch, leaves its gradient behind."""
    model = agent(formulation=formulation)
    model.learn(1)
    disturb(model)
    steps = len(model.rollout_buffer.actions)
    peer = plain(env=environment(formulation), n_epochs=1, batch_size=steps, **settings, n_steps=model.n_steps)
    peer.max_grad_norm = 1e9
    peer.policy.load_state_dict(model.policy.state_dict())
    peer.rollout_buffer = model.rollout_buffer
    peer.learn(0)
    actual = gradients(model, told(model, **{"clip_range": 0.15, "ent_coef": 0.02, **settings}))
    peer.train()
    assert_close({n: p.grad for n, p in peer.policy.named_parameters() if p.grad is not None}, actual)


def test_the_penalty_adds_the_gradient_of_the_divergence_from_the_reference() -> None:
    model, clone = agent(), agent(seed=9)
    disturb(clone, 0.2)
    model.reference = new_agent(environment(), LEARNER, CHOSEN, seed=1, reference=clone.policy.state_dict()).reference
    model.learn(1)
    observations = whole_batch(model.rollout_buffer, None, model.device).observations
    distributions = [
        Categorical(logits=m.policy.action_net(m.policy.mlp_extractor.forward_actor(observations)))
        for m in (clone, model)
    ]
    (0.3 * kl_divergence(*distributions).mean()).backward()  # type: ignore[no-untyped-call]
    penalty = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in model.policy.named_parameters()}
    without, having = gradients(model, told(model)), gradients(model, told(model, kl_coef=0.3))
    assert max(part.abs().max() for part in penalty.values()) > 1e-3
    assert_close({name: without[name] + part for name, part in penalty.items()}, having)


def test_a_large_penalty_holds_the_policy_near_the_reference() -> None:
    def distance(kl_coef: float) -> float:
        model = agent(learning_rate=1e-3, kl_coef=kl_coef)
        start = pack(model)
        model = new_agent(environment(), LEARNER, {**CHOSEN, "kl_coef": kl_coef}, seed=1, reference=start)
        model.learn(4 * 128)
        return float(model.logger.name_to_value["train/reference_kl"])

    assert distance(30.0) < 0.2 * distance(1e-9)


def test_a_step_of_the_optimizer_clips_and_moves_as_stable_baselines3() -> None:
    model, peer = agent(batch_size=128), plain(batch_size=128, n_epochs=1)
    model.n_epochs = 1
    learn(model)
    learn(peer)
    for (name, ours), theirs in zip(model.policy.named_parameters(), peer.policy.parameters(), strict=True):
        assert (ours - theirs).abs().max() <= 2e-3 * CHOSEN["learning_rate"], name


def test_the_same_seed_collects_the_same_experience() -> None:
    """Actions, rewards with what truncated episodes are still worth, advantages and returns; several episodes end."""
    ours, theirs = agent(), plain()
    learn(ours)
    learn(theirs)
    a, b = ours.rollout_buffer, theirs.rollout_buffer
    assert a.actions.tolist() == b.actions.tolist()
    assert a.observations.tobytes() == b.observations.tobytes()
    assert 4 < a.episode_starts.sum()
    assert a.episode_starts.tolist() == b.episode_starts.tolist()
    for name in ("rewards", "values", "log_probs", "advantages", "returns"):
        assert np.abs(getattr(a, name) - getattr(b, name)).max() < 1e-5 * np.abs(getattr(b, name)).max(), name


def test_learning_stays_beside_stable_baselines3() -> None:
    """After one rollout and nine steps of Adam the weights differ by less than a hundredth of one of its steps."""
    ours, theirs = agent(), plain()
    learn(ours)
    learn(theirs)
    worst = max(
        float((a - b).detach().abs().max())
        for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True)
    )
    assert worst < 0.01 * CHOSEN["learning_rate"]


def test_autograd_makes_the_same_update() -> None:
    """The path of other devices, with the penalty."""
    model = agent(kl_coef=0.2)
    reference = new_agent(environment(), LEARNER, {}, seed=4, reference=agent(seed=5).policy.state_dict()).reference
    model.reference = reference
    model.learn(1)
    other = agent(seed=1)
    other.policy.load_state_dict(model.policy.state_dict())
    settings = told(model, epochs=2, batch_size=64, kl_coef=0.2, ent_coef=0.01, max_grad_norm=0.5)
    other.policy.optimizer.load_state_dict(deepcopy(model.policy.optimizer.state_dict()))
    np.random.seed(0)
    means = update_by_autograd(other.policy, model.rollout_buffer, settings, reference)
    np.random.seed(0)
    model.n_epochs, model.batch_size, model.ent_coef = 2, 64, 0.01
    model.apply_hyperparameters({"clip_range": 0.2})
    model.train()
    for ours, theirs in zip(model.policy.parameters(), other.policy.parameters(), strict=True):
        assert (ours - theirs).detach().abs().max() < 0.01 * CHOSEN["learning_rate"]
    logged = {name: model.logger.name_to_value[f"train/{name}"] for name in means}
    assert logged == pytest.approx(means, rel=1e-3, abs=1e-6)


def test_a_saved_agent_is_read_by_plain_ppo_and_decides_alike(tmp_path: Path) -> None:
    model = agent()
    model.learn(256)
    model.save(tmp_path / "model.zip")
    seen = np.asarray(model.env.reset())  # type: ignore[union-attr]
    for kind in (PPO, FastPPO):
        read = kind.load(tmp_path / "model.zip", env=environment(), device="cpu")
        assert model.predict(seen, deterministic=True)[0].tolist() == read.predict(seen, deterministic=True)[0].tolist()
        assert {n: v.tolist() for n, v in model.policy.state_dict().items()} == {
            n: v.tolist() for n, v in read.policy.state_dict().items()
        }
        read.learn(128)


def test_a_new_learning_rate_takes_effect_at_once_and_moments_stay() -> None:
    """Setting SB3's attribute alone changes neither its cached schedule nor the optimizer."""
    model = agent()
    model.learn(1)
    moments = [s["exp_avg"].clone() for s in model.policy.optimizer.state.values()]
    model.apply_hyperparameters({"learning_rate": 0.0})
    assert [torch.equal(m, s["exp_avg"]) for m, s in zip(moments, model.policy.optimizer.state.values(), strict=True)]
    assert (0.0, 0.0) == (model.policy.optimizer.param_groups[0]["lr"], model.lr_schedule(1.0))
    before = pack(model)[-4096:]
    weights = [p.clone() for p in model.policy.parameters()]
    model.learn(1, reset_num_timesteps=False)
    assert all(torch.equal(a, b) for a, b in zip(weights, model.policy.parameters(), strict=True))
    assert before != pack(model)[-4096:]


def test_a_new_clip_range_takes_effect_at_once() -> None:
    model = agent()
    model.learn(1)
    model.apply_hyperparameters({"clip_range": 1e-6})
    model.train()
    assert model.logger.name_to_value["train/clip_fraction"] > 0.9


def test_new_discounts_reach_the_buffer() -> None:
    ours, theirs = agent(), plain(gamma=0.5, gae_lambda=0.6)
    ours.apply_hyperparameters({"gamma": 0.5, "gae_lambda": 0.6})
    assert (0.5, 0.6) == (ours.rollout_buffer.gamma, ours.rollout_buffer.gae_lambda)
    learn(ours)
    learn(theirs)
    assert ours.rollout_buffer.returns == pytest.approx(theirs.rollout_buffer.returns, rel=1e-4, abs=1e-4)


def test_a_new_batch_size_takes_effect_at_once() -> None:
    model = agent()
    model.learn(1)
    model.apply_hyperparameters({"batch_size": 16.0})
    model.train()
    assert 3 * 3 + 3 * 8 == int(next(iter(model.policy.optimizer.state.values()))["step"])


def test_a_new_entropy_weight_takes_effect_at_once() -> None:
    def entropy(ent_coef: float) -> float:
        model = agent()
        model.apply_hyperparameters({"ent_coef": ent_coef, "learning_rate": 1e-2, "clip_range": 0.4})
        model.learn(3 * 128)
        return -float(model.logger.name_to_value["train/entropy_loss"])

    assert entropy(1.0) > entropy(-1.0) + 0.1


def test_names_that_ppo_does_not_know_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"momentum is no hyperparameter of PPO: tune some of learning_rate"):
        agent(momentum=0.9)


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_log_probabilities_are_those_of_the_mixture_that_acted(epsilon: float) -> None:
    model = agent(epsilon=epsilon)
    disturb(model, 0.3)
    before = {name: value.clone() for name, value in model.policy.state_dict().items()}
    model.learn(1)
    model.policy.load_state_dict(before)
    batch = whole_batch(model.rollout_buffer, None, model.device)
    with torch.no_grad():
        policy = model.policy.get_distribution(batch.observations).distribution.probs  # type: ignore[union-attr]
    mixture = (1 - epsilon) * policy.numpy()[np.arange(128), batch.actions] + epsilon / 9
    assert batch.old == pytest.approx(np.log(mixture), rel=1e-5)


def test_the_last_batch_of_an_epoch_may_be_smaller_without_a_warning() -> None:
    agent(batch_size=50).learn(1)


def test_an_agent_that_diverged_says_so() -> None:
    model = agent()
    model.learn(1)
    model.rollout_buffer.returns[0] = np.nan
    with pytest.raises(CorruptData, match="gradient is not finite, the agent has diverged"):
        model.train()
    with torch.no_grad():
        next(model.policy.parameters()).fill_(torch.nan)
    with pytest.raises(CorruptData, match="probabilities are not finite"):
        model.learn(1)


def test_a_callback_may_end_learning() -> None:
    class Stop(CallbackList):
        def _on_step(self) -> bool:
            return self.num_timesteps < 40

    model = agent()
    model.learn(10_000, callback=Stop([]))
    assert 40 == model.num_timesteps


def learned() -> str:
    model = agent(seed=7, learner=LEARNER.model_copy(update={"precision": "medium"}), epsilon=0.05)
    model.learn(3 * 128)
    return hashlib.sha256(pack(model)).hexdigest()


def test_the_same_seed_gives_the_same_bytes_here_and_in_another_process() -> None:
    root = Path(__file__).parents[3]
    told = subprocess.run(
        [sys.executable, __file__],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
    )
    assert [learned(), learned()] == [told.stdout.strip()] * 2


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


if __name__ == "__main__":
    print(learned())
