"""The books' events as values, for whoever changes one account step by step: the trader, the paper executor, tests.

`apply` is the copying side of the compiled functions in `backtest.accounting`; it computes nothing by itself.
"""

from dataclasses import dataclass

import numpy as np

from backtest.accounting import Books, arrive, clear_slot, fill, liquidate, pay_funding, receive_funding, transfer


@dataclass(frozen=True)
class Fill:
    """A trade on one leg: signed quantity at a price, with the mid of that moment."""

    slot: int
    leg: int
    instrument: int
    venue: int
    quantity: float
    price: float
    mid: float
    fee_rate: float
    leverage: float
    tick: int
    saved: float = 0.0
    """What it cost less than taking at the taker fee at the same mid would have, quote currency."""


@dataclass(frozen=True)
class FundingPayment:
    """Funding settled on one leg at `rate` of its value at `price`."""

    slot: int
    leg: int
    venue: int
    rate: float
    price: float


@dataclass(frozen=True)
class FundingReceived:
    """Funding as the venue has paid it; see `receive_funding`."""

    slot: int
    venue: int
    amount: float


@dataclass(frozen=True)
class Mark:
    """A new price of one leg."""

    slot: int
    leg: int
    price: float


@dataclass(frozen=True)
class Liquidation:
    """The venue closes one leg; see `liquidate`."""

    slot: int
    leg: int
    venue: int
    fee_rate: float
    equity_share: float
    leverage: float


@dataclass(frozen=True)
class Transfer:
    """Money sent from one venue to another; it stays in transit until an `Arrival` at or after `arrives_at`."""

    source: int
    target: int
    amount: float
    cost: float
    arrives_at: int


@dataclass(frozen=True)
class Arrival:
    """What is in transit and due by `tick` arrives."""

    tick: int


@dataclass(frozen=True)
class Closing:
    """The position in a slot is being closed for `reason`: the next tick goes on with it."""

    slot: int
    reason: int


@dataclass(frozen=True)
class SlotCleared:
    """A closed position leaves its slot."""

    slot: int


Event = Fill | FundingPayment | FundingReceived | Mark | Liquidation | Transfer | Arrival | Closing | SlotCleared


def apply(books: Books, event: Event) -> Books:
    """New books after `event`; the old ones are untouched. Raises ValueError, before anything is changed, for numbers
    that are not finite and for a slot that would be cleared while a leg is open."""
    if not np.all(np.isfinite(list(vars(event).values()))):
        raise ValueError(f"not a finite number in {event}")
    after = books.copy()
    match event:
        case Fill():
            *traded, saved = vars(event).values()
            fill(after, *traded)
            after.saved[event.slot] += saved
        case FundingPayment():
            pay_funding(after, *vars(event).values())
        case FundingReceived():
            receive_funding(after, *vars(event).values())
        case Mark(slot, leg, price):
            after.mark[slot, leg] = price
        case Liquidation():
            liquidate(after, *vars(event).values())
        case Transfer():
            transfer(after, *vars(event).values())
        case Arrival(tick):
            arrive(after, tick)
        case Closing(slot, reason):
            after.closing[slot] = reason
        case SlotCleared(slot):
            if np.any(after.quantity[slot] != 0):
                raise ValueError(f"slot {slot} still holds a leg: close it before it is cleared")
            clear_slot(after, slot)
    return after
