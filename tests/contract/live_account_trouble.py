"""What the account of every venue keeps when answers are lost, clocks are wrong and keys may little. A test file that
imports these tests and gives them a `venue` fixture runs them against the sandbox, by stock ccxt over HTTP."""

from pathlib import Path

import pytest

from bot.venue_orders import OrderReport, OrderState, VenueOrder
from data.errors import VenueError
from tests.contract.account_desk import BALANCE, NOW_MS, SHOWN, Desk, at_desk

CREATE = {
    "binance": {"method": "POST", "request": "order"},
    "hyperliquid": {"method": "POST", "request": "order"},
    "bybit": {"method": "POST", "request": "order/create"},
    "okx": {"method": "POST", "request": "trade/batch-orders"},
}
"""The request that places an order."""
TAKER, MAKER = (SHOWN.taker_fee_bps or 0) * 1e-4, (SHOWN.maker_fee_bps or 0) * 1e-4


@pytest.mark.parametrize("kind", ["empty", "html", "reset", "timeout", "cut", "cut_json", "status"])
def test_an_order_whose_answer_is_lost_is_unknown_then_found_and_was_sent_once(
    venue: str, tmp_path: Path, kind: str
) -> None:
    lost = {"venue": venue, "kind": kind, "times": 1, **CREATE[venue]}
    lost |= {} if kind.startswith("cut") else {"after": True}
    lost |= {"status": 503, "page": True} if kind == "status" else {}

    async def call(desk: Desk) -> None:
        await desk.fault(lost)
        order = desk.order(1)
        placed = await desk.account.place(order)
        assert (OrderState.UNKNOWN, 0.0) == (placed.state, placed.filled)
        found = await desk.account.find(order)
        assert (OrderState.FILLED, order.quantity) == (found.state, found.filled)
        await desk.sent(1)

    at_desk(venue, tmp_path, call)


def test_an_order_that_never_arrived_is_unknown_then_absent(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.fault({"venue": venue, "kind": "reset", "times": 1, **CREATE[venue]})
        order = desk.order(1)
        assert OrderState.UNKNOWN is (await desk.account.place(order)).state
        assert OrderState.ABSENT is (await desk.account.find(order)).state
        await desk.sent(0)

    at_desk(venue, tmp_path, call)


def test_a_venue_that_is_down_is_never_read_as_nothing(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        order = desk.order(1)
        await desk.account.place(order)
        await desk.fault({"venue": venue, "kind": "down"})
        both = [desk.btc, desk.doge]
        for ask in (
            desk.account.find(order), desk.account.positions(), desk.account.balance(), desk.account.open_orders(both),
            desk.account.fills(both, NOW_MS), desk.account.funding(both, NOW_MS), desk.account.standing(),
            desk.account.cancel_all(both),
        ):  # fmt: skip
            with pytest.raises(VenueError, match=venue):
                await ask
        assert OrderState.UNKNOWN is (await desk.account.cancel(order)).state
        assert OrderState.UNKNOWN is (await desk.account.place(desk.order(1))).state

    at_desk(venue, tmp_path, call)


def test_an_order_that_the_venue_hides_comes_to_light(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.fault({"venue": venue, "kind": "empty", "times": 1, "after": True, **CREATE[venue]})
        await desk.happen("hide", seconds=0.5)
        order = desk.order(1)
        assert OrderState.UNKNOWN is (await desk.account.place(order)).state
        seen = [await desk.account.find(order)]
        while seen[-1].state is OrderState.ABSENT:
            seen.append(await desk.account.find(order))
        assert OrderState.ABSENT is seen[0].state
        assert (OrderState.FILLED, order.quantity) == (seen[-1].state, seen[-1].filled)

    at_desk(venue, tmp_path, call)


def test_what_the_venue_refuses_is_refused_in_its_words(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        reports: list[OrderReport] = [
            await desk.account.place(desk.order(100_000)),  # more than the margin
            await desk.account.place(desk.order(1, reduce_only=True)),  # nothing to reduce
            await desk.account.place(VenueOrder("small", desk.doge, desk.doge.lot_step, 0.34)),  # below the minimum
        ]
        enough = 3 if desk.doge.min_notional else 2
        assert [OrderState.REJECTED] * enough == [report.state for report in reports][:enough]
        assert all(venue in report.reason for report in reports[:enough])

    at_desk(venue, tmp_path, call)


def test_an_id_that_is_sent_again_is_not_a_second_order(venue: str, tmp_path: Path) -> None:
    """A duplicate proves that the first one is there: whoever sends it again must ask, not believe it refused."""

    async def call(desk: Desk) -> None:
        order = desk.resting(1)
        assert OrderState.OPEN is (await desk.account.place(order)).state
        again = await desk.account.place(order)
        assert OrderState.UNKNOWN is again.state
        assert OrderState.OPEN is (await desk.account.find(order)).state
        await desk.sent(1)

    at_desk(venue, tmp_path, call)


def test_an_order_is_let_in_although_our_clock_is_wrong(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        for skew_ms in (20_000, -20_000):
            desk.account._client.options["timeDifference"] = skew_ms
            assert OrderState.FILLED is (await desk.account.place(desk.order(1))).state
            desk.account._client.options["timeDifference"] = skew_ms
            assert pytest.approx(BALANCE, rel=1e-3) == (await desk.account.balance()).equity
        await desk.sent(2)

    at_desk(venue, tmp_path, call)


def test_preparing_sets_one_way_cross_and_leverage_and_again_changes_nothing(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        if venue != "hyperliquid":
            await desk.happen("modes", hedge=True)
            assert not (await desk.account.standing()).one_way
        for _ in range(2):
            await desk.account.prepare([desk.btc, desk.doge], 4.0)
            standing, truth = await desk.account.standing(), await desk.truth()
            assert standing.one_way and not truth["hedge"] and not truth["isolated"]
            assert {desk.btc.symbol: 4, desk.doge.symbol: 4} == truth["leverage"]

    at_desk(venue, tmp_path, call)


def test_the_standing_is_that_of_the_key_and_the_clock(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        standing = await desk.account.standing()
        assert standing.can_trade and standing.one_way
        assert abs(standing.clock_ms) <= 1000
        assert (pytest.approx(TAKER), pytest.approx(MAKER)) == (standing.taker_fee, standing.maker_fee)
        if venue == "hyperliquid":
            return  # what a key may do there is in whose key it is
        assert standing.can_withdraw is False
        await desk.happen("permit", trade=False, withdraw=True)
        standing = await desk.account.standing()
        assert (False, True) == (standing.can_trade, standing.can_withdraw)
        assert OrderState.REJECTED is (await desk.account.place(desk.order(1))).state

    at_desk(venue, tmp_path, call)


def test_a_dead_mans_switch_cancels_what_rests_unless_it_is_held(venue: str, tmp_path: Path) -> None:
    async def call(desk: Desk) -> None:
        await desk.account.prepare([desk.btc], 4.0)
        order = desk.resting(1, away=0.2)
        await desk.account.place(order)
        if venue in ("bybit", "hyperliquid"):
            assert not await desk.account.dead_man(60.0)
        if venue == "bybit":
            return  # it watches websockets, and not requests
        if venue == "hyperliquid":  # it wants a million to be traded first
            for lots in (400, -400) * 3:
                await desk.account.place(desk.order(lots))
        assert await desk.account.dead_man(0.0)
        desk.advance(0.1)
        assert OrderState.OPEN is (await desk.account.find(order)).state
        assert await desk.account.dead_man(60.0)
        desk.advance(0.1)
        assert OrderState.ENDED is (await desk.account.find(order)).state

    at_desk(venue, tmp_path, call)
