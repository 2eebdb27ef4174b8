"""What goes wrong with an order on its way: lost answers, partial fills, refusals, late fills. One hour, one fault."""

import os
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from bot.run_folder import latch_file
from tests.faults.controls import control
from tests.faults.harness import PATIENCE_S, SEND, Stage, staged
from tests.faults.lives import Life
from tests.faults.oracle import check, naked_seconds
from tests.functional.commands import soak

QUIET = {"dead_man_s": 0.0, "confirm_s": 0.05}
"""The guard sends nothing: the next request that is sent is an order."""
UNHEARD = '{"code": -1007, "msg": "Timeout waiting for response from backend server. Execution status unknown."}'
DUPLICATE = '{"code": -4116, "msg": "ClientOrderId is duplicated."}'
LEG = 10_000 / 6
LONGEST_NAKED_S = 3.0 + 5.0 + 6.0
"""The wait for an answer, the deadline of the leg, and until an order counts as never received."""
LATE = '{"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."}'


PAIRS = [("binance", "hyperliquid")]
SOAKED = [("binance", "bybit"), ("bybit", "okx"), ("okx", "hyperliquid")] if os.environ.get("SOAK") else []
OTHERS = ("bybit", "okx")


@pytest.fixture(scope="module", params=PAIRS + SOAKED, ids=" ".join)
def stage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    patient = {"max_failed_entries": 100}
    folder = tmp_path_factory.mktemp("orders")
    with staged(folder, by_hand=True, venues=request.param, guard=QUIET, risk=patient) as one:
        yield one


@pytest.fixture(scope="module")
def life(stage: Stage) -> Iterator[Life]:
    one = stage.begin()
    yield one
    one.kill()


def sent(stage: Stage, leg: int) -> dict[str, Any]:
    """The requests that send the orders of a leg."""
    return SEND[stage.venues[leg]]


def entered(stage: Stage, life: Life, *faults: Mapping[str, Any]) -> tuple[int, int]:
    """The next hour, in which the rule enters a pair and meets these faults; how many orders it sent for each leg."""
    before = [stage.orders(venue) for venue in stage.venues]
    stage.faults(*faults)
    stage.hour(life, stage.ticks())
    assert all(stage.struck()), "a fault was not met"
    stage.faults()
    check(stage)
    first, second = (stage.orders(venue) - count for venue, count in zip(stage.venues, before, strict=True))
    return first, second


@control(2, 3, soak=OTHERS)
@pytest.mark.parametrize(
    ("leg", "fault", "only"),
    [
        (0, {"kind": "reset", "after": True}, ""),
        pytest.param(1, {"kind": "status", "status": 503, "page": True, "after": True}, "", marks=soak),
        (0, {"kind": "status", "status": 503, "body": UNHEARD, "after": True}, "binance"),
        pytest.param(1, {"kind": "timeout", "after": True}, "", marks=soak),
        pytest.param(0, {"kind": "status", "status": 400, "body": DUPLICATE, "after": True}, "binance", marks=soak),
        (1, {"kind": "cut_json"}, ""),
    ],
    ids=["reset", "503", "-1007", "hang", "duplicate", "cut"],
)
def test_an_order_whose_answer_is_lost_is_found_and_never_sent_again(
    stage: Stage, life: Life, leg: int, fault: Mapping[str, Any], only: str
) -> None:
    if only not in ("", stage.venues[leg]):
        pytest.skip(f"these are words of {only}")
    held = len(stage.held())
    assert (1, 1) == entered(stage, life, sent(stage, leg) | {"times": 1} | fault)
    assert held + 2 == len(stage.held())


@control(2, soak=OTHERS)
def test_an_order_that_the_venue_hides_for_a_while_is_waited_for(stage: Stage, life: Life) -> None:
    close_all(stage, life)
    stage.happen(stage.venues[0], "hide", seconds=8.0)
    lost = sent(stage, 0) | {"kind": "reset", "after": True, "times": 1}
    assert (1, 1) == entered(stage, life, lost)


@control(2, soak=OTHERS)
def test_an_order_that_never_arrived_counts_as_absent_and_the_pair_is_left_for_the_next_hour(
    stage: Stage, life: Life
) -> None:
    held = stage.held()
    never = sent(stage, 0) | {"kind": "status", "status": 503, "page": True, "times": 1}
    assert (0, 0) == entered(stage, life, never)
    assert held == stage.held()
    assert "absent" == stage.rows("select state from orders order by rowid desc limit 1")[0]["state"]


@control(11)
def test_an_order_that_is_refused_for_its_time_stamp_is_sent_once_more_under_its_name(stage: Stage, life: Life) -> None:
    if stage.venues[0] != "binance":
        pytest.skip("these are words of binance")
    late = sent(stage, 0) | {"kind": "status", "status": 400, "body": LATE, "times": 1}
    assert (1, 1) == entered(stage, life, late)


@control(4, soak=OTHERS)
@pytest.mark.parametrize(
    ("leg", "percent", "orders", "wanted", "entry"),
    [
        (1, 37, 1, (1, 2), True),  # the second leg goes on
        pytest.param(1, 37, 3, (2, 3), True, marks=soak),  # and what it leaves is taken back
        (0, 50, 1, (1, 1), True),  # the second leg is what the first one got
        (1, 0, 3, (2, 3), False),  # nothing can be matched
        pytest.param(0, 0, 1, (1, 0), False, marks=soak),  # an order that was taken, and filled nothing
    ],
)
def test_a_partial_fill_is_matched_or_taken_back(
    stage: Stage, life: Life, leg: int, percent: int, orders: int, wanted: tuple[int, int], entry: bool
) -> None:
    held = len(stage.held())
    if held > 8:
        held = close_all(stage, life)
    venue = stage.venues[leg]
    if (venue, percent) == ("hyperliquid", 0):  # that is a refusal there
        orders, wanted = 1, ((2, 1), (1, 0))[1 - leg]
    stage.happen(venue, "partial", percent=percent, orders=orders)
    assert wanted == entered(stage, life)
    assert held + 2 * entry == len(stage.held())


@control(4, venues=("binance", "hyperliquid"))
def test_what_is_too_small_to_take_back_is_told_as_dust_and_taken_back_once_the_venue_lets_it(
    stage: Stage, life: Life
) -> None:
    if stage.venues[0] != "binance":
        pytest.skip("these are words of binance")
    close_all(stage, life)
    entered(stage, life)  # a lot of the first asset is worth more than any venue's minimum
    stage.happen(stage.venues[1], "partial", percent="99.9", orders=1)
    stage.faults(sent(stage, 1) | {"kind": "delay", "after": True, "ms": 2_000, "times": 1})
    stage.advance_to(stage.ticks() + 0.02)
    life.until(lambda: stage.struck()[0], PATIENCE_S)
    stage.happen("binance", "reject", code="-4164", words="Order's notional must be no smaller than 5", orders=1)
    stage.caught_up(life)
    stage.faults()
    assert "are dust: less than the venue's smallest order" in stage.events()
    stage.minutes(2)  # the guard takes it back
    stage.hour(life, stage.ticks())
    check(stage)


@control(5, soak=OTHERS)
@pytest.mark.parametrize(
    ("fault", "entry"),
    [
        ({"kind": "timeout", "times": 3}, False),
        pytest.param({"kind": "delay", "ms": 4_000, "times": 1}, True, marks=soak),
        ({"kind": "delay", "ms": 7_000, "times": 1}, False),
    ],
    ids=["never received", "received late", "too late, after the unwinding"],
)
def test_what_the_second_leg_does_not_match_in_time_is_unwound(
    stage: Stage, life: Life, fault: Mapping[str, Any], entry: bool
) -> None:
    held = close_all(stage, life)
    begun = time.monotonic()
    entered(stage, life, sent(stage, 1) | fault)
    time.sleep(max(0.0, begun + 9.0 - time.monotonic()))  # by then whatever was on its way has arrived
    stage.minutes(2)
    check(stage)
    assert held + 2 * entry == len(stage.held())
    assert naked_seconds(stage) < 2 * LEG * LONGEST_NAKED_S


@control(5, soak=OTHERS)
def test_a_refused_second_leg_has_the_first_one_unwound_at_once(stage: Stage, life: Life) -> None:
    held = len(stage.held())
    code = {"bybit": "110094", "okx": "51008"}.get(stage.venues[1], "-1")
    stage.happen(stage.venues[1], "reject", code=code, words="Refused", orders=1)
    assert (2, 0) == entered(stage, life)
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
