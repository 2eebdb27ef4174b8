"""A close that the order books do not hold at once: how far it goes, and when it counts as begun."""

import numpy as np
import pytest

from backtest.accounting import LONG, OPEN, SHORT, Books, new_books
from backtest.events import Fill, apply
from backtest.order_book import Quote, make_quotes
from backtest.rules import Rules
from backtest.settings import EnvironmentSettings
from backtest.settlement import POLICY
from backtest.simulated_venue import closings_layout, leave
from backtest.tape import make_rules
from data.settings import VenueSettings
from data.types import HOUR_MS, Asset, Instrument

TICK = 1_000_000 * HOUR_MS
PRICE = 100.0
LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 0.01, 0.01, 10.0, 1),
)


def market(short_depth_quote: float) -> tuple[Rules, tuple[Quote, Quote]]:
    """Rules, and both order books around 100: the long leg's is deep, the short leg's one level of so much."""
    venues = {
        "binance": VenueSettings(),
        "hyperliquid": VenueSettings(level_quote=short_depth_quote, levels=1),
    }
    rules = make_rules(LEGS, venues, EnvironmentSettings())
    quotes = make_quotes(np.array([[PRICE, PRICE]]), [0.25, 0.25], rules)[0]
    return rules, (quotes[LONG], quotes[SHORT])


def held(quantity: float) -> Books:
    books = new_books(2, 3, 10_000.0)
    for leg, signed in ((LONG, quantity), (SHORT, -quantity)):
        books = apply(books, Fill(0, leg, leg, leg, signed, PRICE, PRICE, 0.0, 0.0, TICK - HOUR_MS))
    return books


def left_of(books: Books, short_depth_quote: float) -> list[float]:
    """Quantities after an attempt to close slot 0, in place."""
    rules, (long, short) = market(short_depth_quote)
    leave(books, 0, POLICY, TICK, long, short, short, rules, np.zeros(1, dtype=closings_layout(3))[0])
    return books.quantity[0].tolist()


@pytest.mark.parametrize(("depth_quote", "left"), [(260.0, 8.0), (110.0, 9.0), (25_000.0, 0.0)])
def test_both_legs_are_closed_in_whole_lots_of_the_coarser_step(depth_quote: float, left: float) -> None:
    assert [left, -left] == left_of(held(10.0), depth_quote)


def test_a_close_that_has_begun_is_gone_on_with() -> None:
    books = held(10.0)
    left_of(books, 260.0)
    assert POLICY == books.closing[0]
    assert [0.0, 0.0] == left_of(books, 25_000.0)
    assert 0 == books.opened_at[0]


def test_a_close_that_could_not_trade_a_lot_has_not_begun() -> None:
    books = held(10.0)
    assert [10.0, -10.0] == left_of(books, 50.0)
    assert OPEN == books.closing[0]
