from pathlib import Path

import numpy as np
import pytest

from data.defects import Defect, absent, defect_table
from data.types import HOUR_MS
from tests.unit.data.series import START, hour

KEY = ("binance", "BTC/USDT:USDT")
TIMES = START + HOUR_MS * np.arange(6)
DOCUMENT = Path(__file__).parents[3] / "docs/data_quality.md"


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
