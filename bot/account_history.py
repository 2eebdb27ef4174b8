"""What the account earned lately, read from the ledger: P&L and funding by period, venue and asset, money by venue.

Used by who shows them: Telegram's answers.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import select

from backtest.accounting import equity, venue_equity, venue_gross
from bot.ledger.models import FundingRow, Run
from bot.ledger.store import Ledger, instruments_from_json
from data.compiled import as_python
from data.errors import StateError
from data.types import HOUR_MS

DAY_MS = 24 * HOUR_MS
PERIODS = (("day", DAY_MS), ("week", 7 * DAY_MS), ("month", 30 * DAY_MS))
"""Told as they end with the last complete hour."""


@dataclass(frozen=True)
class Period:
    """The account over a while up to its last complete hour; money in quote currency."""

    name: str
    since_ms: int
    pnl: float
    pnl_pct: float
    """Of initial capital."""
    funding: float
    trades: int
    """Positions closed."""


@dataclass(frozen=True)
class VenueMoney:
    """What lies at one venue, as the books have it; quote currency."""

    venue: str
    equity: float
    gross: float
    """Notional held, both directions."""


@dataclass(frozen=True)
class Payment:
    """Funding on one leg at one settlement; positive was received."""

    due_ms: int
    venue: str
    asset: str
    rate: float
    amount: float


def periods(ledger: Ledger, run: Run) -> tuple[Period, ...]:
    """The last day, week and month, and all since the start. Raises StateError before the first complete hour."""
    tick, worth = _newest(ledger, run)
    ticks, curve = ledger.equity(run.id)
    paid, closed = payments(ledger, run), [trade.closed_ms for trade in ledger.trades(run.id)]
    capital, found = float(run.capital), []
    for name, length in (*PERIODS, ("all", tick - run.from_ms + HOUR_MS)):
        since = tick - length
        before = curve[ticks <= since]
        pnl = worth - (float(before[-1]) if len(before) else capital)
        funding = sum(payment.amount for payment in paid if payment.due_ms > since)
        found.append(Period(name, since, pnl, 100 * pnl / capital, funding, sum(ms > since for ms in closed)))
    return tuple(found)


def payments(ledger: Ledger, run: Run) -> tuple[Payment, ...]:
    """Every funding payment of the run, oldest first."""
    assets = {one.key: str(one.asset) for one in instruments_from_json(run.instruments)}
    row = FundingRow
    query = select(row.due, row.venue, row.symbol, row.rate, row.amount).where(row.run_id == run.id)
    with ledger.connection() as connection:
        rows = connection.execute(query.order_by(row.due, row.venue, row.symbol, row.slot)).all()
    return tuple(
        Payment(due, venue, assets.get((venue, symbol), symbol), float(rate), float(amount))
        for due, venue, symbol, rate, amount in rows
    )


def funding_by(paid: Sequence[Payment], part: str, since_ms: int) -> dict[str, float]:
    """Sums after `since_ms` by `venue` or `asset`, largest first."""
    sums: dict[str, float] = defaultdict(float)
    for payment in paid:
        if payment.due_ms > since_ms:
            sums[getattr(payment, part)] += payment.amount
    return dict(sorted(sums.items(), key=lambda item: -item[1]))


def money_by_venue(ledger: Ledger, run: Run, venues: Sequence[str]) -> tuple[VenueMoney, ...]:
    """At each of the run's venues, in the order of the settings. Raises StateError before the first complete hour."""
    saved = ledger.snapshot(run.id)
    if saved is None:
        raise _no_hour(run)
    books = saved[1]
    return tuple(
        VenueMoney(name, float(as_python(venue_equity)(books, place)), float(as_python(venue_gross)(books, place)))
        for place, name in enumerate(venues[: len(books.cash)])
    )


def equity_curve(ledger: Ledger, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Ticks [T] (ms) and equity [T], the last one after its hour's trades. Raises StateError before the first one."""
    tick, worth = _newest(ledger, run)
    ticks, curve = ledger.equity(run.id)
    return np.append(ticks, tick), np.append(curve, worth)


def _newest(ledger: Ledger, run: Run) -> tuple[int, float]:
    saved = ledger.snapshot(run.id)
    if saved is None:
        raise _no_hour(run)
    return saved[0], float(as_python(equity)(saved[1]))


def _no_hour(run: Run) -> StateError:
    return StateError(f"run {run.id} has not finished its first tick yet: ask again in a moment")
