"""The hindsight bound, against every schedule there is, against the books, and against what policies earn."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from backtest.accounting import BASIS, LONG, SHORT, Books, equity, fill, new_books, pnl_split, slot_unrealised_basis
from backtest.hindsight import Bound, hindsight_bound
from backtest.policies import plain_policy
from backtest.replay import replay
from backtest.rules import pair_quantity
from backtest.settings import EnvironmentSettings
from backtest.settlement import settle
from backtest.tape import Tape, tape_of_market
from data.market import Market
from data.recorded import recorded_market
from data.settings import DataSettings, SyntheticSettings, VenueSettings, utc_ms
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars
from tests.unit.backtest.markets import (
    HISTORY_H,
    coin,
    flat_bars,
    pair_market,
    play_tape,
    repriced,
    steady_funding,
    without,
)

CAPITAL = 1e9
"""Of the account that holdings are played on: no margin is ever short."""


def one_slot(**settings: float) -> EnvironmentSettings:
    return EnvironmentSettings(max_positions=1, max_opportunities=1, **settings)


# What the books say of a position


def played(tape: Tape, long: int, short: int, entered: int, left: int) -> Books:
    """The books after one position, by their own functions."""
    books, rules = new_books(len(tape.rules.venues), 3, CAPITAL), tape.rules
    close = tape.panel.close[entered]
    quantity = pair_quantity(long, short, close[long], close[short], rules)
    assert quantity > 0

    def trade(row: int, sign: float) -> None:
        for leg, column, units in ((LONG, long, sign * quantity), (SHORT, short, -sign * quantity)):
            quote, rule = tape.frames.now[row, column], rules.instruments[column]
            price = quote.ask if units > 0 else quote.bid
            assert np.isfinite(price)
            fill(books, 0, leg, column, rule.venue, units, price, quote.mid, rule.fee_rate, 0.0, 1)

    trade(entered, 1.0)
    for row in range(entered + 1, left + 1):
        settle(books, int(tape.panel.ticks[row]), tape.frames.hours, row, rules)
    if left < len(tape.panel.ticks) - 1:
        trade(left, -1.0)
    return books


def earned(tape: Tape, long: int, short: int, entered: int, left: int, basis: bool) -> float:
    books = played(tape, long, short, entered, left)
    prices = 0.0 if basis else books.pnl[BASIS] + slot_unrealised_basis(books, 0)
    return float(equity(books) - CAPITAL - prices)


def all_earned(tape: Tape, bound: Bound, basis: bool = True) -> list[float]:
    return [earned(tape, one.long, one.short, one.entered, one.left, basis) for one in bound.holdings]


# Every schedule of a tiny market


Held = tuple[int, int] | None
"""Direction and row entered of a pair's position."""


def best_schedule(tape: Tape, basis: bool) -> float:
    """The best of all schedules, trying at every row every way to go on from every state."""
    last, pairs, slots = len(tape.panel.ticks) - 1, len(tape.features.legs), tape.settings.max_positions

    @cache
    def worth(pair: int, held: Held, left: int) -> float:
        if held is None:
            return 0.0
        long, short = tape.features.legs[pair][:: held[0]]
        return earned(tape, long, short, held[1], left, basis)

    def choices(pair: int, held: Held, row: int) -> Iterator[tuple[Held, float]]:
        legs = tape.features.legs[pair]
        yield held, 0.0
        if not np.isfinite(tape.quotes.mid[row, legs]).all():
            return
        gained = worth(pair, held, row)
        if held is not None:
            yield None, gained
        if pair_quantity(*legs, *tape.panel.close[row, legs], tape.rules) > 0:
            yield (1, row), gained
            yield (-1, row), gained

    best: dict[tuple[Held, ...], float] = {(None,) * pairs: 0.0}
    for row in range(tape.first, last):
        after: dict[tuple[Held, ...], float] = {}
        for state, value in best.items():
            for ways in product(*(list(choices(pair, held, row)) for pair, held in enumerate(state))):
                reached = tuple(held for held, _ in ways)
                if sum(held is not None for held in reached) <= slots:
                    after[reached] = max(after.get(reached, -np.inf), value + sum(gained for _, gained in ways))
        best = after
    return max(value + sum(worth(pair, held, last) for pair, held in enumerate(state)) for state, value in best.items())


def tiny_tape(seed: int, slots: int, hours: int = 5, coins: tuple[str, ...] = ("AAA", "BBB", "CCC")) -> Tape:
    """Prices that jump by a percent and funding that pays as much, by the hour; some bars are missing."""
    random, total = np.random.default_rng(seed), HISTORY_H + hours
    legs = [coin(venue, base) for base in coins for venue in ("binance", "hyperliquid")]
    bars, settlements = {}, {}
    for leg in legs:
        level = {h: 100 + random.normal() for h in range(HISTORY_H, total)}
        bars[leg.key] = repriced(flat_bars(total), level, {h + 1: 100 + random.normal() for h in list(level)[:-1]})
        bars[leg.key] = without(bars[leg.key], *(h for h in level if random.random() < 0.07))
        steady = steady_funding(total, 0.0, 1)
        settlements[leg.key] = replace(steady, rate=random.normal(0, 0.004, len(steady)))
    settings = EnvironmentSettings(max_positions=slots, initial_capital=1000.0 * slots)
    return play_tape(Market(tuple(legs), bars, settlements), settings, hours)


@pytest.mark.parametrize("basis", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 3])
@pytest.mark.parametrize("seed", range(6))
def test_no_schedule_is_above_the_bound_and_the_best_is_near(seed: int, slots: int, basis: bool) -> None:
    tape = tiny_tape(seed, slots)
    best, bound = best_schedule(tape, basis), hindsight_bound(tape, basis=basis)
    assert best > 0, "nothing to be had proves nothing"
    assert bound.reached <= best + 1e-6
    assert best <= bound.pnl + 1e-6
    assert bound.pnl == pytest.approx(best, rel=1e-9 if slots in (1, 3) else 0.01, abs=1e-6)


def test_hours_without_bars_are_among_those_markets() -> None:
    assert np.isnan(tiny_tape(0, 1).quotes.mid).any()
    assert np.isnan(tiny_tape(0, 1).panel.close[-5:]).any()


# A synthetic market


DAYS = 12


@cache
def synthetic(slots: int = 3, capital: float = 10_000.0) -> Tape:
    data = DataSettings(assets=("BTC", "INJ", "XRP", "1000PEPE", "TRX"))
    market = synthetic_market(SyntheticSettings(days=14 + DAYS + 1, assets=data.assets))
    random = np.random.default_rng(3)
    bars = {key: rough(one, random) for key, one in market.bars.items()}
    first = market.start_ms + data.history_hours * HOUR_MS
    settings = EnvironmentSettings(max_positions=slots, initial_capital=capital)
    return tape_of_market(replace(market, bars=bars), data, settings, first, first + DAYS * 24 * HOUR_MS)


def rough(bars: Bars, random: np.random.Generator) -> Bars:
    """With a bounce of 10 bps, so that slots are short, and every hundredth bar missing."""
    size = len(bars.open_time)
    first, last = (price * random.normal(1, 1e-3, size) for price in (bars.open, bars.close))
    high, low = np.maximum(bars.high, np.maximum(first, last)), np.minimum(bars.low, np.minimum(first, last))
    kept = random.random(size) > 0.01
    kept[0] = True
    return Bars(*(column[kept] for column in (bars.open_time, first, high, low, last, bars.volume)))


@cache
def bound_of(slots: int = 3, capital: float = 10_000.0, basis: bool = True) -> Bound:
    return hindsight_bound(synthetic(slots, capital), basis=basis)


@pytest.mark.parametrize("basis", [True, False])
@pytest.mark.parametrize("slots", [1, 2, 3])
def test_what_was_reached_is_near_the_bound(slots: int, basis: bool) -> None:
    bound = bound_of(slots, basis=basis)
    assert 0 < bound.reached <= bound.pnl + 1e-9
    assert bound.reached == pytest.approx(bound.pnl, rel=1e-9 if slots == 1 else 0.02)


@pytest.mark.parametrize("basis", [True, False])
def test_what_was_reached_is_what_the_books_say_of_its_holdings(basis: bool) -> None:
    bound = bound_of(basis=basis)
    assert len(bound.holdings) >= 3
    by_books = all_earned(synthetic(), bound, basis)
    assert by_books == pytest.approx([one.pnl for one in bound.holdings], abs=1e-4)
    assert sum(by_books) == pytest.approx(bound.reached, abs=1e-3)


def test_the_holdings_keep_to_the_slots_the_pairs_and_the_rows_of_decisions() -> None:
    tape, bound = synthetic(), bound_of()
    last = len(tape.panel.ticks) - 1
    held: dict[int, list[frozenset[int]]] = {row: [] for row in range(tape.first, last)}
    for one in bound.holdings:
        assert tape.first <= one.entered < one.left <= last
        for row in range(one.entered, one.left):
            held[row].append(frozenset((one.long, one.short)))
    assert max(map(len, held.values())) == 3
    assert all(len(set(pairs)) == len(pairs) for pairs in held.values())


def test_nothing_is_traded_where_a_leg_has_no_quote() -> None:
    tape, bound = synthetic(), bound_of()
    last = len(tape.panel.ticks) - 1
    assert np.isnan(tape.quotes.mid[tape.first :]).any()
    for one in bound.holdings:
        rows = [one.entered] if one.left == last else [one.entered, one.left]
        assert np.isfinite(tape.quotes.mid[rows][:, [one.long, one.short]]).all()


@pytest.mark.parametrize("name", ["rule", "flat", "random"])
def test_no_policy_is_above_the_bound(name: str) -> None:
    result = replay(synthetic(), plain_policy(name, synthetic().schema, seed=5))
    split = pnl_split(result.books)
    without_basis = split["total"] - split["basis"]
    assert split["total"] < bound_of().pnl
    assert without_basis < bound_of(basis=False).pnl
    if name == "random":
        assert len(result.trades) > 20, "too few trades to prove anything"
    assert bound_of().share(split["total"]) == split["total"] / bound_of().pnl


def test_more_slots_of_the_same_size_are_never_worth_less_and_never_more_than_their_number() -> None:
    bounds = [bound_of(slots, 3000.0 * slots) for slots in (1, 2, 3, 5)]
    for fewer, more in zip(bounds, bounds[1:], strict=False):
        assert fewer.pnl < more.pnl
    assert bounds[2].pnl <= 3 * bounds[0].pnl


def test_with_a_slot_for_every_pair_the_bound_is_reached() -> None:
    bound = bound_of(5, 15_000.0)
    assert bound.reached == bound.pnl


def test_fewer_rounds_leave_a_higher_bound() -> None:
    rough, fine = hindsight_bound(synthetic(), rounds=2), bound_of()
    assert rough.reached == fine.reached
    assert fine.pnl < rough.pnl


# By hand


def test_nothing_is_to_be_had_where_nothing_pays() -> None:
    tape = play_tape(pair_market(HISTORY_H + 20, short_rate=0.0), one_slot(), 20)
    for basis in (True, False):
        bound = hindsight_bound(tape, basis=basis)
        assert Bound(0.0, 0.0, ()) == bound
        assert np.isnan(bound.share(-5.0))


@pytest.mark.parametrize("basis", [True, False])
def test_what_is_held_at_the_end_is_marked_and_pays_no_exit(basis: bool) -> None:
    """Two settlements of 20 for an entry of 10 fees and 20 slippage; closing it would have cost another 30."""
    tape = play_tape(pair_market(HISTORY_H + 20), one_slot(), 20)
    bound = hindsight_bound(tape, basis=basis)
    assert 10.0 == pytest.approx(bound.pnl)
    assert 10.0 == pytest.approx(bound.reached)
    (held,) = bound.holdings
    assert (0, 1, 20, 100.0) == (held.long, held.short, held.left - tape.first, held.quantity)
    assert tape.first <= held.entered < tape.first + 8


def test_funding_is_paid_to_what_was_held_before_it() -> None:
    """One settlement, at the last row: the last decision is in time for it."""
    tape = play_tape(pair_market(HISTORY_H + 8, short_rate=0.01), one_slot(), 8)
    assert 100.0 - 30.0 == pytest.approx(hindsight_bound(tape).pnl)
    (held,) = hindsight_bound(tape).holdings
    assert held.left == len(tape.panel.ticks) - 1


def test_the_other_direction_is_there_too() -> None:
    tape = play_tape(pair_market(HISTORY_H + 20, short_rate=-0.002), one_slot(), 20)
    (held,) = hindsight_bound(tape).holdings
    assert (1, 0, 10.0) == (held.long, held.short, pytest.approx(held.pnl))


def jump_tape(*missing: int) -> Tape:
    """The long leg's bars of the hours 5 and 6 of play are at 105; some bars may be missing."""
    bars = repriced(
        flat_bars(HISTORY_H + 20),
        {HISTORY_H + h: 105.0 for h in (5, 6)},
        {HISTORY_H + h: 105.0 for h in (6, 7)},
    )
    bars = without(bars, *(HISTORY_H + h for h in missing))
    return play_tape(pair_market(HISTORY_H + 20, short_rate=0.0, bars={"binance": bars}), one_slot(), 20)


def test_a_jump_is_in_the_bound_and_is_none_of_the_carry() -> None:
    """Binance is bought at 100.1 and sold at 104.895 (105 less 10 bps), then sold again there and held to the end."""
    up = 100 * (104.895 - 100.1) - 100 * (100.1 - 99.9) - 0.05 * (100.1 + 99.9 + 104.895 + 100.1)
    down = 100 * (104.895 - 100.0) - 100 * (100.1 - 100.0) - 0.05 * (104.895 + 100.1)
    bound = hindsight_bound(jump_tape())
    assert up + down == pytest.approx(bound.pnl, abs=1e-6)
    assert 0.0 == hindsight_bound(jump_tape(), basis=False).pnl


def test_a_jump_in_hours_that_do_not_trade_is_not_to_be_had() -> None:
    assert 0.0 == hindsight_bound(jump_tape(5, 6)).pnl


def test_a_quote_whose_bar_never_closes_cannot_be_bounded() -> None:
    tape = jump_tape()
    close = tape.panel.close.copy()
    close[-2, 0] = np.nan
    with pytest.raises(ValueError, match="marked"):
        hindsight_bound(replace(tape, panel=replace(tape.panel, close=close)))


# The recorded market


RECORDED = os.environ.get("RECORDED_MARKET", "")
FEES = {
    "binance": VenueSettings(taker_fee_bps=5.0, half_spread_bps=0.25),
    "hyperliquid": VenueSettings(taker_fee_bps=4.5, half_spread_bps=0.5),
}


@pytest.mark.skipif(not RECORDED, reason="RECORDED_MARKET does not name a folder of recorded funding and candles")
def test_on_the_recorded_market_the_rule_is_below_a_bound_that_is_nearly_reached() -> None:
    data = DataSettings(venues=FEES, assets=("ADA", "AVAX", "BTC", "DOGE", "ETH", "SOL", "XRP"))
    market = recorded_market(Path(RECORDED), tuple(FEES), data.assets)
    first, last = (utc_ms(datetime(2025, month, 10, tzinfo=UTC)) for month in (1, 3))
    tape = tape_of_market(market, data, EnvironmentSettings(), first, last)
    split = pnl_split(replay(tape, plain_policy("rule", tape.schema, seed=1)).books)
    full, carry = hindsight_bound(tape, rounds=100), hindsight_bound(tape, basis=False, rounds=100)
    assert 0.98 * full.pnl < full.reached <= full.pnl
    assert 0.98 * carry.pnl < carry.reached <= carry.pnl
    assert split["total"] < full.pnl
    assert split["total"] - split["basis"] < carry.pnl < full.pnl
