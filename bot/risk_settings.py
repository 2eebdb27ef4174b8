"""The limits that the risk gate holds every entry to, as settings. Composed by `bot.settings`, read by `bot.risk`."""

from pydantic import Field

from data.settings import Frozen


class RiskSettings(Frozen):
    """Limits that no order passes, whatever the policy says. Exits are never held back by them."""

    max_leg_notional: float = Field(5_000.0, gt=0, description="Largest order on one leg, quote currency.")
    max_asset_notional: float = Field(20_000.0, gt=0, description="Largest sum of the legs on one asset.")
    max_venue_notional: float = Field(20_000.0, gt=0, description="Largest sum of the legs on one venue.")
    max_gross_notional: float = Field(30_000.0, gt=0, description="Largest sum of all legs, quote currency.")
    max_venue_leverage: float = Field(
        5.0, gt=0, description="Largest sum of the legs on a venue over the equity that lies there."
    )
    min_liquidation_distance_pct: float = Field(
        10.0,
        ge=0,
        lt=100,
        description="Least move of one price, or of all prices of a venue together, that would liquidate the account, "
        "%.",
    )
    max_drawdown_pct: float = Field(
        5.0, gt=0, le=100, description="No entries while equity is further below its peak, %."
    )
    max_daily_loss_pct: float = Field(
        3.0, gt=0, le=100, description="No entries while equity is further below that of 00:00 UTC, %."
    )
    max_data_age_hours: int = Field(2, ge=1, description="No entries on a leg without a price for this long, hours.")
    max_quote_age_s: float = Field(
        10.0,
        gt=0,
        description="No entries on an order book that is older, s; where order books are shown to risk.",
    )
    max_price_collar_pct: float = Field(
        5.0, gt=0, le=100, description="Furthest that an order or an order book may be from the last close, %."
    )
    max_venue_gap_pct: float = Field(
        5.0, gt=0, description="No entries where the prices of the two legs are further apart, %."
    )
    max_quote_gap_pct: float = Field(
        2.0, gt=0, description="No entries across quote currencies (USDT, USDC) that are further apart, %."
    )
    max_orders_per_minute: int = Field(
        120, ge=2, description="Orders approved within a minute of market time, exits counted; an entry is two."
    )
    max_failed_entries: int = Field(
        3, ge=1, description="Entries of one pair that had to be unwound, after which it is left alone for a while."
    )
    failed_entries_hours: int = Field(24, ge=1, description="For how long they are remembered, hours.")
    min_edge_ratio: float = Field(
        0.0, ge=0, description="Least expected net carry of an entry, in round-trip costs; 0: not asked."
    )
    edge_hours: int = Field(
        72, ge=1, le=168, description="Hours of settled funding that it is expected from, and that it is expected for."
    )
