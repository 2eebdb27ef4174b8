"""The peer that our environment's speed is measured against: the reference environment as its design is usually built.

One table row per opportunity and hour; every step takes the hour's rows and the best of them with pandas, and loops
over position objects; one account. It is written with care for speed as far as pandas rows allow: grouped by hour and
sorted once, numbers of one type. Written without that care (text in the rows, columns picked by `iterrows`) it makes a
tenth as many steps, and would be no fair peer. It sees the features, closes and settlements of a tape, but fills at the
close that it sees, as the reference does, so its P&L is not ours: it is here for its speed alone.
"""

from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
from gymnasium import spaces
from numpy.typing import NDArray

from backtest.schema import ACCOUNT, OPPORTUNITY, POSITION
from backtest.settings import EnvironmentSettings
from backtest.tape import Tape
from data.types import HOUR_MS

Observation = NDArray[np.float32]
FEATURES = [feature.name for feature in OPPORTUNITY]


@dataclass
class Position:
    """A pair held: `quantity` of both legs, money in quote currency."""

    pair: int
    long: int
    short: int
    quantity: float
    long_entry: float
    short_entry: float
    notional: float
    cost: float
    """Fees and half spreads of getting in, and again of getting out."""
    opened_at: int
    funding: float = 0.0
    basis: float = 0.0

    @property
    def pnl(self) -> float:
        """Marked, net of what has been paid so far."""
        return self.basis + self.funding - self.cost


class PandasRowsEnv(gymnasium.Env[Observation, np.int64]):
    """14 portfolio numbers and 22 of each of the best opportunities. 0 holds, 1..5 enter, 6..8 exit; hourly."""

    metadata = {"render_modes": []}  # noqa: RUF012 - the interface of gymnasium

    def __init__(
        self, opportunities: pd.DataFrame, prices: pd.DataFrame, funding: pd.DataFrame, settings: EnvironmentSettings
    ) -> None:
        """`opportunities`: the features, then hour, pair, long and short; `prices`, `funding`: hour x instrument."""
        ranked = opportunities.sort_values(["hour", "expected_net"], ascending=[True, False], kind="stable")
        self.by_hour = dict(iter(ranked.groupby("hour")))
        self.nothing = ranked.iloc[:0]
        self.prices, self.funding, self.settings = prices, funding, settings
        self.hours = prices.index.to_numpy()
        self.portfolio = len(ACCOUNT) + settings.max_positions * len(POSITION)
        self.size = self.portfolio + settings.max_opportunities * len(FEATURES)
        self.observation_space = spaces.Box(-np.inf, np.inf, (self.size,), np.float32)
        self.action_space = spaces.Discrete(1 + settings.max_opportunities + settings.max_positions)

    @classmethod
    def from_tape(cls, tape: Tape) -> "PandasRowsEnv":
        """The tables of a tape's playing time: every pair whose features are known, hour by hour."""
        features, panel = tape.features, tape.panel
        values = features.values[tape.first :]
        row, pair = np.nonzero(np.isfinite(values).all(axis=2))
        a, b = features.legs[pair].T
        forward = features.direction[tape.first :][row, pair] > 0
        legs = {"long": np.where(forward, a, b), "short": np.where(forward, b, a)}
        columns = {"hour": panel.ticks[tape.first :][row], "pair": pair, **legs}
        opportunities = pd.DataFrame(values[row, pair], columns=FEATURES).assign(**columns).astype(np.float64)
        prices = pd.DataFrame(panel.close, panel.ticks).ffill().iloc[tape.first :]
        funding = pd.DataFrame(panel.settled, panel.ticks).fillna(0.0).iloc[tape.first :]
        return cls(opportunities, prices, funding, tape.settings)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """The whole table if `full_range` is set in `options`, else a random window of it."""
        super().reset(seed=seed)
        length = min(self.settings.episode_hours, len(self.hours) - 1)
        if (options or {}).get("full_range", self.settings.full_range):
            length = len(self.hours) - 1
        self.at = int(self.np_random.integers(0, len(self.hours) - length))
        self.last = self.at + length
        self.capital = self.peak = self.equity = self.settings.initial_capital
        self.positions: list[Position | None] = [None] * self.settings.max_positions
        self._offer()
        return self._observation(), {}

    def step(self, action: np.int64) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Trade at this hour's closes, move to the next."""
        settings, before, shaping, chosen = self.settings, self.equity, 0.0, int(action)
        if 1 <= chosen <= len(self.offered):
            shaping = self._enter(self.offered.iloc[chosen - 1])
        elif chosen > settings.max_opportunities:
            self._exit(chosen - settings.max_opportunities - 1)
        self.at += 1
        self._offer()
        self._mark()
        reward = settings.pnl_reward_scale * 1e4 * (self.equity - before) / settings.initial_capital + shaping
        return self._observation(), float(reward), self.equity <= 0, self.at >= self.last, {}

    def _offer(self) -> None:
        self.hour = int(self.hours[self.at])
        self.offered = self.by_hour.get(self.hour, self.nothing).iloc[: self.settings.max_opportunities]

    def _enter(self, row: pd.Series) -> float:
        """Open in the first free slot; returns what the reward gets for the entry's quality."""
        taken = [position.pair for position in self.positions if position is not None]
        if len(taken) == len(self.positions) or row["pair"] in taken:
            return 0.0
        legs = int(row["long"]), int(row["short"])
        long, short = (float(self.prices.at[self.hour, leg]) for leg in legs)
        notional = self.settings.initial_capital / self.settings.max_positions
        self.positions[self.positions.index(None)] = Position(
            pair=int(row["pair"]),
            long=legs[0],
            short=legs[1],
            quantity=notional / max(long, short),
            long_entry=long,
            short_entry=short,
            notional=notional,
            cost=notional * row["round_trip_cost"] / 2e4,
            opened_at=self.hour,
        )
        good = row["expected_net"] > 0
        return self.settings.quality_entry_bonus if good else self.settings.quality_entry_penalty

    def _exit(self, slot: int) -> None:
        position = self.positions[slot]
        if position is not None:
            self.capital += position.pnl - position.cost
            self.positions[slot] = None

    def _mark(self) -> None:
        """Funding, marks and stop-losses of what is held, then equity."""
        prices, funding = self.prices.loc[self.hour], self.funding.loc[self.hour]
        for slot, position in enumerate(self.positions):
            if position is None:
                continue
            long, short = prices[position.long], prices[position.short]
            received, paid = short * funding[position.short], long * funding[position.long]
            position.funding += position.quantity * (received - paid)
            position.basis = position.quantity * ((long - position.long_entry) - (short - position.short_entry))
            if position.pnl <= -self.settings.max_position_loss_pct / 100 * position.notional:
                self._exit(slot)
        self.equity = self.capital + sum(position.pnl for position in self.positions if position is not None)
        self.peak = max(self.peak, self.equity)

    def _observation(self) -> Observation:
        held = [position for position in self.positions if position is not None]
        capital = self.settings.initial_capital
        leverage = sum(2 * position.notional for position in held) / max(self.equity, 1e-9)
        numbers = [
            100 * (self.equity / capital - 1),
            leverage,
            1 - len(held) / len(self.positions),
            100 * (1 - self.equity / self.peak),
            100 * sum(position.pnl for position in held) / capital,
        ]
        for position in self.positions:
            numbers += [0.0] * len(POSITION) if position is None else self._seen(position)
        out = np.zeros(self.size, dtype=np.float32)
        out[: self.portfolio] = numbers
        block = self.offered.to_numpy()[:, : len(FEATURES)]
        out[self.portfolio : self.portfolio + block.size] = block.ravel()
        pairs = {position.pair for position in held}
        for rank, pair in enumerate(self.offered["pair"]):
            out[self.portfolio + (rank + 1) * len(FEATURES) - 1] = pair in pairs
        return out

    def _seen(self, position: Position) -> list[float]:
        weeks = (self.hour - position.opened_at) / (168 * HOUR_MS)
        funding_bps = 1e4 * position.funding / position.notional
        return [100 * position.pnl / position.notional, weeks, funding_bps]
