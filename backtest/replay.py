"""Plays policies over a tape from beginning to end: `bot backtest`, evaluation sweeps, every yardstick."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtest.accounting import Books
from backtest.metrics import Metrics, measure
from backtest.policies import Policy
from backtest.simulation import Simulation
from backtest.tape import Tape, whole
from backtest.trades import Trade, closed_trades
from data.errors import ConfigurationError


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
    reward: float
    """The environment's, summed over the episode; by pair, the account's."""
    steps: int
    """Decisions."""


def replay(tape: Tape, policy: Policy) -> Result:
    """Trade the whole tape with `policy`."""
    return replay_all(tape, [policy])[0]


def replay_all(tape: Tape, policies: Sequence[Policy]) -> list[Result]:
    """Trade the whole tape with every policy, each on an account of its own, side by side.

    Raises ConfigurationError for a policy that was made for another schema.
    """
    for policy in policies:
        if policy.schema != tape.schema:
            raise ConfigurationError(f"policy {policy.name} was made for {policy.schema}, not for {tape.schema}")
    first, last = whole(tape)
    simulation = Simulation(tape, len(policies), keep_curve=True)
    trades: list[list[Trade]] = [[] for _ in policies]
    actions = np.zeros(simulation.action_shape, dtype=np.int64)
    rewards, steps = np.zeros(len(policies)), np.zeros(len(policies), dtype=np.int64)
    for b in range(len(policies)):
        simulation.begin(b, first, last)
    seen = [simulation.observations[b : b + 1] for b in range(len(policies))]
    playing = ~simulation.done
    while np.count_nonzero(playing):
        for b, policy in enumerate(policies):
            actions[b] = policy.decide(seen[b])[0]
        simulation.step(actions)
        np.add(rewards, simulation.reward, out=rewards, where=playing)
        steps += playing
        if np.count_nonzero(simulation.closed):
            for b in np.flatnonzero(playing & (simulation.closed > 0)).tolist():
                trades[b] += closed_trades(simulation.accounts.closings[b], tape.panel.instruments)
        np.logical_not(simulation.done, out=playing)
    return [
        _result(policy.name, tape, simulation, b, trades[b], float(rewards[b]), int(steps[b]))
        for b, policy in enumerate(policies)
    ]


def _result(
    name: str, tape: Tape, simulation: Simulation, b: int, trades: list[Trade], reward: float, steps: int
) -> Result:
    reached = int(simulation.row[b]) + 1
    equity = simulation.accounts.curve[b, tape.first : reached].copy()
    ticks = tape.panel.ticks[tape.first : reached]
    books = simulation.accounts.books[b].copy()
    return Result(name, ticks, equity, trades, books, measure(equity, trades), reward, steps)
