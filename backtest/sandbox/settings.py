"""Settings of the sandbox: which world its servers show, how fast its clock runs, what goes wrong on the way."""

from datetime import datetime
from pathlib import Path

from pydantic import Field

from backtest.sandbox.accounts.settings import AccountSettings
from backtest.sandbox.distortions import Distortion
from backtest.sandbox.stream_faults import AnyFault
from data.settings import Frozen, Outage, SyntheticSettings

DISTURBANCES = frozenset({"accounts", "distortions", "faults", "latency_ms", "limits", "stream_ms"})
"""Settings that change how the world is reached, shown or accounted for, and not what it is: a restart may change them
at will. Accounts that exist go on with the money that they have."""


class SandboxSettings(Frozen):
    """A world on loopback: a synthetic market, or a replay of recorded files."""

    synthetic: SyntheticSettings = Field(
        default_factory=SyntheticSettings, description="The market, unless `replay` is given."
    )
    past_days: int = Field(
        150, ge=0, le=4000, description="Days that a synthetic market has before its start, for agents to learn from."
    )
    replay: Path | None = Field(
        None, description="Folder with recorded files (funding.parquet, ohlcv_1h.parquet) to show instead."
    )
    outages: tuple[Outage, ...] = Field(
        (),
        description="Times in which a venue trades nothing (venue, begin, end; UTC): prices go stale, funding settles.",
    )
    begin: datetime | None = Field(
        None, description="Market time at the first start, UTC; empty: 14 days after the market starts."
    )
    url: str | None = Field(
        None,
        description="A sandbox served already (`bot sandbox`), e.g. http://127.0.0.1:8900; its clock is followed.",
    )
    speed: float = Field(
        0.0, ge=0, le=100_000, description="Market seconds per real second; 0: the clock moves only when the bot asks."
    )
    latency_ms: float = Field(0.0, ge=0, le=60_000, description="Every answer of a venue takes this long, real ms.")
    stream_ms: float = Field(
        500.0, gt=0, le=60_000, description="Websockets tell the best prices this often, real ms, and when time moves."
    )
    limits: bool = Field(
        False, description="Refuse what exceeds the venues' own request limits, in real time, as they do."
    )
    faults: tuple[AnyFault, ...] = Field(
        (), description="What goes wrong on the way to the venues, each with a `kind` (docs/sandbox.md)."
    )
    distortions: tuple[Distortion, ...] = Field(
        (), description="What the venues show wrongly, each with a `kind` (docs/sandbox.md)."
    )
    accounts: AccountSettings = Field(
        default_factory=AccountSettings, description="The account at each venue, for orders over signed requests."
    )
