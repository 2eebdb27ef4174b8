"""`FastPPO`: Stable-Baselines3's PPO, the same algorithm faster, for the members of the population.

Beside PPO's loss it has a KL penalty that holds the policy near a reference (the clone that it started from), and it
can collect with a share of random actions. What it saves, plain `PPO.load` reads. On a processor forward and backward
are written out (`fast_update`); elsewhere autograd computes the same loss.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv

from data.errors import ConfigurationError
from pbt_online.checkpoint import Layers, actor_layers, layers_of_actor
from pbt_online.fast_network import FlatNetwork
from pbt_online.fast_rollout import Behaviour, collect
from pbt_online.fast_update import Update, update, update_by_autograd
from pbt_online.settings import LearnerSettings

DEFAULTS = {
    "learning_rate": 1e-4,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "ent_coef": 0.01,
    "clip_range": 0.2,
    "kl_coef": 0.1,
    "epsilon": 0.0,
}
"""Of hyperparameters that are not tuned; the batch's size is the learner's then."""

Reference = bytes | Mapping[str, torch.Tensor]
"""A checkpoint, or the state of an MlpPolicy; of either only the actor is used."""


class FastPPO(PPO):
    """PPO over a `FundingArbitrageVecEnv` with an MlpPolicy: tanh, separate actor and critic, discrete actions.

    `kl_coef` times the mean of KL(reference || policy) over the minibatch is added to the loss where there is a
    reference. With probability `epsilon` a collected action is drawn uniformly; the recorded log-probability is that of
    the mixture (1 - epsilon) * policy + epsilon / actions, so that PPO's ratio corrects for it.
    """

    def __init__(self, *args: Any, kl_coef: float = 0.0, epsilon: float = 0.0, **kwargs: Any) -> None:
        self.kl_coef, self.epsilon = kl_coef, epsilon
        self.precision = "highest"
        self.reference: Layers | None = None
        self._flat: FlatNetwork | None = None
        with warnings.catch_warnings():
            # The last minibatch of an epoch may be smaller, and a small network may train on a GPU.
            warnings.filterwarnings("ignore", message="You (have specified a mini-batch|are trying to run)")
            super().__init__(*args, **kwargs)
        if not self.verbose and self.tensorboard_log is None:
            # Its own would make a folder in the temporary one for every agent.
            self.set_logger(Logger(None, []))

    def apply_hyperparameters(self, hyperparameters: Mapping[str, float]) -> None:
        """Make those given effective at once, also where SB3 keeps copies; the others, and Adam's moments, stay.

        Raises ConfigurationError, before anything changes, for a name that PPO does not know or an impossible number.
        """
        for name, value in hyperparameters.items():
            if name not in DEFAULTS and name != "batch_size":
                known = ", ".join([*DEFAULTS, "batch_size"])
                raise ConfigurationError(f"{name} is no hyperparameter of PPO: tune some of {known}")
            if not math.isfinite(value) or (name == "batch_size" and value < 2):
                raise ConfigurationError(f"{name} cannot be {value:g}: correct the search space")
        for name, value in hyperparameters.items():
            setattr(self, name, round(value) if name == "batch_size" else float(value))
        self._setup_lr_schedule()
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.clip_range = FloatSchedule(self.clip_range)
        self.rollout_buffer.gamma = self.gamma
        self.rollout_buffer.gae_lambda = self.gae_lambda

    def train(self) -> None:
        """Update the policy from what was collected, as PPO's. Raises CorruptData where a gradient is not finite."""
        self._update_learning_rate(self.policy.optimizer)
        clip_range = float(self.clip_range(self._current_progress_remaining))  # type: ignore[operator]
        told = Update(
            epochs=self.n_epochs,
            batch_size=self.batch_size,
            clip_range=clip_range,
            ent_coef=self.ent_coef,
            vf_coef=self.vf_coef,
            kl_coef=self.kl_coef if self.reference else 0.0,
            max_grad_norm=self.max_grad_norm,
            normalize_advantage=self.normalize_advantage,
        )
        with _precision(self.precision):
            flat = self.flat_network()
            if flat is None:
                means = update_by_autograd(self.policy, self.rollout_buffer, told, self.reference)
            else:
                means = update(flat, self.policy.optimizer, self.rollout_buffer, told, self.reference)
        self._n_updates += self.n_epochs
        for name, value in means.items():
            self.logger.record(f"train/{name}", value)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        self.logger.record("train/clip_range", clip_range)

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the buffer with `n_rollout_steps` steps of every environment, as PPO's; False if a callback ended it."""
        with _precision(self.precision), torch.no_grad():
            behaviour = Behaviour(self.policy, self.flat_network(), self.epsilon)
            return collect(self, behaviour, env, callback, rollout_buffer, n_rollout_steps)

    def flat_network(self) -> FlatNetwork | None:
        """The written-out network of the policy as it is now; none off the processor."""
        if self.device.type != "cpu":
            return None
        if self._flat is None or not self._flat.holds(self.policy):
            self._flat = FlatNetwork(self.policy)
        return self._flat

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "reference", "_flat"]


def new_agent(
    env: VecEnv,
    learner: LearnerSettings,
    hyperparameters: Mapping[str, float],
    *,
    seed: int,
    reference: Reference | None = None,
) -> FastPPO:
    """An agent with random weights for `env`; the environment's episodes and all that it draws follow from `seed`."""
    hidden = list(learner.hidden)
    agent = FastPPO(
        "MlpPolicy",
        env,
        n_steps=max(1, learner.rollout // env.num_envs),
        batch_size=learner.batch_size,
        n_epochs=learner.epochs,
        vf_coef=learner.vf_coef,
        max_grad_norm=learner.max_grad_norm,
        policy_kwargs={"net_arch": {"pi": hidden, "vf": hidden}},
        seed=seed,
        device=learner.device,
    )
    agent.precision = learner.precision
    if reference is not None:
        agent.reference = _layers(reference)
    agent.apply_hyperparameters({**DEFAULTS, **hyperparameters})
    agent.set_random_seed(seed)
    return agent


@contextmanager
def _precision(told: str) -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(told)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _layers(reference: Reference) -> Layers:
    if isinstance(reference, bytes):
        return actor_layers(reference)
    return layers_of_actor({name: tensor.detach().cpu().numpy() for name, tensor in reference.items()})
