"""The nouns of an account at a venue: orders as they are sent, what the venue says of them, what it filled and paid.

Spoken by the ledger, by `execution.account` and by who asks it: live execution, reconciliation, the kill switch, the
doctor. Quantities are signed and in units of the asset, money is in quote currency, times are milliseconds of the
venue's time.
"""

from dataclasses import dataclass
from enum import StrEnum

from data.types import Instrument


class OrderState(StrEnum):
    """What is proven of an order. It is written down as UNKNOWN before a byte is sent, and only the venue's own word
    changes that; FILLED, ENDED, REJECTED and ABSENT are final."""

    UNKNOWN = "unknown"
    """It may have reached the venue, or not."""
    OPEN = "open"
    """It rests at the venue, perhaps filled in part."""
    FILLED = "filled"
    ENDED = "ended"
    """Cancelled or expired: what it had filled by then, perhaps nothing, is all that it will fill."""
    REJECTED = "rejected"
    """The venue refused it; nothing was filled."""
    ABSENT = "absent"
    """The venue never had it, as its orders, its fills and its positions agree."""


class Style(StrEnum):
    """How an order meets the book."""

    TAKE = "take"
    """Immediate or cancel, at `limit` or better."""
    MAKE = "make"
    """Post-only at `limit`: rests there, or is refused where it would trade at once."""


@dataclass(frozen=True)
class VenueOrder:
    """One order to one venue."""

    client_id: str
    """At most 32 characters of a-z, A-Z, 0-9; the venue's dialect may write it in another way, always the same one."""
    instrument: Instrument
    quantity: float
    """Signed: above zero buys."""
    limit: float
    """Worst price, quote currency."""
    style: Style = Style.TAKE
    reduce_only: bool = False


@dataclass(frozen=True)
class OrderReport:
    """What a venue says of one order."""

    state: OrderState
    """UNKNOWN: no answer, or none that proves anything."""
    filled: float = 0.0
    """Signed; what it has filled so far. Never less than before."""
    average: float = 0.0
    """Average price of that; 0 while nothing is filled."""
    venue_id: str = ""
    """The venue's own name of the order, once it gave one."""
    reason: str = ""
    """The venue's words where it refused, or why nothing is known; without secrets."""
    contradicted: bool = False
    """The venue said things of it that cannot all be true, such as a fill after the end: trade nothing on it until a
    person has looked. Set by `bot.order_state` alone."""


@dataclass(frozen=True)
class VenueFill:
    """One trade of the account, as the venue's history has it."""

    venue: str
    symbol: str
    trade_id: str
    """Unique within (venue, symbol)."""
    client_id: str
    """Of the order; empty for what the bot did not order: trades by hand, liquidations, auto-deleveraging."""
    time_ms: int
    quantity: float
    price: float
    fee: float
    """Paid, quote currency; below zero for a rebate."""
    maker: bool


@dataclass(frozen=True)
class VenueFunding:
    """One funding payment, as the venue's history has it."""

    venue: str
    symbol: str
    payment_id: str
    """Unique within (venue, symbol, time_ms); empty where the venue gives none."""
    time_ms: int
    amount: float
    """Received; below zero for what was paid, whatever the venue's own sign."""


@dataclass(frozen=True)
class Held:
    """A position at a venue."""

    symbol: str
    quantity: float
    entry_price: float
    mark: float
    liquidation_price: float
    """NaN where the venue sees none."""


@dataclass(frozen=True)
class Balance:
    """Money at a venue."""

    wallet: float
    """Cash, without what open positions are worth."""
    equity: float
    """With it."""
    free: float
    """What new positions may use."""


@dataclass(frozen=True)
class Standing:
    """How an account is set up, for the doctor."""

    can_trade: bool
    can_withdraw: bool | None
    """None where the venue does not tell."""
    one_way: bool
    """False: hedge mode, which holds long and short of one contract side by side."""
    cross: bool | None
    """Margin mode; None where each order says."""
    clock_ms: int
    """The venue's wall clock minus ours."""
    taker_fee: float | None
    """Fraction of notional; None where the venue does not tell."""
    maker_fee: float | None
