"""The checks as a whole, and rows by themselves: repeated, contradicted, missing, ended."""

from dataclasses import replace

import numpy as np
import pytest

from data.checks import check_again, check_market
from data.defects import Defect
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market
from data.types import Bars, Settlements
from tests.unit.data.checked import (
    BINANCE,
    HYPERLIQUID,
    OKX,
    every,
    funding,
    only,
    prices,
    times,
    told,
    walk,
)
from tests.unit.data.series import hour, settled

# Rows by themselves


def test_clean_rows_give_no_finding() -> None:
    assert [] == prices((BINANCE, walk(1)), (OKX, walk(2)), (HYPERLIQUID, walk(3, basis_bps=10.0)))
    assert [] == funding((BINANCE, settled(every(8, 60))), (HYPERLIQUID, settled(every(1, 480, rate=4e-6))))


def test_no_rows_give_no_finding() -> None:
    none = Bars(*(np.empty(0, dtype=np.int64), *(np.empty(0) for _ in range(5))))
    assert [] == check_market([BINANCE, OKX], {BINANCE.key: none}, {BINANCE.key: Settlements.none()})
    assert [] == check_market([BINANCE], {}, {})


def test_a_row_that_cannot_be_true_is_kept_out() -> None:
    rows = walk()
    rows.close[7] = np.nan
    rates = settled(every(8, 9) | {24: np.inf})

    assert [(Defect.GAP, BINANCE.key, [7, 7]), (Defect.IMPOSSIBLE, BINANCE.key, [7])] == told(prices((BINANCE, rows)))
    assert (Defect.IMPOSSIBLE, BINANCE.key, [24]) in told(funding((BINANCE, rates)))


def test_the_same_row_twice_is_harmless() -> None:
    rows = walk()
    twice = only(rows, np.sort(np.append(np.arange(len(rows)), 5)))

    assert [(Defect.REPEATED, BINANCE.key, [5])] == told(prices((BINANCE, twice)))


def test_two_values_of_one_key_are_both_kept_out() -> None:
    rows = walk()
    twice = only(rows, np.sort(np.append(np.arange(len(rows)), 5)))
    twice.volume[5] += 1.0
    rates = settled(every(8, 9))
    again = Settlements(*(np.append(column, column[3]) for column in vars(rates).values()))
    again.rate[-1] += 1e-5

    assert (Defect.CONFLICT, BINANCE.key, [5]) in told(prices((BINANCE, twice)))
    assert (Defect.CONFLICT, BINANCE.key, [24]) in told(funding((BINANCE, again)))


def test_rows_may_come_in_any_order() -> None:
    rows, rates = walk(), settled(every(8, 30))
    order = np.random.default_rng(3).permutation
    mixed = Settlements(*(column[order_] for order_ in [order(len(rates))] for column in vars(rates).values()))

    assert [] == prices((BINANCE, only(rows, order(len(rows)))))
    assert [] == funding((BINANCE, mixed))


def test_a_later_download_that_contradicts_a_closed_candle_is_a_conflict_and_one_that_continues_it_is_not() -> None:
    rows = walk()
    lower = times(0.5, rows, slice(4, 5), ("volume",))

    assert [(Defect.UNFINISHED, BINANCE.key, [4])] == told(check_again(BINANCE.key, lower, rows))
    assert [(Defect.CONFLICT, BINANCE.key, [4])] == told(check_again(BINANCE.key, rows, lower))
    rates = settled(every(8, 9))
    other = replace(rates, rate=rates.rate + 1e-6)
    assert [Defect.CONFLICT] == [one.defect for one in check_again(BINANCE.key, rates, other)]
    assert [] == check_again(BINANCE.key, rates, replace(rates, rate=rates.rate + 1e-10))


# Gaps and ends


@pytest.mark.parametrize(("interval", "missing"), [(8, 1), (8, 3), (4, 2), (1, 1), (1, 30)])
def test_missing_settlements_are_counted_in_the_interval_in_force(interval: int, missing: int) -> None:
    gone = range(20, 20 + missing)
    rates = {time: rate for n, (time, rate) in enumerate(every(interval, 80).items()) if n not in gone}
    findings = funding((replace(HYPERLIQUID, interval_hours=interval), settled(rates)))

    assert [(Defect.GAP, HYPERLIQUID.key, [20 * interval, (19 + missing) * interval])] == told(findings)
    assert [missing] == [one.rows for one in findings]


def test_pages_that_lose_history_leave_gaps_that_are_told() -> None:
    """ccxt's own paging of Binance skips in steps of 8 h: of 2401 four-hourly rows, 1401 came."""
    rates = {time: rate for n, (time, rate) in enumerate(every(4, 2401).items()) if n % 12 < 7 or n == 2400}
    findings = funding((replace(BINANCE, interval_hours=4), settled(rates)))

    assert {Defect.GAP} == {one.defect for one in findings}
    assert 2401 - len(rates) == sum(one.rows for one in findings)


def test_missing_candles_are_told() -> None:
    rows = walk()
    findings = prices((BINANCE, only(rows, ~np.isin(np.arange(len(rows)), [10, 11, 40]))))

    assert [(Defect.GAP, BINANCE.key, [10, 11]), (Defect.GAP, BINANCE.key, [40, 40])] == told(findings)


def test_a_delisting_is_told_in_both_tables() -> None:
    ended = check_market(
        [BINANCE, OKX],
        {BINANCE.key: walk(1, 100), OKX.key: walk(2, 300)},
        {BINANCE.key: settled(every(8, 12)), OKX.key: settled(every(8, 37))},
    )

    assert [("bars", hour(99)), ("settlements", hour(88))] == [(one.table, one.first_ms) for one in ended]
    assert {(Defect.ENDED, BINANCE.key)} == {(one.defect, one.key) for one in ended}


def test_a_listing_is_not_a_history_that_was_cut_off() -> None:
    days = 90
    fresh = check_market([OKX], {OKX.key: walk(1, 24 * days)}, {OKX.key: settled(every(8, 3 * days))})
    old = check_market([OKX], {OKX.key: walk(1, 24 * 200)}, {OKX.key: settled(every(8, 3 * days, 24 * 110))})

    assert [] == fresh
    assert [Defect.HISTORY_CUT] == [one.defect for one in old]


# All of it


def test_the_synthetic_market_has_no_defect() -> None:
    for seed in (7, 8):
        market = synthetic_market(
            SyntheticSettings(seed=seed, days=90, assets=("BTC", "DOGE", "1000PEPE", "INJ", "TRX"))
        )
        findings = check_market(market.instruments, market.bars, market.settlements)

        assert [] == [str(one) for one in findings if one.defect.quarantined]
        allowed = {Defect.DEFAULT_RATE, Defect.INTERVAL_CHANGE, Defect.RATE_LEVEL, Defect.DISAGREEMENT, Defect.OUTLIER}
        assert {one.defect for one in findings} <= allowed


def test_findings_are_in_order_and_the_rows_given_stay_as_they_were() -> None:
    wrong = times(1.2, walk(1), slice(200, 201), ("close", "high"))
    before = [column.copy() for column in vars(wrong).values()]
    findings = prices((OKX, wrong), (BINANCE, only(walk(2), np.arange(504) != 7)))

    assert sorted(findings, key=lambda one: (one.venue, one.symbol, one.table, one.first_ms, one.defect)) == findings
    assert all(np.array_equal(a, b) for a, b in zip(before, vars(wrong).values(), strict=True))


# Marks and indices


def test_marks_and_indices_are_looked_over_as_candles_are_but_for_volumes() -> None:
    rows = walk()
    silent = replace(rows, volume=np.zeros(len(rows)))
    holed = only(silent, np.delete(np.arange(len(silent)), [5, 6]))
    wrong = times(1.3, silent, slice(9, 10), ("close",))
    derived = {"marks": {BINANCE.key: holed}, "indices": {BINANCE.key: wrong, OKX.key: silent}}
    findings = check_market([BINANCE, OKX], {}, {}, derived=derived)  # type: ignore[arg-type]

    assert ("marks", Defect.GAP, 2) in [(one.table, one.defect, one.rows) for one in findings]
    assert {("indices", BINANCE.key)} == {(one.table, one.key) for one in findings if one.defect.quarantined}
    assert Defect.ZERO_VOLUME not in {one.defect for one in findings}
    assert {"marks", "indices"} == {one.table for one in findings}
