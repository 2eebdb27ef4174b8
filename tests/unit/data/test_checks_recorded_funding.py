"""The checks on recorded settlements: the defects that they have are found, and nothing else is kept out."""

import numpy as np
import pytest

from data.defects import Defect
from data.types import HOUR_MS, InstrumentKey, Settlements
from tests.unit.data.checked import quarantined
from tests.unit.data.recordings import (
    BTC,
    FUNDING,
    bars,
    checked,
    everything,
    funding_of,
    kept_out,
    ms,
    of,
    panel,
    raw,
    settlements,
)

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
