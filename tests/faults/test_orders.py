"""What goes wrong with an order on its way: lost answers, partial fills, refusals, late fills. One hour, one fault."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.run_folder import latch_file
from tests.faults.controls import control
from tests.faults.harness import SEND, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import check, naked_seconds

QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
"""The guard sends nothing: the next request that is sent is an order."""
UNHEARD = '{"code": -1007, "msg": "Timeout waiting for response from backend server. Execution status unknown."}'
DUPLICATE = '{"code": -4116, "msg": "ClientOrderId is duplicated."}'
LEG = 10_000 / 6
LONGEST_NAKED_S = 3.0 + 5.0 + 6.0
"""The wait for an answer, the deadline of the leg, and until an order counts as never received."""
LATE = '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}'


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    patient = {"max_failed_entries": 100}
    with staged(tmp_path_factory.mktemp("orders"), by_hand=True, guard=QUIET, risk=patient) as one:
        yield one


@pytest.fixture(scope="module")
def life(stage: Stage) -> Iterator[Life]:
    one = stage.begin()
    yield one
    one.kill()


def entered(stage: Stage, life: Life, *faults: Mapping[str, Any]) -> dict[str, int]:
    """The next hour, in which the rule enters a pair and meets these faults; how many orders it sent to each venue."""
    before = {venue: stage.orders(venue) for venue in stage.venues}
    stage.faults(*faults)
    stage.hour(life, stage.ticks())
    assert all(stage.struck()), "a fault was not met"
    stage.faults()
    check(stage)
    return {venue: stage.orders(venue) - before[venue] for venue in stage.venues}


@control(2, 3)
@pytest.mark.parametrize(
    "fault",
    [
        SEND["binance"] | {"kind": "reset", "after": True, "times": 1},
        SEND["hyperliquid"] | {"kind": "status", "status": 503, "page": True, "after": True, "times": 1},
        SEND["binance"] | {"kind": "status", "status": 503, "body": UNHEARD, "after": True, "times": 1},
        SEND["hyperliquid"] | {"kind": "timeout", "after": True, "times": 1},
        SEND["binance"] | {"kind": "status", "status": 400, "body": DUPLICATE, "after": True, "times": 1},
        SEND["hyperliquid"] | {"kind": "cut_json", "times": 1},
    ],
    ids=["reset", "503", "-1007", "hang", "duplicate", "cut"],
)
def test_an_order_whose_answer_is_lost_is_found_and_never_sent_again(
    stage: Stage, life: Life, fault: Mapping[str, Any]
) -> None:
    held = len(stage.held())
    assert {"binance": 1, "hyperliquid": 1} == entered(stage, life, fault)
    assert held + 2 == len(stage.held())


@control(2)
def test_an_order_that_the_venue_hides_for_a_while_is_waited_for(stage: Stage, life: Life) -> None:
    close_all(stage, life)
    stage.happen("binance", "hide", seconds=5.0)
    lost = SEND["binance"] | {"kind": "reset", "after": True, "times": 1}
    assert {"binance": 1, "hyperliquid": 1} == entered(stage, life, lost)


@control(2)
def test_an_order_that_never_arrived_counts_as_absent_and_the_pair_is_left_for_the_next_hour(
    stage: Stage, life: Life
) -> None:
    held = stage.held()
    never = SEND["binance"] | {"kind": "status", "status": 503, "page": True, "times": 1}
    assert {"binance": 0, "hyperliquid": 0} == entered(stage, life, never)
    assert held == stage.held()
    assert "absent" == stage.rows("select state from orders order by rowid desc limit 1")[0]["state"]


@control(11)
def test_an_order_that_is_refused_for_its_time_stamp_is_sent_once_more_under_its_name(
    stage: Stage, life: Life
) -> None:
    late = SEND["binance"] | {"kind": "status", "status": 400, "body": LATE, "times": 1}
    assert {"binance": 1, "hyperliquid": 1} == entered(stage, life, late)


@control(4)
@pytest.mark.parametrize(
    ("venue", "percent", "orders", "sent", "entry"),
    [
        ("hyperliquid", 37, 1, {"binance": 1, "hyperliquid": 2}, True),  # the second leg goes on
        ("hyperliquid", 37, 3, {"binance": 2, "hyperliquid": 3}, True),  # and what it leaves is taken back
        ("binance", 50, 1, {"binance": 1, "hyperliquid": 1}, True),  # the second leg is what the first one got
        ("hyperliquid", 0, 1, {"binance": 2, "hyperliquid": 1}, False),  # nothing can be matched
        ("binance", 0, 1, {"binance": 1, "hyperliquid": 0}, False),  # an order that was taken, and filled nothing
    ],
)
def test_a_partial_fill_is_matched_or_taken_back(
    stage: Stage, life: Life, venue: str, percent: int, orders: int, sent: dict[str, int], entry: bool
) -> None:
    held = len(stage.held())
    if held > 8:
        held = close_all(stage, life)
    stage.happen(venue, "partial", percent=percent, orders=orders)
    assert sent == entered(stage, life)
    assert held + 2 * entry == len(stage.held())


@control(5)
@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        ({"kind": "timeout", "times": 3}, False),
        ({"kind": "delay", "ms": 4_000, "times": 1}, True),
        ({"kind": "delay", "ms": 7_000, "times": 1}, False),
    ],
    ids=["never received", "received late", "too late, after the unwinding"],
)
def test_what_the_second_leg_does_not_match_in_time_is_unwound(
    stage: Stage, life: Life, fault: Mapping[str, Any], entry: bool
) -> None:
    held = close_all(stage, life)
    begun = time.monotonic()
    entered(stage, life, SEND["hyperliquid"] | fault)
    time.sleep(max(0.0, begun + 9.0 - time.monotonic()))  # by then whatever was on its way has arrived
    stage.minutes(2)
    check(stage)
    assert held + 2 * entry == len(stage.held())
    assert naked_seconds(stage) < 2 * LEG * LONGEST_NAKED_S


@control(5)
def test_a_refused_second_leg_has_the_first_one_unwound_at_once(stage: Stage, life: Life) -> None:
    held = len(stage.held())
    stage.happen("hyperliquid", "reject", code="-1", words="Price too far from oracle", orders=1)
    assert {"binance": 2, "hyperliquid": 0} == entered(stage, life)
    assert held == len(stage.held())


def close_all(stage: Stage, life: Life) -> int:
    """Have the bot close everything, so that there is room for entries."""
    latch = latch_file(stage.settings)
    latch.kill("to make room")
    stage.hour(life, stage.ticks())
    latch.lift(latch.read())
    check(stage)
    assert {} == stage.held()
    return 0
