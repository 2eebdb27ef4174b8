"""The scaler: fitted per feature on its window and on nothing else, kept exactly, zeros left for what is absent."""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtest.environment import FundingArbitrageEnv
from backtest.policies import RandomLegal
from backtest.scaler import (
    IDENTITY,
    Numbers,
    Scaler,
    Statistic,
    feature_statistics,
    fit_scaler,
    lay_out,
    shown_opportunities,
)
from backtest.schema import ACCOUNT, OPPORTUNITY, POSITION, Schema
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape, tape_of_market
from data.errors import ConfigurationError, CorruptData, MissingData
from data.market import Market
from data.recorded import recorded_market
from data.settings import DataSettings, SyntheticSettings, utc_ms
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars, Settlements
from tests.unit.backtest.markets import pair_market, play_tape

DATA = DataSettings(history_hours=192, assets=("BTC", "XRP", "DOGE", "INJ"))
SETTINGS = EnvironmentSettings(full_range=True)
FIRST_H, LAST_H = 500, 700
"""The window that is fitted, in hours of the market."""
NAMES = [feature.name for feature in OPPORTUNITY]
FITTED = [feature.name for feature in OPPORTUNITY if feature.unit not in ("0/1", "share")]
COST = NAMES.index("round_trip_cost")
ACCOUNT_AND_SLOTS = 5 + 3 * 3
relaxed = settings(deadline=None)  # the first call compiles
HOURS_SEEN = 170
"""The longest window of a feature, and its edges."""


@cache
def market() -> Market:
    return synthetic_market(SyntheticSettings(days=40, assets=DATA.assets))


def tape_between(first_hour: int, last_hour: int, of: Market | None = None) -> Tape:
    of = of or market()
    hours = (of.start_ms + number * HOUR_MS for number in (first_hour, last_hour))
    return tape_of_market(of, DATA, SETTINGS, *hours)


def fitted(tape: Tape) -> Scaler:
    """The scaler of the window, wherever it stands on the tape."""
    first, last = (tape.panel.row(market().start_ms + number * HOUR_MS) for number in (FIRST_H, LAST_H))
    return fit_scaler(tape, first, last)


@cache
def window_tape() -> Tape:
    return tape_between(FIRST_H, LAST_H)


@cache
def window_scaler() -> Scaler:
    return fitted(window_tape())


@cache
def played() -> Numbers:
    """Observations [200, 124] of an account that trades at random: four pairs for five ranks, so one is empty."""
    env, policy = FundingArbitrageEnv(window_tape()), RandomLegal(Schema(3, 5), 1)
    seen, done = [env.reset()[0]], False
    while not done:
        observation, _, _, done, _ = env.step(policy.decide(seen[-1][None, :])[0])
        seen.append(observation)
    return np.stack(seen)


def scaler_of(statistics: Mapping[str, Statistic], schema: Schema | None = None) -> Scaler:
    """With these statistics, and every other feature as it is."""
    every = {feature.name: IDENTITY for feature in (*ACCOUNT, *POSITION, *OPPORTUNITY)}
    return lay_out({**every, **statistics}, schema or Schema(3, 5), (0, 1))


@st.composite
def scalers(draw: st.DrawFn, schema: Schema = Schema(3, 5)) -> Scaler:  # noqa: B008 - a frozen value
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    spread = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    statistics = {name: Statistic(random.normal(0, spread), random.lognormal(0, 2) * spread) for name in FITTED}
    return scaler_of(statistics, schema)


@st.composite
def observations(draw: st.DrawFn) -> Numbers:
    """[B, 124], some ranks and slots empty."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    seen = random.normal(0, draw(st.sampled_from([1e-3, 1.0, 1e4])), (draw(st.integers(1, 5)), 124))
    blocks = seen[:, ACCOUNT_AND_SLOTS:].reshape(len(seen), 5, 22)
    blocks[..., COST] = random.uniform(5, 50, blocks.shape[:2])
    blocks[random.random(blocks.shape[:2]) < 0.3] = 0.0
    slots = seen[:, 5:ACCOUNT_AND_SLOTS].reshape(len(seen), 3, 3)
    slots[random.random(slots.shape[:2]) < 0.3] = 0.0
    return seen.astype(np.float32)


def ranks_of(observed: Numbers) -> Numbers:
    """[B, 5, 22]."""
    return observed[:, ACCOUNT_AND_SLOTS:].reshape(len(observed), 5, 22)


# Applying


@relaxed
@given(scalers(), observations())
def test_a_number_is_centred_divided_and_clipped(scaler: Scaler, seen: Numbers) -> None:
    by_hand = np.clip((seen.astype(float) - scaler.mean) / scaler.scale, -10, 10)
    by_hand[:, ACCOUNT_AND_SLOTS:][np.repeat(ranks_of(seen)[..., COST] == 0, 22, axis=1)] = 0
    assert np.allclose(by_hand, scaler.apply(seen), rtol=1e-5, atol=1e-5 * max(1, np.abs(scaler.mean).max()))


@relaxed
@given(scalers(), observations())
def test_nothing_lies_beyond_the_clip(scaler: Scaler, seen: Numbers) -> None:
    assert np.abs(replace(scaler, clip=2.5).apply(seen)).max() <= 2.5


@relaxed
@given(scalers(), observations())
def test_an_absent_opportunity_stays_all_zero(scaler: Scaler, seen: Numbers) -> None:
    absent = ranks_of(seen)[..., COST] == 0
    assert not ranks_of(scaler.apply(seen))[absent].any()


@relaxed
@given(scalers(), observations())
def test_a_free_slot_stays_all_zero(scaler: Scaler, seen: Numbers) -> None:
    free = seen[:, 5:ACCOUNT_AND_SLOTS] == 0
    assert not scaler.apply(seen)[:, 5:ACCOUNT_AND_SLOTS][free].any()


def test_a_shown_opportunity_is_told_from_an_absent_one() -> None:
    blocks = ranks_of(window_scaler().apply(played()))
    shown = ranks_of(played())[..., COST] > 0
    assert shown[:, :3].all() and not shown[:, 4].any()
    assert blocks[shown].any(axis=-1).all()


@relaxed
@given(scalers(), observations(), st.permutations(range(5)))
def test_exchanging_ranks_exchanges_their_numbers(scaler: Scaler, seen: Numbers, order: list[int]) -> None:
    exchanged = seen.copy()
    ranks_of(exchanged)[:] = ranks_of(seen)[:, order]
    assert ranks_of(scaler.apply(seen))[:, order].tolist() == ranks_of(scaler.apply(exchanged)).tolist()


@relaxed
@given(scalers(), observations(), st.permutations(range(3)))
def test_exchanging_slots_exchanges_their_numbers(scaler: Scaler, seen: Numbers, order: list[int]) -> None:
    def slots_of(observed: Numbers) -> Numbers:
        return observed[:, 5:ACCOUNT_AND_SLOTS].reshape(len(observed), 3, 3)

    exchanged = seen.copy()
    slots_of(exchanged)[:] = slots_of(seen)[:, order]
    assert slots_of(scaler.apply(seen))[:, order].tolist() == slots_of(scaler.apply(exchanged)).tolist()


@relaxed
@given(scalers(), observations())
def test_a_batch_is_its_observations_one_by_one(scaler: Scaler, seen: Numbers) -> None:
    assert [scaler.apply(one).tobytes() for one in seen] == [row.tobytes() for row in scaler.apply(seen)]


@relaxed
@given(scalers(), observations())
def test_in_place_gives_the_same_numbers(scaler: Scaler, seen: Numbers) -> None:
    expected, written, in_place = scaler.apply(seen), np.empty_like(seen), seen.copy()
    assert written is scaler.apply(seen, out=written)
    assert in_place is scaler.apply(in_place, out=in_place)
    assert expected.tobytes() == written.tobytes() == in_place.tobytes()


@relaxed
@given(scalers(), observations())
def test_what_is_scaled_is_left_as_it_was(scaler: Scaler, seen: Numbers) -> None:
    before = seen.tobytes()
    assert np.float32 == scaler.apply(seen).dtype
    assert before == seen.tobytes()


@pytest.mark.parametrize("out", [np.empty((2, 124), np.float32), np.empty((3, 248), np.float32)[:, ::2]])
def test_room_that_does_not_fit_is_refused(out: Numbers) -> None:
    with pytest.raises(ValueError, match=r"contiguous array of shape \(3, 124\)"):
        window_scaler().apply(np.zeros((3, 124), np.float32), out=out)


def test_a_missing_number_is_not_made_one() -> None:
    seen = played()[:1].copy()
    seen[0, [0, ACCOUNT_AND_SLOTS]] = np.nan
    assert [0, ACCOUNT_AND_SLOTS] == np.flatnonzero(np.isnan(window_scaler().apply(seen))).tolist()


def test_a_scaler_cannot_be_changed() -> None:
    for array in (window_scaler().mean, window_scaler().scale):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


# Fitting


def test_every_rank_of_the_window_counts_and_nothing_else() -> None:
    tape, names = window_tape(), Schema(3, 5).names
    shown: list[list[float]] = []
    for row in range(tape.first, len(tape.panel.ticks)):
        shown += [tape.features.values[row, pair].tolist() for pair in tape.features.ranked[row] if pair >= 0]
    assert 3 * (LAST_H - FIRST_H) < len(shown) < 5 * (LAST_H - FIRST_H), "every rank is shown, or none is empty"
    for name in FITTED:
        values = [one[NAMES.index(name)] for one in shown]
        low, high = np.percentile(values, [1, 99])
        inside = [min(max(value, low), high) for value in values]
        deviation = pstdev(inside) if len(set(values)) > 1 else 1.0
        expected = pytest.approx((fmean(inside), deviation), rel=1e-5, abs=1e-6)
        for rank in range(5):
            number = names.index(f"opportunity{rank}.{name}")
            assert expected == (window_scaler().mean[number], window_scaler().scale[number]), name


def test_pairs_that_are_not_shown_do_not_count() -> None:
    tape = tape_of_market(market(), DATA, SETTINGS.model_copy(update={"max_opportunities": 2}), *window_ticks())
    values = tape.features.values.copy()
    hidden = np.ones(values.shape[:2], dtype=bool)
    np.put_along_axis(hidden, tape.features.ranked.clip(min=0), False, axis=1)
    assert hidden[tape.first :].any()
    values[hidden] = 1e6
    other = replace(tape, features=tape.features._replace(values=values))
    assert fitted(tape).as_dict() == fitted(other).as_dict()


def window_ticks() -> tuple[int, int]:
    return market().start_ms + FIRST_H * HOUR_MS, market().start_ms + LAST_H * HOUR_MS


def test_the_window_is_told_by_its_first_and_last_tick() -> None:
    assert window_ticks() == window_scaler().window


def test_account_slots_and_shares_are_left_as_they_are() -> None:
    left = [
        number
        for number, name in enumerate(Schema(3, 5).names)
        if number < ACCOUNT_AND_SLOTS or name.endswith(("spread_positive_72h", "other_quote", "held"))
    ]
    assert ACCOUNT_AND_SLOTS + 5 * 3 == len(left)
    assert np.clip(played()[:, left], -10, 10).tolist() == window_scaler().apply(played())[:, left].tolist()


def test_what_was_fitted_is_centred_and_of_about_unit_spread() -> None:
    raw = ranks_of(played())
    shown = raw[..., COST] > 0
    scaled = ranks_of(window_scaler().apply(played()))[shown].astype(float)
    varying = [NAMES.index(name) for name in FITTED if np.ptp(raw[shown][:, NAMES.index(name)]) > 0]
    assert len(varying) >= 15
    assert (np.abs(scaled[:, varying].mean(axis=0)) < 0.1).all()
    assert ((scaled[:, varying].std(axis=0) > 0.9) & (scaled[:, varying].std(axis=0) < 1.6)).all()


def test_a_constant_feature_is_centred_and_not_divided() -> None:
    number = Schema(3, 5).opportunity(0, "round_trip_cost")
    cost = played()[0, number]
    assert (cost, 1.0) == (window_scaler().mean[number], window_scaler().scale[number])
    assert not window_scaler().apply(played())[:, number].any()


def test_a_constant_feature_that_changes_later_is_seen_in_its_own_unit() -> None:
    number, seen = Schema(3, 5).opportunity(0, "round_trip_cost"), played()[:1].copy()
    seen[0, number] += 4
    assert 4.0 == pytest.approx(window_scaler().apply(seen)[0, number])


@pytest.mark.parametrize("level", [1.0, 30.0, 1e-3])
def test_the_last_bit_of_a_32_bit_number_is_no_spread(level: float) -> None:
    shown = np.full((100, 22), level, dtype=np.float32)
    shown[::2] = np.nextafter(shown[::2], np.float32(np.inf))
    assert {1.0} == {statistic.scale for statistic in feature_statistics(shown.astype(float)).values()}


@relaxed
@given(st.integers(0, 2**32), st.floats(0.1, 1e3), st.floats(-1e3, 1e3))
def test_other_units_change_nothing_that_a_policy_sees(seed: int, factor: float, offset: float) -> None:
    shown = np.random.default_rng(seed).standard_t(2, (300, 22))
    plain, other = feature_statistics(shown), feature_statistics(factor * shown + offset)
    for name in FITTED:
        expected = factor * plain[name].mean + offset, factor * plain[name].scale
        assert expected == pytest.approx(other[name], rel=1e-6, abs=1e-6)


@relaxed
@given(st.integers(0, 2**32), st.floats(-1e9, 1e9))
def test_a_wild_value_in_a_thousand_hardly_matters(seed: int, wild: float) -> None:
    shown = np.random.default_rng(seed).normal(0, 1, (1000, 22))
    plain = feature_statistics(shown)["spread_now"]
    shown[0] = wild
    assert tuple(plain) == pytest.approx(feature_statistics(shown)["spread_now"], abs=0.05)


# Point in time


def test_the_future_of_the_window_does_not_matter() -> None:
    assert window_scaler().as_dict() == fitted(tape_between(FIRST_H, 959)).as_dict()


def test_a_tape_that_begins_earlier_gives_the_same_scaler() -> None:
    assert window_scaler().as_dict() == fitted(tape_between(300, LAST_H)).as_dict()


def distorted(outside_from: int, outside_to: int) -> Market:
    """The market with prices, volumes and funding tripled outside of these hours."""
    first, last = (market().start_ms + number * HOUR_MS for number in (outside_from, outside_to))

    def bars(one: Bars) -> Bars:
        factor = np.where((one.open_time < first) | (one.open_time >= last), 3.0, 1.0)
        levels = (column * factor for column in (one.open, one.high, one.low, one.close, one.volume))
        return Bars(one.open_time, *levels)

    def settlements(one: Settlements) -> Settlements:
        factor = np.where((one.time < first) | (one.time > last), 3.0, 1.0)
        return replace(one, rate=one.rate * factor)

    return replace(
        market(),
        bars={key: bars(one) for key, one in market().bars.items()},
        settlements={key: settlements(one) for key, one in market().settlements.items()},
    )


def test_what_came_before_the_features_and_after_the_window_does_not_matter() -> None:
    other = distorted(FIRST_H - HOURS_SEEN, LAST_H)
    assert window_scaler().as_dict() == fitted(tape_between(FIRST_H, 959, other)).as_dict()


@pytest.mark.parametrize("hours", [(FIRST_H - HOURS_SEEN, LAST_H - 20), (FIRST_H - 100, LAST_H)])
def test_what_the_window_saw_does_matter(hours: tuple[int, int]) -> None:
    other = distorted(*hours)
    assert window_scaler().as_dict() != fitted(tape_between(FIRST_H, LAST_H, other)).as_dict()


def test_another_window_gives_another_scaler() -> None:
    tape = window_tape()
    half = fit_scaler(tape, tape.first, tape.first + 100)
    assert half.mean.tolist() != window_scaler().mean.tolist()


# Keeping


@relaxed
@given(scalers())
def test_a_stored_scaler_is_the_same_bit_for_bit(scaler: Scaler) -> None:
    again = Scaler.from_dict(json.loads(json.dumps(scaler.as_dict())), Schema(3, 5))
    for name in ("mean", "scale", "shown_by"):
        ours, theirs = getattr(scaler, name), getattr(again, name)
        assert (ours.dtype, ours.tobytes()) == (theirs.dtype, theirs.tobytes())
    assert (scaler.schema_hash, scaler.window, scaler.clip) == (again.schema_hash, again.window, again.clip)


def test_a_stored_scaler_scales_as_before() -> None:
    again = Scaler.from_dict(json.loads(json.dumps(window_scaler().as_dict())), Schema(3, 5))
    assert window_scaler().apply(played()).tobytes() == again.apply(played()).tobytes()


def test_another_schema_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=f"schema {Schema(3, 5).hash}, not {Schema(3, 4).hash}"):
        Scaler.from_dict(window_scaler().as_dict(), Schema(3, 4))


@pytest.mark.parametrize("key", ["mean", "scale"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, 1e39, None])
def test_numbers_that_are_none_are_refused(key: str, number: float | None) -> None:
    stored = window_scaler().as_dict()
    stored[key][7] = number
    with pytest.raises(CorruptData, match="fit it anew"):
        Scaler.from_dict(stored, Schema(3, 5))


@pytest.mark.parametrize("scale", [0.0, -1.0, 1e-60])
def test_a_scale_that_is_not_above_zero_is_refused(scale: float) -> None:
    stored = window_scaler().as_dict()
    stored["scale"][20] = scale
    with pytest.raises(CorruptData, match="not above zero"):
        Scaler.from_dict(stored, Schema(3, 5))


@pytest.mark.parametrize(
    "broken",
    [
        {"mean": [0.0] * 123},
        {"scale": 1.0},
        {"mean": ["much"] * 124},
        {"window": [1]},
        {"window": [math.inf, math.inf]},
        {"window": None},
        {"clip": 0.0},
        {"clip": math.nan},
        {"clip": "wide"},
    ],
)
def test_what_is_no_scaler_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(CorruptData, match="fit it anew"):
        Scaler.from_dict({**window_scaler().as_dict(), **broken}, Schema(3, 5))


@pytest.mark.parametrize("key", ["schema", "window", "clip", "mean", "scale"])
def test_a_part_that_is_missing_is_named(key: str) -> None:
    stored = window_scaler().as_dict()
    del stored[key]
    with pytest.raises(CorruptData, match=f"'{key}'"):
        Scaler.from_dict(stored, Schema(3, 5))


# What cannot be fitted


@pytest.mark.parametrize(("before", "beyond"), [(1, 0), (0, 1), (-201, 0), (400, 0)])
def test_rows_that_are_not_played_are_refused(before: int, beyond: int) -> None:
    tape = window_tape()
    with pytest.raises(ConfigurationError, match="cannot be fitted"):
        fit_scaler(tape, tape.first - before, len(tape.panel.ticks) - 1 + beyond)


def test_one_row_is_enough() -> None:
    tape = window_tape()
    scaler = fit_scaler(tape, tape.first, tape.first)
    assert np.abs(scaler.apply(played())).max() <= 10


def test_a_window_that_shows_nothing_is_refused() -> None:
    tape = play_tape(pair_market(240), SETTINGS, 20)
    nothing = replace(tape, features=tape.features._replace(ranked=np.full_like(tape.features.ranked, -1)))
    with pytest.raises(MissingData, match="no opportunity"):
        fit_scaler(nothing, nothing.first, nothing.first + 20)


# Other layouts


@dataclass(frozen=True)
class PerPair:
    """Every pair as 22 numbers of the opportunity and 3 of the position on it."""

    names: tuple[str, ...] = tuple(feature.name for feature in (*OPPORTUNITY, *POSITION))
    hash: str = "per pair"


def test_the_same_statistics_scale_pairs_one_by_one() -> None:
    tape = window_tape()
    statistics = feature_statistics(shown_opportunities(tape, tape.first, len(tape.panel.ticks) - 1))
    pairs = np.zeros((len(played()), 5, 25), dtype=np.float32)
    pairs[..., :22] = ranks_of(played())
    scaled = lay_out(statistics, PerPair(), window_ticks()).apply(pairs)
    assert ranks_of(window_scaler().apply(played())).tobytes() == scaled[..., :22].tobytes()
    assert not scaled[:, 4].any()


def test_a_held_pair_without_features_keeps_its_position() -> None:
    pairs = np.zeros((1, 1, 25), dtype=np.float32)
    pairs[..., 22:] = 1.5, 0.25, -3.0
    scaled = lay_out(feature_statistics(np.ones((3, 22))), PerPair(), (0, 1)).apply(pairs)
    assert pairs.tolist() == scaled.tolist()


# The recorded market


@pytest.mark.skipif("RECORDED_MARKET" not in os.environ, reason="RECORDED_MARKET does not name a folder of recordings")
def test_on_the_recorded_market_hardly_a_number_of_the_next_month_is_clipped() -> None:
    recorded = recorded_market(Path(os.environ["RECORDED_MARKET"]), ("binance", "hyperliquid"))
    first, last = (utc_ms(datetime(year, month, 1, tzinfo=UTC)) for year, month in ((2024, 10), (2025, 4)))
    tape = tape_of_market(recorded, DataSettings(), SETTINGS, first, last)
    month = 30 * 24
    for begin in range(tape.first, len(tape.panel.ticks) - 4 * month, month):
        statistics = feature_statistics(shown_opportunities(tape, begin, begin + 3 * month - 1))
        later = shown_opportunities(tape, begin + 3 * month, begin + 4 * month - 1)
        for name, values in zip(NAMES, later.T, strict=True):
            mean, scale = statistics[name]
            assert np.mean(np.abs(values - mean) > 10 * scale) < 0.01, name
