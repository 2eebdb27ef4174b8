"""What the account earned lately: figures that can be reckoned by hand."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from backtest.accounting import LONG, SHORT, new_books
from bot.account_history import equity_curve, funding_by, money_by_venue, payments, periods
from bot.ledger.store import Ledger, TickRecord
from bot.orders import Payment
from data.errors import StateError
from data.types import HOUR_MS
from tests.fakes.account_ledger import CAPITAL, LEGS, TICK, TRADE, begun, holding

DAYS = 40


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        yield one


def lives(ledger: Ledger, days: int = DAYS) -> None:
    """An hour a day: equity grows by 1, funding is 2 received and 0.5 paid, and a position is closed."""
    run = begun(ledger, hours=24 * days)
    for day in range(days):
        tick, worth = TICK - 24 * HOUR_MS * (days - 1 - day), CAPITAL + day + 1
        paid = [(LEGS[1], Payment(tick, 1, SHORT, 1, 1e-4, 2.0)), (LEGS[0], Payment(tick, 1, LONG, 0, 1e-4, -0.5))]
        trade = replace(TRADE, closed_ms=tick)
        ledger.record_tick(run.id, TickRecord(tick, worth, payments=paid, trades=[trade]), new_books(2, 3, worth))


def test_periods_end_with_the_last_complete_hour(ledger: Ledger) -> None:
    lives(ledger)
    run = ledger.latest()
    assert run is not None
    found = [(p.name, round(p.pnl, 9), round(p.pnl_pct, 9), p.funding, p.trades) for p in periods(ledger, run)]
    assert [
        ("day", 1.0, 0.01, 1.5, 1), ("week", 7.0, 0.07, 10.5, 7), ("month", 30.0, 0.3, 45.0, 30),
        ("all", 40.0, 0.4, 60.0, 40),
    ] == found  # fmt: skip


def test_a_young_account_has_earned_everything_in_every_period(ledger: Ledger) -> None:
    lives(ledger, days=1)
    run = ledger.latest()
    assert run is not None
    assert [(1.0, 1.5)] * 4 == [(round(p.pnl, 9), p.funding) for p in periods(ledger, run)]


def test_funding_is_summed_by_venue_and_asset_after_a_time(ledger: Ledger) -> None:
    lives(ledger)
    run = ledger.latest()
    assert run is not None
    paid = payments(ledger, run)
    assert 80 == len(paid)
    assert {"hyperliquid": 14.0, "binance": -3.5} == funding_by(paid, "venue", TICK - 7 * 24 * HOUR_MS)
    assert {"1000PEPE": 60.0} == funding_by(paid, "asset", 0)


def test_money_lies_at_the_venues_that_the_books_have(ledger: Ledger) -> None:
    run = begun(ledger)
    ledger.record_tick(run.id, TickRecord(TICK, CAPITAL), holding())
    binance, hyperliquid = money_by_venue(ledger, run, ("binance", "hyperliquid"))
    assert pytest.approx((5029.5, 1030.0)) == (binance.equity, binance.gross)
    assert pytest.approx((4975.505, 1035.0)) == (hyperliquid.equity, hyperliquid.gross)
    ticks, curve = equity_curve(ledger, run)
    assert ([TICK, TICK], pytest.approx([CAPITAL, 10_005.005])) == (ticks.tolist(), curve.tolist())


def test_before_the_first_complete_hour_there_is_nothing_to_tell(ledger: Ledger) -> None:
    run = begun(ledger)
    for ask in (
        lambda: periods(ledger, run),
        lambda: money_by_venue(ledger, run, ()),
        lambda: equity_curve(ledger, run),
    ):
        with pytest.raises(StateError, match="has not finished its first tick yet"):
            ask()
