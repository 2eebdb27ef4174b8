"""An order meets the same depth and pays the same price in the environment and on paper against the sandbox's book."""

import math

import numpy as np
import pytest

from backtest import order_book
from backtest.order_book import Quote, make_quotes
from backtest.rules import Rules
from backtest.sandbox.book import book_around
from backtest.settings import EnvironmentSettings
from backtest.tape import make_rules
from bot.execution import sizing
from bot.orders import LegOrder
from data.exchange import OrderBook
from data.market import lot_step, tick_size
from data.settings import VenueSettings
from data.types import Asset, Instrument

ORDERS = 300


def listed(price: float) -> Instrument:
    lot, tick = lot_step(price, 5), tick_size(price)
    return Instrument("hyperliquid", "X/USDC:USDC", Asset("X"), "USDC", lot, tick, 10.0, 1)


def meet(mid: float, instrument: Instrument, shown: VenueSettings) -> tuple[Quote, Rules, OrderBook]:
    """What rests around `mid`, as the environment and as the sandbox have it."""
    rules = make_rules([instrument], {"hyperliquid": shown}, EnvironmentSettings())
    quote = make_quotes(np.array([[mid]]), [shown.half_spread_bps], rules)[0, 0]
    book = book_around(mid, instrument, shown.half_spread_bps, shown.level_quote, shown.levels)
    return quote, rules, OrderBook(book.bids, book.asks)


def order(instrument: Instrument, quantity: float) -> LegOrder:
    return LegOrder(0, instrument, 0, 0, quantity, 1.0, math.inf)


@pytest.mark.parametrize("price", [0.00001234, 0.33, 21.0, 95_000.0])
@pytest.mark.parametrize(
    ("half_spread_bps", "level_quote", "levels"), [(0.25, 25_000.0, 20), (3.0, 150.0, 5), (80.0, 1.0, 3)]
)
def test_an_order_takes_as_much_and_pays_as_much_in_the_environment_as_on_paper(
    price: float, half_spread_bps: float, level_quote: float, levels: int
) -> None:
    random, instrument = np.random.default_rng(3), listed(price)
    shown = VenueSettings(half_spread_bps=half_spread_bps, level_quote=level_quote, levels=levels)
    for _ in range(ORDERS):
        quote, rules, book = meet(price * random.uniform(0.5, 2.0), instrument, shown)
        lots = math.ceil(random.uniform(0.0, 1.2) * levels * max(level_quote / price / instrument.lot_step, 1.0))
        quantity = lots * instrument.lot_step * random.choice([-1, 1])
        taken = order_book.depth(quantity, quote, rules.instruments[0])
        assert taken == pytest.approx(sizing.depth(book, order(instrument, quantity)), rel=1e-12)
        signed = math.copysign(taken, quantity)
        assert order_book.walk(signed, quote, rules.instruments[0]) == pytest.approx(
            sizing.walk(book, signed), rel=1e-12
        )


@pytest.mark.parametrize("mid", [126_250.3, 168_749.8, 88_749.76])
def test_levels_are_equally_far_apart_where_rounding_decides(mid: float) -> None:
    # Half a spread of the price is a little beside a half tick, of the middle of the touch exactly there.
    instrument, shown = listed(95_000.0), VenueSettings(half_spread_bps=20.0, level_quote=1.0, levels=3)
    quote, rules, book = meet(mid, instrument, shown)
    for side, way in ((book.asks, 1), (book.bids, -1)):
        average = sum(price for price, _ in side) / len(side)
        assert average == pytest.approx(order_book.walk(way * 3e-5, quote, rules.instruments[0]), rel=1e-12)


@pytest.mark.parametrize("lots", [1, -1, 1000, -1000])
def test_where_nothing_trades_not_even_one_lot_is_taken(lots: int) -> None:
    instrument = listed(21.0)
    quote, rules, book = meet(math.nan, instrument, VenueSettings())
    quantity = lots * instrument.lot_step
    assert order_book.depth(quantity, quote, rules.instruments[0]) == 0.0
    assert sizing.depth(book, order(instrument, quantity)) == 0.0
