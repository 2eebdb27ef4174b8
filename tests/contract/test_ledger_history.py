"""What risk asks of the past, from the ledger: neither a restart nor another champion makes it forget."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from backtest.accounting import new_books
from backtest.trades import Trade
from bot.ledger.database import Place
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord
from bot.risk import ApprovedOrder, Denial, Denied, RiskGate
from bot.risk_settings import RiskSettings
from data.types import HOUR_MS
from tests.fakes.pair_entry import LEGS, MIDNIGHT, PRICE, TICK, account, market, proposal, rules_of

UNWOUND = Trade(
    "X", *LEGS[0].key, *LEGS[1].key, 30.0, TICK - 2 * HOUR_MS, TICK - 2 * HOUR_MS, PRICE, PRICE, PRICE, PRICE, 3_000.0,
    0.0, 0.0, -3.0, 0.0, "unwound",
)  # fmt: skip


def begun(ledger: Ledger, world: str = "w") -> int:
    run = Run(
        world=world, profile="sandbox", description="", episode="", champion="rule-1", capital=Decimal(10_000),
        from_ms=MIDNIGHT, to_ms=None, state="running", instruments={},
    )  # fmt: skip
    return ledger.start_run(run).id


def ticked(
    ledger: Ledger, run: int, tick: int, equity: float, trades: Sequence[Trade] = (), champion: str | None = None
) -> None:
    record = TickRecord(tick, equity=equity, champion=champion, trades=list(trades))
    ledger.record_tick(run, record, new_books(2, 3, 10_000.0))


def verdict(place: Place, run: int, **limits: float) -> ApprovedOrder | Denied:
    """Of a process that has just started."""
    ledger = Ledger(place)
    gate = RiskGate(RiskSettings(**limits), rules_of(), run, history=ledger.history(run))
    answer = gate.review(proposal(), account(4_900.0, 4_900.0), market())
    ledger.close()
    return answer


def test_the_days_loss_is_counted_from_midnight_after_a_restart_and_under_another_champion(
    place: Place, ledger: Ledger
) -> None:
    run = begun(ledger)
    ticked(ledger, run, MIDNIGHT - HOUR_MS, 10_900.0)
    ticked(ledger, run, MIDNIGHT, 10_000.0)
    ticked(ledger, run, MIDNIGHT + HOUR_MS, 9_850.0, champion="pbt-3")
    ticked(ledger, run, TICK - HOUR_MS, 9_800.0)
    denied = verdict(place, run, max_daily_loss_pct=1.99, max_drawdown_pct=100.0)
    assert isinstance(denied, Denied)
    assert Denial.DAILY_LOSS == denied.denial
    assert isinstance(verdict(place, run, max_daily_loss_pct=2.01, max_drawdown_pct=100.0), ApprovedOrder)


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        ([], None),
        ([(MIDNIGHT - 9 * HOUR_MS, 10_100.0), (MIDNIGHT + HOUR_MS, 9_000.0)], 10_100.0),
        ([(MIDNIGHT + HOUR_MS, 9_900.0), (MIDNIGHT + 2 * HOUR_MS, 9_000.0)], 9_900.0),
    ],
    ids=["nothing yet", "the bot slept over midnight", "the account began after midnight"],
)
def test_the_day_opens_with_the_last_equity_before_it_or_the_accounts_first(
    ledger: Ledger, ticks: list[tuple[int, float]], expected: float | None
) -> None:
    run, other = begun(ledger), begun(ledger, "another")
    ticked(ledger, other, MIDNIGHT, 77.0)
    for tick, equity in ticks:
        ticked(ledger, run, tick, equity)
    assert expected == ledger.history(run).day_open(MIDNIGHT)


def test_entries_that_were_unwound_are_remembered_for_as_long_as_the_setting_says(place: Place, ledger: Ledger) -> None:
    run = begun(ledger)
    left = replace(UNWOUND, reason="policy")
    ticked(ledger, run, TICK - 2 * HOUR_MS, 9_800.0, [UNWOUND, UNWOUND, left])
    denied = verdict(place, run, max_failed_entries=2)
    assert isinstance(denied, Denied)
    assert Denial.REPEATED_FAILURE == denied.denial
    assert isinstance(verdict(place, run, max_failed_entries=3), ApprovedOrder)
    assert isinstance(verdict(place, run, max_failed_entries=1, failed_entries_hours=1), ApprovedOrder)


def test_orders_of_a_process_that_died_count_and_the_same_order_counts_once(place: Place, ledger: Ledger) -> None:
    run = begun(ledger)
    ledger.record_intents(run, proposal(slot=1), ["a", "b"])
    ledger.record_intents(run, replace(proposal(slot=1), tick=TICK - HOUR_MS), ["c", "d"])
    denied = verdict(place, run, max_orders_per_minute=3)
    assert isinstance(denied, Denied)
    assert Denial.MESSAGE_RATE == denied.denial
    again = verdict(place, run, max_orders_per_minute=4)
    assert isinstance(again, ApprovedOrder)
    ledger.record_intents(run, again.proposal, again.client_ids)
    assert isinstance(verdict(place, run, max_orders_per_minute=4), ApprovedOrder)


def test_the_peak_comes_back_with_the_books(place: Place, ledger: Ledger) -> None:
    run = begun(ledger)
    ledger.record_tick(run, TickRecord(TICK - HOUR_MS, equity=9_800.0), account(4_900.0, 4_900.0, peak=10_000.0))
    _, books = Ledger(place).snapshot(run) or (0, account())
    gate = RiskGate(RiskSettings(max_drawdown_pct=1.99), rules_of(), run, history=ledger.history(run))
    denied = gate.review(proposal(), books, market())
    assert isinstance(denied, Denied)
    assert Denial.DRAWDOWN == denied.denial
