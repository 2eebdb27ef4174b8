"""Funding that a venue publishes after the tick that it belongs to is booked once, when it arrives."""

import asyncio

import numpy as np
import pytest

from backtest.accounting import FUNDING, LONG, SHORT, Books, equity, new_books
from backtest.events import Fill, apply
from backtest.settings import EnvironmentSettings
from backtest.tape import make_rules
from bot.execution.paper import PaperExecutor
from data.panel import Panel, build_panel
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Bars, Instrument, Settlements

START = 1_000_000 * HOUR_MS
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
VENUES = {"binance": VenueSettings(), "hyperliquid": VenueSettings()}
RULES = make_rules(LEGS, VENUES, EnvironmentSettings())
RATE, PRICE, QUANTITY = 0.001, 100.0, 10.0


def panel(hours: int, settled_hours: tuple[int, ...]) -> Panel:
    """A market at one price, with settlements of the short leg at those hours."""
    times = START + np.arange(-1, hours + 1) * HOUR_MS
    flat = np.full(len(times), PRICE)
    bars = {leg.key: Bars(times, flat, flat, flat, flat, flat) for leg in LEGS}
    due = START + np.array(settled_hours, dtype=np.int64) * HOUR_MS
    settlements = {LEGS[1].key: Settlements(due, np.zeros_like(due), np.full(len(due), RATE))}
    return build_panel(LEGS, bars, settlements, START, START + hours * HOUR_MS, 60)


def held_since(tick: int) -> Books:
    """Long the first leg, short the second."""
    books = new_books(2, 3, 10_000.0)
    for leg, column, quantity in ((LONG, 0, QUANTITY), (SHORT, 1, -QUANTITY)):
        books = apply(books, Fill(0, leg, column, column, quantity, PRICE, PRICE, 0.0, 0.0, tick))
    return books


@pytest.mark.parametrize("late_by", [0, 1, 5])
def test_it_is_paid_in_full_however_late_it_comes(late_by: int) -> None:
    executor, books = PaperExecutor({}, RULES, {}, 24), held_since(START)
    for hour in range(1, 9):
        published = tuple(due for due in range(1, 9) if due + late_by <= hour)
        books, payments = asyncio.run(executor.settle(books, panel(hour, published), START + hour * HOUR_MS))
        assert [START + (hour - late_by) * HOUR_MS] * (hour > late_by) == [payment.due for payment in payments]
    assert pytest.approx(QUANTITY * PRICE * RATE * (8 - late_by)) == books.pnl[FUNDING]
    assert pytest.approx(10_000 + books.pnl[FUNDING]) == equity(books)


def test_what_settled_before_the_entry_is_not_paid() -> None:
    executor, books = PaperExecutor({}, RULES, {}, 24), held_since(START + 3 * HOUR_MS)
    books, payments = asyncio.run(executor.settle(books, panel(4, (1, 2, 3, 4)), START + 4 * HOUR_MS))
    assert [START + 4 * HOUR_MS] == [payment.due for payment in payments]


def test_what_the_ledger_has_is_not_paid_again_after_a_restart() -> None:
    books = held_since(START)
    paid = {(START + hour * HOUR_MS, 0, "hyperliquid", LEGS[1].symbol): RATE for hour in (1, 2)}
    _, payments = asyncio.run(
        PaperExecutor({}, RULES, paid, 24).settle(books, panel(4, (1, 2, 3, 4)), START + 4 * HOUR_MS)
    )
    assert [START + 3 * HOUR_MS, START + 4 * HOUR_MS] == [payment.due for payment in payments]


def test_of_two_settlements_of_one_tick_the_one_that_comes_later_is_paid_too() -> None:
    def seen(hours: int, published: tuple[int, ...]) -> Panel:
        """Hour 1 is stamped 90 s late, so that it belongs to tick 2 as hour 2 does."""
        times = START + np.arange(-1, hours + 1) * HOUR_MS
        flat = np.full(len(times), PRICE)
        bars = {leg.key: Bars(times, flat, flat, flat, flat, flat) for leg in LEGS}
        due, late = START + np.array(published) * HOUR_MS, np.array([90_000 * (hour == 1) for hour in published])
        settlements = {LEGS[1].key: Settlements(due, late, np.full(len(due), RATE))}
        return build_panel(LEGS, bars, settlements, START, START + hours * HOUR_MS, 60)

    executor, books = PaperExecutor({}, RULES, {}, 24), held_since(START)
    for hour, published in ((2, (2,)), (3, (1, 2, 3))):
        books, _ = asyncio.run(executor.settle(books, seen(hour, published), START + hour * HOUR_MS))
    assert pytest.approx(3 * QUANTITY * PRICE * RATE) == books.pnl[FUNDING]
