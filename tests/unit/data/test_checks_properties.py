"""One defect put into clean synthetic data is found, there and nowhere else; clean data has none."""

from dataclasses import replace
from functools import cache

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data.checks import check_again, check_market
from data.checks.stamps import intervals_in_force
from data.defects import Defect, Finding
from data.market import Market
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Bars, InstrumentKey, Settlements

BINANCE, HYPERLIQUID = ("binance", "DOGE/USDT:USDT"), ("hyperliquid", "DOGE/USDC:USDC")
KEYS = st.sampled_from([BINANCE, HYPERLIQUID])
PRICES = ("open", "high", "low", "close")
DAYS = 40
BARS = st.integers(30, DAYS * 24 - 60)
EXAMPLES = settings(max_examples=25, deadline=None)


@cache
def clean() -> Market:
    return synthetic_market(SyntheticSettings(days=DAYS, assets=("DOGE",), episode=False))


def bars(key: InstrumentKey) -> Bars:
    return replace(clean().bars[key], **{name: column.copy() for name, column in vars(clean().bars[key]).items()})


def found(*changed: tuple[InstrumentKey, Bars | Settlements]) -> list[Finding]:
    """What the checks say of the clean market with some series put in place of its own, less what they say without."""
    market = clean()
    candles = {**market.bars, **{key: one for key, one in changed if isinstance(one, Bars)}}
    funding = {**market.settlements, **{key: one for key, one in changed if isinstance(one, Settlements)}}
    before = {(one.defect, one.key) for one in check_market(market.instruments, market.bars, market.settlements)}
    findings = check_market(market.instruments, candles, funding)
    return [one for one in findings if (one.defect, one.key) not in before]


def kept_out(findings: list[Finding]) -> list[tuple[Defect, InstrumentKey, list[int]]]:
    return [(one.defect, one.key, one.times.tolist()) for one in findings if one.defect.quarantined]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000))
def test_no_seed_gives_a_clean_market_that_loses_a_row(seed: int) -> None:
    market = synthetic_market(SyntheticSettings(seed=seed, days=DAYS, assets=("BTC", "INJ", "1000PEPE")))

    assert [] == kept_out(check_market(market.instruments, market.bars, market.settlements))


@EXAMPLES
@given(KEYS, BARS, st.sampled_from(["open", "close"]), st.floats(1.2, 1.38), st.booleans())
def test_a_bad_print_is_found_exactly(key: InstrumentKey, row: int, name: str, factor: float, down: bool) -> None:
    rows = bars(key)
    getattr(rows, name)[row] *= 1 / factor if down else factor
    rows.high[row], rows.low[row] = (
        max(rows.high[row], getattr(rows, name)[row]),
        min(rows.low[row], getattr(rows, name)[row]),
    )

    assert [(Defect.BAD_PRINT, key, [int(rows.open_time[row])])] == kept_out(found((key, rows)))


@EXAMPLES
@given(KEYS, BARS, st.integers(1, 200), st.sampled_from([1e-6, 1e-3, 1e3, 1e6]))
def test_a_price_multiplier_is_found_exactly(key: InstrumentKey, row: int, length: int, factor: float) -> None:
    rows = bars(key)
    for name in PRICES:
        getattr(rows, name)[row : row + length] *= factor

    assert [(Defect.MULTIPLIER, key, rows.open_time[row : row + length].tolist())] == kept_out(found((key, rows)))


@EXAMPLES
@given(KEYS, BARS, st.integers(3, 40))
def test_frozen_hours_are_found_exactly(key: InstrumentKey, row: int, length: int) -> None:
    rows = bars(key)
    for name in PRICES:
        getattr(rows, name)[row : row + length] = rows.open[row]
    rows.volume[row : row + length] = 0.0
    other = clean().bars[HYPERLIQUID if key == BINANCE else BINANCE].close[row : row + length]
    moved = np.log(other.max() / other.min()) > 0.001

    expected = [(Defect.FROZEN, key, rows.open_time[row : row + length].tolist())] if moved else []
    assert expected == [one for one in kept_out(found((key, rows))) if one[0] is Defect.FROZEN]


@EXAMPLES
@given(KEYS, BARS, st.integers(1, 50))
def test_missing_candles_are_found_exactly(key: InstrumentKey, row: int, length: int) -> None:
    rows = bars(key)
    left = Bars(*(np.delete(column, slice(row, row + length)) for column in vars(rows).values()))
    gaps = [one for one in found((key, left)) if one.defect is Defect.GAP]

    first, last = int(rows.open_time[row]), int(rows.open_time[row + length - 1])
    assert [(key, first, last, length)] == [(one.key, one.first_ms, one.last_ms, one.rows) for one in gaps]


@EXAMPLES
@given(KEYS, BARS, st.floats(0.1, 0.9))
def test_an_unfinished_candle_is_found_exactly(key: InstrumentKey, row: int, part: float) -> None:
    final, early = bars(key), bars(key)
    early.close[row] = final.open[row] * (1 - part) + final.close[row] * part
    early.high[row], early.low[row] = max(early.open[row], early.close[row]), min(early.open[row], early.close[row])
    early.volume[row] *= part

    expected = [(Defect.UNFINISHED, key, [int(final.open_time[row])])]
    assert expected == kept_out(check_again(key, early, final))


@EXAMPLES
@given(st.integers(4, DAYS * 3 - 5), st.sampled_from([1, 2, 3, 4, 5, 6, 7]))
def test_a_stray_settlement_is_found_exactly(row: int, hours: int) -> None:
    rates = clean().settlements[BINANCE]
    time = int(rates.time[row]) + hours * HOUR_MS
    order = np.argsort(np.append(rates.time, time), kind="stable")
    added = Settlements(
        np.append(rates.time, time)[order], np.append(rates.offset_ms, 0)[order], np.append(rates.rate, 1e-5)[order]
    )

    assert [(Defect.STRAY, BINANCE, [time])] == kept_out(found((BINANCE, added)))


@EXAMPLES
@given(KEYS, st.integers(10, 100), st.integers(1, 10))
def test_missing_settlements_are_found_exactly(key: InstrumentKey, row: int, length: int) -> None:
    rates = clean().settlements[key]
    left = Settlements(*(np.delete(column, slice(row, row + length)) for column in vars(rates).values()))
    gaps = [one for one in found((key, left)) if one.defect is Defect.GAP]

    first, last = int(rates.time[row]), int(rates.time[row + length - 1])
    assert [(key, first, last, length)] == [(one.key, one.first_ms, one.last_ms, one.rows) for one in gaps]


@EXAMPLES
@given(st.integers(0, DAYS * 3 - 40), st.integers(30, 40), st.sampled_from([100.0, 1095.0, 109500.0]))
def test_a_gross_unit_slip_is_found_to_within_two_settlements(row: int, length: int, factor: float) -> None:
    rates = clean().settlements[BINANCE]
    slipped = rates.rate.copy()
    slipped[row : row + length] *= factor
    findings = found((BINANCE, Settlements(rates.time, rates.offset_ms, slipped)))

    units = np.concatenate([one.times for one in findings if one.defect is Defect.RATE_UNIT] or [np.empty(0)])
    inside = np.arange(row, row + length)
    got = np.flatnonzero(np.isin(rates.time, units))
    # A rate of almost zero is almost zero in any unit.
    assert len(np.setdiff1d(inside[2:-2], got)) == 0
    assert len(np.setdiff1d(got, np.arange(row - 2, row + length + 2))) == 0
    assert {BINANCE} >= {one.key for one in findings if one.defect.quarantined}


@given(st.lists(st.integers(1, 16), max_size=40), st.sampled_from([1, 2, 4, 8]))
def test_any_stamps_have_an_interval_that_venues_use(spacing: list[int], announced: int) -> None:
    times = np.cumsum([0, *spacing]) * HOUR_MS

    hours = intervals_in_force(times, announced)
    assert len(times) == len(hours)
    assert set(hours.tolist()) <= {1, 2, 4, 8}
