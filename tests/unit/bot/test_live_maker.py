"""Live orders that rest, over two scripted accounts: hedged as they fill, moved, given up, and found after a death."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.latch import LatchState
from bot.orders import Executed, Outcome, Pending, Unfilled
from bot.venue_orders import OrderState, Style
from tests.fakes.maker_account import Meets, Taken
from tests.fakes.maker_table import LOOKS, MakerTable
from tests.fakes.pair_table import LEGS
from tests.fakes.scripted_account import Does

N, SOME, ALL = Meets.NOTHING, Meets.SOME, Meets.ALL
BID = 99.95


def fills(outcome: Outcome) -> list[tuple[int, float, float]]:
    assert isinstance(outcome, Executed), outcome
    return [(fill.leg, fill.quantity, fill.price) for fill in outcome.fills]


def sent(table: MakerTable, venue: str = "binance") -> list[tuple[Style, float, float]]:
    return [(order.style, order.quantity, order.limit) for order in table.accounts[venue].sent]


def rows(table: MakerTable) -> list[Any]:
    with table.ledger.connection() as connection:
        return list(connection.exec_driver_sql("select style, state, worst_price from orders order by attempt"))


def test_the_wider_leg_rests_at_its_touch_and_its_fill_is_taken_on_the_other_one(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, N, ALL)
    outcome = table.enter()
    assert [(0, 30.0, BID), (1, -30.0, 100.0)] == fills(outcome)
    assert [(Style.MAKE, 30.0, BID)] == sent(table)
    assert [Style.TAKE] == [order.style for order in table.accounts["hyperliquid"].sent]
    assert ["make", "take"] == [style for style, _, _ in rows(table)]


def test_a_fill_is_booked_at_the_fee_that_the_venue_took_with_what_it_saved(tmp_path: Path) -> None:
    outcome = MakerTable(tmp_path, ALL).enter()
    assert isinstance(outcome, Executed)
    rested, taken = outcome.fills
    assert (pytest.approx(2e-4), 100.0) == (rested.fee_rate, rested.mid)
    # It could have been taken at 100.05, for 5 bps.
    assert pytest.approx(30 * (100.05 - BID) + 30 * (100.05 * 5e-4 - BID * 2e-4)) == rested.saved
    assert 0.0 == taken.saved


def test_each_part_that_fills_is_taken_on_the_other_leg_at_once(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME, SOME, ALL)
    assert [(0, 30.0), (1, -10.0), (1, -6.0), (1, -14.0)] == [one[:2] for one in fills(table.enter())]
    assert 1 == len(sent(table))


def test_an_order_follows_the_touch_only_when_it_is_repriced_and_each_move_is_an_order_of_its_own(
    tmp_path: Path,
) -> None:
    table = MakerTable(tmp_path, *[N] * 8, ALL, prices=(100.0, 101.0, 102.0, 102.0, 103.0))
    assert pytest.approx(102.95) == fills(table.enter())[0][2]
    assert [pytest.approx(price) for price in (BID, 101.95, 102.95)] == [limit for _, _, limit in sent(table)]
    assert 1 == table.rests.most_resting
    assert ["make"] * 3 + ["take"] == [style for style, _, _ in rows(table)]
    assert ["ended", "ended", "filled"] == [state for _, state, _ in rows(table)][:3]


def test_an_order_at_the_touch_is_left_where_it_is(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, *[N] * 4, ALL)
    table.enter()
    assert (1, 0) == (len(sent(table)), table.rests.cancels)


def test_what_fills_between_a_cancel_and_its_answer_is_taken_on_the_other_leg(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, N, N, N, ALL, prices=(100.0, 101.0))  # looks, asked before the cancel, the cancel
    assert [(0, 30.0, BID), (1, -30.0, 100.0)] == fills(table.enter())
    assert (1, 1) == (len(sent(table)), table.rests.cancels)


def test_a_cancel_whose_answer_is_lost_is_asked_after_and_not_sent_again(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, N, N, N, Meets.SILENCE, ALL, prices=(100.0, 101.0))
    table.enter()
    assert 1 == table.rests.cancels
    assert [OrderState.ENDED] == [r.state for r in table.rests.reports.values()][:1]


def test_a_cancel_that_never_arrived_is_sent_again_once_the_venue_shows_the_order(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, N, N, N, Meets.DEAF, prices=(100.0, 101.0))
    table.enter()
    assert 1 == table.rests.most_resting
    assert OrderState.ENDED is next(iter(table.rests.reports.values())).state


@pytest.mark.parametrize("does", [Taken.REFUSED, Taken.EXPIRES])
def test_an_order_that_would_have_taken_is_tried_again_when_orders_are_repriced(tmp_path: Path, does: Taken) -> None:
    table = MakerTable(tmp_path, ALL, taken=[does])
    assert [(0, 30.0, BID), (1, -30.0, 100.0)] == fills(table.enter())
    assert 2 == len(sent(table))


def test_an_order_that_the_venue_cancels_is_sent_anew_for_what_is_left(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME, Meets.ENDS, ALL)
    table.enter()
    assert [30.0, 20.0] == [quantity for _, quantity, _ in sent(table)]
    assert (30.0, -30.0) == table.held()


def test_an_entry_that_is_not_filled_in_time_crosses(tmp_path: Path) -> None:
    table = MakerTable(tmp_path)
    assert {(0, 30.0), (1, -30.0)} == {one[:2] for one in fills(table.enter())}
    assert [Style.MAKE, Style.TAKE] == [style for style, _, _ in sent(table)]


def test_what_is_left_of_an_entry_crosses_and_what_filled_stays(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME)
    table.enter()
    assert [(Style.MAKE, 30.0), (Style.TAKE, 20.0)] == [one[:2] for one in sent(table)]
    assert (30.0, -30.0) == table.held()


def test_an_entry_may_be_left_with_what_it_got(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME, leaves=True)
    assert [(0, 10.0), (1, -10.0)] == [one[:2] for one in fills(table.enter())]
    empty = tmp_path / "other"
    empty.mkdir()
    nothing = MakerTable(empty, leaves=True).enter()
    assert isinstance(nothing, Unfilled) and "the price did not trade through an order at 99.95" == nothing.cause


def test_an_exit_that_is_not_filled_in_time_takes(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME, leaves=True)
    table.leave()
    assert (0.0, 0.0) == table.held()
    assert all(order.reduce_only for order in table.rests.sent)


def test_what_the_other_leg_cannot_match_is_taken_back_at_once(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, SOME, takes=[Does.REFUSES])
    outcome = table.enter()
    assert (0.0, 0.0) == table.held()
    assert isinstance(outcome, Executed) and "refused" in outcome.remarks[0]
    assert [(Style.MAKE, 30.0), (Style.TAKE, -10.0)] == [one[:2] for one in sent(table)]


def test_a_hedge_whose_answer_is_lost_is_found_and_not_sent_again(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, ALL, takes=[Does.LOSES_ANSWER])
    assert [(0, 30.0), (1, -30.0)] == [one[:2] for one in fills(table.enter())]
    assert 1 == len(sent(table, "hyperliquid"))


@pytest.mark.parametrize(("state", "held"), [(LatchState.PAUSED, (10.0, -10.0)), (LatchState.KILLED, (10.0, -10.0))])
def test_a_latch_that_is_set_while_an_entry_rests_ends_it(
    tmp_path: Path, state: LatchState, held: tuple[float, float]
) -> None:
    table = MakerTable(tmp_path, SOME, latch=[LatchState.NONE, LatchState.NONE, state])
    table.enter()
    assert held == table.held()
    assert (2, 0) == (table.clock.look, table.rests.resting)


@pytest.mark.parametrize(("state", "looks"), [(LatchState.PAUSED, LOOKS), (LatchState.KILLED, 1)])
def test_an_exit_rests_through_a_pause_and_takes_at_once_where_all_is_to_be_closed(
    tmp_path: Path, state: LatchState, looks: int
) -> None:
    table = MakerTable(tmp_path, latch=[LatchState.NONE, state])
    table.leave()
    assert ((0.0, 0.0), looks) == (table.held(), table.clock.look)


def test_in_a_hurry_nothing_rests(tmp_path: Path) -> None:
    table = MakerTable(tmp_path)
    table.maker.hurry()
    assert Unfilled("the bot had no time to wait for a fill") == table.enter()
    table.maker.hurry()
    table.leave()
    assert ((0.0, 0.0), 0) == (table.held(), table.clock.look)
    assert [Style.TAKE] == [style for style, _, _ in sent(table)]


def test_nothing_rests_outside_the_collar(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, leaves=True, prices=(102.9, 104.0, 104.0))
    outcome = table.enter()
    assert isinstance(outcome, Unfilled)
    assert [(Style.MAKE, pytest.approx(102.85))] == [(style, limit) for style, _, limit in sent(table)]


def test_an_order_that_no_answer_tells_of_is_the_last_one(tmp_path: Path) -> None:
    table = MakerTable(tmp_path, *[Meets.DEAF] * 1000, taken=[Taken.LOSES_ANSWER])
    assert isinstance(table.enter(), Pending)
    assert (1, 1) == (len(sent(table)), table.rests.resting)
    table.rests.meets.clear()
    ((_, outcome),) = table.recover(table.executor)
    assert isinstance(outcome, Unfilled)
    assert 0 == table.rests.resting


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("calls", range(1, 9))
def test_a_restart_cancels_what_rests_and_ends_hedged_or_flat(tmp_path: Path, calls: int) -> None:
    table, left = MakerTable(tmp_path, N, SOME, N, SOME, N, prices=(100.0, 100.0, 101.0)), calls
    for account in table.accounts.values():
        for name in ("place", "find", "cancel"):
            told = getattr(account, name)

            async def dying(order: Any, told: Any = told) -> Any:
                nonlocal left
                left -= 1
                report = await told(order)
                if left == 0:
                    raise Killed
                return report

            setattr(account, name, dying)
    with pytest.raises(Killed):
        table.enter()
    for account in table.accounts.values():
        for name in ("place", "find", "cancel"):
            delattr(account, name)
    ((proposal, outcome),) = table.recover(table.restarted())
    assert proposal.entry
    assert 0 == table.rests.resting
    assert abs(sum(table.held())) < 1.0
    booked = sum(fill.quantity for fill in outcome.fills) if isinstance(outcome, Executed) else 0.0
    assert pytest.approx(sum(table.held())) == booked


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    meets=st.lists(st.sampled_from(Meets), max_size=14),
    taken=st.lists(st.sampled_from(Taken), max_size=3),
    takes=st.lists(st.sampled_from([does for does in Does if does is not Does.WAITS]), max_size=4),
    prices=st.lists(st.sampled_from([99.0, 100.0, 101.0, 104.0]), min_size=1, max_size=6),
    latch=st.lists(st.sampled_from([LatchState.NONE] * 4 + [LatchState.PAUSED, LatchState.KILLED]), max_size=6),
    leaves=st.booleans(),
    enters=st.booleans(),
)
def test_whatever_the_venues_do_the_books_get_what_they_hold_and_nothing_is_left_at_rest(
    tmp_path_factory: pytest.TempPathFactory,
    meets: list[Meets],
    taken: list[Taken],
    takes: list[Does],
    prices: list[float],
    latch: list[LatchState],
    leaves: bool,
    enters: bool,
) -> None:
    table = MakerTable(
        tmp_path_factory.mktemp("maker"), *meets, taken=taken, takes=takes, prices=prices, latch=latch, leaves=leaves
    )
    outcome = table.enter() if enters else table.leave()
    outcomes = [outcome]
    if isinstance(outcome, Pending):
        table.rests.meets.clear()
        outcomes = [one for _, one in table.recover(table.executor)]
    assert table.rests.most_resting <= 1
    assert 0 == table.rests.resting
    booked = [0.0, 0.0] if enters else [30.0, -30.0]
    for one in outcomes:
        for fill in one.fills if isinstance(one, Executed) else ():
            booked[fill.leg] += fill.quantity
    assert list(table.held()) == pytest.approx(booked)
    if abs(sum(table.held())) >= LEGS[0].lot_step:
        assert getattr(outcomes[-1], "remarks", ()), "legs that are not equal, and nobody was told"
