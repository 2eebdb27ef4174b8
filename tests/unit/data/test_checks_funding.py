"""The checks of settlements on rows made for them: stamps, intervals, rates, units."""

from dataclasses import replace

import numpy as np
import pytest

from data.checks import check_market
from data.checks.stamps import intervals_in_force
from data.defects import Defect
from data.panel import funding_intervals
from data.types import HOUR_MS, Settlements
from tests.unit.data.checked import (
    BINANCE,
    BYBIT,
    HYPERLIQUID,
    OKX,
    every,
    funding,
    told,
)
from tests.unit.data.series import MINUTE_MS, START, coin, settled

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
