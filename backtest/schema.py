"""What a policy sees and can answer, number by number: the one table of features, and how they are laid out.

The documentation of the observation is generated from here; `backtest.observation` computes the numbers.
"""

import hashlib
from dataclasses import dataclass

import numpy as np

from backtest.settings import EnvironmentSettings, Formulation
from data.errors import ConfigurationError


@dataclass(frozen=True)
class Feature:
    """One number of the observation."""

    name: str
    unit: str
    formula: str
    low: float = -np.inf
    high: float = np.inf
    """It never leaves low..high."""


OPPORTUNITY = (
    Feature("spread_now", "bps/8h", "last settled rate of the short leg minus that of the long leg"),
    Feature("spread_24h", "bps/8h", "the same, mean of what settled in 24 h"),
    Feature("spread_72h", "bps/8h", "mean of 72 h; its sign decides which leg is long, so it is never negative", low=0),
    Feature("spread_168h", "bps/8h", "mean of 168 h"),
    Feature("spread_std_72h", "bps/8h", "standard deviation of spread_now over 72 h", low=0),
    Feature("spread_positive_72h", "share", "share of the last 72 h in which spread_now was above zero", low=0, high=1),
    Feature("long_rate", "bps/8h", "last settled rate of the long leg"),
    Feature("short_rate", "bps/8h", "last settled rate of the short leg"),
    Feature("long_interval", "8h", "interval between settlements of the long leg", low=0.125, high=1),
    Feature("short_interval", "8h", "interval between settlements of the short leg", low=0.125, high=1),
    Feature("long_due", "8h", "time to the next settlement of the long leg", low=0, high=1),
    Feature("short_due", "8h", "time to the next settlement of the short leg", low=0, high=1),
    Feature("round_trip_cost", "bps", "four taker fees and four half spreads", low=0),
    Feature("break_even", "days", "round_trip_cost / spread_72h, at most 30", low=0, high=30),
    Feature("expected_net", "bps", "spread_72h over the horizon minus round_trip_cost; the rank"),
    Feature("basis", "bps", "short leg's close / long leg's close - 1", low=-1667, high=2000),
    Feature(
        "basis_z", "sd", "basis minus its 168 h mean, over its standard deviation, within -10..10", low=-10, high=10
    ),
    Feature("volatility_24h", "%/h", "standard deviation of the long leg's hourly returns over 24 h", low=0),
    Feature("return_72h", "%", "the long leg's return over 72 h", low=-100),
    Feature("volume_24h", "log10", "log10 of the thinner leg's traded value over 24 h, quote currency per hour", low=0),
    Feature("other_quote", "0/1", "1 if the legs are quoted in different currencies", low=0, high=1),
    Feature("held", "0/1", "1 if a slot holds this pair already", low=0, high=1),
)
ACCOUNT = (
    Feature("equity", "%", "equity / initial capital - 1"),
    Feature("leverage", "ratio", "gross notional / equity", low=0),
    Feature("free_slots", "share", "free slots / slots", low=0, high=1),
    Feature("drawdown", "%", "equity below its peak", low=0),
    Feature("venue_balance", "share", "the poorer venue's equity / an even split", high=1),
)
POSITION = (
    Feature("pnl", "%", "P&L of the position, net and marked, of leg notional"),
    Feature("held_time", "weeks", "time since the entry; 0 for a free slot", low=0),
    Feature("carry_72h", "bps/8h", "mean of 72 h of the spread, in the direction held"),
)
EXPECTED_NET = 14


@dataclass(frozen=True)
class Schema:
    """Which number stands where in what a policy sees, and what it can answer.

    ranked: one vector of the account, the slots and the best opportunities, 14 + 5 x 22 = 124 by default; one action.
    pairs: for each pair a vector of its 22 features and 3 of the position on it; one action each.
    """

    slots: int
    opportunities: int
    formulation: Formulation = "ranked"
    decision_hours: int = 1
    """Hours between decisions, counted from 00:00 UTC: what was learned at one rhythm is worth nothing at another."""

    @property
    def names(self) -> tuple[str, ...]:
        """One name per number of a vector, in order."""
        if self.formulation == "pairs":
            return (*(f"pair.{f.name}" for f in OPPORTUNITY), *(f"position.{f.name}" for f in POSITION))
        return (
            *(feature.name for feature in ACCOUNT),
            *(f"slot{slot}.{feature.name}" for slot in range(self.slots) for feature in POSITION),
            *(f"opportunity{rank}.{f.name}" for rank in range(self.opportunities) for f in OPPORTUNITY),
        )

    @property
    def size(self) -> int:
        """Length of a vector."""
        return len(self.names)

    @property
    def actions(self) -> int:
        """ranked: hold, enter each opportunity, exit each slot. pairs: KEEP, IN, FLAT."""
        return 3 if self.formulation == "pairs" else 1 + self.opportunities + self.slots

    @property
    def hash(self) -> str:
        """Stamps every saved policy: a policy only ever sees vectors of the schema that it was trained on."""
        features = [(f.unit, f.formula) for f in (*ACCOUNT, *POSITION, *OPPORTUNITY)]
        return hashlib.sha256(repr((self.names, features, self.decision_hours)).encode()).hexdigest()[:16]

    def slot(self, slot: int, name: str) -> int:
        """Index of a position feature."""
        return self.names.index(f"slot{slot}.{name}")

    def opportunity(self, rank: int, name: str) -> int:
        """Index of an opportunity feature."""
        return self.names.index(f"opportunity{rank}.{name}")


def schema_of(settings: EnvironmentSettings) -> Schema:
    """The schema of everything that trades under these settings, unless it brings its own."""
    return Schema(settings.max_positions, settings.max_opportunities, settings.formulation, settings.decision_hours)


def settings_for(schema: Schema, settings: EnvironmentSettings) -> EnvironmentSettings:
    """The same account and market as under `settings`, seen and traded as `schema` says.

    Raises ConfigurationError for a schema of other slots or opportunities: those belong to the account.
    """
    if (schema.slots, schema.opportunities) != (settings.max_positions, settings.max_opportunities):
        raise ConfigurationError(
            f"a policy made for {schema.slots} slots and {schema.opportunities} opportunities cannot trade with "
            f"environment.max_positions {settings.max_positions} and environment.max_opportunities "
            f"{settings.max_opportunities}: set those to what it was made for, or choose another policy"
        )
    return settings.model_copy(update={"formulation": schema.formulation, "decision_hours": schema.decision_hours})
