"""The account as the ledger has it: read anew only where an hour was completed. Used by `reader`."""

from dataclasses import asdict, dataclass, field

import numpy as np
from sqlalchemy import func, select

from backtest.accounting import Books
from backtest.figures import drawdowns
from bot.account_history import equity_curve, money_by_venue
from bot.ledger.live_models import OrderRow
from bot.ledger.models import EventRow, Intent, Run, Snapshot
from bot.ledger.store import Ledger, instruments_from_json
from bot.settings import Settings
from bot.status import read_status
from bot.web.models import Account, Curve, LegView, PositionView, VenueAccount, finite
from data.types import Instrument


@dataclass(frozen=True)
class Seen:
    """One look at the ledger."""

    run: Run | None = None
    tick_ms: int | None = None
    account: Account | None = None
    positions: tuple[PositionView, ...] = ()
    curve: Curve = field(default_factory=Curve)
    books: Books | None = None
    instruments: tuple[Instrument, ...] = ()

    @property
    def mark(self) -> tuple[object, ...]:
        """Changes with whatever is shown of the ledger's account."""
        return () if self.run is None else (self.run.id, self.run.state, self.run.champion, self.tick_ms)


def look(ledger: Ledger, settings: Settings, before: Seen) -> Seen:
    """The newest run; `before` where nothing has happened since. Raises StateError."""
    run = ledger.latest()
    if run is None:
        return Seen()
    with ledger.connection() as connection:
        tick = connection.scalar(select(Snapshot.tick).where(Snapshot.run_id == run.id))
    begun = Seen(run, tick, instruments=instruments_from_json(run.instruments))
    if begun.mark == before.mark:
        return before
    return begun if tick is None else _account(ledger, settings, begun, run)


def _account(ledger: Ledger, settings: Settings, begun: Seen, run: Run) -> Seen:
    saved, told = ledger.snapshot(run.id), read_status(ledger)
    assert saved is not None
    ticks, curve = equity_curve(ledger, run)
    venues = tuple(VenueAccount(**asdict(one)) for one in money_by_venue(ledger, run, tuple(settings.data.venues)))
    figures = told.metrics
    account = Account(
        run=told.run, state=told.state, profile=told.profile, world=told.world, episode=told.episode,
        champion=told.champion, tick_ms=saved[0], initial_capital=told.initial_capital, equity=told.equity,
        pnl=told.pnl, pnl_pct=told.pnl_pct, drawdown_pct=told.drawdown_pct, max_drawdown_pct=figures.max_drawdown_pct,
        gross=sum(one.gross for one in venues), venues=venues, trades=figures.trades,
        win_rate_pct=finite(figures.win_rate_pct), profit_factor=finite(figures.profit_factor),
        sharpe_hourly=finite(figures.sharpe_hourly),
    )  # fmt: skip
    positions = tuple(
        PositionView(**{**asdict(one), "long": LegView(**asdict(one.long)), "short": LegView(**asdict(one.short))})
        for one in told.positions
    )
    return Seen(run, saved[0], account, positions, _curve(ticks, curve), saved[1], begun.instruments)


def _curve(ticks: np.ndarray, curve: np.ndarray) -> Curve:
    return Curve(
        tick_ms=tuple(ticks.tolist()), equity=tuple(curve.tolist()), drawdown_pct=tuple(drawdowns(curve).tolist())
    )


def counts(ledger: Ledger, run_id: int) -> tuple[dict[str, int], int]:
    """Orders by state, those of the venues where there are any, and events that tell of trouble: they change amid an
    hour. Raises StateError."""
    with ledger.connection() as connection:
        orders: dict[str, int] = {}
        for row in (Intent, OrderRow):
            query = select(row.state, func.count()).where(row.run_id == run_id).group_by(row.state)
            orders = {str(state): int(count) for state, count in connection.execute(query)} or orders
        trouble = select(func.count()).where(EventRow.run_id == run_id, EventRow.kind == "trouble")
        return orders, connection.scalar(trouble) or 0
