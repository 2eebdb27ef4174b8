"""Who decides: the Policy protocol, and the plain policies that every learned one is measured against."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from backtest.observation import Schema
from data.errors import ConfigurationError

Observations = NDArray[np.float32]
Actions = NDArray[np.int64]


class Policy(Protocol):
    """Decides for many accounts at once from their observations alone; the same call in training, backtest and live."""

    @property
    def name(self) -> str:
        """What reports call it."""

    def decide(self, observations: Observations) -> Actions:
        """Actions [B] for observations [B, O] of the schema that the policy was made for."""


class Flat:
    """Never trades: the yardstick that losing policies fail."""

    name = "flat"

    def decide(self, observations: Observations) -> Actions:
        """Hold."""
        return np.zeros(len(observations), dtype=np.int64)


class CarryRule:
    """The plain carry rule: enter when 72 h of the trailing 72 h spread beats the round-trip cost, leave when it turns.

    One action an hour: exits first, then the best-ranked entry. The first champion, and the bar for every challenger.
    """

    name = "rule"

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._carry = [schema.slot(slot, "carry_72h") for slot in range(schema.slots)]
        self._entries = _Entries(schema)

    def decide(self, observations: Observations) -> Actions:
        """Exit the first slot whose carry has turned, else enter the best opportunity that pays, else hold."""
        turned = observations[:, self._carry] < 0
        pays = self._entries.possible(observations) & (self._entries.expected_net(observations) > 0)
        actions = np.where(pays.any(axis=1), 1 + pays.argmax(axis=1), 0)
        exits = 1 + self._schema.opportunities + turned.argmax(axis=1)
        return np.where(turned.any(axis=1), exits, actions).astype(np.int64)


class RandomLegal:
    """Any action that can be carried out, with equal chances: what costs alone do to an account."""

    name = "random"

    def __init__(self, schema: Schema, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._entries = _Entries(schema)
        self._held = [schema.slot(slot, "held_time") for slot in range(schema.slots)]

    def decide(self, observations: Observations) -> Actions:
        """Draw among hold, possible entries and occupied slots."""
        hold = np.ones((len(observations), 1), dtype=bool)
        legal = np.concatenate([hold, self._entries.possible(observations), observations[:, self._held] > 0], axis=1)
        draws = np.where(legal, self._random.random(legal.shape), -1.0)
        return draws.argmax(axis=1).astype(np.int64)


class _Entries:
    """Reads the opportunities out of an observation."""

    def __init__(self, schema: Schema) -> None:
        ranks = range(schema.opportunities)
        self._cost = [schema.opportunity(rank, "round_trip_cost") for rank in ranks]
        self._net = [schema.opportunity(rank, "expected_net") for rank in ranks]
        self._held = [schema.opportunity(rank, "held") for rank in ranks]
        self._free = schema.names.index("free_slots")

    def possible(self, observations: Observations) -> NDArray[np.bool_]:
        """[B, K] where a slot is free and the rank shows a pair that is not held."""
        shown, held = observations[:, self._cost] > 0, observations[:, self._held] > 0
        return shown & ~held & (observations[:, [self._free]] > 0)

    def expected_net(self, observations: Observations) -> Observations:
        """[B, K] bps over the horizon."""
        return observations[:, self._net]


def plain_policy(name: str, schema: Schema, seed: int) -> Policy:
    """A policy that needs no training, by name; raises ConfigurationError with the names that exist."""
    match name:
        case "flat":
            return Flat()
        case "rule":
            return CarryRule(schema)
        case "random":
            return RandomLegal(schema, seed)
    raise ConfigurationError(f"unknown policy '{name}': choose from flat, rule, random")
