"""Who copies whom: for any standings, one sound decision for each member; and what other schedulers get wrong."""

import math
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbt_online.exploit import chance_better
from pbt_online.scheduler import Decision, Scheduler, Standing
from pbt_online.search_space import SearchSpace
from pbt_online.settings import ExploreSettings, PopulationSettings
from tests.unit.pbt_online.test_search_space import inside

SPACE = SearchSpace(PopulationSettings().search_space)
MIDDLE = SPACE.clip({})
STRATEGIES = ["truncation", "tournament", "significant", "none"]


def standing(member: int, score: float, **others: object) -> Standing:
    told = {"scores": np.full(4, score), "hyperparameters": MIDDLE, **others}
    return Standing(member, score, **told)  # type: ignore[arg-type]


def scheduler(exploit: str = "truncation", **others: object) -> Scheduler:
    told = {"exploit": {"strategy": exploit, "confidence": 0.999}, **others}
    return Scheduler(PopulationSettings.model_validate(told), SPACE)


def decided(standings: list[Standing], seed: int = 0, of: Scheduler | None = None) -> list[Decision]:
    return (of or scheduler()).decide(2, standings, np.random.default_rng(seed))


scores = st.one_of(st.floats(-10, 10), st.just(math.nan), st.just(1.0))
populations = st.lists(st.tuples(scores, st.booleans(), st.integers(0, 15)), min_size=1, max_size=20).map(
    lambda told: [
        standing(m, s, failed=f and m % 3 == 0, history=tuple(float(n) for n in range(h, 0, -1)))
        for m, (s, f, h) in enumerate(told)
    ]
)


@pytest.mark.parametrize("exploit", STRATEGIES)
@given(standings=populations, seed=st.integers(0, 1000))
def test_every_member_gets_one_sound_decision(exploit: str, standings: list[Standing], seed: int) -> None:
    told = decided(standings, seed, scheduler(exploit))
    alive = {s.member for s in standings if s.survives}
    replaced = {d.member for d in told if d.donor is not None or d.fresh}
    assert [s.member for s in standings] == [d.member for d in told]
    for decision in told:
        assert inside(SPACE, decision.hyperparameters)
        if decision.donor is not None:
            assert decision.donor in alive - replaced
            assert not decision.fresh
        if decision.member not in alive:
            assert decision.member in replaced


@given(standings=populations, seed=st.integers(0, 1000), order=st.randoms(use_true_random=False))
def test_the_order_in_which_members_are_told_changes_nothing(
    standings: list[Standing], seed: int, order: Random
) -> None:
    shuffled = list(standings)
    order.shuffle(shuffled)
    assert decided(standings, seed) == decided(shuffled, seed)


def test_the_same_seed_decides_the_same_and_the_global_generator_has_no_part_in_it() -> None:
    standings = [standing(m, float(m)) for m in range(8)]
    np.random.seed(1)
    first = decided(standings, 5)
    np.random.seed(2)
    assert first == decided(standings, 5)
    assert first != decided(standings, 6)


def test_the_worst_quarter_copies_the_best_quarter() -> None:
    told = decided([standing(m, float(m)) for m in range(8)])
    copying = {decision.member: decision.donor for decision in told if decision.donor is not None}
    assert {0, 1} == set(copying)
    assert set(copying.values()) <= {6, 7}


def test_nobody_copies_where_members_are_independent_but_who_failed_is_replaced() -> None:
    told = decided([standing(m, float(m), failed=m == 2) for m in range(8)], of=scheduler("none"))
    assert [2] == [decision.member for decision in told if decision.donor is not None]


def test_exact_ties_do_not_keep_anybody_from_copying() -> None:
    told = decided([standing(m, 1.0) for m in range(8)])
    assert 2 == sum(decision.donor is not None for decision in told)


def test_copies_differ_from_their_donors() -> None:
    told = decided([standing(m, float(m)) for m in range(8)])
    assert all(decision.hyperparameters != MIDDLE for decision in told if decision.donor is not None)
    assert all(decision.hyperparameters == MIDDLE for decision in told if decision.donor is None)


def test_a_member_without_a_number_for_a_score_is_replaced_not_skipped() -> None:
    told = decided([standing(m, float(m)) for m in range(5)] + [standing(5, math.nan), standing(6, 9.0, failed=True)])
    assert ["failed", "failed"] == [decision.reason for decision in told[5:]]
    assert all(decision.donor == 4 for decision in told[5:])


def test_where_nobody_survives_all_start_anew_and_differ() -> None:
    told = decided([standing(m, math.nan) for m in range(4)])
    assert [(None, True, "failed")] * 4 == [(d.donor, d.fresh, d.reason) for d in told]
    assert 4 == len({tuple(d.hyperparameters.values()) for d in told})


def test_a_member_alone_goes_on_and_where_it_fails_it_starts_anew() -> None:
    assert [Decision(0, None, MIDDLE, "continued")] == decided([standing(0, 1.0)])
    assert decided([standing(0, math.nan)])[0].fresh


def test_one_lucky_score_does_not_make_a_donor_where_significance_is_asked_for() -> None:
    random = np.random.default_rng(0)
    noise = [standing(m, 0.0, scores=random.normal(0, 1, 24)) for m in range(8)]
    noise = [standing(s.member, float(s.scores.mean()), scores=s.scores) for s in noise]
    better = [standing(m, 1.0 + s.score, scores=s.scores + 5.0 * (m == 7)) for m, s in enumerate(noise)]
    certain = scheduler("significant")
    assert 0 == sum(d.donor is not None for d in decided(noise, of=certain))
    assert {7, None} == {d.donor for d in decided([*better[:7], standing(7, 9.0, scores=better[7].scores)], 1, certain)}


def test_the_paired_bootstrap_knows_a_small_sure_advantage_from_a_large_doubtful_one() -> None:
    random = np.random.default_rng(0)
    assert chance_better(0.1 + random.normal(0, 0.1, 40), random) > 0.999
    assert chance_better(np.append(np.full(39, -0.1), 10.0), random) < 0.7
    assert chance_better(np.zeros(10), random) == 0


def test_who_has_not_been_better_for_long_starts_anew_but_not_the_best() -> None:
    long = tuple(float(9 - n) for n in range(9))  # best ten rounds ago
    told = decided([standing(m, -1.0 - m, history=long) for m in range(8)], of=scheduler(stagnation_rounds=9))
    assert [False, False, True, True, True, True, False, False] == [d.fresh for d in told]
    assert {"stagnation"} == {d.reason for d in told if d.fresh}


def test_who_started_anew_is_given_time_before_it_is_replaced() -> None:
    """It begins behind all the others: replaced at once, it would never have been there."""
    for rounds in range(5):
        new = standing(0, -5.0, newcomer=True, history=(-9.0,) * rounds)
        told = decided([new, *(standing(m, float(m)) for m in range(1, 8))], of=scheduler(grace_rounds=3))
        assert (rounds < 3) == (told[0].reason == "continued")
        assert told[1].donor is not None


def test_the_magnitude_grows_while_the_best_stalls() -> None:
    explore = ExploreSettings(strategy="gaussian", adaptive=True, mutation_probability=1.0, magnitude=0.02)
    adaptive = scheduler(explore=explore)

    def spread(history: tuple[float, ...]) -> float:
        standings = [standing(m, m / 100, history=history) for m in range(8)]
        moved = [SPACE.unit(d.hyperparameters) - SPACE.unit(MIDDLE) for seed in range(40)
                 for d in decided(standings, seed, adaptive) if d.donor is not None]  # fmt: skip
        return float(np.std(np.stack(moved)[:, [0, 2, 4]]))

    assert spread((5.0, 4.0, 3.0, 2.0)) > 2 * spread((-5.0, -4.0, -3.0, -2.0))


def test_a_population_that_has_become_alike_is_noticed() -> None:
    assert scheduler().alike([standing(m, float(m)) for m in range(8)])
    spread = SPACE.stratified(8, np.random.default_rng(0))
    assert not scheduler().alike([standing(m, 1.0, hyperparameters=h) for m, h in enumerate(spread)])


def test_who_does_not_wait_is_judged_against_the_newest_scores_of_the_others() -> None:
    standings = [standing(m, float(m)) for m in range(8)]
    worst = scheduler().decide_one(3, standings, 0, np.random.default_rng(0))
    best = scheduler().decide_one(3, standings, 7, np.random.default_rng(0))
    assert worst.donor in {6, 7}
    assert (None, "continued") == (best.donor, best.reason)
