"""What the account looks like, read from the ledger: for `bot status`, `positions`, `trades` and a run's summary."""

import math
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from backtest.accounting import (
    BASIS,
    FUNDING,
    LONG,
    SHORT,
    Books,
    equity,
    pnl_split,
    slot_total,
    slot_unrealised_basis,
)
from backtest.metrics import Metrics, measure
from backtest.trades import Trade
from data.compiled import as_python
from data.errors import StateError
from data.types import HOUR_MS, Instrument

if TYPE_CHECKING:
    from bot.ledger.models import Run
    from bot.ledger.store import Ledger


@dataclass(frozen=True)
class Leg:
    """One leg of an open position; money and prices in quote currency."""

    venue: str
    symbol: str
    quantity: float
    entry_price: float
    mark: float
    unrealised: float


@dataclass(frozen=True)
class Position:
    """An open pair position."""

    slot: int
    asset: str
    opened: str
    hours: float
    long: Leg
    short: Leg
    funding: float
    basis: float
    pnl: float
    pnl_pct: float
    """Of leg notional."""


@dataclass(frozen=True)
class Status:
    """An account at its last complete tick."""

    run: int
    state: str
    profile: str
    world: str
    episode: str
    champion: str
    market_time: str
    initial_capital: float
    equity: float
    pnl_pct: float
    pnl: dict[str, float]
    """Split into funding, basis, fees, slippage, transfers; and the total."""
    funding_earned: float
    drawdown_pct: float
    """Below the highest equity so far."""
    positions: tuple[Position, ...]
    metrics: Metrics

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Kpi:
    """A key figure against its target."""

    name: str
    value: float | None
    """None where it does not exist; infinite for a profit factor without a loss."""
    target: float
    unit: str = ""
    above: bool = True
    """Whether it is to be above the target, or below."""
    formula: str = ""

    @property
    def met(self) -> bool | None:
        """None where the figure does not exist."""
        return None if self.value is None else (self.value > self.target) == self.above and self.value != self.target


_PER_TRADE = "mean / standard deviation of trade returns x sqrt(trades per day)"


def key_figures(metrics: Metrics) -> tuple[Kpi, ...]:
    """The reference's five, with its targets."""
    factor = np.inf if metrics.profit_factor is None and metrics.win_rate_pct else metrics.profit_factor
    return (
        Kpi("P&L", metrics.pnl_pct, 0.5, " %", formula="(final - initial capital) / initial capital"),
        Kpi("win rate", metrics.win_rate_pct, 50.0, " %", formula="winning trades / trades"),
        Kpi("profit factor", factor, 2.0, formula="sum of winning trades / |sum of losing trades|"),
        Kpi("average duration", metrics.average_hours, 12.0, " h", above=False, formula="mean of exit - entry time"),
        Kpi("Sharpe ratio per trade", metrics.sharpe_per_trade, 1.0, formula=_PER_TRADE),
    )


def kpi_as_json(kpi: Kpi) -> dict[str, Any]:
    """A key figure as plain data; JSON knows no infinity."""
    finite = kpi.value is not None and math.isfinite(kpi.value)
    return asdict(kpi) | {"value": kpi.value if finite else None, "met": kpi.met}


def read_status(ledger: "Ledger") -> Status:
    """The status of the newest run; raises StateError if there is none or it has no complete tick yet."""
    from bot.ledger.store import instruments_from_json  # the database's library, for which a backtest does not wait

    run = newest_run(ledger)
    saved = ledger.snapshot(run.id)
    if saved is None:
        raise StateError(f"run {run.id} has not finished its first tick yet: ask again in a moment")
    tick, books = saved
    worth, capital = float(as_python(equity)(books)), float(run.capital)
    _, curve = ledger.equity(run.id)
    curve = np.append(curve, worth)  # the last hour's trades come after its equity
    return Status(
        run=run.id,
        state=run.state,
        profile=run.profile,
        world=run.description,
        episode=run.episode,
        champion=run.champion,
        market_time=iso(tick),
        initial_capital=capital,
        equity=worth,
        pnl_pct=100 * (worth / capital - 1),
        pnl=pnl_split(books),
        funding_earned=float(books.pnl[FUNDING]),
        drawdown_pct=100 * (1 - worth / float(books.peak)),
        positions=_positions(books, instruments_from_json(run.instruments), tick),
        metrics=measure(curve, ledger.trades(run.id)),
    )


def newest_run(ledger: "Ledger") -> "Run":
    """The newest run; raises StateError if nothing has run yet."""
    run = ledger.latest()
    if run is None:
        raise StateError("nothing has run here yet: start with `bot run --paper`")
    return run


def trade_as_json(trade: Trade) -> dict[str, Any]:
    """A closed position as plain data, with what follows from its fields."""
    derived = {"pnl": trade.pnl, "pnl_pct": trade.pnl_pct, "hours": trade.hours}
    derived |= {"cost_bps": trade.cost_bps, "taker_cost_bps": trade.taker_cost_bps}
    return asdict(trade) | {"opened": iso(trade.opened_ms), "closed": iso(trade.closed_ms)} | derived


def iso(ms: int) -> str:
    """A time as ISO 8601, UTC, to the minute."""
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%MZ")


def _positions(books: Books, instruments: tuple[Instrument, ...], tick: int) -> tuple[Position, ...]:
    found = []
    for slot, opened_at in enumerate(books.opened_at.tolist()):
        if opened_at == 0:
            continue
        total = float(as_python(slot_total)(books, slot))
        found.append(
            Position(
                slot=slot,
                asset=str(instruments[books.instrument[slot, LONG]].asset),
                opened=iso(opened_at),
                hours=(tick - opened_at) / HOUR_MS,
                long=_leg(books, slot, LONG, instruments),
                short=_leg(books, slot, SHORT, instruments),
                funding=float(books.slot_pnl[slot, FUNDING]),
                basis=float(books.slot_pnl[slot, BASIS] + as_python(slot_unrealised_basis)(books, slot)),
                pnl=total,
                pnl_pct=100 * total / float(books.notional[slot]),
            )
        )
    return tuple(found)


def _leg(books: Books, slot: int, leg: int, instruments: tuple[Instrument, ...]) -> Leg:
    instrument = instruments[books.instrument[slot, leg]]
    quantity, entry, mark = (float(a[slot, leg]) for a in (books.quantity, books.entry_price, books.mark))
    return Leg(instrument.venue, instrument.symbol, quantity, entry, mark, quantity * (mark - entry))
