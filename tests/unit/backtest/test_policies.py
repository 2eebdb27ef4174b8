"""The contract of every plain policy, and what each of them does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.policies import CarryRule, Flat, Policy, RandomLegal, plain_policy
from backtest.schema import Schema
from backtest.simulated_venue import FLAT, IN, KEEP
from data.errors import ConfigurationError

SCHEMA = Schema(3, 5)
NAMES = ("flat", "rule", "random")
HOLD = 0
COST = 21.0


def enter(rank: int) -> int:
    return 1 + rank


def leave(slot: int) -> int:
    return 1 + SCHEMA.opportunities + slot


def observation(
    nets: list[float], held: list[int] | None = None, carry: dict[int, float] | None = None, schema: Schema = SCHEMA
) -> np.ndarray:
    """Opportunities with these expected nets by rank, some of them held; open slots with these carries."""
    numbers, open_slots = np.zeros(schema.size, dtype=np.float32), carry or {}
    numbers[schema.names.index("free_slots")] = (schema.slots - len(open_slots)) / schema.slots
    for rank, net in enumerate(nets):
        numbers[schema.opportunity(rank, "round_trip_cost")] = COST
        numbers[schema.opportunity(rank, "expected_net")] = net
        numbers[schema.opportunity(rank, "held")] = rank in (held or [])
    for slot, mean in open_slots.items():
        numbers[schema.slot(slot, "held_time")] = 1 / 168
        numbers[schema.slot(slot, "carry_72h")] = mean
    return numbers


bps = st.floats(-50, 50, width=32)
observations = st.builds(
    observation,
    st.lists(bps, max_size=SCHEMA.opportunities),
    st.lists(st.integers(0, SCHEMA.opportunities - 1), max_size=3),
    st.dictionaries(st.integers(0, SCHEMA.slots - 1), bps, max_size=SCHEMA.slots),
)
batches = st.lists(observations, min_size=1, max_size=8).map(np.stack)


def legal_actions(numbers: np.ndarray) -> set[int]:
    """What can be carried out, read off an observation by hand."""
    seen = dict(zip(SCHEMA.names, numbers.tolist(), strict=True))
    entries = {
        enter(rank)
        for rank in range(SCHEMA.opportunities)
        if seen["free_slots"] > 0
        and seen[f"opportunity{rank}.round_trip_cost"] > 0
        and not seen[f"opportunity{rank}.held"]
    }
    return {HOLD} | entries | {leave(slot) for slot in range(SCHEMA.slots) if seen[f"slot{slot}.held_time"] > 0}


# The contract


@pytest.mark.parametrize("name", NAMES)
@given(batch=batches)
@settings(deadline=None, max_examples=50)
def test_a_batch_is_decided_as_its_observations_one_by_one(name: str, batch: np.ndarray) -> None:
    together, singly = plain_policy(name, SCHEMA, 1), plain_policy(name, SCHEMA, 1)
    assert [int(singly.decide(one[None, :])[0]) for one in batch] == together.decide(batch).tolist()


@pytest.mark.parametrize("name", NAMES)
@given(batch=batches)
@settings(deadline=None, max_examples=50)
def test_an_action_is_one_that_can_be_carried_out(name: str, batch: np.ndarray) -> None:
    actions = plain_policy(name, SCHEMA, 1).decide(batch)
    assert (np.int64, (len(batch),)) == (actions.dtype, actions.shape)
    assert all(int(action) in legal_actions(one) for action, one in zip(actions, batch, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_deciding_leaves_the_observations_as_they_were(name: str) -> None:
    batch = np.stack([observation([30.0, -5.0], [0], {0: -1.0, 1: 2.0})] * 2)
    before = batch.tobytes()
    plain_policy(name, SCHEMA, 1).decide(batch)
    assert before == batch.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_a_policy_is_found_by_the_name_that_it_goes_by(name: str) -> None:
    assert name == plain_policy(name, SCHEMA, 0).name


def test_an_unknown_name_is_answered_with_those_that_exist() -> None:
    with pytest.raises(ConfigurationError, match="'clever'.*flat, rule, random"):
        plain_policy("clever", SCHEMA, 0)


# What they do


def decide(policy: Policy, numbers: np.ndarray) -> int:
    return int(policy.decide(numbers[None, :])[0])


def test_flat_never_enters() -> None:
    assert HOLD == decide(Flat(SCHEMA), observation([100.0] * 5))


def test_flat_closes_what_it_finds_open_whatever_it_pays() -> None:
    assert leave(1) == decide(Flat(SCHEMA), observation([100.0] * 5, carry={1: 100.0, 2: 100.0}))
    pairs = Schema(3, 5, "pairs")
    seen = np.zeros((1, 2, pairs.size), dtype=np.float32)
    seen[..., pairs.names.index("pair.round_trip_cost")] = COST
    seen[0, 1, pairs.names.index("position.held_time")] = 1 / 168
    assert [[KEEP, FLAT]] == Flat(pairs).decide(seen).tolist()


ABOVE_ZERO = float(np.nextafter(np.float32(0), np.float32(1)))


@pytest.mark.parametrize(("net", "action"), [(5.0, enter(0)), (ABOVE_ZERO, enter(0)), (0.0, HOLD), (-5.0, HOLD)])
def test_the_rule_enters_what_pays_more_than_it_costs(net: float, action: int) -> None:
    assert action == decide(CarryRule(SCHEMA), observation([net]))


@pytest.mark.parametrize(("carry", "action"), [(3.0, HOLD), (0.0, HOLD), (-ABOVE_ZERO, leave(1)), (-3.0, leave(1))])
def test_the_rule_leaves_what_has_turned(carry: float, action: int) -> None:
    assert action == decide(CarryRule(SCHEMA), observation([], carry={1: carry}))


def test_the_rule_leaves_before_it_enters_and_the_first_slot_first() -> None:
    rule = CarryRule(SCHEMA)
    assert leave(1) == decide(rule, observation([30.0], carry={0: 1.0, 1: -1.0, 2: -9.0}))


def test_the_rule_enters_the_best_rank_that_it_does_not_hold() -> None:
    rule = CarryRule(SCHEMA)
    assert enter(1) == decide(rule, observation([30.0, 20.0, 10.0], held=[0], carry={0: 1.0}))
    assert HOLD == decide(rule, observation([30.0, -1.0], held=[0], carry={0: 1.0}))


def test_the_rule_does_not_enter_without_a_free_slot() -> None:
    assert HOLD == decide(CarryRule(SCHEMA), observation([30.0], carry={0: 1.0, 1: 1.0, 2: 1.0}))


@pytest.mark.parametrize(("net", "action"), [(5.0, HOLD), (5.5, enter(0))])
def test_the_rule_enters_above_the_net_carry_that_it_is_told(net: float, action: int) -> None:
    assert [action] == CarryRule(SCHEMA, enter_above=5.0).decide(observation([net])[None, :]).tolist()


@pytest.mark.parametrize(("carry", "action"), [(0.25, HOLD), (0.125, leave(1))])
def test_the_rule_leaves_below_the_carry_that_it_is_told(carry: float, action: int) -> None:
    """And never a slot that is free, whose carry is zero."""
    rule = CarryRule(SCHEMA, leave_below=0.25)
    assert [action] == rule.decide(observation([], carry={1: carry})[None, :]).tolist()


def test_the_rule_has_the_same_thresholds_by_pair() -> None:
    by_pair = Schema(3, 5, "pairs")
    seen = np.zeros((1, 4, by_pair.size), dtype=np.float32)
    seen[..., by_pair.names.index("pair.round_trip_cost")] = COST
    seen[0, :2, by_pair.names.index("pair.expected_net")] = 4.0, 6.0
    seen[0, 2:, by_pair.names.index("position.held_time")] = 0.5
    seen[0, 2:, by_pair.names.index("position.carry_72h")] = 0.2, 0.3
    assert [[KEEP, IN, FLAT, KEEP]] == CarryRule(by_pair, 5.0, 0.25).decide(seen).tolist()


def test_random_draws_every_legal_action_about_equally_often() -> None:
    numbers = observation([1.0, -1.0, 2.0], held=[1], carry={2: -1.0})
    draws = RandomLegal(SCHEMA, seed=0).decide(np.stack([numbers] * 4000))
    legal = [HOLD, enter(0), enter(2), leave(2)]
    actions, counts = np.unique(draws, return_counts=True)
    assert legal == actions.tolist()
    assert min(counts) > 900, "1000 of each expected, with a standard deviation of 27"


def test_random_repeats_with_its_seed() -> None:
    batch = np.stack([observation([1.0] * 5)] * 50)
    one, same, other = (RandomLegal(SCHEMA, seed).decide(batch).tolist() for seed in (1, 1, 2))
    assert one == same != other


def test_the_rule_reads_a_schema_of_any_size() -> None:
    small = Schema(1, 2)
    rule = CarryRule(small)
    assert 2 == decide(rule, observation([-1.0, 3.0], schema=small))
    assert 3 == decide(rule, observation([5.0], carry={0: -1.0}, schema=small))
