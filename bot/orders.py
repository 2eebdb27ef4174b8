"""The nouns of execution: what is proposed for a slot, how a leg was filled, what a holding was paid."""

from dataclasses import dataclass

from bot.venue_orders import VenueFill, VenueFunding
from data.types import Instrument


@dataclass(frozen=True)
class LegOrder:
    """What one leg of a position is to trade, at a price within `collar` of `reference`."""

    leg: int
    instrument: Instrument
    column: int
    """The instrument's column in the panel."""
    venue: int
    quantity: float
    """Signed, units of the asset."""
    reference: float
    """Last known price, quote currency."""
    collar: float
    """Largest distance from it, as a fraction; infinite for exits."""
    held: float = 0.0
    """Signed, what the leg holds before."""


@dataclass(frozen=True)
class Proposal:
    """A decision as an order for one slot: an entry with two legs, or an exit of the legs that are open."""

    entry: bool
    slot: int
    tick: int
    reason: int
    """Of an exit, as in `backtest.settlement.REASONS`; OPEN reduces a position that is to stay."""
    legs: tuple[LegOrder, ...]
    columns: tuple[int, int]
    """Of the pair's long and short leg, open or not."""


@dataclass(frozen=True)
class LegFill:
    """How one order of a leg was filled: average price, the mid before it, fee as a fraction of notional."""

    client_id: str
    leg: int
    quantity: float
    """Signed; less than ordered where the order book held no more."""
    price: float
    mid: float
    fee_rate: float
    leverage: float
    """Of isolated margin; 0: cross margin."""
    saved: float = 0.0
    """What it cost less than taking at the taker fee at the same mid would have, quote currency."""


@dataclass(frozen=True)
class Executed:
    """What was traded for a proposal: everything that it will ever trade."""

    fills: tuple[LegFill, ...]
    number: int = 0
    """Of the execution in the ledger; 0 on paper, where nothing is sent."""
    naked: float = 0.0
    """What stood without its other leg: quote currency x seconds."""
    remarks: tuple[str, ...] = ()
    """What people should know of it."""
    venue_fills: tuple[VenueFill, ...] = ()
    """The same trades, as the venues' histories have them."""


@dataclass(frozen=True)
class Unfilled:
    """Nothing was traded on either leg, and why."""

    cause: str
    number: int = 0
    """Of the execution in the ledger; 0 where no order was written."""


@dataclass(frozen=True)
class Pending:
    """Orders were sent, and what became of them is not known yet: it is asked for again before anything is decided."""

    cause: str


Outcome = Executed | Unfilled | Pending


@dataclass(frozen=True)
class Payment:
    """Funding received on one leg (negative: paid) for what settled in the hour before the tick `due`."""

    due: int
    slot: int
    leg: int
    column: int
    rate: float
    amount: float
    source: VenueFunding | None = None
    """What the venue booked, perhaps for several slots together; None on paper."""
