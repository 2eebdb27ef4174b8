from pathlib import Path

import numpy as np
import pytest

from data.defects import Defect, absent, defect_table, found, quarantined, reasons
from data.types import HOUR_MS
from tests.unit.data.series import START, hour

KEY = ("binance", "BTC/USDT:USDT")
TIMES = START + HOUR_MS * np.arange(6)
DOCUMENT = Path(__file__).parents[3] / "docs/data_quality.md"


def test_a_row_is_kept_out_for_every_reason_once() -> None:
    findings = [
        found(Defect.BAD_PRINT, KEY, "bars", TIMES[2:3], "a"),
        found(Defect.BAD_PRINT, KEY, "bars", TIMES[2:4], "b"),
        found(Defect.CONFLICT, KEY, "bars", TIMES[3:4], "c"),
        found(Defect.OUTLIER, KEY, "bars", TIMES[4:5], "told, not kept out"),
    ]

    assert ["", "", "bad_print", "bad_print,conflict", "", ""] == reasons(findings, KEY, "bars", TIMES).tolist()
    assert [False, False, True, True, False, False] == quarantined(findings, KEY, "bars", TIMES).tolist()


def test_a_finding_concerns_its_own_series_and_table_only() -> None:
    findings = [found(Defect.CONFLICT, KEY, "bars", TIMES, "all of them")]

    assert not quarantined(findings, KEY, "settlements", TIMES).any()
    assert not quarantined(findings, ("okx", KEY[1]), "bars", TIMES).any()
    assert [] == reasons(findings, KEY, "bars", TIMES[:0]).tolist()


def test_every_reason_at_once_fits() -> None:
    findings = [found(one, KEY, "bars", TIMES[:1], "") for one in Defect]

    assert ",".join(one for one in Defect if one.quarantined) == reasons(findings, KEY, "bars", TIMES[:1])[0]


def test_a_finding_names_series_table_and_figures() -> None:
    gap = absent(Defect.GAP, KEY, "bars", (hour(2), hour(4)), 3, "3 hours have no candle")

    assert "binance BTC/USDT:USDT bars: 3 hours have no candle" == str(gap)
    assert (hour(2), hour(4), 3, 0, KEY) == (gap.first_ms, gap.last_ms, gap.rows, len(gap.times), gap.key)


@pytest.mark.parametrize("defect", Defect)
def test_every_kind_is_described(defect: Defect) -> None:
    assert defect == defect.value and defect.value == defect.name.lower()
    assert f"| `{defect.value}` | " in defect_table()
    assert 20 < len(defect.meaning) < 120


def test_the_document_tells_of_every_kind() -> None:
    assert defect_table() in DOCUMENT.read_text(), "run `make config`"
