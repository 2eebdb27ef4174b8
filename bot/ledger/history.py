"""A run's past as the risk gate asks for it: `bot.risk.history.History`, read from the ledger."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlalchemy import Connection, bindparam, select

from backtest.settlement import REASONS, UNWOUND
from bot.ledger.models import Intent, Tick, TradeRow
from data.types import InstrumentKey

OURS = Tick.run_id == bindparam("run")
UP_TO = select(Tick.equity).where(OURS, Tick.tick <= bindparam("tick")).order_by(Tick.tick.desc()).limit(1)
FIRST = select(Tick.equity).where(OURS).order_by(Tick.tick).limit(1)
FAILED = select(TradeRow.long_venue, TradeRow.long_symbol, TradeRow.short_venue, TradeRow.short_symbol).where(
    TradeRow.run_id == bindparam("run"), TradeRow.reason == REASONS[UNWOUND], TradeRow.closed_ms >= bindparam("since")
)
APPROVED = select(Intent.client_id).where(Intent.run_id == bindparam("run"), Intent.tick == bindparam("tick"))
"""Made once: making them takes longer than running them, and entries wait for it."""


class RunHistory:
    """Reads one run. Every method raises StateError where the ledger cannot be read."""

    def __init__(self, reading: Callable[[], AbstractContextManager[Connection]], run_id: int) -> None:
        self._reading = reading
        self._run_id = run_id

    def day_open(self, midnight_ms: int) -> float | None:
        """Equity at the last tick up to `midnight_ms`, or at the first tick after it; None before the first one."""
        with self._reading() as connection:
            equity = connection.scalar(UP_TO, {"run": self._run_id, "tick": midnight_ms})
            if equity is None:
                equity = connection.scalar(FIRST, {"run": self._run_id})
        return None if equity is None else float(equity)

    def unwound(self, since_ms: int) -> Sequence[tuple[InstrumentKey, InstrumentKey]]:
        """(long, short) of every entry since then that had to be unwound, as its second leg was not filled."""
        with self._reading() as connection:
            rows = connection.execute(FAILED, {"run": self._run_id, "since": since_ms}).all()
        return [((row[0], row[1]), (row[2], row[3])) for row in rows]

    def ordered(self, tick: int) -> Sequence[str]:
        """Client ids of the orders that were approved at `tick`."""
        with self._reading() as connection:
            return connection.scalars(APPROVED, {"run": self._run_id, "tick": tick}).all()
