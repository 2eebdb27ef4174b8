"""The checks of candles against other venues on rows made for them."""

from dataclasses import replace

import numpy as np
import pytest

from data.defects import Defect
from data.types import HOUR_MS, Asset, Bars
from tests.unit.data.checked import (
    BINANCE,
    HYPERLIQUID,
    OKX,
    PRICES,
    only,
    prices,
    times,
    told,
    walk,
)

# Candles against other venues


def test_a_bad_print_is_kept_out_where_it_is_and_nowhere_else() -> None:
    for name in ("open", "close"):
        wrong = times(1.2, walk(1), slice(200, 201), (name, "high"))
        kept_out = [one for one in prices((BINANCE, wrong), (OKX, walk(2))) if one.defect.quarantined]
        assert [(Defect.BAD_PRINT, BINANCE.key, [200])] == told(kept_out)


def test_a_departure_that_lasts_is_kept_out_for_three_hours_and_told_from_then_on() -> None:
    parted = times(1.2, walk(1), slice(200, 230))
    findings = prices((BINANCE, parted), (OKX, walk(2)))

    assert [(Defect.BAD_PRINT, BINANCE.key, [200, 201, 202])] == told(
        [one for one in findings if one.defect.quarantined]
    )
    assert (Defect.DISAGREEMENT, BINANCE.key, list(range(203, 230))) in told(findings)


@pytest.mark.parametrize("begins", [169, 200, 335, 336])
def test_a_bad_print_is_kept_out_in_the_hour_that_it_appears(begins: int) -> None:
    wrong, other = times(0.8, walk(1), slice(begins, begins + 2)), walk(2)
    for known in range(begins, begins + 6):
        seen = [only(rows, np.arange(len(rows)) <= known) for rows in (wrong, other)]
        kept_out = [one for one in prices((BINANCE, seen[0]), (OKX, seen[1])) if one.defect.quarantined]
        assert [(Defect.BAD_PRINT, BINANCE.key, list(range(begins, min(known, begins + 1) + 1)))] == told(kept_out)


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
