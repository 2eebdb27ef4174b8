"""The checks on recorded rows: each defect that the recordings have is found, and clean series give no quarantine."""

from collections import Counter
from collections.abc import Iterable
from functools import cache

import numpy as np
import pytest

from data.checks import check_again, check_market
from data.defects import Defect, Finding, quarantined
from data.types import HOUR_MS, Bars, InstrumentKey, Settlements
from tests.unit.data.recordings import (
    PANEL,
    PANEL_SPAN,
    bars,
    between,
    everything,
    instrument,
    ms,
    raw,
    settlements,
    venues_with,
)

CANDLES, FUNDING = "ohlcv_1h.parquet", "funding.parquet"
BTC = ("binance", "BTC/USDT:USDT")


def checked(
    keys: Iterable[InstrumentKey],
    candles: dict[InstrumentKey, Bars] | None = None,
    funding: dict[InstrumentKey, Settlements] | None = None,
) -> list[Finding]:
    hourly = {"hyperliquid", "kraken", "dydx", "drift"}
    listed = [instrument(key, 1 if key[0] in hourly else 8) for key in keys]
    return check_market(listed, candles or {}, funding or {})


def funding_of(*keys: InstrumentKey) -> list[Finding]:
    return checked(keys, funding={key: settlements(*key) for key in keys})


@cache
def panel() -> tuple[dict[InstrumentKey, Bars], dict[InstrumentKey, Settlements]]:
    keys = [key for asset in PANEL for key in venues_with(asset, CANDLES) if key[0] in ("binance", "hyperliquid")]
    return (
        {key: between(bars(*key), *PANEL_SPAN) for key in keys},
        {key: between(settlements(*key), *PANEL_SPAN) for key in keys},
    )


def kept_out(findings: Iterable[Finding]) -> list[str]:
    return [str(one) for one in findings if one.defect.quarantined]


def of(defect: Defect, findings: Iterable[Finding]) -> list[Finding]:
    return [one for one in findings if one.defect is defect]


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


# Stamps


def test_milliseconds_of_lateness_are_nothing_and_24_minutes_are_told() -> None:
    assert [] == of(Defect.LATE_STAMP, funding_of(BTC))
    early = raw("hippocritical", "hyperliquid", "BTC/USDC:USDC")
    key = ("hyperliquid", "BTC/USDC:USDC")
    findings = checked([key], funding={key: early})

    late = of(Defect.LATE_STAMP, findings)
    assert (1, [1_433_040]) == (late[0].rows, early.offset_ms[np.isin(early.time, late[0].times)].tolist())
    assert [] == kept_out(findings)


def test_stamps_half_an_hour_off_keep_their_hour_and_are_told() -> None:
    key = ("drift", "SOL/USDC:USDC")
    drift = raw("stajie99", *key)
    findings = checked([key], funding={key: drift})

    assert [452] == [one.rows for one in of(Defect.LATE_STAMP, findings)]
    assert [] == kept_out(findings)
    assert 1500 == len(np.unique(drift.time))


def test_settlements_at_stray_hours_are_kept_out_and_the_missing_ones_told() -> None:
    findings = funding_of(("htx", "BTC/USDT:USDT"))

    stray = of(Defect.STRAY, findings)
    assert {3, 9, 10, 18, 19} == set((stray[0].times // HOUR_MS % 24).tolist())
    assert (1, 7) == (len(stray), stray[0].rows)
    assert 7 == len(of(Defect.GAP, findings))


@pytest.mark.parametrize(("venue", "hours"), [("htx", 3), ("kucoin", 3)])
def test_stamps_in_moscow_time_are_kept_out(venue: str, hours: int) -> None:
    key = (venue, "BTC/USDT:USDT")
    local = raw("supervik", *key)
    findings = checked([key], funding={key: local})

    assert f"{hours} h off the venue's clock" in of(Defect.SHIFTED, findings)[0].detail
    out = quarantined(findings, key, "settlements", local.time)
    assert out.all()


def test_the_settlement_clock_of_every_recorded_venue_is_its_own() -> None:
    funding = {key: settlements(*key) for key in everything(FUNDING)}

    assert [] == of(Defect.SHIFTED, checked(funding, funding=funding))


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        (
            ("binance", "SOL/USDT:USDT"),
            [
                "8 h to every 4 h at 2022-11-09T20",
                "4 h to every 2 h at 2022-11-10T06",
                "2 h to every 8 h at 2022-11-18T16",
            ],
        ),
        (("okx", "LAYER/USDT:USDT"), ["4 h to every 2 h at 2025-02-12T06"]),
        (("bybit", "WIF/USDT:USDT"), ["8 h to every 4 h at 2025-01-15T12"]),
        (("hyperliquid", "BTC/USDC:USDC"), ["8 h to every 1 h at 2023-06-08T01"]),
    ],
)
def test_the_venue_changed_the_interval_in_place(key: InstrumentKey, changes: list[str]) -> None:
    findings = funding_of(key)

    assert changes == [
        one.detail.removeprefix("from every ").removesuffix(":00:00Z") for one in of(Defect.INTERVAL_CHANGE, findings)
    ]
    assert [] == kept_out(findings)


# Gaps and ends


def test_missing_settlements_are_told_with_their_number() -> None:
    okx = of(Defect.GAP, funding_of(("okx", "BTC/USDT:USDT")))
    assert [1, 151, 21] == [one.rows for one in okx]
    assert ms("2024-07-01T08") == okx[1].first_ms

    hourly = [key for key in everything(FUNDING) if key[0] == "hyperliquid"]
    assert 114 == sum(one.rows for one in of(Defect.GAP, funding_of(*hourly)))


def test_funding_that_reaches_back_three_months_only_is_told() -> None:
    keys = [("okx", "AVAX/USDT:USDT"), ("okx", "BTC/USDT:USDT")]
    candles, funding = {key: bars(*key) for key in keys}, {key: settlements(*key) for key in keys}
    cut = of(Defect.HISTORY_CUT, checked(keys, candles, funding))

    assert [("AVAX/USDT:USDT", "settlements reach back 83 days, candles 1133 days further")] == [
        (one.symbol, one.detail) for one in cut
    ]


def test_a_series_that_ends_while_others_go_on_is_told() -> None:
    ended = of(Defect.ENDED, funding_of(("htx", "BTC/USDT:USDT"), BTC))

    assert [("htx", ms("2023-12-31T16"))] == [(one.venue, one.first_ms) for one in ended]


# Rates


def test_long_runs_of_the_default_rate_are_information() -> None:
    findings = funding_of(BTC, ("hyperliquid", "BTC/USDC:USDC"), ("okx", "BTC/USDT:USDT"))
    share = {one.venue: one.rows / len(settlements(*one.key)) for one in of(Defect.DEFAULT_RATE, findings)}

    assert [] == kept_out(findings)
    assert 0.3 < share["binance"] < 0.7 and 0.3 < share["hyperliquid"] < 0.7 and share["okx"] < 0.1


@pytest.mark.parametrize(
    ("key", "cap", "rows"),
    [
        (("gate", "BTC/USDT:USDT"), "0.375 %", 5),
        (("binance", "SOL/USDT:USDT"), "2 %", 7),
        (("okx", "LAYER/USDT:USDT"), "3 %", 4),
    ],
)
def test_rates_that_a_cap_has_clipped_are_told(key: InstrumentKey, cap: str, rows: int) -> None:
    findings = funding_of(key)
    clipped = of(Defect.CLIPPED_RATE, findings)

    assert [rows] == [one.rows for one in clipped]
    assert f"exactly the largest, {cap}" in clipped[0].detail
    assert [] == kept_out(findings)


@pytest.mark.parametrize(("venue", "factor"), [("binance", 100.0), ("binance", 1095.0), ("hyperliquid", 8.0)])
@pytest.mark.parametrize("asset", ["BTC", "DOGE"])
def test_recorded_funding_in_another_unit_is_kept_out(venue: str, factor: float, asset: str) -> None:
    _, funding = panel()
    keys = [key for key in funding if key[1].startswith(f"{asset}/")]
    slipped = next(key for key in keys if key[0] == venue)
    whole = funding[slipped]
    part = slice(len(whole) // 3, len(whole) * 2 // 3)
    rate = whole.rate.copy()
    rate[part] *= factor
    findings = checked(
        keys, funding={**{k: funding[k] for k in keys}, slipped: Settlements(whole.time, whole.offset_ms, rate)}
    )

    out = quarantined(findings, slipped, "settlements", whole.time)
    edge = 24 if factor == 8.0 else 2
    assert out[part].mean() > 0.98
    assert out.sum() - out[part].sum() <= 2 * edge
    assert {slipped} == {one.key for one in findings if one.defect.quarantined}


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
