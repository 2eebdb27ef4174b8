"""A closed pair position, as reports, metrics and the ledger speak of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from backtest.accounting import BASIS, FEES, FUNDING, LONG, SHORT, SLIPPAGE
from backtest.settlement import REASONS
from backtest.simulated_venue import Closings
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
    """Of the larger leg, all fills together."""
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
    """Why it was closed: policy, stop_loss, liquidated, margin, delisted, unwound."""
    saved: float = 0.0
    """What fees and slippage were less than for taking at taker fees at the same mids."""

    @property
    def pnl(self) -> float:
        """Net profit."""
        return self.funding + self.basis + self.fees + self.slippage

    @property
    def pnl_pct(self) -> float:
        """Net profit, % of leg notional."""
        return 100 * self.pnl / self.notional

    @property
    def cost_bps(self) -> float:
        """Fees and slippage of the whole round trip, bps of leg notional."""
        return -1e4 * (self.fees + self.slippage) / self.notional

    @property
    def taker_cost_bps(self) -> float:
        """The same for crossing both spreads at taker fees at the same mids: equal where every fill took."""
        return self.cost_bps + 1e4 * self.saved / self.notional

    @property
    def hours(self) -> float:
        """Time held."""
        return (self.closed_ms - self.opened_ms) / HOUR_MS


def closed_trades(closings: Closings, instruments: Sequence[Instrument]) -> list[Trade]:
    """The trades of one account's closed positions, in the order in which they were closed."""
    return [_closed_trade(closings, row, instruments) for row in range(int(closings.count))]


def _closed_trade(closings: Closings, row: int, instruments: Sequence[Instrument]) -> Trade:
    long, short = (instruments[column] for column in closings.instrument[row])
    pnl = closings.pnl[row]
    return Trade(
        asset=str(long.asset),
        long_venue=long.venue,
        long_symbol=long.symbol,
        short_venue=short.venue,
        short_symbol=short.symbol,
        quantity=float(closings.quantity[row].max()),
        opened_ms=int(closings.opened_at[row]),
        closed_ms=int(closings.closed_at[row]),
        long_entry=float(closings.entry[row, LONG]),
        long_exit=float(closings.exit[row, LONG]),
        short_entry=float(closings.entry[row, SHORT]),
        short_exit=float(closings.exit[row, SHORT]),
        notional=float(closings.notional[row]),
        funding=float(pnl[FUNDING]),
        basis=float(pnl[BASIS]),
        fees=float(pnl[FEES]),
        slippage=float(pnl[SLIPPAGE]),
        reason=REASONS[int(closings.reason[row])],
        saved=float(closings.saved[row]),
    )
