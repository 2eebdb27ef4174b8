"""Votes: the majority decides, a tie changes nothing, whoever asks and however many accounts ask at once."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtest.policies import Actions, plain_policy
from backtest.schema import Schema
from backtest.simulated_venue import FLAT, IN, KEEP
from data.errors import ConfigurationError
from pbt_online.ensemble import Ensemble
from tests.fakes.scripted_policy import Scripted

RANKED, PAIRS = Schema(3, 5), Schema(3, 5, "pairs", 8)


class Set:
    """Answers with what it was given, whatever it sees."""

    name = "set"

    def __init__(self, schema: Schema, answers: Actions) -> None:
        self.schema = schema
        self._answers = answers

    def decide(self, observations: np.ndarray) -> Actions:
        return self._answers


def voted(schema: Schema, votes: np.ndarray) -> list:
    """What the members' `votes` [M, B] or [M, B, P] come to."""
    seen = np.zeros((*votes.shape[1:], schema.size), dtype=np.float32)
    return Ensemble("e", [Set(schema, one) for one in votes]).decide(seen).tolist()


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ((5,), 5),
        ((5, 5, 1), 5),
        ((8, 0, 8), 8),
        ((1, 2, 3), 0),
        ((4, 7), 0),
        ((4, 4, 7, 7, 1), 0),
        ((4, 4, 7, 1, 2), 4),
        ((0, 0, 6), 0),
    ],
)
def test_the_majority_decides_and_a_tie_holds(votes: tuple[int, ...], expected: int) -> None:
    assert [expected] == voted(RANKED, np.array(votes)[:, None])


def test_every_pair_is_voted_on_by_itself() -> None:
    votes = np.array([[[IN, IN, FLAT]], [[IN, FLAT, FLAT]], [[KEEP, KEEP, IN]]])
    assert [[IN, KEEP, FLAT]] == voted(PAIRS, votes)


@given(st.lists(st.lists(st.integers(0, 8), min_size=4, max_size=4), min_size=1, max_size=7))
def test_votes_are_counted_as_by_hand(votes: list[list[int]]) -> None:
    def by_hand(cast: tuple[int, ...]) -> int:
        (first, most), *others = Counter(cast).most_common()
        return 0 if others and others[0][1] == most else first

    assert [by_hand(cast) for cast in zip(*votes, strict=True)] == voted(RANKED, np.array(votes))


@pytest.mark.parametrize("schema", [RANKED, PAIRS])
def test_a_policy_outvotes_a_dissenter(schema: Schema) -> None:
    shape = (20, 6, schema.size) if schema == PAIRS else (20, schema.size)
    seen = np.random.default_rng(1).normal(0, 5, shape).astype(np.float32)
    rule = plain_policy("rule", schema, 0)
    ensemble = Ensemble("e", [rule, plain_policy("flat", schema, 0), rule])
    assert ensemble.decide(seen).dtype == np.int64
    assert rule.decide(seen).tolist() == ensemble.decide(seen).tolist()
    assert ("e", schema) == (ensemble.name, ensemble.schema)


def test_members_that_see_different_things_do_not_vote_together() -> None:
    with pytest.raises(ConfigurationError, match="choose members of one schema"):
        Ensemble("e", [plain_policy("rule", RANKED, 0), plain_policy("rule", PAIRS, 0)])
    with pytest.raises(ConfigurationError, match="no members"):
        Ensemble("e", [])


def test_members_are_asked_once_a_decision() -> None:
    scripted = Scripted(RANKED, np.array([3, 4]))
    ensemble = Ensemble("e", [scripted])
    seen = np.zeros((1, RANKED.size), dtype=np.float32)
    assert [[3], [4], [0]] == [ensemble.decide(seen).tolist() for _ in range(3)]
