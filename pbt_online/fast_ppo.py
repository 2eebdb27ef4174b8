"""`FastPPO`: Stable-Baselines3's PPO, the same algorithm at about twice the speed, for the members of the population.

Beside PPO's loss it has a KL penalty that holds the policy near a reference (the clone that it started from), and it
can collect with a share of random actions. What it saves, plain `PPO.load` reads.
"""

from collections.abc import Mapping
from typing import Any

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.utils import FloatSchedule
from stable_baselines3.common.vec_env import VecEnv

from data.errors import ConfigurationError
from pbt_online.checkpoint import Layers, actor_layers, layers_of_actor
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
        super().__init__(*args, **kwargs)

    def apply_hyperparameters(self, hyperparameters: Mapping[str, float]) -> None:
        """Make those given effective at once, also where SB3 keeps copies; the others, and Adam's moments, stay.

        Raises ConfigurationError for a name that PPO does not know or a number that is not finite.
        """
        for name, value in hyperparameters.items():
            if name not in DEFAULTS and name != "batch_size":
                known = ", ".join([*DEFAULTS, "batch_size"])
                raise ConfigurationError(f"{name} is no hyperparameter of PPO: tune some of {known}")
            setattr(self, name, int(value) if name == "batch_size" else float(value))
        self._setup_lr_schedule()
        for group in self.policy.optimizer.param_groups:
            group["lr"] = self.learning_rate
        self.clip_range = FloatSchedule(self.clip_range)
        self.rollout_buffer.gamma = self.gamma
        self.rollout_buffer.gae_lambda = self.gae_lambda

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "reference"]


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


def _layers(reference: Reference) -> Layers:
    if isinstance(reference, bytes):
        return actor_layers(reference)
    return layers_of_actor({name: tensor.detach().cpu().numpy() for name, tensor in reference.items()})
