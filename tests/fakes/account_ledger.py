"""An account that has lived: a ledger of forty days with positions, trades, funding and events, and a population."""

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, replace
from decimal import Decimal

import numpy as np

from backtest.accounting import LONG, SHORT, Books, new_books
from backtest.events import Fill, FundingPayment, Mark, apply
from backtest.trades import Trade
from bot.alerts import Event, Kind
from bot.ledger.models import Run
from bot.ledger.store import Ledger, TickRecord, instruments_to_json
from bot.orders import Payment
from bot.run_folder import ledger_path
from bot.settings import Settings
from data.types import HOUR_MS, Asset, Instrument
from pbt_online.memory import JOURNAL, Entry

TICK = 1_736_121_600_000
"""2025-01-06 00:00 UTC: the last complete hour."""
HOURS, STEP = 40 * 24, 12
"""Of its life, and from one that is written to the next."""
CAPITAL = 10_000.0
LEGS = (
    Instrument("binance", "1000PEPE/USDT:USDT", Asset("PEPE", 1000), "USDT", 1.0, 0.01, 5.0, 8),
    Instrument("hyperliquid", "KPEPE/USDC:USDC", Asset("PEPE", 1000), "USDC", 1.0, 0.01, 10.0, 1),
)
TRADE = Trade(
    asset="1000PEPE", long_venue="binance", long_symbol=LEGS[0].symbol, short_venue="hyperliquid",
    short_symbol=LEGS[1].symbol, quantity=10.0, opened_ms=TICK - 30 * HOUR_MS, closed_ms=TICK - 6 * HOUR_MS,
    long_entry=100.0, long_exit=101.0, short_entry=100.5, short_exit=101.25, notional=1005.0, funding=12.0, basis=2.5,
    fees=-3.0, slippage=-1.5, reason="policy",
)  # fmt: skip


def begun(ledger: Ledger, *, hours: int = HOURS, state: str = "running") -> Run:
    """A run that began so many hours before TICK; its words are as bad as words can be."""
    row = Run(
        world="w", profile="live", description="sandbox <at> home & away", episode="odd <b>episode", champion="rule-1",
        capital=Decimal("10000"), from_ms=TICK - (hours - 1) * HOUR_MS, to_ms=None, state=state,
        instruments=instruments_to_json(LEGS),
    )  # fmt: skip
    return ledger.start_run(row)


def holding() -> Books:
    """In slot 1 for five hours: long 10 at 100, short 10 at 101, since marked 103 and 103.5."""
    books = new_books(2, 3, CAPITAL)
    for event in (
        Fill(1, LONG, 0, 0, 10.0, 100.0, 99.9, 5e-4, 0.0, TICK - 5 * HOUR_MS),
        Fill(1, SHORT, 1, 1, -10.0, 101.0, 101.1, 5e-4, 0.0, TICK - 5 * HOUR_MS),
        FundingPayment(1, SHORT, 1, 1e-3, 101.0),
        Mark(1, LONG, 103.0),
        Mark(1, SHORT, 103.5),
    ):
        books = apply(books, event)
    return books


def happen(ledger: Ledger, run: Run, number: int, events: Sequence[tuple[Kind, str]]) -> None:
    """One more hour, that many after TICK, with these events."""
    tick = TICK + number * HOUR_MS
    record = TickRecord(tick, CAPITAL, events=[Event(tick, kind, text) for kind, text in events])
    ledger.record_tick(run.id, record, holding())


def lived(settings: Settings) -> None:
    """All of it, below the folder of `settings`."""
    with closing(Ledger(ledger_path(settings))) as ledger:
        run = begun(ledger)
        curve = CAPITAL + np.cumsum(np.random.default_rng(0).normal(0.3, 2.0, HOURS // STEP))
        for number, worth in enumerate(curve.tolist(), 1):
            _hour(ledger, run, TICK - (HOURS - STEP * number) * HOUR_MS, worth)
    trained(settings, run)


def trained(settings: Settings, run: Run) -> None:
    """Two rounds of four members, and a third that is being written."""
    folder = settings.var / "population" / f"run-{run.world}"
    folder.mkdir(parents=True)
    lines = [json.dumps(asdict(entry)) for number in (1, 2) for entry in _round(number)]
    (folder / JOURNAL).write_text("\n".join(lines) + '\n{"cycle": 1, "round": 3, "mem')


def _hour(ledger: Ledger, run: Run, tick: int, worth: float) -> None:
    day = (tick - run.from_ms) // (24 * HOUR_MS)
    trades = []
    if tick // HOUR_MS % 24 == 0:
        times = {"opened_ms": tick - 20 * HOUR_MS, "closed_ms": tick}
        trades.append(
            replace(TRADE, funding=float(5 - day % 7), reason="stop_loss" if day % 9 == 8 else "policy", **times)
        )
    paid = [(LEGS[1], Payment(tick, 1, SHORT, 1, 1e-5, 0.25))]
    if tick // HOUR_MS % 24 == 0:
        paid.append((LEGS[0], Payment(tick, 1, LONG, 0, 1e-4, -0.25)))
    books = holding() if tick == TICK else new_books(2, 3, worth)
    books.peak = max(books.peak, 10_010.0)
    ledger.record_tick(run.id, TickRecord(tick, worth, payments=paid, trades=trades), books)


def _round(number: int) -> list[Entry]:
    score = {"value": 0.0123, "pnl_pct": 1.25, "trades": 17, "win_rate_pct": 55.0, "reward": 3.0, "scores": [0.0123]}
    entries = [Entry(1, number, member, "first", None, None, {}, 1000, score=score) for member in range(3)]
    return [*entries, Entry(1, number, 3, "exploit", 1, "c0", {}, 1000, failure="NaN")]
