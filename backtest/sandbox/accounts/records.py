"""What an account consists of: tickets, orders, fills, payments, positions. Used by everything in this package.

Quantities are signed, above zero buys, in units of the asset; money is in the venue's quote currency; times are
milliseconds of market time; all of them are exact decimals. Symbols are ccxt's unified ones.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

ZERO = Decimal(0)
CENT = Decimal("1e-15")
"""Amounts of money and average prices are kept to this, so that their sums are exact."""


def exact(value: float) -> Decimal:
    """The shortest decimal that is `value` as a double."""
    return Decimal(repr(float(value)))


def money(amount: Decimal) -> Decimal:
    """`amount` to the digits that are kept."""
    return amount.quantize(CENT)


class Force(StrEnum):
    """How long an order lives."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    POST_ONLY = "post_only"


class Side(StrEnum):
    """Of which position of a contract an order or a fill is: hedge mode has LONG and SHORT, one-way mode BOTH."""

    BOTH = "both"
    LONG = "long"
    SHORT = "short"


class Status(StrEnum):
    """Where an order stands; all but the first three are final."""

    WAITING = "waiting"
    """Its trigger has not been reached."""
    OPEN = "open"
    PARTLY_FILLED = "partly_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    """By the account, or by its dead man's switch."""
    EXPIRED = "expired"
    """By the venue: what an IOC could not fill, or what nothing is left to reduce for."""


LIVE = (Status.WAITING, Status.OPEN, Status.PARTLY_FILLED)


class Origin(StrEnum):
    """Who made an order."""

    API = "api"
    HAND = "hand"
    LIQUIDATION = "liquidation"
    DELEVERAGING = "deleveraging"
    DELISTING = "delisting"


class Kind(StrEnum):
    """What a payment is for."""

    FUNDING = "funding"
    TRANSFER = "transfer"
    INSURANCE = "insurance"
    """What the venue bears of a liquidation that cost more than there was."""


@dataclass(frozen=True)
class Ticket:
    """An order as it is asked for."""

    symbol: str
    quantity: Decimal
    limit: Decimal | None = None
    """Worst price; None: at market."""
    force: Force = Force.GTC
    reduce_only: bool = False
    client_id: str = ""
    side: Side = Side.BOTH
    trigger: Decimal | None = None
    """The mark price at which it becomes an order: on the far side of the mark as it is placed."""
    close_all: bool = False
    """Once triggered it closes whatever is held, and `quantity` says only which way."""

    @property
    def only_closes(self) -> bool:
        """Whether it may only reduce: so told, or because its side of hedge mode is closed that way."""
        closes_long = self.side is Side.LONG and self.quantity < 0
        closes_short = self.side is Side.SHORT and self.quantity > 0
        return self.reduce_only or closes_long or closes_short


@dataclass
class Order:
    """An order as the venue knows it."""

    number: int
    """The venue's name of it; counts up in an account."""
    ticket: Ticket
    status: Status
    created_ms: int
    updated_ms: int
    filled: Decimal = ZERO
    """Signed."""
    spent: Decimal = ZERO
    """Sum of price times the size of each fill."""
    origin: Origin = Origin.API
    hidden_until_s: float = 0.0
    """Wall time until which queries do not find it, s since 1970."""
    triggers_above: bool = False
    """Whether its trigger lies above the mark at which it was placed."""
    by_dead_man: bool = False
    """Whether the dead man's switch cancelled it."""

    @property
    def live(self) -> bool:
        """Whether it may still fill."""
        return self.status in LIVE

    @property
    def left(self) -> Decimal:
        """Signed; what of it is not filled."""
        return self.ticket.quantity - self.filled

    @property
    def average(self) -> Decimal:
        """Average price of what is filled; 0 while nothing is."""
        return money(self.spent / abs(self.filled)) if self.filled else ZERO


@dataclass(frozen=True)
class Fill:
    """One trade."""

    number: int
    """Counts up in an account."""
    order: int
    client_id: str
    symbol: str
    side: Side
    time_ms: int
    quantity: Decimal
    price: Decimal
    fee: Decimal
    """Paid; below zero for a rebate."""
    realised: Decimal
    """Received for what it closed."""
    maker: bool
    origin: Origin


@dataclass(frozen=True)
class Payment:
    """Money that came or went without a trade."""

    number: int
    """Counts up in an account."""
    kind: Kind
    symbol: str
    """Empty where it is of no contract."""
    side: Side
    time_ms: int
    amount: Decimal
    """Received; below zero: paid."""
    rate: Decimal = ZERO
    """Of funding: fraction of notional that longs paid."""
    price: Decimal = ZERO
    """Of funding: the mark that valued the position."""
    quantity: Decimal = ZERO
    """Of funding: what was held."""
