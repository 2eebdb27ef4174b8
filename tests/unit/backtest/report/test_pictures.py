"""Positions, verdicts and lineage, as they are laid out for the page."""

from backtest.report.chart import SIDE
from backtest.report.family import family, schedules
from backtest.report.pictures import pictures
from backtest.report.strips import hurdles, verdicts
from tests.unit.backtest.report.documents import document


def test_every_pair_has_a_strip_with_its_positions_and_what_is_held_runs_to_the_end() -> None:
    drawn = pictures(document(trades=3)).positions
    assert {"BTC": 2, "ETH": 1, "XRP": 1} == {strip.name: len(strip.bars) for strip in drawn}
    (held,) = next(strip for strip in drawn if strip.name == "XRP").bars
    assert (0.0, SIDE, "gain open") == (held.left, held.width, held.kind)


def test_a_verdict_shows_the_advantage_above_its_lower_bound_and_cuts_what_is_far_below() -> None:
    drawn = verdicts(document()["cycles"])
    assert drawn is not None
    assert [True, False, True] == [one.cut for one in drawn.intervals]
    assert ["refused", "gain", "refused"] == [one.kind for one in drawn.intervals]
    assert all(one.value <= one.low <= SIDE for one in drawn.intervals)
    assert all(one.value < drawn.zero for one in drawn.intervals)
    assert verdicts([]) is None


def test_hurdles_are_told_cycle_by_cycle() -> None:
    told = {one.name: one.passed for one in hurdles(document()["cycles"])}
    assert (False, True, False) == told["beats rule"]
    assert (True, True, True) == told["enough trades"]


def test_lineage_follows_copies_and_marks_failures_and_the_way_to_the_best() -> None:
    rounds = document(cycles=1)["rounds"]  # member 2 fails in round 1, copies member 0, and ends best
    drawn = family(rounds)
    assert (2, 3, 6) == (drawn.columns, len(drawn.members), len(drawn.nodes))
    assert [-1] == [node.strength for node in drawn.nodes if node.strength < 0]
    assert ["kept", "kept", "best"] == [edge.kind for edge in drawn.edges]
    assert "copied 0" in drawn.nodes[5].text


def test_a_schedule_lies_on_its_own_scale() -> None:
    told = document(cycles=1)
    rate, gamma = schedules(told["rounds"], told["search_space"])
    assert ("1e-05", "0.001", "0.0003") == (rate.low, rate.high, rate.last)
    assert ("0.9", "0.99", "0.99") == (gamma.low, gamma.high, gamma.last)
    # Member 0 stays at 1e-4, the middle of the logarithmic range, and at the lowest choice.
    assert "250.0,500.0 750.0,500.0" == rate.edges[0].points
    assert "250.0,1000.0 750.0,1000.0" == gamma.edges[0].points
