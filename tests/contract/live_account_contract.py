"""What the account of every venue keeps. A test file that imports these tests and gives them a `venue` fixture runs
them against the sandbox, by stock ccxt over HTTP."""

import math
from pathlib import Path

import pytest

from bot.venue_orders import OrderState, Style, VenueOrder
from data.types import HOUR_MS
from tests.contract.account_desk import BALANCE, NOW_MS, SHOWN, Desk, at_desk

PAGES = {
    "binance": ["bot.execution.live.binance.PAGE"],
    "bybit": ["bot.execution.live.bybit.EXECUTIONS_PAGE"],
    "okx": ["bot.execution.live.okx.PAGE"],
    # Its pages have a size of their own: on both sides.
    "hyperliquid": ["bot.execution.live.hyperliquid.FILLS_PAGE", "backtest.sandbox.hyperliquid_account.FILLS_PAGE"],
}
"""How many rows of a history come at once."""
TAKER, MAKER = (SHOWN.taker_fee_bps or 0) * 1e-4, (SHOWN.maker_fee_bps or 0) * 1e-4


def test_an_order_fills_at_the_touch_and_is_found_as_it_was_told(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        for lots in (2, -1):
            order = desk.order(lots, of=desk.doge)
            placed, found = await desk.account.place(order), await desk.account.find(order)
            bid, ask = desk.touch(desk.doge)
            assert (OrderState.FILLED, order.quantity, ask if lots > 0 else bid) == (
                placed.state, placed.filled, placed.average,
            )  # fmt: skip
            assert placed == found

    at_desk(venue, tmp_path, call)


def test_a_limit_is_rounded_inward_to_the_tick(venue: str, tmp_path: Path) -> None:
    """To the touch it fills; a hair short of it, it does not, however the hair is rounded elsewhere."""

    async def call(desk: Desk) -> None:
        bid, ask = desk.touch(desk.btc)
        tick, size = desk.btc.tick_size, desk.order(1).quantity
        for number, (quantity, limit, state) in enumerate([
            (size, ask + 0.4 * tick, OrderState.FILLED),
            (size, ask - 0.4 * tick, None),
            (-size, bid - 0.4 * tick, OrderState.FILLED),
            (-size, bid + 0.4 * tick, None),
        ]):  # fmt: skip
            report = await desk.account.place(VenueOrder(f"a{number}", desk.btc, quantity, limit))
            assert state is report.state if state else (0.0 == report.filled and report.state.value in NOTHING_FILLED)

    at_desk(venue, tmp_path, call)


NOTHING_FILLED = ("ended", "rejected")


def test_an_order_that_meets_no_price_fills_nothing_and_is_final(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.order(1, past=-0.003)
        for report in (await desk.account.place(order), await desk.account.find(order)):
            assert report.state.value in NOTHING_FILLED
            assert (0.0, 0.0) == (report.filled, report.average)

    at_desk(venue, tmp_path, call)


def test_an_order_fills_in_part_and_ends(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.happen("partial", percent=40)
        order = desk.order(10)
        placed, found = await desk.account.place(order), await desk.account.find(order)
        assert OrderState.ENDED is placed.state
        assert 0 < placed.filled <= 0.4 * order.quantity
        assert placed == found

    at_desk(venue, tmp_path, call)


def test_a_resting_order_is_open_until_the_price_passes_it_and_a_crossing_one_is_refused(
    venue: str, tmp_path: Path
) -> None:
    async def call(desk: Desk) -> None:
        crossing = desk.order(1, style=Style.MAKE)
        refused = await desk.account.place(crossing)
        assert refused.state.value in NOTHING_FILLED and 0.0 == refused.filled
        order = desk.resting(1)
        placed = await desk.account.place(order)
        assert (OrderState.OPEN, 0.0) == (placed.state, placed.filled)
        assert [(desk.btc.symbol, order.client_id)] == await desk.account.open_orders([desk.btc, desk.doge])
        assert [] == await desk.account.open_orders([desk.doge])
        desk.advance(1)
        found = await desk.account.find(order)
        assert (OrderState.FILLED, order.quantity) == (found.state, found.filled)
        assert [] == await desk.account.open_orders([desk.btc])
        (fill,) = await desk.account.fills([desk.btc], NOW_MS)
        assert fill.maker and pytest.approx(MAKER * fill.price * fill.quantity) == fill.fee

    at_desk(venue, tmp_path, call)


def test_a_resting_order_that_others_hit_is_open_with_what_it_filled_and_its_cancel_keeps_that(
    venue: str, tmp_path: Path
) -> None:
    async def call(desk: Desk) -> None:
        order = desk.resting(10)
        await desk.account.place(order)
        await desk.happen("hit", symbol=desk.btc.symbol, percent=40)
        found = await desk.account.find(order)
        assert OrderState.OPEN is found.state
        assert 0.39 * order.quantity < found.filled < 0.5 * order.quantity
        assert pytest.approx(order.limit, rel=1e-4) == found.average  # its limit is rounded inward
        cancelled = await desk.account.cancel(order)
        assert (OrderState.ENDED, found.filled) == (cancelled.state, cancelled.filled)
        (fill,) = await desk.account.fills([desk.btc], NOW_MS)
        assert fill.maker and (found.filled, pytest.approx(MAKER * fill.price * fill.quantity)) == (
            fill.quantity,
            fill.fee,
        )

    at_desk(venue, tmp_path, call)


def test_a_resting_order_that_fills_before_its_cancel_arrives_is_filled(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.resting(1)
        await desk.account.place(order)
        await desk.happen("hit", symbol=desk.btc.symbol, percent=100)
        cancelled = await desk.account.cancel(order)
        assert (OrderState.FILLED, order.quantity) == (cancelled.state, cancelled.filled)

    at_desk(venue, tmp_path, call)


def test_a_cancelled_order_has_ended_and_a_filled_one_stays_filled(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.resting(1)
        await desk.account.place(order)
        cancelled = await desk.account.cancel(order)
        assert (OrderState.ENDED, 0.0) == (cancelled.state, cancelled.filled)
        filled = desk.order(1)
        placed = await desk.account.place(filled)
        assert placed == await desk.account.cancel(filled)

    at_desk(venue, tmp_path, call)


def test_all_resting_orders_of_some_contracts_are_cancelled_and_no_others(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        orders = [desk.resting(1), desk.resting(2), desk.resting(-1, of=desk.doge)]
        for order in orders:
            assert OrderState.OPEN is (await desk.account.place(order)).state
        await desk.account.cancel_all([desk.btc])
        left = await desk.account.open_orders([desk.btc, desk.doge])
        assert [(desk.doge.symbol, orders[2].client_id)] == left
        await desk.account.cancel_all([desk.btc, desk.doge])
        assert [] == await desk.account.open_orders([desk.btc, desk.doge])

    at_desk(venue, tmp_path, call)


def test_positions_and_balance_are_what_the_venue_holds(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        assert {} == dict(await desk.account.positions())
        long, short = desk.order(4), desk.order(-3, of=desk.doge)
        bought, sold = await desk.account.place(long), await desk.account.place(short)
        held, truth, balance = await desk.account.positions(), await desk.truth(), await desk.account.balance()
        assert {desk.btc.symbol, desk.doge.symbol} == set(held)
        for order, report in ((long, bought), (short, sold)):
            one = held[order.instrument.symbol]
            assert pytest.approx(order.quantity) == one.quantity
            assert pytest.approx(report.average) == one.entry_price
            assert pytest.approx(float(truth["marks"][one.symbol])) == one.mark
        assert pytest.approx(float(truth["cash"])) == balance.wallet < BALANCE
        assert pytest.approx(float(truth["equity"])) == balance.equity
        assert 0 < balance.free < balance.equity

    at_desk(venue, tmp_path, call)


def test_a_position_that_could_be_liquidated_says_where(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.account.prepare([desk.btc], 5)
        await desk.account.place(desk.order(40))
        await desk.happen("transfer", amount=str(3000 - BALANCE))
        one = (await desk.account.positions())[desk.btc.symbol]
        assert 0 < one.liquidation_price < one.mark

    at_desk(venue, tmp_path, call)


def test_fills_tell_order_price_fee_and_side_once_each_whatever_the_page(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        orders = [
            desk.order(lots, of=of) for lots, of in ((1, desk.btc), (-1, desk.doge), (-1, desk.btc), (2, desk.btc))
        ]
        reports = [await desk.account.place(order) for order in orders]
        await desk.happen("trade", symbol=desk.btc.symbol, quantity=str(orders[0].quantity))
        fills = await desk.account.fills([desk.btc, desk.doge], NOW_MS)
        assert len(fills) == len({(fill.symbol, fill.trade_id) for fill in fills})
        for order, report in zip(orders, reports, strict=True):
            mine = [fill for fill in fills if fill.client_id == order.client_id]
            assert pytest.approx(report.filled) == sum(fill.quantity for fill in mine)
            for fill in mine:
                assert (desk.venue, order.instrument.symbol, False) == (fill.venue, fill.symbol, fill.maker)
                assert pytest.approx(TAKER * abs(fill.quantity) * fill.price) == fill.fee
        assert pytest.approx(orders[0].quantity) == sum(f.quantity for f in fills if not f.client_id)
        assert [] == list(await desk.account.fills([desk.btc, desk.doge], NOW_MS + 1))
        assert {desk.doge.symbol} == {fill.symbol for fill in await desk.account.fills([desk.doge], NOW_MS)}

    at_desk(venue, tmp_path, call)


def test_pages_that_end_within_an_instant_lose_no_fill_and_tell_none_twice(
    venue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for page in PAGES[venue]:
        monkeypatch.setattr(page, 3)

    async def call(desk: Desk) -> None:
        for lots in (1, -1) * 4:
            await desk.account.place(desk.order(lots))
            if lots < 0:
                desk.advance(0.001)
        fills = await desk.account.fills([desk.btc, desk.doge], NOW_MS)
        truth = (await desk.truth())["fills"]
        assert len(truth) == len({fill.trade_id for fill in fills}) == len(fills) >= 8
        assert [fill["time_ms"] for fill in truth] == [fill.time_ms for fill in fills]
        assert [pytest.approx(float(fill["quantity"])) for fill in truth] == [fill.quantity for fill in fills]

    at_desk(venue, tmp_path, call)


def test_fills_of_before_the_process_are_known_by_their_client_ids(venue: str, tmp_path: Path) -> None:
    """Another account object knows no order yet; it is told which ids are ours."""

    async def call(desk: Desk) -> None:
        order = desk.order(1)
        await desk.account.place(order)
        dialect = desk.account._dialect
        for memory in ("_client_ids", "_ours"):
            getattr(dialect, memory, {}).clear()
        desk.account.recognise([order.client_id])
        assert {order.client_id} == {fill.client_id for fill in await desk.account.fills([desk.btc], NOW_MS)}

    at_desk(venue, tmp_path, call)


def test_funding_is_told_as_received_or_paid_once_each_with_its_own_stamp(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.account.place(desk.order(4))
        await desk.account.place(desk.order(-4, of=desk.doge))
        desk.advance(33)
        told = await desk.account.funding([desk.btc, desk.doge], NOW_MS)
        truth = [payment for payment in (await desk.truth())["payments"] if payment["kind"] == "funding"]
        assert len(truth) >= 8
        assert [(p["symbol"], p["time_ms"]) for p in truth] == [(one.symbol, one.time_ms) for one in told]
        assert pytest.approx([float(p["amount"]) for p in truth]) == [one.amount for one in told]
        assert {True, False} == {one.amount > 0 for one in told if one.symbol == desk.btc.symbol}
        since = told[2].time_ms
        assert [one for one in told if one.time_ms >= since] == await desk.account.funding([desk.btc, desk.doge], since)
        assert {desk.doge.symbol} == {one.symbol for one in await desk.account.funding([desk.doge], NOW_MS)}

    at_desk(venue, tmp_path, call)


def test_what_the_venue_closes_by_itself_is_nobodys_order(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.order(4)
        await desk.account.place(order)
        await desk.happen("deleverage", symbol=desk.btc.symbol, percent=50)
        fills = await desk.account.fills([desk.btc], NOW_MS)
        assert pytest.approx(-order.quantity / 2, rel=0.01) == sum(f.quantity for f in fills if not f.client_id)
        held = (await desk.account.positions())[desk.btc.symbol]
        assert pytest.approx(sum(fill.quantity for fill in fills)) == held.quantity

    at_desk(venue, tmp_path, call)


def test_history_that_is_older_than_a_venues_window_is_whole(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        first = desk.order(1)
        await desk.account.place(first)
        desk.advance(24 * 9)
        await desk.account.place(desk.order(-1))
        fills = await desk.account.fills([desk.btc], NOW_MS - 8 * 24 * HOUR_MS)
        assert pytest.approx(0.0, abs=first.instrument.lot_step / 2) == sum(fill.quantity for fill in fills)
        assert len({fill.client_id for fill in fills}) == 2
        assert math.isfinite(sum(fill.fee for fill in fills))

    at_desk(venue, tmp_path, call)
