"""Several policies that decide as one, by majority vote: what trades when the settings say `trade_with: ensemble`."""

from collections.abc import Sequence

import numpy as np

from backtest.policies import Actions, Observations, Policy
from data.errors import ConfigurationError

HOLD = 0
"""Action 0 changes nothing in either formulation: hold, or KEEP by pair."""


class Ensemble:
    """The action that most members choose; where two actions have equally many votes, nothing is changed."""

    def __init__(self, name: str, members: Sequence[Policy]) -> None:
        """Raises ConfigurationError for no members, or members that see or answer different things."""
        if not members:
            raise ConfigurationError(f"ensemble {name} has no members: name one at least")
        self.name = name
        self.schema = members[0].schema
        self.members = tuple(members)
        for member in members:
            if member.schema != self.schema:
                raise ConfigurationError(
                    f"ensemble {name}: {member.name} was made for {member.schema}, {members[0].name} for "
                    f"{self.schema}: choose members of one schema"
                )

    def decide(self, observations: Observations) -> Actions:
        """Actions [B] for observations [B, O]; or, by pair, [B, P] for [B, P, O], voted on pair by pair."""
        votes = np.stack([member.decide(observations) for member in self.members])
        counts = np.stack([(votes == action).sum(axis=0) for action in range(self.schema.actions)], axis=-1)
        alone = (counts == counts.max(axis=-1, keepdims=True)).sum(axis=-1) == 1
        return np.where(alone, counts.argmax(axis=-1), HOLD).astype(np.int64)
