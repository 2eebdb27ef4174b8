"""How sure a policy is of each action: a network by its softmax, an ensemble by its votes, a plain one wholly."""

import numpy as np
from numpy.typing import NDArray

from backtest.policies import Observations, Policy, RandomLegal, legal_actions
from pbt_online.ensemble import Ensemble
from pbt_online.network import NetworkPolicy


def probabilities(policy: Policy, observations: Observations) -> NDArray[np.float64]:
    """[..., A] for observations [..., O]; each row adds up to one. Trading takes the likeliest action, never a draw."""
    if isinstance(policy, NetworkPolicy):
        logits = policy.logits(observations).astype(np.float64)
        weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    elif isinstance(policy, Ensemble):
        weights = np.sum([_chosen(member, observations) for member in policy.members], axis=0)
    elif isinstance(policy, RandomLegal):
        weights = legal_actions(policy.schema, observations).astype(np.float64)
    else:
        weights = _chosen(policy, observations)
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def _chosen(policy: Policy, observations: Observations) -> NDArray[np.float64]:
    """One for what is answered, zero for the rest."""
    return np.eye(policy.schema.actions)[policy.decide(observations)]
