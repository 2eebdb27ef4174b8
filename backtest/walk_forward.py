"""The walk forward: one account on the simulated venue, hour by hour, whose policy may change between any two of them.

Used by `bot.walk_forward`, which lets the bot's own succession choose the policies, and for what is compared with it;
`tests/parity` holds the account to the one that the trader keeps.
"""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from backtest.accounting import Books
from backtest.policies import Policy
from backtest.schema import Schema
from backtest.simulation import Simulation
from backtest.tape import Tape
from backtest.track import CAUSES, Track, causes_of, gross_of, held_in
from backtest.trades import Trade, closed_trades
from data.types import HOUR_MS


class Walk:
    """An account on its way through a window. Each schema plays a tape of its own; the account goes from one to the
    next as it is."""

    def __init__(self, tape_of: Callable[[Schema], Tape], policy: Policy) -> None:
        """`tape_of` gives the window's tape as a schema sees it; every one has the same ticks and instruments."""
        self._tape_of = tape_of
        self._simulations: dict[Schema, Simulation] = {}
        self._policy = policy
        self._simulation = self._simulation_of(policy.schema)
        tape = self._simulation.tape
        self._row, self._first = tape.first, tape.first
        self._ticks = tape.panel.ticks
        self._equity, self._causes, self._gross = [float(self._simulation.equity[0])], [[0.0] * len(CAUSES)], [0.0]
        self.trades: list[Trade] = []
        """Closed so far, in order."""

    @property
    def tick(self) -> int:
        """Where the account is, ms: settled, and about to be traded."""
        return int(self._ticks[self._row])

    @property
    def over(self) -> bool:
        """Whether the window's last tick is reached, at which nothing is traded any more."""
        return self._row == len(self._ticks) - 1

    @property
    def books(self) -> Books:
        """The account now; a copy."""
        return self._simulation.accounts.books[0].copy()

    @property
    def worth(self) -> float:
        """Equity now, quote currency."""
        return self._equity[-1]

    def track(self, name: str) -> Track:
        """From the first decision to where the account is."""
        return Track(
            name=name,
            ticks=self._ticks[self._first : self._row + 1],
            equity=np.array(self._equity),
            causes=np.array(self._causes),
            gross=np.array(self._gross),
            trades=tuple(self.trades),
            held=held_in(self.books, self._simulation.tape.panel.instruments),
        )

    def follow(self, policy: Policy) -> None:
        """From this tick on `policy` decides. Raises ConfigurationError where the account cannot be traded so."""
        books = self.books
        self._simulation = self._simulation_of(policy.schema)
        self._simulation.resume(0, self._row, books)
        self._policy = policy

    def hour(self) -> None:
        """Let the policy decide if it is its hour, trade, and settle the next tick."""
        simulation = self._simulation
        actions = np.zeros(simulation.action_shape, dtype=np.int64)
        if self.tick // HOUR_MS % self._policy.schema.decision_hours == 0:
            actions[0] = self._policy.decide(simulation.observations)[0]
        simulation.hour(actions)
        self._row += 1
        books = simulation.accounts.books[0]
        self._equity.append(float(simulation.equity[0]))
        self._causes.append(causes_of(books))
        self._gross.append(gross_of(books))
        self.trades += closed_trades(simulation.accounts.closings[0], simulation.tape.panel.instruments)

    def _simulation_of(self, schema: Schema) -> Simulation:
        if schema not in self._simulations:
            simulation = Simulation(self._tape_of(schema), 1)
            simulation.resume(0, simulation.tape.first, simulation.accounts.books[0].copy())
            self._simulations[schema] = simulation
        return self._simulations[schema]


def walk_along(name: str, tape_of: Callable[[Schema], Tape], policies: Sequence[tuple[int, Policy]]) -> Track:
    """The track of an account that `policies` trade one after the other: each from its tick (ms)
    on, the first at once."""
    walk, later = Walk(tape_of, policies[0][1]), deque(policies[1:])
    while not walk.over:
        while later and later[0][0] <= walk.tick:
            walk.follow(later.popleft()[1])
        walk.hour()
    return walk.track(name)
