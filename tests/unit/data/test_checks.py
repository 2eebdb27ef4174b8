"""The checks on rows made for them: what they find, what they leave alone, and what no recording has."""

from dataclasses import replace

import numpy as np
import pytest

from data.checks import check_again, check_market
from data.checks.stamps import intervals_in_force
from data.defects import Defect, Finding
from data.panel import funding_intervals
from data.settings import SyntheticSettings
from data.synthetic import synthetic_market
from data.types import HOUR_MS, Asset, Bars, Instrument, InstrumentKey, Settlements
from tests.unit.data.series import MINUTE_MS, START, coin, hour, settled

BINANCE, BYBIT, OKX = coin("binance"), coin("bybit"), coin("okx")
HYPERLIQUID = coin("hyperliquid", quote="USDC", interval=1)
PRICES = ("open", "high", "low", "close")


def funding(*series: tuple[Instrument, Settlements]) -> list[Finding]:
    return check_market([one for one, _ in series], {}, {one.key: rows for one, rows in series})


def prices(*series: tuple[Instrument, Bars]) -> list[Finding]:
    return check_market([one for one, _ in series], {one.key: rows for one, rows in series}, {})


def told(findings: list[Finding]) -> list[tuple[Defect, InstrumentKey, list[int]]]:
    """Defect, whose, and the hours of the rows (of a gap, the first and last missing one)."""
    return [
        (one.defect, one.key, [(time - START) // HOUR_MS for time in one.times.tolist() or [one.first_ms, one.last_ms]])
        for one in findings
    ]


def every(interval: int, count: int, first: int = 0, rate: float = 3e-5) -> dict[int, float]:
    """Rates of no meaning, none of them the default."""
    return {first + interval * n: rate * (1 + n % 7) for n in range(count)}


def walk(seed: int = 0, hours: int = 24 * 21, basis_bps: float = 0.0) -> Bars:
    """Hourly candles of a random walk: the same one on every venue, but for a basis and each venue's noise."""
    shared, own = np.random.default_rng(1), np.random.default_rng(seed)
    log = np.cumsum(0.006 * shared.standard_normal(hours + 1))
    noise = 1e-4 * own.standard_normal((2, hours)) + basis_bps * 1e-4
    first, last = 100.0 * np.exp(log[:-1] + noise[0]), 100.0 * np.exp(log[1:] + noise[1])
    volume = np.round(1000.0 * np.exp(0.3 * own.standard_normal(hours)), 3)
    time = START + HOUR_MS * np.arange(hours)
    return Bars(time, first, np.maximum(first, last) * 1.001, np.minimum(first, last) * 0.999, last, volume)


def times(factor: float, bars: Bars, rows: slice, names: tuple[str, ...] = PRICES) -> Bars:
    """`bars` with some columns multiplied in `rows`."""
    changed = {name: getattr(bars, name).copy() for name in names}
    for values in changed.values():
        values[rows] *= factor
    return replace(bars, **changed)


def only(bars: Bars, kept: np.ndarray) -> Bars:
    return Bars(*(column[kept] for column in vars(bars).values()))


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


# Settlement stamps


@pytest.mark.parametrize("stray", [3, 9, 10, 18, 19])
def test_one_stray_settlement_is_found_and_changes_no_interval(stray: int) -> None:
    rates = every(8, 30) | {48 + stray: 1e-4}

    assert [(Defect.STRAY, BINANCE.key, [48 + stray])] == told(funding((BINANCE, settled(dict(sorted(rates.items()))))))


def test_an_interval_that_shortens_and_lengthens_again_is_no_defect() -> None:
    """As Bybit did to INJ from 2026-02-19 17:00 to 2026-02-27: 8 h, 1 h, 8 h; and by way of 4 h."""
    hours = [*range(0, 81, 8), *range(84, 97, 4), *range(97, 265), *range(272, 400, 8)]
    findings = funding((BYBIT, settled(dict.fromkeys(hours, 3e-5))))

    assert [84, 97, 272] == [(one.first_ms - START) // HOUR_MS for one in findings]
    assert {Defect.INTERVAL_CHANGE} == {one.defect for one in findings}


def test_the_newest_settlements_of_a_shorter_interval_are_believed() -> None:
    for newest in (1, 2, 3):
        rates = every(8, 12) | every(1, newest, first=89)
        assert {Defect.INTERVAL_CHANGE} == {one.defect for one in funding((BINANCE, settled(rates)))}


@pytest.mark.parametrize("announced", [8, 4])
def test_hindsight_and_the_panel_agree_where_nothing_changes(announced: int) -> None:
    stamps = settled(every(announced, 50)).time

    assert funding_intervals(stamps, announced).tolist() == intervals_in_force(stamps, announced).tolist()


@pytest.mark.parametrize("hours", [1, 2, 3, 5, 7])
def test_a_series_in_local_time_is_off_the_clock_throughout(hours: int) -> None:
    assert [(Defect.SHIFTED, BINANCE.key, [hours + 8 * n for n in range(30)])] == told(
        funding((BINANCE, settled(every(8, 30, first=hours))))
    )


def test_london_time_is_off_the_clock_in_summer_only() -> None:
    winter = (1_743_292_800_000 - START) // HOUR_MS  # 2025-03-30 00:00 UTC; clocks change an hour later
    hours = [8 * n + (8 * n > winter) for n in range(450)]
    findings = funding((OKX, settled(dict.fromkeys(hours, 3e-05))))

    assert [(Defect.SHIFTED, OKX.key, [time for time in hours if time > winter])] == told(findings)
    assert "Europe/London with daylight saving" in findings[0].detail


def test_venues_with_another_clock_are_not_off_theirs() -> None:
    bitmex = coin("bitmex")
    assert [] == funding((bitmex, settled(every(8, 30, first=4))))
    assert [Defect.SHIFTED] == [one.defect for one in funding((bitmex, settled(every(8, 30))))]


def test_a_late_stamp_keeps_its_settlement() -> None:
    late = dict.fromkeys(every(8, 30), 0) | {16: 24 * MINUTE_MS, 24: 47, 32: -20 * MINUTE_MS}
    rates = settled(every(8, 30), late)

    assert [(Defect.LATE_STAMP, BINANCE.key, [16, 32])] == told(funding((BINANCE, rates)))


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


# Rates


def test_a_rate_beyond_the_cap_is_kept_out() -> None:
    rates = settled(every(8, 30) | {80: 0.05})

    assert [(Defect.BEYOND_CAP, BINANCE.key, [80])] == told(funding((BINANCE, rates)))
    low = check_market([BINANCE], {}, {BINANCE.key: settled(every(8, 30) | {80: 0.004})}, {BINANCE.key: 0.00375})
    assert [(Defect.BEYOND_CAP, BINANCE.key, [80])] == told(low)


def test_a_long_run_of_the_default_is_information_for_every_interval() -> None:
    for interval, default in ((8, 1e-4), (4, 5e-5), (1, 1.25e-5)):
        one = replace(HYPERLIQUID, interval_hours=interval)
        findings = funding((one, settled({interval * n: default for n in range(50)})))
        assert [(Defect.DEFAULT_RATE, 50)] == [(found.defect, found.rows) for found in findings]


def stressed(factor: float) -> Settlements:
    """Three weeks of default rates, then one in which they are `factor` times that, but for noise."""
    noise = np.exp(0.3 * np.random.default_rng(4).standard_normal(21))
    return settled({8 * n: 1e-4 if n < 63 else 1e-4 * factor * noise[n - 63] for n in range(84)})


def test_a_week_of_stress_on_one_venue_is_told_and_stays() -> None:
    calm = settled({8 * n: 1e-4 for n in range(84)})
    for factor in (8.0, 15.0):
        findings = funding((BINANCE, calm), (BYBIT, calm), (OKX, stressed(factor)))
        assert [] == [one for one in findings if one.defect.quarantined]
    assert OKX.key in {one.key for one in findings if one.defect is Defect.RATE_LEVEL}


@pytest.mark.parametrize("factor", [100.0, 0.01, 1095.0, 0.125])
def test_the_default_in_another_unit_gives_a_slip_away(factor: float) -> None:
    rates = every(8, 84, rate=2e-5) | {8 * n: 1e-4 for n in range(0, 84, 2)}
    right = settled(dict(sorted(rates.items())))
    wrong = replace(right, rate=right.rate * np.where(np.arange(84) >= 42, factor, 1.0))
    findings = [one for one in funding((BINANCE, right), (OKX, wrong)) if one.defect is Defect.RATE_UNIT]

    assert [(Defect.RATE_UNIT, OKX.key)] == [(one.defect, one.key) for one in findings]
    assert set(right.time[43:83].tolist()) <= set(findings[0].times.tolist()) <= set(right.time[39:].tolist())
    assert f"{factor:g} times what they ought to be" in findings[0].detail


def test_hourly_rates_given_for_eight_hours_are_found_without_another_venue() -> None:
    rates = {n: 1e-4 if n % 2 else 3e-5 + 1e-6 * (n % 11) for n in range(400)}

    assert [Defect.RATE_UNIT] == [one.defect for one in funding((HYPERLIQUID, settled(rates)))]


# Candles against other venues


def test_a_bad_print_is_kept_out_where_it_is_and_nowhere_else() -> None:
    for name in ("open", "close"):
        wrong = times(1.2, walk(1), slice(200, 201), (name, "high"))
        kept_out = [one for one in prices((BINANCE, wrong), (OKX, walk(2))) if one.defect.quarantined]
        assert [(Defect.BAD_PRINT, BINANCE.key, [200])] == told(kept_out)


def test_the_same_move_on_every_venue_is_no_bad_print() -> None:
    crash = [times(0.7, walk(seed), slice(200, 203)) for seed in (1, 2, 3)]
    findings = prices((BINANCE, crash[0]), (OKX, crash[1]), (HYPERLIQUID, crash[2]))

    assert {Defect.OUTLIER} == {one.defect for one in findings}


def test_a_crash_that_parts_the_venues_by_550_bps_is_told_and_stays() -> None:
    """As on 2025-10-10 21:00."""
    crash = [times(factor, walk(seed), slice(200, 202)) for seed, factor in ((1, 0.85), (2, 0.85 * 0.945))]
    findings = prices((BINANCE, crash[0]), (OKX, crash[1]))

    assert {Defect.OUTLIER, Defect.DISAGREEMENT} == {one.defect for one in findings}
    assert [200, 201] == next(hours for defect, _, hours in told(findings) if defect is Defect.DISAGREEMENT)


def test_a_bad_print_with_nothing_to_compare_is_told_and_stays() -> None:
    findings = prices((BINANCE, times(1.3, walk(1), slice(200, 201), ("close", "high"))))

    # The way there and the way back.
    assert [(Defect.OUTLIER, BINANCE.key, [200, 201])] == told(findings)


def test_a_wick_that_nobody_else_saw_is_told() -> None:
    low = times(0.6, walk(1), slice(200, 201), ("low",))

    assert [(Defect.LONG_WICK, BINANCE.key, [200])] == told(prices((BINANCE, low), (OKX, walk(2))))


def frozen(bars: Bars, rows: slice) -> Bars:
    still = {name: getattr(bars, name).copy() for name in (*PRICES, "volume")}
    for name in PRICES:
        still[name][rows] = bars.open[rows.start]
    still["volume"][rows] = 0.0
    return replace(bars, **still)


def test_a_price_that_stands_still_while_it_moves_elsewhere_is_kept_out() -> None:
    findings = prices((OKX, frozen(walk(1), slice(200, 209))), (BINANCE, walk(2)))

    assert [(Defect.FROZEN, OKX.key, list(range(200, 209)))] == told(
        [one for one in findings if one.defect.quarantined]
    )


def test_a_quiet_market_is_not_frozen() -> None:
    alone = prices((OKX, frozen(walk(1), slice(200, 209))))
    short = prices((OKX, frozen(walk(1), slice(200, 202))), (BINANCE, walk(2)))

    assert [(Defect.ZERO_VOLUME, OKX.key, list(range(200, 209)))] == told(alone)
    assert [] == [one for one in short if one.defect.quarantined]
    assert (Defect.ZERO_VOLUME, OKX.key, [200, 201]) in told(short)


def test_candles_in_local_time_are_found_on_the_one_of_three_venues_that_has_them() -> None:
    local = replace(walk(1), open_time=walk(1).open_time + 3 * HOUR_MS)
    findings = prices((BINANCE, local), (OKX, walk(2)), (HYPERLIQUID, walk(3)))

    assert [(Defect.SHIFTED, BINANCE.key, [3 + n for n in range(len(local))])] == told(findings)


def test_a_price_by_the_thousand_is_found_on_the_venue_that_has_it() -> None:
    wrong = times(1000.0, walk(1), slice(None))
    three = prices((BINANCE, wrong), (OKX, walk(2)), (HYPERLIQUID, walk(3)))
    two = prices((BINANCE, wrong), (OKX, walk(2)))

    assert [(Defect.MULTIPLIER, BINANCE.key)] == [(one.defect, one.key) for one in three]
    assert [(Defect.MULTIPLIER, BINANCE.key), (Defect.MULTIPLIER, OKX.key)] == [(one.defect, one.key) for one in two]


def test_a_thousand_coins_and_one_coin_are_not_compared() -> None:
    thousand = replace(BINANCE, symbol="1000SHIB/USDT:USDT", asset=Asset.parse("1000SHIB"))
    single = replace(OKX, symbol="SHIB/USDT:USDT", asset=Asset.parse("SHIB"))

    assert [] == prices((thousand, times(1000.0, walk(1), slice(None))), (single, walk(2)))


def test_two_coins_with_one_name_are_both_kept_out() -> None:
    findings = prices((BINANCE, times(2.7, walk(1), slice(None))), (OKX, walk(2)))

    assert [(Defect.OTHER_COIN, BINANCE.key), (Defect.OTHER_COIN, OKX.key)] == [
        (one.defect, one.key) for one in findings
    ]


def test_volume_in_contracts_is_found_where_it_begins_and_ends() -> None:
    findings = prices((OKX, times(100.0, walk(1), slice(100, 300), ("volume",))), (BINANCE, walk(2)))

    assert [(Defect.VOLUME_UNIT, OKX.key, list(range(100, 300)))] == told(findings)


def test_a_tenfold_volume_is_told_and_stays() -> None:
    findings = prices((OKX, times(10.0, walk(1), slice(100, 300), ("volume",))), (BINANCE, walk(2)))

    assert [(Defect.VOLUME_LEVEL, OKX.key, list(range(100, 300)))] == told(findings)


def test_whole_numbers_of_a_dear_unit_are_contracts() -> None:
    dear = [times(300.0, walk(seed), slice(None)) for seed in (1, 2)]
    counted = replace(dear[0], volume=np.round(1000.0 * dear[0].volume))

    assert [(Defect.VOLUME_UNIT, OKX.key)] == [
        (one.defect, one.key) for one in prices((OKX, counted), (BINANCE, dear[1]))
    ]


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
