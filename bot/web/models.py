"""What the API tells, as typed models: money in quote currency, times in ms of market time unless they say otherwise.

Made by the readers of this package, shown by the page, described in /api/openapi.json.
"""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict


class Told(BaseModel):
    """Of everything that is told: it does not change, and holds nothing else."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def finite(value: float | None) -> float | None:
    """A number that JSON knows; None for what is unknown or without bounds."""
    return None if value is None or not math.isfinite(value) else float(value)


class VenueAccount(Told):
    """What lies at one venue, by the books."""

    venue: str
    equity: float
    gross: float
    """Notional held, both directions."""


class Account(Told):
    """The newest run at its last complete hour."""

    run: int
    state: str
    profile: str
    world: str
    episode: str
    champion: str
    tick_ms: int
    initial_capital: float
    equity: float
    pnl: dict[str, float]
    """Split into funding, basis, fees, slippage, transfers; and the total."""
    pnl_pct: float
    drawdown_pct: float
    """Below the highest equity so far."""
    max_drawdown_pct: float
    gross: float
    """Notional held at all venues."""
    venues: tuple[VenueAccount, ...]
    trades: int
    """Positions closed."""
    win_rate_pct: float | None
    profit_factor: float | None
    sharpe_hourly: float | None


class Curve(Told):
    """Hourly equity: three lists of one length."""

    tick_ms: tuple[int, ...] = ()
    equity: tuple[float, ...] = ()
    drawdown_pct: tuple[float, ...] = ()


class LegView(Told):
    """One leg of a position."""

    venue: str
    symbol: str
    quantity: float
    entry_price: float
    mark: float
    unrealised: float


class PositionView(Told):
    """An open pair position."""

    slot: int
    asset: str
    opened: str
    hours: float
    long: LegView
    short: LegView
    funding: float
    basis: float
    pnl: float
    pnl_pct: float
    """Of leg notional."""


class Opportunity(Told):
    """A pair as the policy sees it, best first."""

    rank: int
    asset: str
    long_venue: str
    long_symbol: str
    short_venue: str
    short_symbol: str
    spread_now: float
    """Of the last settled rates, bps per 8 h."""
    spread_72h: float
    round_trip_cost: float
    """bps."""
    expected_net: float
    """bps over the horizon, after costs."""
    break_even_days: float
    basis_bps: float
    held: bool


class Settlement(Told):
    """When one instrument settles funding next."""

    venue: str
    symbol: str
    asset: str
    next_ms: int
    interval_hours: float
    last_rate_8h_bps: float | None
    held: bool


class InstrumentView(Told):
    """Something that the account may trade."""

    venue: str
    symbol: str
    asset: str
    quote: str
    spot: bool


class Market(Told):
    """What the newest complete hour shows; empty before the first."""

    opportunities: tuple[Opportunity, ...] = ()
    settlements: tuple[Settlement, ...] = ()
    """Of what is held or among the opportunities, soonest first."""


class MemberRound(Told):
    """One member's round."""

    cycle: int
    round: int
    member: int
    reason: str
    parent: int | None
    """Whose weights it began with."""
    came_from: int | None
    """The place in `rounds` of what it went on from."""
    score: float | None
    pnl_pct: float | None
    trades: int | None
    failure: str | None


class Population(Told):
    """The newest rounds of the population, oldest first."""

    cycle: int
    round: int
    members: int
    rounds: tuple[MemberRound, ...]


class Beaten(Told):
    """The challenger beside one incumbent; % of capital per 30 days."""

    incumbent: str
    advantage: float
    lower: float | None
    passed: bool


class GateVerdict(Told):
    """One cycle and what the gate said."""

    cycle: int
    first_ms: int
    last_ms: int
    """Of the gate window."""
    champion: str
    challenger: str | None
    judged: bool
    promoted: bool
    heir: str | None
    trials: int | None
    deflated_sharpe: float | None
    comparisons: tuple[Beaten, ...]
    reasons: tuple[str, ...]


class Learning(Told):
    """Who learns, and how that was judged; newest verdict first."""

    population: Population | None = None
    verdicts: tuple[GateVerdict, ...] = ()
    champions: tuple[str, ...] = ()
    """Oldest first; the last one is the registry's champion."""


class Alert(Told):
    """One event of the ledger."""

    number: int
    tick_ms: int
    kind: str
    text: str


class LatchView(Told):
    """What holds entries back."""

    state: Literal["none", "paused", "killed", "unreadable"]
    since: str
    reason: str
    text: str


class Health(Told):
    """How the bot stands."""

    healthy: bool
    """A trader runs, its last hour is not late, entries are free or paused."""
    trader_running: bool
    real_time: bool
    """Whether market time is the clock's time."""
    hours_since_last_tick: float | None
    """Real time; in a simulated market since this program saw the hour. None before the first."""
    late: bool
    latch: LatchView
    training: bool
    """Whether a cycle is begun and not judged, while a trader runs."""
    cycle: int | None
    """The newest."""
    orders: dict[str, int]
    """Of the run, by state."""
    troubles: int
    """Events of this kind in the ledger."""
    problems: tuple[str, ...]
    """What could not be read, and what to do."""


class KillView(Told):
    """The last use of the kill switch from here."""

    state: Literal["idle", "running", "done"]
    complete: bool = False
    lines: tuple[str, ...] = ()


class State(Told):
    """Everything but the curve and the learning."""

    account: Account | None
    positions: tuple[PositionView, ...]
    market: Market
    alerts: tuple[Alert, ...]
    health: Health
    kill: KillView


class Problem(Told):
    """Why something was not done, and what to do."""

    detail: str
