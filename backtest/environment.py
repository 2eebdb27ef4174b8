"""`FundingArbitrageEnv`: the market as a Gymnasium environment, over the same books, venue and observation as the bot.

A step is one hour: the action of tick t fills just after t, then the market moves to t + 1. The reward is

    pnl_reward_scale x change of equity from tick to tick, in basis points of initial capital (1 of 10,000)
    + quality_entry_bonus     for an entry whose expected net carry was positive: its trailing 72 h funding spread, held
                              over the horizon, pays more than the round trip costs (this is a high-quality entry)
    + quality_entry_penalty   for any other entry

Fees and slippage are in the change of equity. An episode that reaches its length is truncated, never terminated; it is
terminated only when equity is gone.
"""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from backtest.accounting import equity, new_books
from backtest.observation import EXPECTED_NET, write_observations
from backtest.simulated_venue import NOT_CLOSED, new_closed, settle, trade
from backtest.tape import Tape
from backtest.trades import Trade, closed_trade

Observation = NDArray[np.float32]


class FundingArbitrageEnv(gymnasium.Env[Observation, np.int64]):
    """Single account on a tape. `trades` lists the positions closed in the current episode."""

    metadata = {"render_modes": []}  # noqa: RUF012 - the interface of gymnasium

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.observation_space = spaces.Box(-np.inf, np.inf, (tape.schema.size,), np.float32)
        self.action_space = spaces.Discrete(tape.schema.actions)
        self.trades: list[Trade] = []
        self._closed = new_closed(1, tape.settings.max_positions)
        self._row = self._last = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode: the whole tape if `full_range` is set (in settings or `options`), else a random window."""
        super().reset(seed=seed)
        settings, rows = self.tape.settings, len(self.tape.panel.ticks)
        full = (options or {}).get("full_range", settings.full_range)
        first, length = self.tape.first, min(settings.episode_hours, rows - 1 - self.tape.first)
        if full:
            self._row, self._last = first, rows - 1
        else:
            self._row = int(self.np_random.integers(first, rows - length))
            self._last = self._row + length
        self.books = new_books(1, len(self.tape.rules.maintenance), settings.max_positions, settings.initial_capital)
        self.trades = []
        return self._observation(), self._info()

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade at this tick, move to the next."""
        tape, settings = self.tape, self.tape.settings
        before, row = equity(self.books, 0), self._row
        entered = trade(
            self.books, np.array([action], dtype=np.int64), self.tick, tape.quotes_at(row), tape.offers_at(row),
            tape.rules, self._closed,
        )  # fmt: skip
        for slot in np.flatnonzero(self._closed.reason[0] != NOT_CLOSED):
            self.trades.append(closed_trade(self._closed, int(slot), self.tick, tape.panel.instruments))
        self._row += 1
        settle(self.books, tape.panel.settled[self._row], tape.panel.close[self._row], tape.rules)
        worth = equity(self.books, 0)
        reward = settings.pnl_reward_scale * 1e4 * (worth - before) / settings.initial_capital
        if entered[0] >= 0:
            good = tape.features.values[row, entered[0], EXPECTED_NET] > 0
            reward += settings.quality_entry_bonus if good else settings.quality_entry_penalty
        return self._observation(), float(reward), worth <= 0, self._row >= self._last, self._info()

    @property
    def tick(self) -> int:
        """The current tick, ms."""
        return int(self.tape.panel.ticks[self._row])

    def _observation(self) -> Observation:
        out = np.empty((1, self.tape.schema.size), dtype=np.float32)
        tape = self.tape
        write_observations(
            out, self.books, tape.features, self._row, self.tick, tape.settings.initial_capital, tape.rules
        )
        return out[0]

    def _info(self) -> dict[str, Any]:
        return {"tick": self.tick, "equity": equity(self.books, 0)}
