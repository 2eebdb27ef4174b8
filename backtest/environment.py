"""`FundingArbitrageEnv`: the market as a Gymnasium environment, over the same books, venue and observation as the bot.

A step is one decision: the action of tick t fills just after t, then the market moves on to the next decision, an hour
later by default; positions are closed by force at any hour. The reward is

    pnl_reward_scale x gain in basis points of initial capital (1 of 10,000)
    + quality_entry_bonus     for an entry whose expected net carry was positive: its trailing 72 h funding spread, held
                              over the horizon, pays more than the round trip costs (this is a high-quality entry)
    + quality_entry_penalty   for any other entry

where the gain is the change of equity (fees and slippage are in it), by setting less what the carry rule gained from
the same start, or less a penalty for its square. An episode that reaches its length is truncated, never terminated; it
is terminated only when equity is gone. `docs/reward.md` has the details.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from backtest.accounting import Books
from backtest.policies import legal_actions
from backtest.simulation import Simulation
from backtest.tape import Tape, whole
from backtest.trades import Trade, closed_trades

Observation = NDArray[np.float32]
Action = np.int64 | NDArray[np.int64]


class FundingArbitrageEnv(gymnasium.Env[Observation, Action]):
    """Single account on a tape. `trades` lists the positions closed in the current episode."""

    metadata = {"render_modes": []}  # noqa: RUF012 - the interface of gymnasium

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.observation_space: spaces.Space[Observation]
        self.action_space: spaces.Space[Action]
        self.observation_space, self.action_space = spaces_of(tape)
        self.trades: list[Trade] = []
        self._simulation = Simulation(tape, 1)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode: the whole tape if `full_range` is set (in settings or `options`), else a random window."""
        super().reset(seed=seed)
        full = (options or {}).get("full_range", self.tape.settings.full_range)
        first, last = whole(self.tape) if full else random_window(self.tape, self.np_random)
        self._simulation.begin(0, first, last)
        self.trades = []
        return self._observation(), self._info()

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade at this tick, move to the next decision."""
        now = self._simulation
        now.step(np.asarray(action, dtype=np.int64).reshape(1, -1))
        if now.closed[0]:
            self.trades += closed_trades(now.accounts.closings[0], self.tape.panel.instruments)
        gone, ended = bool(now.equity[0] <= 0), bool(now.row[0] >= now.last[0])
        return self._observation(), float(now.reward[0]), gone, ended, self._info()

    def action_masks(self) -> NDArray[np.bool_]:
        """[A] (or [P, 3]) which actions can be carried out."""
        return legal_actions(self.tape.schema, self._simulation.observations)[0]

    @property
    def tick(self) -> int:
        """The current tick, ms."""
        return int(self.tape.panel.ticks[self._simulation.row[0]])

    @property
    def books(self) -> Books:
        """The account, as it is now."""
        return self._simulation.accounts.books[0]

    def _observation(self) -> Observation:
        return self._simulation.observations[0].copy()

    def _info(self) -> dict[str, Any]:
        return {"tick": self.tick, "equity": float(self._simulation.equity[0])}


def spaces_of(tape: Tape) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """What is seen and what can be answered: a vector and a number, or one of each for every pair."""
    schema, pairs = tape.schema, len(tape.features.legs)
    if schema.formulation == "pairs":
        shape: tuple[int, ...] = (pairs, schema.size)
        return spaces.Box(-np.inf, np.inf, shape, np.float32), spaces.MultiDiscrete([schema.actions] * pairs)
    return spaces.Box(-np.inf, np.inf, (schema.size,), np.float32), spaces.Discrete(schema.actions)


def random_window(tape: Tape, random: np.random.Generator) -> tuple[int, int]:
    """First and last row of an episode of the set length that begins anywhere; shorter only if the tape is."""
    first, last = whole(tape)
    length = min(tape.settings.episode_hours, last - first)
    row = int(random.integers(first, last - length + 1))
    return row, row + length
