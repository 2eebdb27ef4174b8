"""What `POST /predict` takes and gives."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.web.models import Told

Number = Annotated[float, Field(allow_inf_nan=False)]
Vector = Annotated[list[Number], Field(min_length=1, max_length=4096)]
Instant = Annotated[int, Field(ge=0, le=253_402_300_799_999)]
"""ms since 1970 UTC."""
DAY_MS = 86_400_000
Offset = Annotated[int, Field(ge=-DAY_MS, le=DAY_MS)]
"""ms."""
MOST_INSTRUMENTS, MOST_HOURS = 1000, 2000


class Asked(BaseModel):
    """Of every question: unknown keys are mistakes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class MarketRows(Asked):
    """What a venue's market did, oldest first."""

    venue: str = Field(max_length=32)
    symbol: str = Field(max_length=64, description="ccxt's unified symbol, e.g. BTC/USDT:USDT.")
    bars: list[tuple[Instant, Number, Number, Number, Number, Number]] = Field(
        max_length=MOST_HOURS, description="Hourly candles: open time ms, open, high, low, close, volume."
    )
    settlements: list[tuple[Instant, Offset, Number]] = Field(
        default=[],
        max_length=MOST_HOURS,
        description="Settled funding: the hour ms, the venue's stamp minus it ms, the rate as a fraction per interval.",
    )


class Snapshot(Asked):
    """The market up to a whole hour, and the account that looks at it."""

    tick_ms: Instant = Field(description="The hour that is decided at, ms: the last candle closed there.")
    markets: list[MarketRows] = Field(min_length=1, max_length=MOST_INSTRUMENTS)
    account: Literal["current", "empty"] = Field(
        "current", description="current: as the last complete hour left it; empty: the initial capital, nothing held."
    )


class PredictRequest(Asked):
    """Either an observation with the hash of its schema, or a snapshot of the market."""

    observation: Vector | list[Vector] | None = Field(
        None, description="docs/observation.md: one vector, by pair one for each pair."
    )
    schema_hash: str | None = Field(None, max_length=64, description="Of the observation; GET /api/policy tells it.")
    snapshot: Snapshot | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.observation is None) == (self.snapshot is None):
            raise ValueError("give either an observation with its schema_hash, or a snapshot")
        if self.observation is not None and self.schema_hash is None:
            raise ValueError("give the schema_hash that the observation was made for: GET /api/policy tells it")
        return self


class PolicyView(Told):
    """Who decides, and what it wants to be shown."""

    champion: str
    kind: str
    """plain, network or ensemble."""
    formulation: str
    schema_hash: str
    size: int
    """Numbers of one vector."""
    actions: tuple[str, ...]
    """What each action means."""
    features: tuple[str, ...]
    """What each number of a vector is."""


class Prediction(Told):
    """What the champion answers; by pair, a list for every pair."""

    champion: str
    schema_hash: str
    action: int | list[int]
    meaning: str | list[str]
    probabilities: list[float] | list[list[float]]
    """Of each action."""
    observation: list[float] | list[list[float]] | None = None
    """What a snapshot came to."""
