"""Post-only orders that would trade at once: refused at some venues, taken and expired at others."""

from pathlib import Path

import pytest

from backtest.sandbox.accounts.records import Force, Status
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from tests.fakes.account_worlds import Desk, small_world


@pytest.mark.parametrize("venue", ["binance", "hyperliquid"])
def test_one_venue_refuses_it_and_records_nothing(tmp_path: Path, venue: str) -> None:
    desk = Desk(small_world(tmp_path, venue=venue))

    with pytest.raises(OrderRefused) as caught:
        desk.order("1", "100.1", Force.POST_ONLY)

    assert (Refusal.WOULD_TAKE, []) == (caught.value.reason, desk.account().orders())


@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_another_takes_it_and_lets_it_expire_unfilled(tmp_path: Path, venue: str) -> None:
    desk = Desk(small_world(tmp_path, venue=venue))
    resting = desk.order("-1", "100.05", Force.POST_ONLY)

    order = desk.order("1", "100.1", Force.POST_ONLY)

    assert (Status.EXPIRED, 0, order.created_ms) == (order.status, order.filled, order.updated_ms)
    assert (Status.OPEN, (), [resting]) == (resting.status, desk.account().positions, desk.account().open_orders())
