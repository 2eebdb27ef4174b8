"""What the minute guard watches for, as settings. Composed by `bot.settings`, read by `bot.guard`."""

from pydantic import Field

from data.settings import Frozen


class GuardSettings(Frozen):
    """The guard of live trading, which looks at the venues between the hours."""

    enabled: bool = Field(
        True,
        description="Watch between the hours; off only to compare a rehearsal with a backtest, which has no minutes.",
    )
    every_s: float = Field(60.0, ge=5, le=600, description="Seconds of market time between two looks at the venues.")
    confirm_s: float = Field(
        1.0, ge=0, le=30, description="A position that differs from the books is looked at again after this long, s."
    )
    min_liquidation_distance_pct: float = Field(
        8.0,
        ge=0,
        lt=100,
        description="Where a move of one price, or of all prices of a venue together, of less than this would "
        "liquidate the account, its legs are reduced, with the others, %.",
    )
    reduce_share: float = Field(0.5, gt=0, le=1, description="Share of both legs that goes each time.")
    dead_man_s: float = Field(
        180.0,
        ge=0,
        le=3600,
        description="Venues cancel resting orders unless they hear of the bot for this long, s; 0: they never do.",
    )
    ban_hours: int = Field(72, ge=0, description="No entry into a pair after a venue took part of a leg, hours.")
    max_clock_skew_ms: int = Field(
        2_000, ge=100, description="A clock further off than this from a venue's is told of, ms."
    )
    clock_every: int = Field(10, ge=1, description="Every how many looks the venues' clocks are read.")
