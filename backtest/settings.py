"""Settings of the environment: what an agent trades with, its reward, its episodes, and the windows of a cycle."""

from typing import Literal, Self, get_args

from pydantic import Field, model_validator

from data.settings import Frozen

Formulation = Literal["ranked", "pairs"]
Reward = Literal["pnl", "excess", "risk_adjusted"]
Execution = Literal["taker", "maker_first"]
REWARDS: tuple[Reward, ...] = get_args(Reward)


class EnvironmentSettings(Frozen):
    """Defaults are the reference environment's, but for the episode: its 72 h end before an edge can show."""

    initial_capital: float = Field(
        10_000.0, gt=0, description="Starting capital in quote currency, spread evenly over the venues."
    )
    max_positions: int = Field(
        3, ge=1, le=20, description="Slots: pair positions held at once; each leg is capital / slots."
    )
    max_opportunities: int = Field(5, ge=1, le=50, description="Best-ranked opportunities shown per tick.")
    formulation: Formulation = Field(
        "ranked",
        description="ranked: one choice of hold, enter a ranked opportunity, exit a slot; pairs: keep, in or flat for "
        "every pair, by one shared policy.",
    )
    decision_hours: int = Field(
        1, ge=1, le=24, description="Hours between decisions, counted from 00:00 UTC; forced exits run every hour."
    )
    episode_hours: int = Field(
        336, ge=2, description="Length of a training episode; its end is a truncation, to be bootstrapped."
    )
    full_range: bool = Field(False, description="Play the whole tape as one episode, as evaluation does.")
    max_position_loss_pct: float = Field(
        1.5,
        gt=0,
        le=100,
        description="Stop-loss: (basis + funding - fees - slippage) below minus this share of leg notional, %.",
    )
    price_collar_bps: float = Field(
        300.0, gt=0, description="No entry where the price is further than this from the last close, bps."
    )
    horizon_hours: int = Field(
        72, ge=1, le=168, description="Hours over which the expected net carry of an opportunity is counted."
    )
    rebalance_below: float = Field(
        0.6, ge=0, lt=1, description="Move money to a venue whose equity is below this share of an even split."
    )
    transfer_cost_quote: float = Field(1.0, ge=0, description="Cost of moving money between venues, quote currency.")
    transfer_hours: int = Field(1, ge=1, le=168, description="How long money is on its way between venues, hours.")
    execution: Execution = Field(
        "taker",
        description="taker: both legs take from the order books at once; maker_first: an order rests on the leg with "
        "the wider spread, and a fill is hedged at once by taking on the other. Forced exits always take.",
    )
    maker_patience_s: int = Field(
        1200, ge=10, le=3000, description="How long an order rests before it is given up, seconds."
    )
    reprice_s: int = Field(60, ge=1, le=3000, description="A resting order is moved to the touch this often, seconds.")
    look_s: int = Field(
        5, ge=1, le=600, description="A resting order is looked at this often, seconds; a fill is hedged then."
    )
    maker_gives_up: Literal["cross", "leave"] = Field(
        "cross", description="When patience ends, entries cross the spread or are left; exits always cross."
    )
    second_leg_delay_s: int = Field(
        0, ge=0, lt=3600, description="Backtests only: how long after the first leg the second one fills, seconds."
    )
    delisted_after_hours: int = Field(
        24,
        ge=2,
        description="A market without a trade for this long is taken as delisted: positions settle at the last price.",
    )
    reward: Reward = Field(
        "pnl",
        description="pnl: change of equity; excess: minus the carry rule's from the same start; risk_adjusted: minus "
        "risk_aversion / 2 x its square.",
    )
    risk_aversion: float = Field(
        0.02, ge=0, description="Weight of the squared change of equity in the risk-adjusted reward, per bp."
    )
    pnl_reward_scale: float = Field(3.0, gt=0, description="Reward per basis point of initial capital gained.")
    quality_entry_bonus: float = Field(
        0.5, description="Added to the reward for an entry whose expected net carry is positive."
    )
    quality_entry_penalty: float = Field(
        -0.5, description="Added for an entry whose expected net carry is not positive."
    )

    @model_validator(mode="after")
    def _resting_orders_are_looked_at_in_time(self) -> Self:
        if self.reprice_s % self.look_s or self.maker_patience_s % self.look_s:
            raise ValueError("reprice_s and maker_patience_s must be multiples of look_s")
        if self.execution == "maker_first" and self.second_leg_delay_s:
            raise ValueError("second_leg_delay_s belongs to execution taker: maker_first hedges each fill at once")
        return self


class WindowSettings(Frozen):
    """The rolling window of one cycle, oldest first: train, embargo, validation, embargo, gate.

    The embargo is the longest look back of a feature (168 h), so that no validation or gate observation is made of what
    the network was trained on. The gate is the newest part and the longest: it must tell a small advantage from luck.
    """

    train_days: int = Field(180, ge=2, description="Members learn on it: long enough to hold calm and wild months.")
    validation_days: int = Field(60, ge=2, description="Members are ranked on it; 45 days ranked by luck.")
    gate_days: int = Field(180, ge=2, description="The challenger is judged on it.")
    embargo_hours: int = Field(168, ge=0, description="Between them.")
    least_days: int = Field(30, ge=6, description="Shortest history that a cycle makes do with, all parts together.")
