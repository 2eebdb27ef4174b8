"""Settings of the data floor: which venues, which assets, how far back, and the synthetic market's shape."""

from datetime import UTC, datetime
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Frozen(BaseModel):
    """Base of every settings model: immutable, and an unknown key is an error rather than a silent default."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    on_one_line: ClassVar[bool] = False
    """Whether YAML shows it as one line of what differs from the defaults."""

    @model_validator(mode="before")
    @classmethod
    def _as_the_model_says(cls, told: Any) -> Any:
        """A section that stands in YAML with nothing in it."""
        return {} if told is None else told


class VenueSettings(Frozen):
    """One venue as this account meets it."""

    fee_tier: int = Field(
        0, ge=0, description="Tier of the venue's fee schedule that the account is in; 0: the lowest."
    )
    taker_fee_bps: float | None = Field(
        None, ge=0, le=100, description="Taker fee, bps of notional; empty: that of the fee tier."
    )
    maker_fee_bps: float | None = Field(
        None, ge=-100, le=100, description="Maker fee, bps of notional, negative for a rebate; empty: that of the tier."
    )
    half_spread_bps: float = Field(
        0.25, gt=0, le=100, description="Assumed distance from mid to touch, bps; the simulated venue quotes it."
    )
    level_quote: float = Field(
        25_000.0, gt=0, allow_inf_nan=False, description="Quote currency that rests on every level of the book."
    )
    levels: int = Field(
        20, ge=1, le=100, description="Levels of each side; each lies half a spread (a tick at least) beyond the last."
    )
    margin_mode: Literal["cross", "isolated"] = Field(
        "cross", description="cross: all equity at the venue backs every position; isolated: each has its own margin."
    )
    leverage: float = Field(
        3.0, ge=1, le=125, description="Notional over margin of a new position under isolated margin."
    )
    maintenance_margin: float = Field(
        0.05, gt=0, lt=1, description="Equity below this share of gross notional is liquidated."
    )
    base_url: str | None = Field(
        None, description="Where to reach the venue instead of its real address, e.g. a sandbox."
    )
    throttle: bool | None = Field(
        None, description="Keep to the venue's rate limit; empty: yes, except where base_url is on this machine."
    )
    budget_share: float = Field(0.8, gt=0, le=1, description="Share of the venue's rate limit that is used at most.")
    patience_s: float = Field(
        300.0, gt=0, le=86_400, description="Longest pause that a venue may ask for before its reads fail, s."
    )

    @model_validator(mode="after")
    def _isolated_margin_lasts(self) -> Self:
        if self.margin_mode == "isolated" and self.leverage * self.maintenance_margin > 0.25:
            raise ValueError(
                f"a leg at {self.leverage:g}x has less than four times its maintenance margin of "
                f"{100 * self.maintenance_margin:g} % behind it: lower leverage to {0.25 / self.maintenance_margin:g}"
            )
        return self


class Outage(Frozen):
    """A time in which one venue answers nothing and trades nothing; its funding still settles."""

    venue: str = Field(description="Which venue.")
    begin: datetime = Field(description="From then, UTC.")
    end: datetime = Field(description="Until then, UTC; the venue is back at this moment.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if utc_ms(self.end) <= utc_ms(self.begin):
            raise ValueError(f"an outage of {self.venue} that begins at {self.begin} must end later than that")
        return self


class Shock(Frozen):
    """A jump of prices, from one hour to the next, that lasts."""

    asset: str = Field(description="Base code, e.g. BTC.")
    venue: str | None = Field(None, description="Which venue; empty: every one.")
    begin: datetime = Field(description="The candles that open from then on are moved, UTC.")
    end: datetime | None = Field(None, description="Those that open from then on are not; empty: all are.")
    percent: float = Field(gt=-100, le=1000, description="By so much, below zero: down.")


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
    lake: str | None = Field(
        None, description="Where collected data lies: a folder, or a URL such as s3://bucket/lake; empty: below var."
    )
    candles: tuple[Literal["last", "mark", "index"], ...] = Field(
        ("last",), min_length=1, description="Prices of which hourly candles are collected; decisions need last."
    )
    snapshots: bool = Field(
        False, description="Collect every hour what funds next, best prices, depth, open interest and turnover."
    )
    stream: bool = Field(
        False, description="Take the best prices of snapshots from the venues' websockets; off: from their books."
    )
    stale_s: float = Field(
        10.0, gt=0, le=600, description="A streamed price older than this is asked for instead, real seconds."
    )
    decision_delay_s: int = Field(
        60, ge=1, le=240, description="Seconds after the full hour at which the market is read and traded."
    )
    timeout_s: float = Field(10.0, gt=0, description="Longest wait for one answer of a venue.")
    concurrency: int = Field(8, ge=1, le=64, description="Requests in flight per venue.")


def utc_ms(when: datetime) -> int:
    """Milliseconds since 1970; a naive datetime is taken as UTC."""
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)
