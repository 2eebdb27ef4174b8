"""Plans for positions that a venue took part of: whose leg shrank, and what makes both legs equal again."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.accounting import LONG, SHORT, Books, new_books
from backtest.events import Closing, Fill, apply
from backtest.settings import EnvironmentSettings
from backtest.settlement import POLICY
from backtest.tape import make_rules
from bot.execution.mending import Share, excess, halves, shares
from data.settings import VenueSettings
from data.types import Asset, Instrument

LEGS = (
    Instrument("binance", "X/USDT:USDT", Asset("X"), "USDT", 0.1, 0.01, 5.0, 8),
    Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", 1.0, 0.01, 10.0, 1),
)
RULES = make_rules(LEGS, {"binance": VenueSettings(), "hyperliquid": VenueSettings()}, EnvironmentSettings())
QUANTITIES = st.lists(st.integers(-300, 300).filter(bool).map(lambda lots: lots / 10), min_size=1, max_size=3)
SOON = settings(max_examples=60, deadline=None)


def held(*legs: tuple[float, float], price: float = 100.0) -> Books:
    """Books with a position per pair of signed quantities."""
    books = new_books(2, 3, 10_000.0)
    for slot, quantities in enumerate(legs):
        for leg, quantity in enumerate(quantities):
            books = apply(books, Fill(slot, leg, leg, leg, quantity, price, price, 0.0, 0.0, 1))
    return books


@SOON
@given(QUANTITIES, st.integers(-500, 500).filter(bool).map(lambda lots: lots / 10))
def test_a_trade_is_shared_out_among_the_legs_that_it_reduced_and_what_is_left_is_named(
    quantities: list[float], traded: float
) -> None:
    books = held(*((quantity, -quantity) for quantity in quantities))
    parts, left = shares(books, 0, traded)
    assert abs(sum(part.quantity for part in parts) + left - traded) < 1e-9
    for part in parts:
        leg = books.quantity[part.slot, part.leg]
        assert part.quantity * leg < 0 and abs(part.quantity) <= abs(leg) + 1e-12
    opposed = sum(abs(quantity) for quantity in quantities if quantity * traded < 0)
    assert abs(abs(left) - max(abs(traded) - opposed, 0.0)) < 1e-9


@SOON
@given(st.integers(0, 300), st.integers(0, 300))
def test_after_the_excess_is_traded_the_legs_differ_by_less_than_a_lot_of_the_larger(long: int, short: int) -> None:
    books = held((long / 10 or 1e-30, -float(short) or -1e-30))
    steps = (0.1, 1.0)
    for part in excess(books, RULES):
        books = apply(books, Fill(part.slot, part.leg, part.leg, part.leg, part.quantity, 100.0, 100.0, 0.0, 0.0, 2))
        left = abs(books.quantity[0, LONG]) - abs(books.quantity[0, SHORT])
        assert abs(left) < steps[part.leg] + 1e-9
        assert () == excess(books, RULES)


def test_equal_legs_dust_and_positions_that_are_being_closed_have_no_excess() -> None:
    assert () == excess(held((3.0, -3.0)), RULES)
    assert () == excess(held((3.0, -3.05)), RULES)
    assert () == excess(apply(held((3.0, -1.0)), Closing(0, POLICY)), RULES)
    assert (Share(0, LONG, -2.0),) == excess(held((3.0, -1.0)), RULES)
    assert (Share(0, SHORT, 2.0),) == excess(held((1.0, -3.0)), RULES)
    assert () == excess(held((3.2, -3.0), price=20.0), RULES)  # 4 of a smallest order of 5


def test_both_legs_are_reduced_by_the_same_share_in_steps_of_the_coarser_lot() -> None:
    assert (Share(0, LONG, -2.0), Share(0, SHORT, 2.0)) == halves(held((5.0, -5.0)), 0, RULES, 0.5)
    assert (Share(0, LONG, 5.0), Share(0, SHORT, -5.0)) == halves(held((-5.0, 5.0)), 0, RULES, 1.0)


def test_a_rest_below_the_smallest_order_goes_with_the_reduction() -> None:
    small = held((5.0, -5.0), price=2.5)
    assert (Share(0, LONG, -5.0), Share(0, SHORT, 5.0)) == halves(small, 0, RULES, 0.5)


def test_a_position_with_one_leg_is_not_reduced_in_halves() -> None:
    books = held((5.0, -5.0))
    books = apply(books, Fill(0, SHORT, 1, 1, 5.0, 100.0, 100.0, 0.0, 0.0, 2))
    assert () == halves(books, 0, RULES, 0.5)
    assert np.array_equal([5.0, 0.0], books.quantity[0])
