"""PPO's update from a full rollout buffer, for `FastPPO`: written out for a processor, by autograd elsewhere.

Minibatches are those that Stable-Baselines3 would draw: numpy's global generator, which SB3 seeds, shuffles steps in
the order of environments.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import explained_variance
from torch import Tensor
from torch.nn import functional
from torch.optim import Optimizer

from pbt_online.checkpoint import Layers
from pbt_online.fast_kernels import Floats, normal, policy_gradient
from pbt_online.fast_network import FlatNetwork, log_softmax_of, refuse_infinite

NAMES = ("policy_gradient_loss", "entropy", "clip_fraction", "approx_kl", "reference_kl", "value_loss")


@dataclass(frozen=True)
class Update:
    """The settings of one update; `kl_coef` counts only where there is a reference."""

    epochs: int
    batch_size: int
    clip_range: float
    ent_coef: float
    vf_coef: float
    kl_coef: float
    max_grad_norm: float
    normalize_advantage: bool


@dataclass(frozen=True)
class Batch:
    """Steps [B]: observations [B, O], actions, log-probabilities when collected, advantages, returns, and the
    reference's log-probabilities [B, A] (no rows without a reference)."""

    observations: Tensor
    actions: NDArray[np.int64]
    old: Floats
    advantages: Floats
    returns: Floats
    reference: Floats

    def __len__(self) -> int:
        return len(self.actions)

    def minibatches(self, size: int) -> Iterator["Batch"]:
        """Shuffled once through, `size` steps at a time; the last may have fewer."""
        order = np.random.permutation(len(self))
        places = torch.from_numpy(order).to(self.observations.device)
        shuffled = self._chosen(self.observations.index_select(0, places), order)
        for start in range(0, len(self), size):
            rows = slice(start, start + size)
            yield shuffled._chosen(shuffled.observations[rows], rows)

    def _chosen(self, observations: Tensor, rows: slice | NDArray[np.int64]) -> "Batch":
        return Batch(
            observations,
            self.actions[rows],
            self.old[rows],
            self.advantages[rows],
            self.returns[rows],
            self.reference[rows] if len(self.reference) else self.reference,
        )


def whole_batch(buffer: RolloutBuffer, reference: Layers | None, device: torch.device) -> Batch:
    """All steps of a full buffer, environment by environment as SB3 flattens it."""
    if not buffer.generator_ready:
        for name in ("observations", "actions", "values", "log_probs", "advantages", "returns"):
            setattr(buffer, name, buffer.swap_and_flatten(getattr(buffer, name)))
        buffer.generator_ready = True
    observations = torch.from_numpy(buffer.observations).to(device)
    told = np.zeros((0, 1), np.float32) if reference is None else log_softmax_of(reference, observations)
    actions = buffer.actions.ravel().astype(np.int64)
    old, advantages, returns = buffer.log_probs.ravel(), buffer.advantages.ravel(), buffer.returns.ravel()
    return Batch(observations, actions, old, advantages, returns, told)


def update(
    network: FlatNetwork, optimizer: Optimizer, buffer: RolloutBuffer, told: Update, reference: Layers | None
) -> dict[str, float]:
    """All epochs over the buffer; returns means over steps. Raises CorruptData where a gradient diverges."""
    whole = whole_batch(buffer, reference if told.kl_coef else None, torch.device("cpu"))
    totals, group = np.zeros(len(NAMES)), optimizer.param_groups[0]
    network.take_moments()
    for _ in range(told.epochs):
        for batch in whole.minibatches(told.batch_size):
            write_gradient(network, batch, told, totals)
            network.descend(told.max_grad_norm, group["lr"], group["eps"])
    network.hand_step()
    return _logged(totals / (told.epochs * len(whole)), buffer, told)


def write_gradient(network: FlatNetwork, batch: Batch, told: Update, totals: NDArray[np.float64]) -> None:
    """Write the gradient of PPO's loss over a minibatch to the network; add the sums of `NAMES` to `totals`."""
    logits, values = network.actor.forward(batch.observations), network.critic.forward(batch.observations)
    coefficients = (told.clip_range, told.ent_coef, told.kl_coef)
    advantages = normal(batch.advantages) if told.normalize_advantage else batch.advantages
    policy_gradient(
        logits.numpy(), batch.actions, batch.old, advantages, batch.reference, coefficients, totals[: len(NAMES) - 1]
    )
    errors = values.numpy()[:, 0]
    errors -= batch.returns
    totals[-1] += float(errors @ errors)
    errors *= 2 * told.vf_coef / len(batch)
    network.actor.backward(batch.observations, logits)
    network.critic.backward(batch.observations, values)


def update_by_autograd(
    policy: ActorCriticPolicy, buffer: RolloutBuffer, told: Update, reference: Layers | None
) -> dict[str, float]:
    """The same by autograd and the policy's own optimizer, on any device."""
    whole = whole_batch(buffer, reference if told.kl_coef else None, policy.device)
    totals = np.zeros(len(NAMES))
    for _ in range(told.epochs):
        for batch in whole.minibatches(told.batch_size):
            loss, told_of = loss_of(policy, batch, told)
            policy.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call] # torch leaves it unannotated
            refuse_infinite(float(torch.nn.utils.clip_grad_norm_(policy.parameters(), told.max_grad_norm)))
            policy.optimizer.step()
            totals += len(batch) * torch.stack(told_of).detach().cpu().numpy()
    return _logged(totals / (told.epochs * len(whole)), buffer, told)


def loss_of(policy: ActorCriticPolicy, batch: Batch, told: Update) -> tuple[Tensor, list[Tensor]]:
    """The loss over a minibatch as a tensor to differentiate, and the means of `NAMES`."""
    device = batch.observations.device
    old, returns, actions, reference = (
        torch.from_numpy(a).to(device) for a in (batch.old, batch.returns, batch.actions, batch.reference)
    )
    advantages = torch.from_numpy(normal(batch.advantages) if told.normalize_advantage else batch.advantages).to(device)
    latent_actor, latent_critic = policy.mlp_extractor(batch.observations)
    logp = torch.log_softmax(policy.action_net(latent_actor), dim=1)
    change = logp.gather(1, actions[:, None])[:, 0] - old
    ratio = change.exp()
    clipped = ratio.clamp(1 - told.clip_range, 1 + told.clip_range)
    policy_loss = -torch.min(advantages * ratio, advantages * clipped).mean()
    entropy = -(logp.exp() * logp).sum(1).mean()
    divergence = (reference.exp() * (reference - logp)).sum(1).mean() if len(reference) else torch.zeros_like(entropy)
    value_loss = functional.mse_loss(policy.value_net(latent_critic)[:, 0], returns)
    loss = policy_loss - told.ent_coef * entropy + told.vf_coef * value_loss + told.kl_coef * divergence
    share = ((ratio - 1).abs() > told.clip_range).float().mean()
    return loss, [policy_loss, entropy, share, (ratio - 1 - change).mean(), divergence, value_loss]


def _logged(figures: NDArray[np.float64], buffer: RolloutBuffer, told: Update) -> dict[str, float]:
    means = dict(zip(NAMES, figures.tolist(), strict=True))
    entropy_loss = -means.pop("entropy")
    loss = means["policy_gradient_loss"] + told.ent_coef * entropy_loss + told.vf_coef * means["value_loss"]
    explained = explained_variance(buffer.values.flatten(), buffer.returns.flatten())
    return {
        **means,
        "entropy_loss": entropy_loss,
        "loss": loss + told.kl_coef * means["reference_kl"],
        "explained_variance": float(explained),
    }
