"""Plays one policy over one tape from beginning to end: `bot backtest`, and the yardsticks of every report."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import Books, slot_unrealised_basis
from backtest.environment import FundingArbitrageEnv
from backtest.metrics import Metrics, measure
from backtest.policies import Policy
from backtest.tape import Tape
from backtest.trades import Trade


@dataclass(frozen=True)
class Result:
    """What came of it."""

    policy: str
    ticks: NDArray[np.int64]
    """[T] from the first decision to the end of the tape."""
    equity: NDArray[np.float64]
    """[T]."""
    trades: list[Trade]
    books: Books
    """At the end; positions still held are marked to market."""
    metrics: Metrics


def replay(tape: Tape, policy: Policy) -> Result:
    """Trade the whole tape with `policy`, one decision a tick."""
    env = FundingArbitrageEnv(tape)
    observation, info = env.reset(options={"full_range": True})
    curve, done = [info["equity"]], False
    while not done:
        action = policy.decide(observation[None, :])[0]
        observation, _, terminated, truncated, info = env.step(action)
        curve.append(info["equity"])
        done = terminated or truncated
    values = np.array(curve)
    ticks = tape.panel.ticks[tape.first : tape.first + len(curve)]
    return Result(policy.name, ticks, values, env.trades, env.books, measure(values, env.trades))


def pnl_split(books: Books, b: int = 0) -> dict[str, float]:
    """P&L of an account by cause, open positions included at their marks; sums to equity minus initial capital."""
    funding, basis, fees, slippage, transfers = (float(amount) for amount in books.pnl[b])
    open_basis = sum(slot_unrealised_basis(books, b, slot) for slot in range(books.opened_at.shape[1]))
    return {
        "funding": funding,
        "basis": basis + open_basis,
        "fees": fees,
        "slippage": slippage,
        "transfers": transfers,
        "total": funding + basis + open_basis + fees + slippage + transfers,
    }
