"""What a policy sees: each number against its meaning, nothing from the future, nothing from before the history."""

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from statistics import fmean, pstdev

import numpy as np
import pytest

from backtest.accounting import Books, fill, new_books, revalue
from backtest.observation import Features, make_features, observe, round_trip_cost_bps
from backtest.schema import ACCOUNT, EXPECTED_NET, OPPORTUNITY, POSITION, Schema
from backtest.settings import EnvironmentSettings
from data.market import Market
from data.panel import Pair, Panel, build_panel
from data.settings import VenueSettings
from data.types import HOUR_MS, Bars, Instrument, InstrumentKey, Settlements
from tests.unit.backtest.markets import START, coin, flat_bars, hour, steady_funding, without
from tests.unit.backtest.random_market import DELAY_S, HISTORY_H, HOURS, VENUES, random_market

SETTINGS = EnvironmentSettings(max_opportunities=3)
NAMES = [feature.name for feature in OPPORTUNITY]
CONSTANT = {"round_trip_cost", "other_quote", "held"}
"""They do not depend on the market, or not on it alone."""


@cache
def whole_panel() -> Panel:
    market = random_market()
    return build_panel(market.instruments, market.bars, market.settlements, START, hour(HOURS), DELAY_S)


@cache
def whole_features() -> Features:
    return make_features(whole_panel(), VENUES, SETTINGS)


def random_ticks(count: int, seed: int = 1) -> list[int]:
    return sorted(np.random.default_rng(seed).choice(np.arange(HISTORY_H, HOURS + 1), count, replace=False).tolist())


# The schema


def test_the_default_sizes_are_the_references() -> None:
    settings = EnvironmentSettings()
    schema = Schema(settings.max_positions, settings.max_opportunities)
    assert (124, 9) == (schema.size, schema.actions)


@pytest.mark.parametrize(("slots", "opportunities"), [(1, 1), (2, 7), (20, 50)])
def test_the_sizes_follow_the_settings(slots: int, opportunities: int) -> None:
    schema = Schema(slots, opportunities)
    assert 5 + 3 * slots + 22 * opportunities == schema.size == len(schema.names)
    assert 1 + opportunities + slots == schema.actions


def test_every_number_has_a_name_of_its_own() -> None:
    schema = Schema(3, 5)
    assert schema.size == len(set(schema.names))


def test_a_name_leads_to_its_number() -> None:
    schema = Schema(3, 5)
    assert "slot2.carry_72h" == schema.names[schema.slot(2, "carry_72h")]
    assert "opportunity4.basis" == schema.names[schema.opportunity(4, "basis")]
    assert "expected_net" == OPPORTUNITY[EXPECTED_NET].name
    assert "held" == OPPORTUNITY[-1].name


def test_the_hash_tells_sizes_apart_and_repeats() -> None:
    schemas = [Schema(slots, opportunities) for slots in (1, 2, 3) for opportunities in (1, 3, 5)]
    assert len(schemas) == len({schema.hash for schema in schemas})
    assert Schema(3, 5).hash == Schema(3, 5).hash


def test_the_hash_tells_other_formulas_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Schema(3, 5).hash
    other = (replace(OPPORTUNITY[0], formula="something else"), *OPPORTUNITY[1:])
    monkeypatch.setattr("backtest.schema.OPPORTUNITY", other)
    assert before != Schema(3, 5).hash


# Every feature, a second time: slowly, from candles and settlements, with what is known at the tick and nothing else


class Known:
    """What a decision at `tick` knows of one instrument."""

    def __init__(self, market: Market, instrument: Instrument, tick: int) -> None:
        bars, history = market.bars[instrument.key], market.settlements[instrument.key]
        self.tick, self.instrument = tick, instrument
        closes = zip(bars.open_time.tolist(), bars.close.tolist(), bars.volume.tolist(), strict=True)
        self.bar = {time + HOUR_MS: (close, volume) for time, close, volume in closes if time + HOUR_MS <= tick}
        self.settlement: list[tuple[int, float, int]] = []
        """(the hour whose decision first knew it, rate, hours that it pays for)."""
        self.settled_at: list[int] = []
        stamps = zip(history.time.tolist(), history.offset_ms.tolist(), history.rate.tolist(), strict=True)
        current, previous_spacing, previous_time = instrument.interval_hours, 0, None
        for time, offset, rate in stamps:
            spacing = 0 if previous_time is None else (time - previous_time) // HOUR_MS
            if spacing in (1, 2, 4, 8) and (spacing < current or spacing == previous_spacing):
                current = spacing
            previous_spacing, previous_time = spacing, time
            late = max(time + offset - DELAY_S * 1000 - time, 0)
            heard = time + math.ceil(late / HOUR_MS) * HOUR_MS
            if heard <= tick:
                self.settlement.append((heard, rate, current))
                self.settled_at.append(time)

    def close(self, tick: int) -> float:
        return self.bar.get(tick, (math.nan, math.nan))[0]

    def turnover(self, tick: int) -> float:
        close, volume = self.bar.get(tick, (math.nan, 0.0))
        return close * volume

    def carry(self, hours: int) -> float:
        """Mean rate per hour of what settled in the last `hours`."""
        inside = [(rate, paid_for) for heard, rate, paid_for in self.settlement if heard > self.tick - hours * HOUR_MS]
        covered = sum(paid_for for _, paid_for in inside)
        return sum(rate for rate, _ in inside) / covered if covered >= 0.9 * hours else math.nan

    def last_rate(self, tick: int) -> float:
        known = [rate / paid_for for heard, rate, paid_for in self.settlement if heard <= tick]
        return known[-1] if known else math.nan

    @property
    def interval(self) -> int:
        return self.settlement[-1][2] if self.settlement else self.instrument.interval_hours

    @property
    def due_hours(self) -> float:
        return max(self.interval - (self.tick - self.settled_at[-1]) / HOUR_MS, 0.0)


def last_hours(tick: int, hours: int) -> list[int]:
    return [tick - back * HOUR_MS for back in range(hours - 1, -1, -1)]


def known_mean_sd(values: Sequence[float]) -> tuple[float, float]:
    numbers = [value for value in values if not math.isnan(value)]
    return (fmean(numbers), pstdev(numbers)) if len(numbers) >= 0.9 * len(values) else (math.nan, math.nan)


def slow_features(market: Market, first: Instrument, second: Instrument, tick: int) -> dict[str, float]:
    """The opportunity features of a pair, by the formulas of the schema."""
    a, b = Known(market, first, tick), Known(market, second, tick)
    turned = b.carry(72) - a.carry(72) < 0
    long, short = (b, a) if turned else (a, b)
    spread = {hours: 8e4 * (short.carry(hours) - long.carry(hours)) for hours in (24, 72, 168)}
    spreads = [8e4 * (short.last_rate(hour) - long.last_rate(hour)) for hour in last_hours(tick, 72)]
    cost = sum(2 * (venue.taker_fee_bps + venue.half_spread_bps) for venue in VENUES.values())
    # The basis of the z-score is measured on the pair as listed and then turned round, which differs from the
    # formula by the square of a small number.
    bases = [b.close(hour) / a.close(hour) - 1 for hour in last_hours(tick, 168)]
    mean, deviation = known_mean_sd(bases)
    returns = [long.close(hour) / long.close(hour - HOUR_MS) - 1 for hour in last_hours(tick, 24)]
    turnovers = [known_mean_sd([leg.turnover(hour) for hour in last_hours(tick, 24)])[0] for leg in (a, b)]
    return {
        "spread_now": spreads[-1],
        "spread_24h": spread[24],
        "spread_72h": spread[72],
        "spread_168h": spread[168],
        "spread_std_72h": known_mean_sd(spreads)[1],
        "spread_positive_72h": sum(value > 1e-8 for value in spreads) / 72,
        "long_rate": 8e4 * long.last_rate(tick),
        "short_rate": 8e4 * short.last_rate(tick),
        "long_interval": long.interval / 8,
        "short_interval": short.interval / 8,
        "long_due": long.due_hours / 8,
        "short_due": short.due_hours / 8,
        "round_trip_cost": cost,
        "break_even": min(cost / (3 * spread[72]), 30.0) if spread[72] > 0 else 30.0,
        "expected_net": spread[72] * SETTINGS.horizon_hours / 8 - cost,
        "basis": 1e4 * (short.close(tick) / long.close(tick) - 1),
        "basis_z": (-1 if turned else 1) * (bases[-1] - mean) / deviation,
        "volatility_24h": 100 * known_mean_sd(returns)[1],
        "return_72h": 100 * (long.close(tick) / long.close(tick - 72 * HOUR_MS) - 1),
        "volume_24h": math.log10(min(turnovers)) if not any(map(math.isnan, turnovers)) else math.nan,
        "other_quote": float(first.quote != second.quote),
        "held": 0.0,
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_feature_is_what_its_formula_says(name: str) -> None:
    """Where 72 h of funding are not known neither leg is the long one, and the pair is not ranked."""
    panel, features = whole_panel(), whole_features()
    column, compared = NAMES.index(name), 0
    for number in random_ticks(40):
        for index, pair in enumerate(panel.pairs):
            slow, values = slow_of(number, pair), features.values[number, index]
            if math.isnan(slow["spread_72h"]):
                assert np.isnan(values[NAMES.index("spread_72h")])
                continue
            assert slow[name] == pytest.approx(float(values[column]), rel=1e-5, abs=1e-5, nan_ok=True), (number, index)
            compared += not math.isnan(slow[name])
    assert compared > 80


@cache
def slow_of(number: int, pair: Pair) -> dict[str, float]:
    instruments = random_market().instruments
    return slow_features(random_market(), instruments[pair.a], instruments[pair.b], hour(number))


def test_the_random_market_has_what_makes_features_hard() -> None:
    panel, features = whole_panel(), whole_features()
    assert {1.0, 4.0, 8.0} <= set(panel.interval[HISTORY_H:].flat)
    assert np.isnan(panel.close).any()
    assert {-1, 1} == set(features.direction[HISTORY_H:].flat)
    assert (features.ranked[HISTORY_H:] >= 0).any(axis=1).mean() > 0.9
    lateness = (panel.ticks[:, None] - panel.settled_at)[panel.settled != 0]
    assert (lateness > 0).any(), "no settlement became known after its hour"


def test_the_next_settlement_comes_nearer_and_is_due_at_once_when_it_is_overdue() -> None:
    legs = coin("binance", interval_hours=4), coin("hyperliquid", interval_hours=4)
    regular = steady_funding(HOURS, 0.0001, every=4)
    kept = regular.time != hour(408)
    funding = {leg.key: regular for leg in legs}
    funding[legs[0].key] = Settlements(*(column[kept] for column in vars(regular).values()))
    features = features_of(legs, {leg.key: flat_bars(HOURS) for leg in legs}, funding)
    due = {name: (8 * features.values[403:414, 0, NAMES.index(name)]).tolist() for name in ("long_due", "short_due")}
    expected = {"long_due": [1, 4, 3, 2, 1, 0, 0, 0, 0, 4, 3], "short_due": [1, 4, 3, 2, 1, 4, 3, 2, 1, 4, 3]}
    assert {1} == set(features.direction[403:414, 0]), "binance is the long leg"
    assert expected == due


# Point in time


Build = Callable[[Market, int, int], Panel]


def honest(market: Market, first: int, last: int) -> Panel:
    return build_panel(market.instruments, market.bars, market.settlements, first, last, DELAY_S)


def cut_sources(market: Market, first: int, last: int) -> Market:
    """The market as someone had collected it who started at `first` and asks at `last`."""
    bars = {
        key: Bars(
            *(column[(one.open_time >= first - HOUR_MS) & (one.open_time < last)] for column in vars(one).values())
        )
        for key, one in market.bars.items()
    }
    settlements = {
        key: Settlements(
            *(
                column[(one.time >= first - HOUR_MS) & (one.stamp <= last + DELAY_S * 1000)]
                for column in vars(one).values()
            )
        )
        for key, one in market.settlements.items()
    }
    return Market(market.instruments, bars, settlements)


def sight(panel: Panel, number: int) -> list[bytes]:
    """Everything that depends on the market at a tick, to the bit, the observation of an account included."""
    features, row = make_features(panel, VENUES, SETTINGS), panel.row(hour(number))
    seen = [array[row].tobytes() for array in (features.values, features.ranked, features.direction, features.carry.T)]
    observation = observed(busy_account(), features, row, number)
    return [*seen, observation.tobytes()]


def observed(books: Books, features: Features, row: int, number: int) -> np.ndarray:
    seen = np.full((1, Schema(len(books.opened_at), SETTINGS.max_opportunities).size), np.nan, np.float32)
    revalue(books)
    observe(seen, books, features, row, hour(number), 10_000.0, by_pair=False)
    return seen[0]


def busy_account() -> Books:
    """Holds AAA with binance long and BBB with binance short."""
    books = new_books(2, 3, 10_000.0)
    for slot, (long, short) in enumerate([(0, 1), (3, 2)]):
        fill(books, slot, 0, long, long % 2, 3.0, 100.0, 100.0, 0.0005, 0.0, hour(100))
        fill(books, slot, 1, short, short % 2, -3.0, 101.0, 101.0, 0.0005, 0.0, hour(100))
    return books


def differing_ticks(build: Build) -> list[int]:
    """The ticks at which a panel cut there, behind and ahead, shows something else than the whole one."""
    market = random_market()
    whole = build(market, START, hour(HOURS))
    features = make_features(whole, VENUES, SETTINGS)
    different = []
    for number in random_ticks(12, seed=2):
        begins = hour(number - HISTORY_H)
        whole_row = [
            array[number].tobytes()
            for array in (features.values, features.ranked, features.direction, features.carry.T)
        ]
        expected = [*whole_row, observed(busy_account(), features, number, number).tobytes()]
        cuts = (
            build(market, START, hour(number)),
            build(market, begins, hour(number)),
            build(market, begins, hour(HOURS)),
            build(cut_sources(market, START, hour(number)), START, hour(number)),
            build(cut_sources(market, begins, hour(number)), begins, hour(number)),
        )
        if any(sight(cut, number) != expected for cut in cuts):
            different.append(number)
    return different


def test_nothing_is_seen_from_the_future_or_from_before_the_history() -> None:
    assert [] == differing_ticks(honest)


@pytest.mark.parametrize("newest", [1, 2, 50, HOURS + 1])
def test_the_newest_rows_by_themselves_are_those_of_all(newest: int) -> None:
    alone = make_features(whole_panel(), VENUES, SETTINGS, newest)._asdict()
    shapes = {"legs": len(alone["legs"]), "pair_of": len(alone["pair_of"])}
    for name, every in whole_features()._asdict().items():
        there = every[:, -newest:] if name == "carry" else every[-shapes.get(name, newest) :]
        assert there.tobytes() == alone[name].tobytes(), name


@pytest.mark.parametrize("rows", [1, 7, 168, 169, HOURS])
def test_how_many_rows_are_made_at_a_time_changes_no_bit(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtest.observation._BLOCK_ROWS", rows)
    made = make_features(whole_panel(), VENUES, SETTINGS)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(made, whole_features(), strict=True))


@pytest.mark.parametrize("name", ["close", "volume", "settled", "settled_hours", "interval", "last_rate", "settled_at"])
def test_the_check_of_cuts_would_notice_an_input_from_the_next_hour(name: str) -> None:
    def peeking(market: Market, first: int, last: int) -> Panel:
        panel = build_panel(market.instruments, market.bars, market.settlements, first, last, DELAY_S)
        return replace(panel, **{name: np.roll(getattr(panel, name), -1, axis=0)})

    assert [] != differing_ticks(peeking)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in CONSTANT])
def test_it_would_notice_any_single_feature_that_peeks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each in turn is shown an hour before it can be known."""
    known_in_time, column = make_features, NAMES.index(name)

    def peeking(panel: Panel, venues: Mapping[str, VenueSettings], settings: EnvironmentSettings) -> Features:
        features = known_in_time(panel, venues, settings)
        values = features.values.copy()
        values[:-1, :, column] = values[1:, :, column]
        return features._replace(values=values)

    monkeypatch.setattr(sys.modules[__name__], "make_features", peeking)
    assert [] != differing_ticks(honest)


def test_features_stay_in_the_ranges_that_are_written_down() -> None:
    features = whole_features()
    seen = features.values[features.known]
    assert len(seen) > 500
    for feature, column in zip(OPPORTUNITY, seen.T, strict=True):
        assert feature.low <= column.min(), feature.name
        assert column.max() <= feature.high, feature.name


def test_features_never_read_the_price_that_the_decision_fills_at() -> None:
    panel = whole_panel()
    blind = make_features(replace(panel, open_after=np.full_like(panel.open_after, np.nan)), VENUES, SETTINGS)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(blind, whole_features(), strict=True))


# The ranking


def test_the_ranking_is_every_pair_without_a_missing_number_best_first() -> None:
    features = whole_features()
    absent = set()
    for row in range(168, HOURS + 1):
        values = features.values[row]
        whole = [pair for pair in range(len(values)) if np.isfinite(values[pair]).all()]
        best = sorted(whole, key=lambda pair: -values[pair, EXPECTED_NET])[: SETTINGS.max_opportunities]
        assert best + [-1] * (SETTINGS.max_opportunities - len(best)) == features.ranked[row].tolist()
        absent |= {NAMES[column] for column in np.flatnonzero(np.isnan(values).any(axis=0))}
    prices = {"basis", "basis_z", "volatility_24h", "return_72h", "volume_24h"}
    assert prices | {"spread_24h", "spread_72h"} <= absent, "nothing was missing, so nothing was kept out"


@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
def test_a_pair_with_a_leg_in_a_gap_is_out_of_the_ranking_until_the_price_is_back(venue: str) -> None:
    legs = coin("binance"), coin("hyperliquid")
    bars = {leg.key: flat_bars(HOURS) for leg in legs}
    key = next(leg.key for leg in legs if leg.venue == venue)
    bars[key] = without(bars[key], 299)  # the bar that ends at hour 300
    features = features_of(legs, bars, {leg.key: steady_funding(HOURS, 0.0001) for leg in legs})
    assert [0, -1, 0] == features.ranked[299:302, 0].tolist()


def features_of(
    instruments: Sequence[Instrument], bars: dict[InstrumentKey, Bars], funding: dict[InstrumentKey, Settlements]
) -> Features:
    return make_features(build_panel(instruments, bars, funding, START, hour(HOURS), DELAY_S), VENUES, SETTINGS)


def test_a_pair_without_any_settlement_is_not_ranked() -> None:
    legs = coin("binance"), coin("hyperliquid")
    bars = {leg.key: flat_bars(HOURS) for leg in legs}
    assert {-1} == set(features_of(legs, bars, {}).ranked.flat)


def test_the_first_week_has_no_history_to_rank_by() -> None:
    legs = coin("binance"), coin("hyperliquid")
    bars = {leg.key: flat_bars(HOURS) for leg in legs}
    ranked = features_of(legs, bars, {leg.key: steady_funding(HOURS, 0.0001) for leg in legs}).ranked[:, 0]
    assert 167 == int(np.argmax(ranked >= 0)), "the 168th row is the first with a whole window"
    assert {0} == set(ranked[167:])


def test_ties_go_to_the_earlier_pair() -> None:
    legs = [coin(venue, base) for base in ("AAA", "BBB", "CCC") for venue in ("binance", "hyperliquid")]
    rates = {"binance": 0.0001, "hyperliquid": 0.0003}
    bars = {leg.key: flat_bars(HOURS) for leg in legs}
    funding = {leg.key: steady_funding(HOURS, rates[leg.venue]) for leg in legs}
    tied = features_of(legs, bars, funding).ranked[168:]
    assert {(0, 1, 2)} == {tuple(row) for row in tied.tolist()}

    funding[legs[5].key] = steady_funding(HOURS, 0.0004)
    last_first = features_of(legs, bars, funding).ranked[168:]
    assert {(2, 0, 1)} == {tuple(row) for row in last_first.tolist()}


def test_two_venues_at_their_default_rates_have_no_spread_at_all() -> None:
    legs = coin("binance"), coin("hyperliquid", interval_hours=1)
    funding = {legs[0].key: steady_funding(HOURS, 0.0001, 8), legs[1].key: steady_funding(HOURS, 0.0000125, 1)}
    features = features_of(legs, {leg.key: flat_bars(HOURS) for leg in legs}, funding)
    values = {name: set(features.values[168:, 0, NAMES.index(name)].tolist()) for name in NAMES}
    assert {0.0} == values["spread_24h"] == values["spread_72h"] == values["spread_168h"] == values["spread_now"]
    assert {0.0} == values["spread_positive_72h"] == set(features.carry[0, 168:].tolist())
    assert {30.0} == values["break_even"]
    assert {-20.5} == values["expected_net"]


@pytest.mark.parametrize(("one", "other"), [(100.0, 130.0), (130.0, 100.0), (100.0, 100_000.0)])
def test_legs_whose_prices_are_over_a_fifth_apart_are_never_ranked(one: float, other: float) -> None:
    assert {-1} == set(ranked_at_prices(one, other))


@pytest.mark.parametrize(("one", "other"), [(100.0, 119.0), (119.0, 100.0)])
def test_legs_whose_prices_are_less_than_a_fifth_apart_are_ranked(one: float, other: float) -> None:
    assert {0} == set(ranked_at_prices(one, other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (100.0, 124.0),
        (124.0, 100.0),
    ],
)
def test_the_largest_price_ratio_is_the_same_whichever_leg_is_dearer(one: float, other: float) -> None:
    assert {-1} == set(ranked_at_prices(one, other))


def ranked_at_prices(one: float, other: float) -> list[int]:
    legs = coin("binance"), coin("hyperliquid")
    bars = {leg.key: flat_bars(HOURS, price) for leg, price in zip(legs, (one, other), strict=True)}
    funding = {leg.key: steady_funding(HOURS, 0.0001) for leg in legs}
    ranked: list[int] = features_of(legs, bars, funding).ranked[168:, 0].tolist()
    return ranked


# The vector


def test_the_cost_of_a_round_trip_is_two_fees_and_two_half_spreads_a_leg() -> None:
    panel = whole_panel()
    binance, hyperliquid = 2 * (5.0 + 0.25), 2 * (4.5 + 0.5)
    assert [binance, hyperliquid] * 4 == round_trip_cost_bps(panel, VENUES).tolist()


def test_a_venue_without_a_fee_of_its_own_costs_its_lowest_tier() -> None:
    plain = {name: VenueSettings(half_spread_bps=1.0) for name in VENUES}
    assert [2 * (5.0 + 1.0), 2 * (4.5 + 1.0)] * 4 == round_trip_cost_bps(whole_panel(), plain).tolist()


def test_the_account_and_its_positions_by_hand() -> None:
    books = busy_account()
    books.mark[0] = 102.0, 100.0
    books.mark[1] = 100.0, 100.0
    books.peak = 10_020.0
    features, number = whole_features(), 400

    seen = dict(zip(Schema(3, 3).names, observed(books, features, number, number).tolist(), strict=True))

    fees = 2 * 0.0005 * 3 * (100 + 101)
    worth = 10_000 - fees + 3 * (2 + 1) + 3 * (0 + 1)
    gross = 3 * (102 + 100 + 100 + 100)
    on_binance = 5_000 - fees / 2 + 6 + 3 + 0.0005 * 3 * (100 + 101) - 0.0005 * 3 * (100 + 101)
    expected = {
        "equity": 100 * (worth / 10_000 - 1),
        "leverage": gross / worth,
        "free_slots": 1 / 3,
        "drawdown": 100 * (1 - worth / 10_020),
        "venue_balance": 2 * min(on_binance, worth - on_binance) / worth,
        "slot0.pnl": 100 * (9 - fees / 2) / 303,
        "slot0.held_time": 300 / 168,
        "slot0.carry_72h": features.carry[0, number],
        "slot1.pnl": 100 * (3 - fees / 2) / 303,
        "slot1.held_time": 300 / 168,
        "slot1.carry_72h": -features.carry[1, number],
        "slot2.pnl": 0.0,
        "slot2.held_time": 0.0,
        "slot2.carry_72h": 0.0,
    }
    assert [*(f.name for f in ACCOUNT), *(f"slot{slot}.{f.name}" for slot in range(3) for f in POSITION)] == [*expected]
    assert expected == pytest.approx({name: seen[name] for name in expected}, rel=1e-4)


def test_the_opportunities_stand_by_rank_and_say_which_are_held() -> None:
    features, schema = whole_features(), Schema(3, 3)
    number = next(row for row in range(HISTORY_H, HOURS) if set(features.ranked[row]) > {0, 2})
    seen = observed(busy_account(), features, number, number)
    for rank, pair in enumerate(features.ranked[number]):
        block = seen[schema.opportunity(rank, NAMES[0]) :][: len(NAMES)]
        assert features.values[number, pair, :-1].tolist() == block[:-1].tolist()
        assert float(pair in (0, 1)) == block[-1]


def test_a_rank_with_nothing_to_show_is_all_zero() -> None:
    features, schema = whole_features(), Schema(3, 3)
    number = next(row for row in range(168, HOURS) if features.ranked[row, 2] < 0)
    seen = observed(busy_account(), features, number, number)
    assert [0.0] * len(NAMES) == seen[schema.opportunity(2, NAMES[0]) :].tolist()


def test_no_number_of_an_observation_is_ever_missing() -> None:
    features = whole_features()
    assert np.isnan(features.carry[:, 168:]).any(), "no carry is missing, so this proves nothing"
    for number in range(168, HOURS + 1):
        assert np.isfinite(observed(busy_account(), features, number, number)).all()
