"""What became of one account along a window, hour by hour: what figures, breakdowns and pictures are made of."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import (
    BASIS,
    FEES,
    FUNDING,
    LONG,
    SHORT,
    SLIPPAGE,
    Books,
    pnl_split,
    slot_unrealised_basis,
)
from backtest.trades import Trade
from data.types import HOUR_MS, Instrument

CAUSES = ("funding", "basis", "fees", "slippage", "transfers")


@dataclass(frozen=True)
class Held:
    """A position that is open at the end, marked to market. Money in quote currency, times in ms."""

    asset: str
    long_venue: str
    short_venue: str
    opened_ms: int
    notional: float
    """Of one leg, at entry."""
    traded: float
    """Notional of its fills so far, both legs."""
    funding: float
    basis: float
    fees: float
    slippage: float

    @property
    def pnl(self) -> float:
        """Net so far."""
        return self.funding + self.basis + self.fees + self.slippage


@dataclass(frozen=True, eq=False)
class Track:
    """One account's way through a window of T ticks."""

    name: str
    ticks: NDArray[np.int64]
    """[T] ms, hourly."""
    equity: NDArray[np.float64]
    """[T] quote currency, net of all costs; first the initial capital."""
    causes: NDArray[np.float64]
    """[T, 5] P&L so far by CAUSES, open positions at their marks."""
    gross: NDArray[np.float64]
    """[T] notional held, both legs at their marks."""
    trades: tuple[Trade, ...]
    held: tuple[Held, ...]
    """Open at the end."""

    @property
    def hours(self) -> int:
        """From the first tick to the last."""
        return int(self.ticks[-1] - self.ticks[0]) // HOUR_MS

    @property
    def split(self) -> dict[str, float]:
        """P&L by cause, and the total."""
        told = dict(zip(CAUSES, self.causes[-1].tolist(), strict=True))
        return told | {"total": sum(told.values())}


def causes_of(books: Books) -> list[float]:
    """P&L of an account so far, in the order of CAUSES."""
    split = pnl_split(books)
    return [split[cause] for cause in CAUSES]


def gross_of(books: Books) -> float:
    """Notional held, both legs of all positions at their marks."""
    return float(np.abs(books.quantity * books.mark).sum())


def held_in(books: Books, instruments: Sequence[Instrument]) -> tuple[Held, ...]:
    """The open positions of an account whose columns are `instruments`."""
    return tuple(_held(books, slot, instruments) for slot in np.flatnonzero(books.opened_at).tolist())


def _held(books: Books, slot: int, instruments: Sequence[Instrument]) -> Held:
    long, short = (instruments[books.instrument[slot, leg]] for leg in (LONG, SHORT))
    pnl = books.slot_pnl[slot]
    bought = (np.abs(books.quantity[slot]) + books.closed_quantity[slot]) * books.entry_price[slot]
    sold = books.closed_quantity[slot] * books.exit_price[slot]
    return Held(
        asset=str(long.asset),
        long_venue=long.venue,
        short_venue=short.venue,
        opened_ms=int(books.opened_at[slot]),
        notional=float(books.notional[slot]),
        traded=float((bought + sold).sum()),
        funding=float(pnl[FUNDING]),
        basis=float(pnl[BASIS]) + float(slot_unrealised_basis(books, slot)),
        fees=float(pnl[FEES]),
        slippage=float(pnl[SLIPPAGE]),
    )
