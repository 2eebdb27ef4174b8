"""Collecting experience for `FastPPO`: Stable-Baselines3's rollout with one critic pass over all that was seen."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from data.errors import CorruptData
from pbt_online.fast_kernels import Floats, advantages_of
from pbt_online.fast_network import FlatNetwork

Truncated = list[tuple[int, int, NDArray[np.float32]]]
"""Step, environment and the observation after it, of episodes that ran out of time: they are worth what comes next."""


@dataclass(frozen=True)
class Behaviour:
    """How actions are drawn: from `policy`, by its written-out network where there is one, uniformly with chance
    `epsilon`."""

    policy: ActorCriticPolicy
    network: FlatNetwork | None
    epsilon: float

    def act(self, observations: Floats) -> tuple[NDArray[np.int64], Floats]:
        """Actions [B] and their log-probabilities under the mixture that they were drawn from."""
        logp = torch.log_softmax(self._logits(torch.from_numpy(observations)), dim=1)
        choices = logp.exp()
        if not bool(torch.isfinite(logp).all()):
            raise CorruptData("the policy's probabilities are not finite, the agent has diverged: replace it")
        if self.epsilon:
            choices = (1 - self.epsilon) * choices + self.epsilon / choices.shape[1]
            logp = choices.log()
        actions = torch.multinomial(choices, 1, replacement=True)
        return actions[:, 0].cpu().numpy(), logp.gather(1, actions)[:, 0].cpu().numpy()

    def values(self, observations: Floats) -> Floats:
        """[B] what the critic expects after each observation [B, O]."""
        inputs = torch.from_numpy(observations)
        if self.network is not None:
            return self.network.critic.forward(inputs)[:, 0].numpy()
        return self.policy.predict_values(inputs.to(self.policy.device))[:, 0].cpu().numpy()

    def _logits(self, observations: Tensor) -> Tensor:
        if self.network is not None:
            return self.network.actor.forward(observations)
        latent = self.policy.mlp_extractor.forward_actor(observations.to(self.policy.device))
        logits: Tensor = self.policy.action_net(latent)
        return logits


def collect(
    model: PPO, behaviour: Behaviour, env: VecEnv, callback: BaseCallback, buffer: RolloutBuffer, steps: int
) -> bool:
    """Fill `buffer`; False if `callback` ended it early. Draws from torch's global generator, which SB3 seeds."""
    buffer.reset()
    callback.on_rollout_start()
    truncated: Truncated = []
    for step in range(steps):
        observations = np.asarray(model._last_obs, dtype=np.float32)
        actions, log_probs = behaviour.act(observations)
        seen, rewards, dones, infos = env.step(actions)
        model.num_timesteps += env.num_envs
        callback.update_locals(locals())
        if not callback.on_step():
            return False
        if dones.any():
            model._update_info_buffer(infos, dones)
            truncated += _truncated(step, dones, infos)
        buffer.observations[step] = observations
        buffer.actions[step, :, 0] = actions
        buffer.log_probs[step] = log_probs
        buffer.rewards[step] = rewards
        buffer.episode_starts[step] = model._last_episode_starts
        model._last_obs, model._last_episode_starts = np.asarray(seen), dones
    buffer.pos, buffer.full = steps, True
    _value(model, behaviour, buffer, truncated)
    callback.update_locals(locals())
    callback.on_rollout_end()
    return True


def _truncated(step: int, dones: NDArray[np.bool_], infos: list[dict[str, Any]]) -> Truncated:
    ended = [(env, infos[env]) for env in np.flatnonzero(dones).tolist()]
    return [
        (step, env, info["terminal_observation"])
        for env, info in ended
        if info.get("terminal_observation") is not None and info.get("TimeLimit.truncated", False)
    ]


def _value(model: PPO, behaviour: Behaviour, buffer: RolloutBuffer, truncated: Truncated) -> None:
    """Values of all that was seen, in one pass; truncated episodes earn what the critic expects of them; advantages."""
    size = buffer.observations.shape[-1]
    buffer.values[...] = behaviour.values(buffer.observations.reshape(-1, size)).reshape(buffer.values.shape)
    last = np.asarray(model._last_obs, dtype=np.float32)
    ends = [observation for _, _, observation in truncated]
    beyond = behaviour.values(np.concatenate([last, np.reshape(ends, (-1, size)).astype(np.float32)]))
    for (step, env, _), value in zip(truncated, beyond[len(last) :], strict=True):
        buffer.rewards[step, env] += model.gamma * value
    dones = np.asarray(model._last_episode_starts, dtype=np.float32)
    decay = model.gamma * model.gae_lambda
    buffer.advantages = advantages_of(
        buffer.rewards, buffer.values, buffer.episode_starts, beyond[: len(last)], dones, model.gamma, decay
    )
    buffer.returns = buffer.advantages + buffer.values
