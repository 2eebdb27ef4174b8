"""Settings of the data floor: which venues, which assets, how far back, and the synthetic market's shape."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of every settings model: immutable, and an unknown key is an error rather than a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class VenueSettings(Frozen):
    """One venue as this account meets it."""

    taker_fee_bps: float | None = Field(
        None, ge=0, le=100, description="Taker fee, bps of notional; empty: the venue's lowest tier."
    )
    half_spread_bps: float = Field(
        0.25, gt=0, le=100, description="Assumed distance from mid to touch, bps; the simulated venue quotes it."
    )
    maintenance_margin: float = Field(
        0.05, gt=0, lt=1, description="Equity below this share of gross notional is liquidated."
    )
    margin_mode: str = "cross"
    leverage: float = 3.0
    level_quote: float = 25_000.0
    levels: int = 20
    base_url: str | None = Field(
        None, description="Where to reach the venue instead of its real address, e.g. a sandbox."
    )


class SyntheticSettings(Frozen):
    """The seeded synthetic market: same seed, same market."""

    seed: int = Field(7, ge=0, description="Seed of every random number in the market.")
    start: datetime = Field(datetime(2025, 1, 1, tzinfo=UTC), description="First hour, UTC.")
    days: int = Field(400, ge=20, le=4000, description="Length, days.")
    assets: tuple[str, ...] = Field(
        ("BTC", "ETH", "SOL", "XRP", "DOGE", "BNB", "ADA", "AVAX", "LTC", "DOT", "TRX", "1000PEPE", "INJ"),
        min_length=1,
        description="Base codes listed on every venue; INJ carries the stressed episode.",
    )
    episode: bool = Field(True, description="Include the documented stressed episode.")


class DataSettings(Frozen):
    """What is collected, and what of it a decision looks at."""

    venues: dict[str, VenueSettings] = Field(
        default_factory=lambda: {"binance": VenueSettings(), "hyperliquid": VenueSettings()},
        min_length=2,
        description="Venues by name; every pair of them is a possible pair of legs.",
    )
    assets: tuple[str, ...] = Field(
        (), description="Assets to trade, e.g. BTC, 1000PEPE; empty: all that two venues share."
    )
    history_hours: int = Field(336, ge=192, description="Hours of history before now that features are made from.")
    decision_delay_s: int = Field(
        60, ge=1, le=240, description="Seconds after the full hour at which the market is read and traded."
    )
    timeout_s: float = Field(10.0, gt=0, description="Longest wait for one answer of a venue.")
    concurrency: int = Field(8, ge=1, le=64, description="Requests in flight per venue.")


def utc_ms(when: datetime) -> int:
    """Milliseconds since 1970; a naive datetime is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
