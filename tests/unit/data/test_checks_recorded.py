"""The checks on recorded candles, and on everything: what is clean loses no row, and known defects are found."""

from collections import Counter

import pytest

from data.checks import check_again
from data.defects import Defect
from data.types import HOUR_MS, Bars
from tests.unit.data.checked import quarantined
from tests.unit.data.recordings import (
    BTC,
    CANDLES,
    FUNDING,
    bars,
    between,
    checked,
    everything,
    kept_out,
    ms,
    of,
    panel,
    settlements,
)

# Clean series


def test_the_clean_panel_of_twelve_assets_loses_no_row() -> None:
    candles, funding = panel()
    findings = checked(candles, candles, funding)

    assert 24 == len(candles)
    assert [] == kept_out(findings)
    told = Counter(one.defect for one in findings)
    assert {Defect.DEFAULT_RATE: 23, Defect.OUTLIER: 4, Defect.DISAGREEMENT: 4} == {
        defect: told[defect] for defect in (Defect.DEFAULT_RATE, Defect.OUTLIER, Defect.DISAGREEMENT)
    }
    assert sum(told.values()) <= 35


def test_of_all_recorded_rows_only_those_with_a_known_defect_are_kept_out() -> None:
    candles = {key: bars(*key) for key in everything(CANDLES)}
    funding = {key: settlements(*key) for key in everything(FUNDING)}
    findings = checked({*candles, *funding}, candles, funding)

    rows = Counter[tuple[str, str]]()
    for one in findings:
        if one.defect.quarantined:
            rows[one.venue, one.defect.value] += one.rows
    assert {("okx", "frozen"): 144, ("htx", "stray"): 14, ("gate", "volume_unit"): 12_690} == dict(rows)


# Candles


def test_the_frozen_hours_of_an_outage_are_kept_out() -> None:
    keys = [key for key in everything(CANDLES) if key[0] in ("binance", "okx")]
    candles = {key: between(bars(*key), "2022-12-10", "2022-12-26") for key in keys}
    candles = {key: rows for key, rows in candles.items() if len(rows)}
    frozen = of(Defect.FROZEN, checked(candles, candles))

    assert {"okx"} == {one.venue for one in frozen}
    assert 16 == len(frozen)
    assert {(ms("2022-12-18T09"), ms("2022-12-18T17"), 9)} == {(one.first_ms, one.last_ms, one.rows) for one in frozen}


def test_a_crash_on_every_venue_is_told_and_stays() -> None:
    keys = [BTC, ("okx", "BTC/USDT:USDT")]
    candles = {key: between(bars(*key), "2020-03-01", "2020-03-31") for key in keys}
    findings = checked(keys, candles)

    assert {"binance", "okx"} == {one.venue for one in of(Defect.OUTLIER, findings)}
    assert [] == kept_out(findings)


def test_venues_that_disagree_by_nine_percent_in_a_crash_are_told_and_stay() -> None:
    keys = [("binance", "SOL/USDT:USDT"), ("okx", "SOL/USDT:USDT")]
    candles = {key: between(bars(*key), "2022-11-01", "2022-12-01") for key in keys}
    findings = checked(keys, candles)

    told = of(Defect.DISAGREEMENT, findings)
    assert any(one.first_ms <= ms("2022-11-10T07") <= one.last_ms for one in told)
    assert [] == kept_out(findings)


def test_volumes_in_contracts_are_kept_out() -> None:
    keys = [(venue, "BTC/USDT:USDT") for venue in ("binance", "gate", "okx")]
    candles = {key: between(bars(*key), "2023-02-01", "2023-05-01") for key in keys}
    findings = checked(keys, candles)

    assert {("gate", Defect.VOLUME_UNIT)} == {(one.venue, one.defect) for one in findings if one.defect.quarantined}
    assert quarantined(findings, keys[1], "bars", candles[keys[1]].open_time).all()


def test_volumes_that_nobody_recorded_are_told() -> None:
    key = ("hyperliquid", "ALGO/USDC:USDC")
    empty = of(Defect.ZERO_VOLUME, checked([key], {key: bars(*key)}))

    assert [999] == [one.rows for one in empty]
    assert "in 999 of them the price moved" in empty[0].detail


def test_a_candle_stored_before_its_hour_was_over_is_kept_out() -> None:
    final = between(bars(*BTC), "2025-04-09", "2025-04-10")
    early = Bars(*(column.copy() for column in vars(final).values()))
    early.close[-1] = (final.open[-1] + final.low[-1]) / 2
    early.high[-1] = max(early.open[-1], early.close[-1])
    early.low[-1] = min(early.open[-1], early.close[-1])
    early.volume[-1] /= 3
    findings = check_again(BTC, early, final)

    assert [(Defect.UNFINISHED, [int(final.open_time[-1])])] == [(one.defect, one.times.tolist()) for one in findings]
    assert [] == check_again(BTC, final, final)


@pytest.mark.parametrize("hours", [1, 3, -5])
def test_candles_in_local_time_are_kept_out_on_both_venues_where_nothing_says_which_is_wrong(hours: int) -> None:
    candles, _ = panel()
    keys = [key for key in candles if key[1].startswith("ETH/")]
    local = candles[keys[0]]
    shifted = Bars(local.open_time + hours * HOUR_MS, *list(vars(local).values())[1:])
    findings = checked(keys, {keys[0]: shifted, keys[1]: candles[keys[1]]})

    assert set(keys) == {one.key for one in of(Defect.SHIFTED, findings)}
    assert quarantined(findings, keys[0], "bars", shifted.open_time).all()


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_prices_by_the_thousand_in_part_of_a_series_are_kept_out(factor: float) -> None:
    candles, _ = panel()
    keys = [key for key in candles if key[1].startswith("DOGE/")]
    wrong = Bars(*(column.copy() for column in vars(candles[keys[0]]).values()))
    part = slice(1000, 1500)
    for prices in (wrong.open, wrong.high, wrong.low, wrong.close):
        prices[part] *= factor
    findings = checked(keys, {keys[0]: wrong, keys[1]: candles[keys[1]]})

    assert [(keys[0], Defect.MULTIPLIER, wrong.open_time[part].tolist())] == [
        (one.key, one.defect, one.times.tolist()) for one in findings if one.defect.quarantined
    ]
