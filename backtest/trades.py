"""A closed pair position, as reports, metrics and the ledger speak of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backtest.accounting import BASIS, FEES, FUNDING, LONG, SHORT, SLIPPAGE
from backtest.simulated_venue import REASONS, Closed
from data.types import HOUR_MS, Instrument


@dataclass(frozen=True)
class Trade:
    """Both legs of one position from entry to exit. Money in quote currency, prices as filled, times in ms."""

    asset: str
    long_venue: str
    long_symbol: str
    short_venue: str
    short_symbol: str
    quantity: float
    opened_ms: int
    closed_ms: int
    long_entry: float
    long_exit: float
    short_entry: float
    short_exit: float
    notional: float
    """Of one leg, at entry."""
    funding: float
    basis: float
    fees: float
    slippage: float
    reason: str
    """Why it was closed: policy, stop_loss, margin, liquidated."""

    @property
    def pnl(self) -> float:
        """Net profit."""
        return self.funding + self.basis + self.fees + self.slippage

    @property
    def pnl_pct(self) -> float:
        """Net profit, % of leg notional."""
        return 100 * self.pnl / self.notional

    @property
    def hours(self) -> float:
        """Time held."""
        return (self.closed_ms - self.opened_ms) / HOUR_MS


def closed_trade(closed: Closed, slot: int, tick: int, instruments: Sequence[Instrument], b: int = 0) -> Trade:
    """The trade that `slot` of account `b` closed at `tick`."""
    long, short = (instruments[column] for column in closed.instrument[b, slot])
    pnl = closed.pnl[b, slot]
    return Trade(
        asset=str(long.asset),
        long_venue=long.venue,
        long_symbol=long.symbol,
        short_venue=short.venue,
        short_symbol=short.symbol,
        quantity=float(closed.quantity[b, slot]),
        opened_ms=int(closed.opened_at[b, slot]),
        closed_ms=tick,
        long_entry=float(closed.entry[b, slot, LONG]),
        long_exit=float(closed.exit[b, slot, LONG]),
        short_entry=float(closed.entry[b, slot, SHORT]),
        short_exit=float(closed.exit[b, slot, SHORT]),
        notional=float(closed.notional[b, slot]),
        funding=float(pnl[FUNDING]),
        basis=float(pnl[BASIS]),
        fees=float(pnl[FEES]),
        slippage=float(pnl[SLIPPAGE]),
        reason=REASONS[int(closed.reason[b, slot])],
    )
