"""The funding clock and the curves: the next settlement lies ahead, and a missed hour takes its room."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.web.charts import draw_curve
from bot.web.market import next_settlement
from bot.web.models import Curve
from data.panel import empty_panel
from data.types import HOUR_MS
from tests.fakes.account_ledger import LEGS, TICK


@given(since=st.integers(0, 40), hours=st.sampled_from([1, 2, 4, 8]))
def test_the_next_settlement_lies_ahead_by_no_more_than_an_interval(since: int, hours: int) -> None:
    panel = empty_panel(LEGS, TICK, TICK)
    panel.settled_at[-1] = TICK - since * HOUR_MS
    panel.interval[-1], panel.last_rate[-1] = hours, 1e-5
    told = next_settlement(panel, 0, TICK, held=True)
    assert told is not None
    assert 0 < told.next_ms - TICK <= hours * HOUR_MS
    assert 0 == (told.next_ms - (TICK - since * HOUR_MS)) % (hours * HOUR_MS)
    assert 0.8 == pytest.approx(told.last_rate_8h_bps)


def test_what_never_settled_and_what_never_does_is_not_on_the_clock() -> None:
    panel = empty_panel(LEGS, TICK, TICK)
    panel.settled_at[-1], panel.interval[-1] = np.nan, 8
    assert next_settlement(panel, 0, TICK, held=False) is None
    spot = (replace(LEGS[0], symbol="1000PEPE/USDT", spot=True), LEGS[1])
    panel = empty_panel(spot, TICK, TICK)
    panel.settled_at[-1], panel.interval[-1] = TICK, 8
    assert next_settlement(panel, 0, TICK, held=False) is None


def test_an_hour_that_was_missed_takes_its_room() -> None:
    ticks = (TICK, TICK + HOUR_MS, TICK + 4 * HOUR_MS)
    drawn = draw_curve(Curve(tick_ms=ticks, equity=(100.0, 101.0, 104.0), drawdown_pct=(0.0, 0.0, 0.0)), 100.0)
    assert drawn is not None
    points = [tuple(map(float, point.split(","))) for point in drawn[0].chart.series[0].points.split()]
    assert [0.0, 250.0, 500.0, 750.0, 1000.0] == [x for x, _ in points]
    falls = np.diff([y for _, y in points])
    assert np.allclose(falls, falls[0], atol=0.2), "it rises evenly over the gap"
    assert draw_curve(Curve(), 100.0) is None
