"""The update against Stable-Baselines3's own code and against autograd."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch.distributions import Categorical, kl_divergence

from data.errors import CorruptData
from pbt_online.checkpoint import pack
from pbt_online.fast_ppo import FastPPO, new_agent
from pbt_online.fast_update import Update, whole_batch, write_gradient
from tests.unit.pbt_online.agents import CHOSEN, LEARNER, agent, disturb, environment, learn, plain


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


class ByAutograd(FastPPO):
    """As where there is no written-out network: on other devices."""

    def flat_network(self) -> None:
        return None


def test_other_devices_learn_the_same() -> None:
    clone = pack(agent(seed=5))
    chosen = {**CHOSEN, "kl_coef": 0.5, "epsilon": 0.1}
    ours, theirs = (new_agent(environment(), LEARNER, chosen, seed=1, reference=clone) for _ in range(2))
    theirs.__class__ = ByAutograd
    learn(ours)
    learn(theirs)
    for a, b in zip(ours.policy.parameters(), theirs.policy.parameters(), strict=True):
        assert (a - b).detach().abs().max() < 0.01 * CHOSEN["learning_rate"]
    logged = [{n: v for n, v in m.logger.name_to_value.items() if n.startswith("train/")} for m in (ours, theirs)]
    assert logged[0] == pytest.approx(logged[1], rel=1e-3, abs=1e-6)
    theirs.rollout_buffer.returns[0] = np.nan
    with pytest.raises(CorruptData, match="gradient is not finite, the agent has diverged"):
        theirs.train()
