"""FastPPO against Stable-Baselines3: the same experience, weights and files; hyperparameters that take effect."""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import CallbackList

from data.errors import ConfigurationError, CorruptData
from pbt_online.checkpoint import pack
from pbt_online.fast_ppo import FastPPO
from pbt_online.fast_update import whole_batch
from tests.unit.pbt_online.agents import CHOSEN, LEARNER, agent, disturb, environment, learn, plain


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


@pytest.mark.parametrize(("name", "value"), [("learning_rate", np.nan), ("batch_size", 1), ("gamma", np.inf)])
def test_numbers_that_cannot_be_are_refused_before_anything_changes(name: str, value: float) -> None:
    model = agent()
    with pytest.raises(ConfigurationError, match=f"{name} cannot be {value:g}"):
        model.apply_hyperparameters({"ent_coef": 0.5, name: value})
    assert CHOSEN["ent_coef"] == model.ent_coef


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


def test_learning_leaves_nothing_in_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stable-Baselines3 makes a folder for the log of every agent, though nobody asked for a log."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    agent().learn(256)
    assert [] == list(tmp_path.iterdir())


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


if __name__ == "__main__":
    print(learned())
