"""Trades count once, in whatever order and however often a venue tells of them."""

from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from bot.execution.reconcile import Known, Seen, compare
from bot.order_state import FINAL, advance, filled_by
from bot.venue_orders import OrderReport, OrderState, VenueFill, VenueOrder
from data.types import Asset, Instrument
from tests.faults.controls import control
from tests.faults.harness import FILLS, SEND, staged
from tests.faults.oracle import check
from tests.faults.test_limits import leave
from tests.faults.test_watch import halted, rounds

ONE = Instrument("binance", "INJ/USDT:USDT", Asset("INJ"), "USDT", 0.1, 0.001, 5.0, 8)
ORDER = VenueOrder("r1t1s0c0x1i0n1", ONE, 30.0, 21.0)
SIZES = st.lists(st.integers(1, 30).map(lambda lots: lots / 10), min_size=1, max_size=6)


def trades(sizes: list[float]) -> list[VenueFill]:
    """Of the order, in the venue's order."""
    base = VenueFill("binance", ONE.symbol, "", ORDER.client_id, 0, 0.0, 20.0, 0.01, maker=False)
    return [replace(base, trade_id=str(i), time_ms=i, quantity=size) for i, size in enumerate(sizes)]


@control(6, venues=("any",))
@given(SIZES, st.data())
def test_trades_that_are_told_twice_and_out_of_order_fill_as_much(sizes: list[float], data: st.DataObject) -> None:
    told = trades(sizes)
    again = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=6))]))
    once, twice = filled_by(ORDER, told), filled_by(ORDER, again)
    assert abs(once.filled - twice.filled) < 1e-9
    assert abs(once.average - twice.average) < 1e-9


@control(6, venues=("any",))
@given(SIZES, st.data())
def test_a_history_that_is_told_twice_shows_each_unbooked_trade_once(sizes: list[float], data: st.DataObject) -> None:
    told = trades(sizes)
    again = data.draw(st.permutations([*told, *told]))
    booked = data.draw(st.sets(st.sampled_from([fill.trade_id for fill in told])))
    known = Known({ONE.symbol: sum(sizes)}, {ONE.symbol: 0.1}, fills=frozenset((ONE.symbol, name) for name in booked))
    found = compare(Seen("binance", {ONE.symbol: sum(sizes)}, fills=again), known)
    assert sorted({fill.trade_id for fill in told} - booked) == sorted(one.name for one in found)


@control(6, venues=("any",))
@given(SIZES, st.data())
def test_reports_of_one_order_end_alike_in_any_order(sizes: list[float], data: st.DataObject) -> None:
    done = [round(sum(sizes[: i + 1]), 6) for i in range(len(sizes))]
    reports = [OrderReport(OrderState.OPEN, filled, 20.0, "7") for filled in done]
    reports.append(OrderReport(OrderState.ENDED, done[-1], 20.0, "7"))
    shuffled = data.draw(st.permutations([*reports, *data.draw(st.lists(st.sampled_from(reports), max_size=4))]))
    known = OrderReport(OrderState.UNKNOWN)
    for report in shuffled:
        known = advance(known, report)
    assert (True, done[-1]) == (known.state in FINAL, known.filled)


@control(6)
def test_a_running_bot_books_each_trade_once_although_venues_tell_all_twice_and_the_last_one_first(
    tmp_path: Path,
) -> None:
    with staged(tmp_path, by_hand=True) as stage:
        life = stage.begin()
        doubled = [FILLS[venue] | {"kind": "doubled"} for venue in stage.venues]
        lost = SEND["hyperliquid"] | {"kind": "reset", "after": True, "every": 4}
        stage.faults(*doubled, lost)  # whose answer is lost is known by its trades
        stage.hour(life, 0)
        rounds(stage, life)
        stage.hour(life, 1)
        check(stage)
        leave(stage, life)
        stage.hour(life, 2)
        rounds(stage, life)
        assert (True, "") == (all(stage.struck()), halted(stage))
        check(stage)
        life.kill()
