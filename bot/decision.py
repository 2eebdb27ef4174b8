"""What a policy is shown and what it answers: the one path by which paper, live and `POST /predict` decide.

Used by the trader at every tick, and by the web page's API on the market that it is given.
"""

import numpy as np

from backtest.accounting import Books
from backtest.observation import Features, observe
from backtest.policies import Actions, Observations, Policy
from backtest.schema import Schema


def shown(schema: Schema, books: Books, features: Features, tick: int, capital: float) -> Observations:
    """What the account sees at the features' newest row, whose tick is `tick`: [1, O], or by pair [1, P, F]."""
    by_pair = schema.formulation == "pairs"
    pairs = len(features.legs)
    seen = np.empty((1, schema.size * (pairs if by_pair else 1)), dtype=np.float32)
    observe(seen, books, features, len(features.values) - 1, tick, capital, by_pair)
    return seen.reshape(1, pairs, -1) if by_pair else seen


def decide(policy: Policy, observations: Observations) -> Actions:
    """What `policy` answers to one account's observation: [1, 1], or by pair [1, P]."""
    return policy.decide(observations).reshape(1, -1)
