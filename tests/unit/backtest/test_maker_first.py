"""Orders that rest: when they are filled, what they cost, and that the compiled path is the market's own."""

from collections.abc import Mapping

import numpy as np
import pytest

from backtest.accounting import FEES, LONG, SHORT
from backtest.policies import plain_policy
from backtest.replay import Result, replay
from backtest.resting import ENTRY, EXIT_A
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.market import Market, touch
from data.settings import DataSettings, SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars
from tests.unit.backtest.markets import HISTORY_H, flat_bars, pair_market, play_tape

HOURS = 30
MAKER = {"execution": "maker_first", "look_s": 60}
SHAPE = SyntheticSettings(days=20, assets=("BTC", "XRP"), episode=False)


def moving(low: float, high: float, first: int = HISTORY_H) -> Bars:
    """Bars that open and close at 100 and reach these prices from the hour `first` on."""
    flat = flat_bars(HISTORY_H + HOURS + 1)
    reached = np.arange(len(flat)) >= first
    return Bars(
        flat.open_time, flat.open, np.where(reached, high, flat.high), np.where(reached, low, flat.low), flat.close,
        flat.volume,
    )  # fmt: skip


def tape_of(told: Mapping[str, object], bars: Mapping[str, Bars] | None = None) -> Tape:
    settings = EnvironmentSettings.model_validate(told)
    return play_tape(pair_market(HISTORY_H + HOURS + 1, bars=bars), settings, HOURS)


def played(tape: Tape) -> Result:
    return replay(tape, plain_policy("rule", tape.schema, 0))


def test_where_prices_stand_still_nothing_is_filled_and_giving_up_is_taking() -> None:
    resting, taking = played(tape_of(MAKER)), played(tape_of({}))
    assert taking.books.quantity[0, LONG] > 0
    assert taking.equity.tolist() == resting.equity.tolist()
    assert (0.0, 0.0) == (taking.books.saved[0], resting.books.saved[0])


def test_where_prices_stand_still_an_entry_that_may_be_left_is_left() -> None:
    assert 10_000.0 == played(tape_of(MAKER | {"maker_gives_up": "leave"})).equity[-1]


def test_an_order_is_filled_at_its_price_for_the_makers_fee_and_hedged_at_the_moment_of_the_fill() -> None:
    books = played(tape_of(MAKER | {"reprice_s": 1200}, {"binance": moving(99.0, 101.5)})).books
    # From five minutes on it falls by a fifteenth a minute. The bid of 99.9 is traded through once the ask, 0.1 % above
    # the mid, is below it: after four of those minutes, when the mid is 99.7333 and the ask 99.834.
    assert (99.9, 99.9) == (books.entry_price[0, LONG], books.entry_price[0, SHORT])
    assert pytest.approx(100 - 4 / 15, abs=1e-3) == books.entry_mid[0, LONG]
    notional = books.quantity[0, LONG] * 99.9
    # Binance's lowest tier asks a maker for 2 bps; Hyperliquid takes 5 bps here.
    assert pytest.approx(-notional * (2 + 5) * 1e-4) == books.pnl[FEES]
    saved = (99.834 - 99.9) + (99.834 * 5e-4 - 99.9 * 2e-4)
    assert pytest.approx(books.quantity[0, LONG] * saved) == books.saved[0]


@pytest.mark.parametrize(("low", "filled"), [(99.81, False), (99.75, True)])
def test_a_price_that_only_touches_an_order_does_not_fill_it(low: float, filled: bool) -> None:
    # At 99.81 the ask is 99.91, above the bid of 99.9; at 99.75 it is 99.85.
    tape = tape_of(MAKER | {"reprice_s": 1200}, {"binance": moving(low, 101.5)})
    assert filled == tape.frames.resting.ends[tape.first, 0, ENTRY].filled


def test_the_trade_tells_what_resting_saved() -> None:
    bars = {"binance": moving(99.0, 101.5), "hyperliquid": moving(99.0, 101.5)}
    tape = tape_of(MAKER | {"reprice_s": 1200}, bars)
    (trade, *_) = replay(tape, plain_policy("random", tape.schema, 1)).trades
    assert trade.saved != 0.0
    assert pytest.approx(trade.cost_bps + 1e4 * trade.saved / trade.notional) == trade.taker_cost_bps


def test_told_costs_count_the_makers_fee_of_one_leg() -> None:
    taker, maker = (tape_of(told).features.values[-1, 0, 12] for told in ({}, MAKER))
    # Twice 5 - 2 on Binance, 5 - 1.5 on Hyperliquid: of equal spreads, the leg that saves less counts.
    assert pytest.approx(6.0, abs=1e-4) == taker - maker


def reference(
    market: Market, tape: Tape, row: int, pair: int, what: int, told: EnvironmentSettings
) -> tuple[object, ...]:
    """(filled, leg, price, mids at the end), looked up one by one."""
    a, b = tape.features.legs[pair]
    long, short = (a, b) if what == EXIT_A or tape.features.direction[row, pair] > 0 else (b, a)
    tick, half = int(tape.panel.ticks[row]), DataSettings().venues

    def look(column: int, at_s: int) -> tuple[float, float]:
        one = tape.panel.instruments[column]
        mid = market.mid(one.key, tick + 1000 * (60 + at_s))
        bid, ask = touch(mid, half[one.venue].half_spread_bps, one.tick_size)
        return float(bid), float(ask)

    widths = [2 * (ask - bid) / (ask + bid) for bid, ask in (look(long, 0), look(short, 0))]
    first, column = (LONG, long) if widths[0] >= widths[1] else (SHORT, short)
    buys = (first == LONG) == (what == ENTRY)
    filled, price, at = False, 0.0, 0
    while at < told.maker_patience_s and not filled:
        bid, ask = look(column, at)
        if at % told.reprice_s == 0:
            price = bid if buys else ask
        at += told.look_s
        bid, ask = look(column, at)
        filled = ask < price if buys else bid > price
    return filled, first, price, *(sum(look(one, at)) / 2 for one in (long, short))


def test_what_became_of_orders_is_what_looking_at_the_market_one_by_one_shows() -> None:
    told = EnvironmentSettings(execution="maker_first", look_s=20, reprice_s=120, maker_patience_s=1800)
    data = DataSettings(assets=("BTC", "XRP"))
    market = synthetic_market(SHAPE, ("binance", "hyperliquid"))
    first = market.start_ms + data.history_hours * HOUR_MS
    tape = tape_of_market(market, data, told, first, first + 40 * HOUR_MS)
    rested = tape.frames.resting
    seen = set()
    for row in range(tape.first, tape.first + 40):
        for pair in range(len(tape.features.legs)):
            for what in (ENTRY, EXIT_A):
                end = rested.ends[row, pair, what]
                filled, leg, price, *mids = reference(market, tape, row, pair, what, told)
                assert (filled, leg, price) == (end.filled, end.first, end.price)
                found = [quotes[row, pair, what].mid for quotes in (rested.long, rested.short)]
                assert pytest.approx(mids, rel=1e-12) == found
                seen.add(filled)
    assert {True, False} == seen
