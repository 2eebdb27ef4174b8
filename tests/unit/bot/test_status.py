from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from backtest.accounting import LONG, SHORT, Books, equity, new_books
from backtest.events import Event, Fill, FundingPayment, Mark, Transfer, apply
from backtest.trades import Trade
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord, instruments_to_json
from bot.status import iso, newest_run, read_status, trade_as_json
from data.errors import StateError
from data.types import HOUR_MS, Asset, Instrument

TICK = 1_736_121_600_000
"""2025-01-06 00:00 UTC."""
LEGS = (
    Instrument("binance", "1000PEPE/USDT:USDT", Asset("PEPE", 1000), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "KPEPE/USDC:USDC", Asset("PEPE", 1000), "USDC", 1.0, 0.01, 10.0, 1),
)
CAPITAL = 10_000.0
TRADE = Trade(
    asset="1000PEPE", long_venue="binance", long_symbol=LEGS[0].symbol, short_venue="hyperliquid",
    short_symbol=LEGS[1].symbol, quantity=10.0, opened_ms=TICK - 30 * HOUR_MS, closed_ms=TICK - 6 * HOUR_MS,
    long_entry=100.0, long_exit=101.0, short_entry=100.5, short_exit=101.25, notional=1005.0, funding=12.0, basis=2.5,
    fees=-3.0, slippage=-1.5, reason="policy",
)  # fmt: skip


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def start(ledger: Ledger, world: str = "w") -> int:
    row = Run(
        world=world, profile="sandbox", description="a market", episode="an episode", champion="rule-1",
        capital=Decimal("10000"), from_ms=TICK - 40 * HOUR_MS, to_ms=None, state="running",
        instruments=instruments_to_json(LEGS),
    )  # fmt: skip
    return ledger.start_run(row).id


def after(books: Books, *events: Event) -> Books:
    for event in events:
        books = apply(books, event)
    return books


def holding() -> Books:
    """In slot 1 for five hours: long 10 at 100 (mid 99.9), short 10 at 101 (mid 101.1), since marked 103 and 103.5."""
    return after(
        new_books(2, 3, CAPITAL),
        Fill(1, LONG, 0, 0, 10.0, 100.0, 99.9, 5e-4, 0.0, TICK - 5 * HOUR_MS),
        Fill(1, SHORT, 1, 1, -10.0, 101.0, 101.1, 5e-4, 0.0, TICK - 5 * HOUR_MS),
        FundingPayment(1, SHORT, 1, 1e-3, 101.0),
        Mark(1, LONG, 103.0),
        Mark(1, SHORT, 103.5),
        Transfer(0, 1, 100.0, 1.0, TICK + HOUR_MS),
    )


def record(ledger: Ledger, run: int, books: Books, worth: float, hours: int = 0, **details: object) -> None:
    ledger.record_tick(run, TickRecord(TICK + hours * HOUR_MS, worth, **details), books)  # type: ignore[arg-type]


def test_an_empty_ledger_says_how_to_start(ledger: Ledger) -> None:
    with pytest.raises(StateError, match="nothing has run here yet: start with"):
        read_status(ledger)


def test_a_run_without_a_complete_tick_is_asked_to_wait_for(ledger: Ledger) -> None:
    run = start(ledger)

    with pytest.raises(StateError, match=f"run {run} has not finished its first tick yet"):
        read_status(ledger)


def test_the_newest_run_is_shown(ledger: Ledger) -> None:
    runs = [start(ledger, world) for world in ("one", "other")]

    assert runs[-1] == newest_run(ledger).id


def test_an_account_that_holds_nothing_is_at_its_capital(ledger: Ledger) -> None:
    run = start(ledger)
    record(ledger, run, new_books(2, 3, CAPITAL), CAPITAL)
    status = read_status(ledger)

    assert (run, "running", "a market", "an episode", "rule-1") == (
        status.run, status.state, status.world, status.episode, status.champion,
    )  # fmt: skip
    assert ("2025-01-06T00:00Z", CAPITAL, CAPITAL, 0.0, 0.0) == (
        status.market_time, status.initial_capital, status.equity, status.pnl_pct, status.drawdown_pct,
    )  # fmt: skip
    assert () == status.positions
    assert 0.0 == status.pnl["total"]


def test_a_position_is_shown_with_both_legs(ledger: Ledger) -> None:
    record(ledger, start(ledger), holding(), CAPITAL)
    (position,) = read_status(ledger).positions

    assert (1, "1000PEPE", "2025-01-05T19:00Z", 5.0) == (
        position.slot, position.asset, position.opened, position.hours,
    )  # fmt: skip
    assert ("binance", LEGS[0].symbol, 10.0, 100.0, 103.0, 30.0) == tuple(vars(position.long).values())
    assert ("hyperliquid", LEGS[1].symbol, -10.0, 101.0, 103.5, -25.0) == tuple(vars(position.short).values())


def test_a_position_s_profit_is_what_happened_to_it(ledger: Ledger) -> None:
    record(ledger, start(ledger), holding(), CAPITAL)
    (position,) = read_status(ledger).positions

    fees, slippage = -(1000 + 1010) * 5e-4, -10 * 0.1 - 10 * 0.1
    basis = 10 * (103 - 99.9) - 10 * (103.5 - 101.1)
    assert pytest.approx((1.01, basis)) == (position.funding, position.basis)
    assert pytest.approx(1.01 + basis + fees + slippage) == position.pnl
    assert pytest.approx(100 * position.pnl / 1010) == position.pnl_pct


def test_the_split_of_profit_adds_up_to_the_change_of_equity(ledger: Ledger) -> None:
    record(ledger, start(ledger), holding(), CAPITAL)
    status = read_status(ledger)

    assert pytest.approx(float(equity(holding()))) == status.equity
    assert pytest.approx(status.equity - CAPITAL) == status.pnl["total"]
    assert pytest.approx(status.pnl["total"]) == sum(v for name, v in status.pnl.items() if name != "total")
    assert pytest.approx(100 * status.pnl["total"] / CAPITAL) == status.pnl_pct
    assert -1.0 == status.pnl["transfers"]
    assert pytest.approx(1.01) == status.funding_earned


def test_drawdown_is_below_the_highest_equity_so_far(ledger: Ledger) -> None:
    books = new_books(2, 3, CAPITAL)
    books.peak = 12_500.0
    record(ledger, start(ledger), books, CAPITAL)

    assert pytest.approx(20.0) == read_status(ledger).drawdown_pct


def test_figures_are_made_of_the_ticks_and_the_trades(ledger: Ledger) -> None:
    run = start(ledger)
    for hours, worth in enumerate((10_000.0, 10_100.0, 9_898.0)):
        trades = [TRADE, replace(TRADE, funding=-20.0)] if hours == 2 else []
        record(ledger, run, new_books(2, 3, 9_898.0), worth, hours, trades=trades)
    metrics = read_status(ledger).metrics

    assert (2, 50.0, 24.0) == (metrics.trades, metrics.win_rate_pct, metrics.average_hours)
    assert pytest.approx((-1.02, 2.0)) == (metrics.pnl_pct, metrics.max_drawdown_pct)
    assert pytest.approx(10 / 22) == metrics.profit_factor


def test_a_finished_run_says_so(ledger: Ledger) -> None:
    run = start(ledger)
    record(ledger, run, new_books(2, 3, CAPITAL), CAPITAL)
    ledger.finish(run)

    assert "finished" == read_status(ledger).state


def test_the_status_is_plain_data(ledger: Ledger) -> None:
    record(ledger, start(ledger), holding(), CAPITAL)
    content = read_status(ledger).as_json()

    assert "binance" == content["positions"][0]["long"]["venue"]
    assert not any(isinstance(value, np.generic) for value in content["pnl"].values())


def test_a_trade_is_told_with_what_follows_from_it() -> None:
    told = trade_as_json(TRADE)

    assert (10.0, 24.0) == (told["pnl"], told["hours"])
    assert pytest.approx(100 * 10 / 1005) == told["pnl_pct"]
    assert ("2025-01-04T18:00Z", "2025-01-05T18:00Z") == (told["opened"], told["closed"])


def test_times_are_utc_to_the_minute() -> None:
    assert "2025-01-06T01:01Z" == iso(TICK + HOUR_MS + 119_000)
