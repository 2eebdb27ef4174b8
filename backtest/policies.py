"""Who decides: the Policy protocol, and the plain policies that every learned one is measured against."""

from functools import cache
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from backtest.schema import OPPORTUNITY, POSITION, Schema
from backtest.simulated_venue import FLAT, IN, KEEP
from data.errors import ConfigurationError

Observations = NDArray[np.float32]
Actions = NDArray[np.int64]
NO_ACTION = -1
"""The answer of who cannot give one: nothing is changed, as by every number that means nothing."""


class Policy(Protocol):
    """Decides for many accounts at once from their observations alone; the same call in training, backtest and live."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def schema(self) -> Schema:
        """What it sees and answers; it is never shown anything else."""

    def decide(self, observations: Observations) -> Actions:
        """Actions [B] for observations [B, O]; or, by pair, [B, P] of KEEP, IN, FLAT for [B, P, O]."""


class Flat:
    """Never enters, and closes what it finds open: the yardstick that losing policies fail, and who trades after a
    champion that was demoted without a predecessor."""

    name = "flat"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def decide(self, observations: Observations) -> Actions:
        """Exit every position, in `ranked` one an hour; hold where there is none."""
        legal = legal_actions(self.schema, observations)
        if self.schema.formulation == "pairs":
            return np.where(legal[..., FLAT], FLAT, KEEP).astype(np.int64)
        exits = legal[:, 1 + self.schema.opportunities :]
        first = 1 + self.schema.opportunities + exits.argmax(axis=1)
        return np.where(exits.any(axis=1), first, 0).astype(np.int64)


class CarryRule:
    """The plain carry rule: enter when 72 h of the trailing 72 h spread beats the round-trip cost, leave when it turns.

    One change a decision, exits first, then the best-ranked entry; by pair, all of them at once. The first champion,
    and the bar for every challenger. Other thresholds make another rule: enter where the expected net carry is above
    `enter_above`, bps; leave where the spread held is below `leave_below`, bps per 8 h.
    """

    name = "rule"

    def __init__(self, schema: Schema, enter_above: float = 0.0, leave_below: float = 0.0) -> None:
        self.schema = schema
        self.enter_above = enter_above
        self.leave_below = leave_below

    def decide(self, observations: Observations) -> Actions:
        """Exit the first slot whose carry has turned, else enter the best opportunity that pays, else hold."""
        if len(observations) == 1 and self.schema.formulation == "ranked":
            return np.array([self._decide_for_one(observations[0].tolist())])
        legal = legal_actions(self.schema, observations)
        if self.schema.formulation == "pairs":
            columns = _pair_columns(self.schema)
            turned = observations[..., columns.carry] < self.leave_below
            pays = observations[..., columns.net] > self.enter_above
            actions = np.where(legal[..., FLAT] & turned, FLAT, np.where(legal[..., IN] & pays, IN, KEEP))
            return actions.astype(np.int64)
        opportunities, ranked = self.schema.opportunities, _ranked_columns(self.schema)
        turned = legal[:, 1 + opportunities :] & (observations[:, ranked.carry] < self.leave_below)
        pays = legal[:, 1 : 1 + opportunities] & (observations[:, ranked.net] > self.enter_above)
        actions = np.where(pays.any(axis=1), 1 + pays.argmax(axis=1), 0)
        exits = 1 + opportunities + turned.argmax(axis=1)
        return np.where(turned.any(axis=1), exits, actions).astype(np.int64)

    def _decide_for_one(self, seen: list[float]) -> int:
        """The same of one account's observation, in a fifth of the time that arrays take: a backtest of a year asks
        thousands of times. As there, thresholds have single precision."""
        columns, opportunities = _ranked_columns(self.schema), self.schema.opportunities
        below, above = float(np.float32(self.leave_below)), float(np.float32(self.enter_above))
        slots = zip(seen[columns.held_time], seen[columns.carry], strict=True)
        for slot, (held_time, carry) in enumerate(slots):
            if held_time > 0 and carry < below:
                return 1 + opportunities + slot
        if not seen[columns.free_slots][0] > 0:
            return 0
        ranks = zip(seen[columns.net], seen[columns.cost], seen[columns.held], strict=True)
        for rank, (net, cost, held) in enumerate(ranks):
            if net > above and cost > 0 and not held > 0:
                return 1 + rank
        return 0


class RandomLegal:
    """Any action that can be carried out, with equal chances: what costs alone do to an account."""

    name = "random"

    def __init__(self, schema: Schema, seed: int) -> None:
        self.schema = schema
        self._random = np.random.default_rng(seed)

    def decide(self, observations: Observations) -> Actions:
        """Draw among what is legal."""
        legal = legal_actions(self.schema, observations)
        draws = np.where(legal, self._random.random(legal.shape), -1.0)
        return draws.argmax(axis=-1).astype(np.int64)


def legal_actions(schema: Schema, observations: Observations) -> NDArray[np.bool_]:
    """The action mask: [B, A] for observations [B, O], or [B, P, 3] for [B, P, O].

    Holding always is legal; an entry where a slot is free and the pair is shown and not held (by pair, the allocator
    looks for the slot); an exit where there is a position. Margin or a market that moves can still refuse an entry.
    """
    if schema.formulation == "pairs":
        return _legal_by_pair(schema, observations)
    columns = _ranked_columns(schema)
    shown = observations[:, columns.cost] > 0
    held = observations[:, columns.held] > 0
    occupied = observations[:, columns.held_time] > 0
    free = observations[:, columns.free_slots] > 0
    hold = np.ones((len(observations), 1), dtype=bool)
    return np.concatenate([hold, shown & ~held & free, occupied], axis=1)


def _legal_by_pair(schema: Schema, observations: Observations) -> NDArray[np.bool_]:
    columns = _pair_columns(schema)
    occupied = observations[..., columns.held_time] > 0
    shown = observations[..., columns.cost] > 0
    return np.stack([np.ones_like(occupied), shown & ~occupied, occupied], axis=-1)


class _RankedColumns(NamedTuple):
    """Where in an observation the plain policies look: by slot, by rank."""

    carry: slice
    held_time: slice
    net: slice
    cost: slice
    held: slice
    free_slots: slice


class _PairColumns(NamedTuple):
    """The same in what is seen of a pair."""

    carry: int
    held_time: int
    net: int
    cost: int


@cache
def _ranked_columns(schema: Schema) -> _RankedColumns:
    """As slices, which numpy takes in a fraction of the time that lists take."""
    slots, ranks = schema.slots, schema.opportunities
    a_slot, a_rank = len(POSITION), len(OPPORTUNITY)

    def every(first: int, apart: int, count: int) -> slice:
        return slice(first, first + apart * count, apart)

    return _RankedColumns(
        carry=every(schema.slot(0, "carry_72h"), a_slot, slots),
        held_time=every(schema.slot(0, "held_time"), a_slot, slots),
        net=every(schema.opportunity(0, "expected_net"), a_rank, ranks),
        cost=every(schema.opportunity(0, "round_trip_cost"), a_rank, ranks),
        held=every(schema.opportunity(0, "held"), a_rank, ranks),
        free_slots=every(schema.names.index("free_slots"), 1, 1),
    )


@cache
def _pair_columns(schema: Schema) -> _PairColumns:
    return _PairColumns(
        carry=schema.names.index("position.carry_72h"),
        held_time=schema.names.index("position.held_time"),
        net=schema.names.index("pair.expected_net"),
        cost=schema.names.index("pair.round_trip_cost"),
    )


def plain_policy(name: str, schema: Schema, seed: int) -> Policy:
    """A policy that needs no training, by name; raises ConfigurationError with the names that exist."""
    match name:
        case "flat":
            return Flat(schema)
        case "rule":
            return CarryRule(schema)
        case "random":
            return RandomLegal(schema, seed)
    raise ConfigurationError(f"unknown policy '{name}': choose from flat, rule, random")
