"""A run's past as the risk gate asks for it: `bot.risk.history.History`, read from the ledger."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import select
from sqlalchemy.orm import Session

from backtest.settlement import REASONS, UNWOUND
from bot.ledger.models import Intent, Tick, TradeRow
from data.types import InstrumentKey


class RunHistory:
    """Reads one run. Every method raises StateError where the ledger cannot be read."""

    def __init__(self, reading: Callable[[], AbstractContextManager[Session]], run_id: int) -> None:
        self._reading = reading
        self._run_id = run_id

    def day_open(self, midnight_ms: int) -> float | None:
        """Equity at the last tick up to `midnight_ms`, or at the first tick after it; None before the first one."""
        ours = select(Tick.equity).where(Tick.run_id == self._run_id)
        with self._reading() as session:
            equity = session.scalar(ours.where(Tick.tick <= midnight_ms).order_by(Tick.tick.desc()).limit(1))
            if equity is None:
                equity = session.scalar(ours.order_by(Tick.tick).limit(1))
        return None if equity is None else float(equity)

    def unwound(self, since_ms: int) -> Sequence[tuple[InstrumentKey, InstrumentKey]]:
        """(long, short) of every entry since then that had to be unwound, as its second leg was not filled."""
        legs = (TradeRow.long_venue, TradeRow.long_symbol, TradeRow.short_venue, TradeRow.short_symbol)
        failed = (TradeRow.run_id == self._run_id, TradeRow.reason == REASONS[UNWOUND], TradeRow.closed_ms >= since_ms)
        with self._reading() as session:
            rows = session.execute(select(*legs).where(*failed)).all()
        return [((row[0], row[1]), (row[2], row[3])) for row in rows]

    def ordered(self, tick: int) -> Sequence[str]:
        """Client ids of the orders that were approved at `tick`."""
        approved = (Intent.run_id == self._run_id, Intent.tick == tick)
        with self._reading() as session:
            return session.scalars(select(Intent.client_id).where(*approved)).all()
