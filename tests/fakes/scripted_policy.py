"""A policy that plays a fixed sequence of actions, for sending one tape of decisions through several executors."""

import numpy as np

from backtest.policies import Actions, Observations


class Scripted:
    """A fixed sequence of actions, then hold: plays one tape of decisions through any executor."""

    name = "scripted"

    def __init__(self, actions: Actions) -> None:
        self._left = list(actions)

    def decide(self, observations: Observations) -> Actions:
        """The next action, for every account alike."""
        action = self._left.pop(0) if self._left else 0
        return np.full(len(observations), action, dtype=np.int64)
