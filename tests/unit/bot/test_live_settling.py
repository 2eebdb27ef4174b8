"""What venues paid, into the books: shared among positions on one contract, booked once, exact."""

import asyncio
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import FUNDING, LONG, SHORT, Books, equity, new_books
from backtest.events import Fill, apply
from bot.execution.live.settling import Settling
from bot.venue_orders import VenueFunding
from data.errors import VenueUnreachable
from data.panel import build_panel
from data.types import HOUR_MS, Asset, Bars, Instrument
from tests.fakes.scripted_account import ScriptedAccount

START = 1_000_000 * HOUR_MS
NAMES = ("binance", "hyperliquid")
LEGS = tuple(
    Instrument(name, f"{code}/{name}", Asset(code), "USDT", 1.0, 0.01, 5.0, 8)
    for name, code in (("binance", "X"), ("hyperliquid", "X"), ("hyperliquid", "Y"))
)
TIMES = START + np.arange(-1, 30) * HOUR_MS
FLAT = np.full(len(TIMES), 110.0)
BARS = Bars(TIMES, FLAT, FLAT, FLAT, FLAT, FLAT)
PANEL = build_panel(LEGS, {leg.key: BARS for leg in LEGS}, {}, START, START + 24 * HOUR_MS, 60)


def holding(*positions: tuple[int, int, float]) -> Books:
    """One slot for each (long column, short column, quantity), opened at START."""
    books = new_books(2, 3, 9_000.0)
    for slot, (long, short, quantity) in enumerate(positions):
        for leg, column, signed in ((LONG, long, quantity), (SHORT, short, -quantity)):
            books = apply(books, Fill(slot, leg, column, min(column, 1), signed, 100.0, 100.0, 0.0, 0.0, START))
    return books


def settling(accounts: dict[str, ScriptedAccount], booked: set[tuple[str, str, int, str]] | None = None) -> Settling:
    return Settling(accounts, LEGS, booked or set(), START, 60)


def accounts(*paid: tuple[str, int, float]) -> dict[str, ScriptedAccount]:
    opened = {name: ScriptedAccount(name) for name in NAMES}
    for number, (name, hour, amount) in enumerate(paid):
        opened[name].payments.append(VenueFunding(name, f"X/{name}", str(number), START + hour * HOUR_MS + 7, amount))
    return opened


def settle(one: Settling, books: Books, hour: int) -> Books:
    after, _ = asyncio.run(one.settle(books, PANEL, START + hour * HOUR_MS))
    return after


@settings(deadline=None)
@given(st.floats(1.0, 50.0), st.floats(1.0, 50.0), st.floats(-9.0, 9.0).filter(lambda amount: abs(amount) > 1e-6))
def test_positions_on_one_contract_share_a_payment_by_what_they_hold(one: float, other: float, amount: float) -> None:
    books = settle(settling(accounts(("binance", 1, amount))), holding((0, 1, one), (0, 2, other)), 1)
    assert pytest.approx(amount) == books.pnl[FUNDING]
    assert [one * amount / (one + other), other * amount / (one + other), 0.0] == pytest.approx(
        books.slot_pnl[:, FUNDING].tolist()
    )


def test_a_short_and_a_long_that_the_venue_nets_are_paid_with_opposite_signs() -> None:
    books = settle(settling(accounts(("binance", 1, -4.0))), holding((0, 1, 30.0), (2, 0, 10.0)), 1)
    assert [-6.0, 2.0, 0.0] == books.slot_pnl[:, FUNDING].tolist()
    assert -4.0 == books.pnl[FUNDING]


def test_payments_of_the_same_instant_at_two_venues_are_two_payments() -> None:
    books = settle(settling(accounts(("binance", 1, 1.0), ("hyperliquid", 1, -0.25))), holding((0, 1, 30.0)), 1)
    assert 0.75 == books.pnl[FUNDING]
    assert [[1.0, -0.25]] == books.paid[:1].tolist()


def test_an_hour_that_is_settled_once_more_is_paid_once_more_and_the_next_one_is_not() -> None:
    one, books = settling(accounts(("binance", 1, 1.0))), holding((0, 1, 30.0))
    assert 1.0 == settle(one, books, 1).pnl[FUNDING], "a try that failed later on"
    books = settle(one, books, 1)
    assert 1.0 == books.pnl[FUNDING]
    assert 1.0 == settle(one, books, 2).pnl[FUNDING]


def test_what_the_ledger_has_is_not_booked_again() -> None:
    booked = {("binance", "X/binance", START + HOUR_MS + 7, "0")}
    assert 0.0 == settle(settling(accounts(("binance", 1, 1.0)), booked), holding((0, 1, 30.0)), 1).pnl[FUNDING]


def test_marks_are_the_closes_of_the_hour_and_the_peak_is_kept() -> None:
    books = settle(settling(accounts()), holding((0, 1, 30.0)), 3)
    assert [110.0, 110.0] == books.mark[0].tolist()
    assert pytest.approx(9_000.0) == equity(books) == books.peak
    assert math.isclose(books.worth[0], 4_500.0 + 300.0)


def test_a_venue_that_does_not_answer_settles_nothing() -> None:
    opened = accounts(("binance", 1, 1.0))
    opened["hyperliquid"].down = True
    with pytest.raises(VenueUnreachable):
        settle(settling(opened), holding((0, 1, 30.0)), 1)
