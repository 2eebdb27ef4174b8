"""Breakdowns of a P&L add up to it, and put every part where it belongs."""

import pytest

from backtest.breakdown import by_asset, by_month, by_venues
from tests.unit.backtest.tracks import held, track, trade

POSITIONS = track(
    [1000.0, 1034.0],
    [
        trade("AAA", 1, funding=10.0),
        trade("BBB", 1, funding=30.0, long_venue="bybit"),
        trade("AAA", 1, funding=-20.0),
    ],
    [held("BBB", funding=16.0)],
    causes=[[0.0] * 5, [36.0, 9.0, -4.0, -7.0, -0.5]],
)


def test_assets_come_with_the_most_profitable_first_and_open_positions_marked() -> None:
    parts = by_asset(POSITIONS)
    assert [("BBB", 44.0, 1, 1), ("AAA", -10.0, 2, 0), ("transfers", -0.5, None, None)] == [
        (part.name, part.total, part.trades, part.held) for part in parts
    ]
    assert (46.0, 3.0, -2.0, -3.0) == (parts[0].funding, parts[0].basis, parts[0].fees, parts[0].slippage)


def test_venue_pairs_name_the_long_leg_first() -> None:
    assert [("bybit / hyperliquid", 30.0), ("binance / hyperliquid", 4.0)] == [
        (part.name, part.total) for part in by_venues(POSITIONS)[:-1]
    ]


@pytest.mark.parametrize("broken_down", [by_asset, by_venues, by_month])
def test_every_breakdown_adds_up(broken_down: object) -> None:
    assert callable(broken_down)
    assert POSITIONS.split["total"] == pytest.approx(sum(part.total for part in broken_down(POSITIONS)))


def test_an_hour_belongs_to_the_month_in_which_it_begins() -> None:
    told = by_month(track([1000.0, 1003.0, 1004.0, 1002.0], [trade("AAA", 1, funding=1.0)]))
    assert [("2025-01", 3.0, 1), ("2025-02", -1.0, 0)] == [(part.name, part.total, part.trades) for part in told]
