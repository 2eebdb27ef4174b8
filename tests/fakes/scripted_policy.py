"""A policy that plays a fixed sequence of answers, for sending one tape of decisions through several executors."""

import numpy as np

from backtest.policies import Actions, Observations
from backtest.schema import Schema


class Scripted:
    """Plays `answers` [T] (or [T, P], by pair), one a decision, then leaves everything as it is."""

    name = "scripted"

    def __init__(self, schema: Schema, answers: Actions) -> None:
        self.schema = schema
        self._left = list(answers)

    def decide(self, observations: Observations) -> Actions:
        """The next answer, for every account alike."""
        count = len(observations)
        if self._left:
            return np.repeat(self._left.pop(0)[None], count, axis=0)
        shape = observations.shape[:2] if self.schema.formulation == "pairs" else (count,)
        return np.zeros(shape, dtype=np.int64)
