"""What every account at a linear venue keeps when nothing goes wrong, and what it refuses, by way of stock ccxt.

A test file that imports these tests and gives them a `dialect` fixture runs them over HTTP.
"""

from decimal import Decimal
from typing import Any

import ccxt.async_support as ccxt
import pytest

from data.types import HOUR_MS
from tests.contract.linear_accounts import (
    ASK,
    BID,
    BTC,
    DOGE,
    LEVEL,
    MID,
    NOON,
    RATE,
    START_MS,
    Dialect,
    Play,
    Session,
    playing,
)

MINUTE_MS = 60_000


@pytest.fixture
def play(dialect: Dialect) -> Play:
    return playing(dialect)


# Orders


def test_an_order_takes_the_book_up_to_its_limit_and_what_is_left_expires(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.6, ASK + 5, name="a1")
        return session, await session.find("a1"), await session.client.fetch_my_trades(BTC)

    session, order, trades = play(script, accounts={"balance": 100_000})

    assert [(ASK, LEVEL), (ASK + 5, LEVEL)] == [(t["price"], session.units(t["amount"])) for t in trades]
    assert ("canceled", "buy", 0.6) == (order["status"], order["side"], session.units(order["amount"]))
    assert (round(2 * LEVEL, 4), ASK + 2.5) == (session.units(order["filled"]), order["average"])
    assert sum(trade["fee"]["cost"] for trade in trades) == pytest.approx(order["fee"]["cost"])
    assert {order["id"]} == {trade["order"] for trade in trades} and "a1" == order["clientOrderId"]


def test_the_answer_to_a_new_order_is_its_ids_and_nothing_else(play: Play) -> None:
    order = play(lambda session: session.order("buy", 0.1, ASK, name="a1"))

    assert order["id"] and "a1" == order["clientOrderId"]
    assert (None, None, None) == (order["filled"], order["average"], order["status"])


def test_what_is_bought_is_held_and_its_fee_is_gone(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1)
        positions, balance = await session.client.fetch_positions(), await session.client.fetch_balance()
        return session, positions, balance["USDT"], await session.client.fetch_trading_fee(BTC), await session.truth()

    session, (position,), balance, fee, truth = play(script, accounts={"balance": 5000})

    held = session.units(position["contracts"])
    paid = 0.1 * ASK * fee["taker"]
    assert (BTC, "long", 0.1, ASK, MID) == (
        position["symbol"], position["side"], held, position["entryPrice"], position["markPrice"],
    )  # fmt: skip
    assert 0 < position["liquidationPrice"] < MID
    assert position["unrealizedPnl"] == pytest.approx(0.1 * (MID - ASK))
    assert float(truth["cash"]) == pytest.approx(5000 - paid)
    assert 0 < balance["free"] < balance["total"] <= 5000


def test_a_short_is_closed_by_a_buy_that_only_reduces(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("sell", 0.2, BID)
        short = await session.positions()
        await session.order("buy", 0.5, ASK + 100, reduceOnly=True, name="b1")
        return short, await session.positions(), session.units((await session.find("b1"))["filled"])

    assert ({BTC: -0.2}, {}, 0.2) == play(script, accounts={"balance": 100_000})


def test_an_order_that_does_not_reach_the_book_rests_until_it_is_cancelled(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, 90_000, timeInForce="GTC", name="r1")
        await session.order("sell", 100, 0.4, symbol=DOGE, timeInForce="GTC", name="r2")
        both = {order["clientOrderId"] for order in await session.client.fetch_open_orders()}
        one = await session.client.fetch_open_orders(BTC)
        await session.client.cancel_order("", BTC, session.dialect.named("r1"))
        left = {order["clientOrderId"] for order in await session.client.fetch_open_orders()}
        return both, one, left, await session.find("r1")

    both, (one,), left, ended = play(script)

    assert ({"r1", "r2"}, {"r2"}) == (both, left)
    assert ("open", "r1", 90_000, 0) == (one["status"], one["clientOrderId"], one["price"], one["filled"])
    assert ("canceled", 0) == (ended["status"], ended["filled"])


def test_a_resting_order_fills_at_its_own_price_once_the_market_is_beyond_it(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, MID - 500, timeInForce="GTC", name="r1")
        session.pass_to(NOON + 10 * MINUTE_MS)
        before = await session.find("r1")
        session.pass_to(NOON + 20 * MINUTE_MS)
        (trade,) = await session.client.fetch_my_trades(BTC)
        fee = await session.client.fetch_trading_fee(BTC)
        return before["status"], await session.find("r1"), trade, fee["maker"]

    before, after, trade, maker_fee = play(script)

    assert ("open", "closed") == (before, after["status"])
    assert (MID - 500, "maker") == (trade["price"], trade["takerOrMaker"])
    assert trade["fee"]["cost"] == pytest.approx(0.1 * (MID - 500) * maker_fee)
    assert NOON + 10 * MINUTE_MS < trade["timestamp"] <= NOON + 20 * MINUTE_MS


def test_a_post_only_order_that_would_take_is_accepted_and_cancelled(play: Play) -> None:
    async def script(session: Session) -> Any:
        taker = await session.order("buy", 0.1, ASK, postOnly=True, name="p1")
        await session.order("buy", 0.1, BID, postOnly=True, name="p2")
        open_names = [order["clientOrderId"] for order in await session.client.fetch_open_orders()]
        return taker, await session.find("p1"), open_names, await session.positions()

    taker, ended, open_names, positions = play(script)

    assert taker["id"] == ended["id"]
    assert ("canceled", 0, ["p2"], {}) == (ended["status"], ended["filled"], open_names, positions)
    assert "EC_PostOnlyWillTakeLiquidity" == ended["info"].get("rejectReason") or "31" == ended["info"]["cancelSource"]


# Refusals


@pytest.mark.parametrize(
    ("refused", "raised", "order"),
    [
        ("step", ccxt.BaseError, {"side": "buy", "units": 0.10005, "limit": ASK}),
        ("minimum", ccxt.InvalidOrder, {"side": "buy", "units": 1.0, "limit": 0.31, "symbol": DOGE}),
        ("margin", ccxt.InsufficientFunds, {"side": "buy", "units": 2.0, "limit": ASK}),
        ("reduce", ccxt.ExchangeError, {"side": "sell", "units": 0.1, "limit": BID, "reduceOnly": True}),
    ],
)
def test_what_the_venue_refuses_it_refuses_in_its_own_code_and_nothing_happens(
    play: Play, dialect: Dialect, refused: str, raised: Any, order: dict[str, Any]
) -> None:
    async def script(session: Session) -> Any:
        # ccxt would cut what has too many digits.
        session.client.amount_to_precision = lambda symbol, amount: session.client.number_to_string(amount)
        with pytest.raises(raised, match=dialect.codes[refused]):
            await session.order(name="n1", **order)
        with pytest.raises(ccxt.OrderNotFound):
            await session.find("n1")
        return (await session.truth())["orders"]

    assert [] == play(script)


def test_an_order_that_only_reduces_may_not_go_the_way_of_the_position(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK)
        with pytest.raises(ccxt.ExchangeError, match=dialect.codes["adds"]):
            await session.order("buy", 0.1, ASK, reduceOnly=True)
        return await session.positions()

    assert {BTC: 0.1} == play(script)


def test_a_client_id_that_was_used_is_refused_even_after_its_order_has_ended(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK, name="d1")
        with pytest.raises(ccxt.InvalidOrder, match=dialect.codes["duplicate"]):
            await session.order("buy", 0.1, ASK, name="d1")
        return await session.positions()

    assert {BTC: 0.1} == play(script)


def test_an_order_that_is_not_there_is_not_found_and_not_cancelled(play: Play) -> None:
    async def script(session: Session) -> None:
        await session.order("buy", 0.1, ASK, name="f1")
        with pytest.raises(ccxt.OrderNotFound):
            await session.find("nope")
        for ended in ("nope", "f1"):
            with pytest.raises(ccxt.OrderNotFound):
                await session.client.cancel_order("", BTC, session.dialect.named(ended))

    play(script)


def test_an_unknown_contract_is_refused(play: Play) -> None:
    async def script(session: Session) -> None:
        session.client.markets[BTC]["id"] = "NOPE"
        with pytest.raises(ccxt.BaseError, match="symbol invalid|51001"):
            await session.order("buy", 0.1, ASK)

    play(script)


def test_a_scripted_rejection_comes_in_the_code_that_was_told_and_once(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        await session.happen("reject", code=dialect.codes["margin"], words="not today")
        with pytest.raises(ccxt.InsufficientFunds, match="not today"):
            await session.order("buy", 0.1, ASK)
        await session.order("buy", 0.1, ASK)
        return await session.positions()

    assert {BTC: 0.1} == play(script)


# What comes with time


def test_funding_is_in_the_history_with_the_venue_s_own_sign(play: Play, dialect: Dialect) -> None:
    async def script(session: Session) -> Any:
        await session.order("buy", 0.1, ASK)
        session.pass_to(NOON + 24 * HOUR_MS)
        return await session.client.fetch_funding_history(BTC, NOON), await session.truth()

    rows, truth = play(script)

    amount = 0.1 * MID * RATE
    hours_in = [(row["timestamp"] - START_MS) // HOUR_MS for row in rows]
    paid = [amount if hour % 16 == 0 else -amount for hour in hours_in]
    assert [NOON + hours * HOUR_MS for hours in (4, 12, 20)] == [row["timestamp"] for row in rows]
    assert [dialect.paid_sign * one for one in paid] == pytest.approx([row["amount"] for row in rows])
    assert 3 == len({row["id"] for row in rows})
    assert [-one for one in paid] == pytest.approx([float(p["amount"]) for p in truth["payments"]])
    assert Decimal(truth["cash"]) == 10_000 + sum(Decimal(p["amount"]) for p in truth["payments"]) - sum(
        Decimal(f["fee"]) for f in truth["fills"]
    )


def test_what_a_person_trades_by_hand_is_there_without_a_client_id(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.happen("trade", symbol=BTC, quantity="-0.05")
        (trade,) = await session.client.fetch_my_trades(BTC)
        return trade, await session.positions()

    trade, positions = play(script)

    assert {BTC: -0.05} == positions
    assert "" in (trade["info"].get("orderLinkId"), trade["info"].get("clOrdId"))


# How the account is set up


def test_modes_are_changed_and_change_what_orders_mean(play: Play) -> None:
    async def script(session: Session) -> Any:
        await session.client.set_position_mode(True, BTC)
        await session.order("buy", 0.1, ASK, hedged=True)
        await session.order("sell", 0.05, BID, hedged=True)
        rows = await session.client.fetch_positions()
        held = {(row["side"], row["hedged"], session.units(row["contracts"])) for row in rows}
        with pytest.raises(ccxt.BaseError, match="position idx not match|posSide"):
            await session.order("buy", 0.1, ASK)
        with pytest.raises(ccxt.BaseError, match="110024|59000"):
            await session.client.set_position_mode(False, BTC)
        await session.order("sell", 0.1, BID, hedged=True, reduceOnly=True)
        return held, [row["side"] for row in await session.client.fetch_positions()]

    assert ({("long", True, 0.1), ("short", True, 0.05)}, ["short"]) == play(script)


def test_leverage_decides_what_a_position_ties_up(play: Play) -> None:
    async def script(session: Session) -> Any:
        free = []
        await session.order("buy", 0.1, ASK)
        for leverage in (2, 4):
            await session.client.set_leverage(leverage, BTC)
            (position,) = await session.client.fetch_positions()
            free.append((position["leverage"], (await session.client.fetch_balance())["USDT"]["free"]))
        return free

    (two, tied), (four, freed) = play(script)

    assert (2, 4) == (two, four)
    assert freed - tied == pytest.approx(0.1 * MID * (1 / 2 - 1 / 4), abs=1)
