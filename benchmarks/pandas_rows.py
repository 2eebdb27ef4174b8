"""The peer: a single environment as reference systems of this kind write it, opportunities as rows of a DataFrame.

Each hour's rows are looked up in a DataFrame with one row per opportunity, the best five become 5 x 22 numbers beside 14
of the portfolio, and positions are objects that a loop pays and marks. It trades the same market as our tape, at the
same quotes and fees, without depth, margin or transfers: less than our environment does, not more.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
from gymnasium import spaces

from backtest.observation import EXPECTED_NET, OPPORTUNITY
from backtest.tape import Tape

NAMES = [feature.name for feature in OPPORTUNITY]


@dataclass
class Position:
    """An open pair position."""

    pair: int
    long: int
    short: int
    quantity: float
    long_entry: float
    short_entry: float
    opened: int
    fees: float
    funding: float = 0.0

    def pnl(self, prices: pd.Series) -> float:
        """Net profit at `prices`."""
        long = self.quantity * (prices[self.long] - self.long_entry)
        return float(long - self.quantity * (prices[self.short] - self.short_entry) + self.funding - self.fees)


class PandasRowsEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One account; 124 numbers, 9 actions."""

    def __init__(self, tape: Tape) -> None:
        self.observation_space = spaces.Box(-np.inf, np.inf, (124,), np.float32)
        self.action_space = spaces.Discrete(9)
        self._first, self._last = tape.first, len(tape.panel.ticks) - 1
        self._opportunities = opportunities(tape).groupby("hour")
        self._hours = set(self._opportunities.groups)
        self._prices = pd.DataFrame(tape.panel.close)
        self._bid, self._ask = pd.DataFrame(tape.quotes.bid), pd.DataFrame(tape.quotes.ask)
        self._settled = pd.DataFrame(tape.panel.settled)
        self._fee = pd.Series(tape.rules.instruments["fee_rate"])
        self._notional = tape.rules.slot_notional

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start at the first hour."""
        super().reset(seed=seed)
        self._hour, self._cash, self._peak = self._first, 10_000.0, 10_000.0
        self._positions: list[Position | None] = [None] * 3
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Stop-losses, the action, an hour of funding."""
        before = self._equity()
        prices = self._prices.iloc[self._hour]
        for slot, position in enumerate(self._positions):
            if position is not None and position.pnl(prices) < -0.015 * self._notional:
                self._exit(slot)
        if 1 <= action <= 5:
            self._enter(int(action) - 1)
        elif action > 5 and self._positions[int(action) - 6] is not None:
            self._exit(int(action) - 6)
        self._hour += 1
        settled, prices = self._settled.iloc[self._hour], self._prices.iloc[self._hour]
        for position in self._positions:
            if position is not None:
                paid = settled[position.short] * prices[position.short] - settled[position.long] * prices[position.long]
                position.funding += float(position.quantity * paid)
        equity = self._equity()
        self._peak = max(self._peak, equity)
        reward = 3.0 * (equity - before)
        return self._observation(), float(reward), False, self._hour >= self._last, {"equity": equity}

    def _rows(self) -> pd.DataFrame:
        return self._opportunities.get_group(self._hour) if self._hour in self._hours else pd.DataFrame(columns=NAMES)

    def _enter(self, rank: int) -> None:
        rows = self._rows().head(5)
        if rank >= len(rows) or None not in self._positions:
            return
        row = rows.iloc[rank]
        pair, long, short = int(row["pair"]), int(row["long"]), int(row["short"])
        if any(position is not None and position.pair == pair for position in self._positions):
            return
        ask, bid = self._ask.iloc[self._hour][long], self._bid.iloc[self._hour][short]
        quantity = self._notional / max(ask, bid)
        fees = quantity * (ask * self._fee[long] + bid * self._fee[short])
        slot = self._positions.index(None)
        self._positions[slot] = Position(pair, long, short, quantity, ask, bid, self._hour, fees)

    def _exit(self, slot: int) -> None:
        position = self._positions[slot]
        assert position is not None
        bid, ask = self._bid.iloc[self._hour][position.long], self._ask.iloc[self._hour][position.short]
        position.fees += position.quantity * (bid * self._fee[position.long] + ask * self._fee[position.short])
        self._cash += position.pnl(pd.Series({position.long: bid, position.short: ask}))
        self._positions[slot] = None

    def _equity(self) -> float:
        prices = self._prices.iloc[self._hour]
        return self._cash + sum(position.pnl(prices) for position in self._positions if position is not None)

    def _observation(self) -> np.ndarray:
        prices, equity = self._prices.iloc[self._hour], self._equity()
        held = {position.pair for position in self._positions if position is not None}
        free = self._positions.count(None) / 3
        portfolio = [equity / 100 - 100, 2 * len(held) * self._notional / equity, free, 1 - equity / self._peak, 1.0]
        for position in self._positions:
            if position is None:
                portfolio += [0.0, 0.0, 0.0]
            else:
                pnl = 100 * position.pnl(prices) / self._notional
                portfolio += [pnl, (self._hour - position.opened) / 168, position.funding / self._notional]
        features: list[float] = []
        for _, row in self._rows().head(5).iterrows():
            features += [float(row[name]) for name in NAMES[:-1]]
            features.append(float(int(row["pair"]) in held))
        features += [0.0] * (110 - len(features))
        return np.array(portfolio + features, dtype=np.float32)


def opportunities(tape: Tape) -> pd.DataFrame:
    """One row per hour and known pair, best first: hour, pair, long and short column, and the features."""
    hours, pairs = np.nonzero(tape.features.known)
    table = pd.DataFrame(tape.features.values[hours, pairs], columns=NAMES)
    a_is_long = tape.features.direction[hours, pairs] > 0
    a, b = tape.features.legs[pairs].T
    table.insert(0, "hour", hours)
    table.insert(1, "pair", pairs)
    table.insert(2, "long", np.where(a_is_long, a, b))
    table.insert(3, "short", np.where(a_is_long, b, a))
    return table.sort_values(["hour", NAMES[EXPECTED_NET]], ascending=[True, False], kind="stable")
