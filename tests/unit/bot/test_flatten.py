"""An account is brought to flat by what its venue shows, whatever fails on the way; and never called flat unproven."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.execution import flatten
from bot.execution.flatten import Flattened, Flattening, limit_price
from data.errors import VenueUnreachable
from data.quotes import OrderBook
from data.types import Asset, Instrument
from tests.fakes.held_account import HeldAccount

BTC, ETH = (
    Instrument("binance", f"{code}/USDT:USDT", Asset(code), "USDT", 0.001, 0.01, 5.0, 8) for code in ("BTC", "ETH")
)
LISTED = {one.symbol: one for one in (BTC, ETH)}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatten, "PAUSE_S", 0.001)


def flattened(account: HeldAccount, deadline_s: float = 5.0, *, book: bool = True) -> tuple[Flattened, list[Any]]:
    """The result, and the journal."""
    lines: list[Any] = []

    async def show(symbol: str) -> OrderBook:
        if not book:
            raise VenueUnreachable("no book")
        return OrderBook(((account.mark, 1e9),), ((account.mark, 1e9),))

    return asyncio.run(Flattening(account, LISTED, show, lines.append, "kill1x").run(deadline_s)), lines


def test_orders_are_cancelled_and_both_sides_are_closed() -> None:
    account = HeldAccount(held={BTC.symbol: 0.5, ETH.symbol: -2.0}, resting=[(ETH.symbol, "abc")])
    result, _ = flattened(account)
    assert (True, {BTC.symbol: -0.5, ETH.symbol: 2.0}, {}, 0) == (
        result.flat, result.closed, result.left, result.orders_left,
    )  # fmt: skip
    assert all(order.reduce_only for order in account.placed)
    assert {BTC.symbol: 0.5, ETH.symbol: -2.0} == result.found


def test_an_account_that_holds_nothing_is_proven_flat_without_an_order() -> None:
    account = HeldAccount()
    assert flattened(account)[0].flat
    assert [] == account.placed


def test_every_order_is_in_the_journal_before_it_is_sent() -> None:
    account = HeldAccount(held={BTC.symbol: 0.5}, depth=0.2)
    written: list[int] = []

    class Journalled(HeldAccount):
        async def place(self, order: Any) -> Any:
            written.append(sum(line["event"] == "order" for line in lines))
            assert order.client_id == lines[-1]["client_id"]
            return await super().place(order)

    lines: list[Any] = []
    account = Journalled(held={BTC.symbol: 0.5}, depth=0.2)

    async def show(symbol: str) -> OrderBook:
        return OrderBook(((account.mark, 1.0),), ((account.mark, 1.0),))

    assert asyncio.run(Flattening(account, LISTED, show, lines.append, "kill1x").run(5.0)).flat
    assert [1, 2, 3] == written
    assert 3 == len({order.client_id for order in account.placed})


def test_limits_widen_until_somebody_trades() -> None:
    account = HeldAccount(held={BTC.symbol: -0.5}, least_reach=0.009)
    assert flattened(account)[0].flat
    assert [100.2, 100.5, 101.0] == [order.limit for order in account.placed]


def test_a_refused_order_is_tried_again_nearer_and_its_words_are_kept() -> None:
    account = HeldAccount(held={BTC.symbol: 0.5}, refusals=2)
    result, lines = flattened(account)
    assert result.flat
    assert ["rejected", "rejected", "filled"] == [line["state"] for line in lines if line["event"] == "outcome"]


def test_an_order_without_an_answer_is_asked_for_and_not_counted_twice() -> None:
    account = HeldAccount(held={BTC.symbol: 0.5}, answers_lost=1)
    result, _ = flattened(account)
    assert (True, {BTC.symbol: -0.5}, 1) == (result.flat, result.closed, len(account.placed))


def test_a_failed_read_is_never_taken_for_flat() -> None:
    account = HeldAccount(blind=["positions"] * 1000)
    result, _ = flattened(account, 0.05)
    assert not result.flat
    assert "cannot be reached" in result.trouble
    assert [] == account.placed


@given(st.lists(st.sampled_from(("positions", "open_orders", "cancel_all", "find")), max_size=8))
def test_whatever_reads_fail_for_a_while_it_ends_flat(blind: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(flatten, "PAUSE_S", 0.0005)
        account = HeldAccount(
            held={BTC.symbol: 0.5, ETH.symbol: -1.0}, resting=[(BTC.symbol, "")], blind=blind, depth=0.3, answers_lost=1
        )
        result, _ = flattened(account)
    assert (True, [], 0.0) == (result.flat, account.resting, sum(map(abs, account.held.values())))


def test_without_an_order_book_the_mark_is_the_reference() -> None:
    account = HeldAccount(held={BTC.symbol: 0.5})
    assert flattened(account, book=False)[0].flat
    assert [99.8] == [order.limit for order in account.placed]


def test_a_contract_that_is_not_listed_is_left_and_named_while_others_are_closed() -> None:
    account = HeldAccount(held={"GONE": 1.0, BTC.symbol: 0.5})
    result, _ = flattened(account, 0.05)
    assert (False, {"GONE": 1.0}) == (result.flat, result.left)
    assert "close it at binance by hand" in result.trouble


@given(st.floats(1e-5, 1e6), st.sampled_from((-500.0, -20.0, 20.0, 500.0)), st.sampled_from((0.1, 0.01, 1e-6)))
def test_limits_lie_on_the_tick_and_never_nearer_than_the_reach(price: float, reach: float, tick: float) -> None:
    limit = limit_price(price, reach, tick)
    wanted = price * (1 + reach / 1e4)
    assert limit >= wanted * (1 - 1e-12) if reach > 0 else limit <= wanted * (1 + 1e-12)
    assert abs(limit / tick - round(limit / tick)) < 1e-6 * max(1.0, limit / tick)
    assert abs(limit - wanted) <= 1e-4 * wanted + 1.01 * tick


@pytest.mark.parametrize("price", [0.0, -1.0, float("nan"), float("inf")])
def test_a_reference_that_is_no_price_is_refused(price: float) -> None:
    with pytest.raises(ValueError, match="no price to close at"):
        limit_price(price, 20.0, 0.1)
