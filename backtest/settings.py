"""Settings of the environment: what an agent trades with, what it is rewarded for, how long an episode is."""

from pydantic import Field

from data.settings import Frozen


class EnvironmentSettings(Frozen):
    """Defaults are the reference environment's, but for the episode: its 72 h end before an edge can show."""

    initial_capital: float = Field(
        10_000.0, gt=0, description="Starting capital in quote currency, spread evenly over the venues."
    )
    max_positions: int = Field(
        3, ge=1, le=20, description="Slots: pair positions held at once; each leg is capital / slots."
    )
    max_opportunities: int = Field(5, ge=1, le=50, description="Best-ranked opportunities shown per tick.")
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
    transfer_cost_quote: float = Field(
        1.0, ge=0, description="Cost of moving money between venues, quote currency; it arrives a tick later."
    )
    pnl_reward_scale: float = Field(3.0, gt=0, description="Reward per basis point of initial capital gained.")
    quality_entry_bonus: float = Field(
        0.5, description="Added to the reward for an entry whose expected net carry is positive."
    )
    quality_entry_penalty: float = Field(
        -0.5, description="Added for an entry whose expected net carry is not positive."
    )
