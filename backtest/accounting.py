"""The books: the one place in the product that computes money.

A book has B accounts; each has cash on V venues and S slots; a slot is a pair position of two legs (0 long, 1 short).
The environment runs B accounts side by side, the paper and live executors one, all through the functions here:

    equity = cash + cash in transit + unrealised            unrealised = quantity x (mark - entry price)
    P&L    = funding + basis + fees + slippage + transfers  basis is priced at mids, slippage is what fills lost to them

Both hold after every event. At one instant the order of events is: funding on what was held, marks, liquidation, fills.
Money is in quote currency (USDT and USDC counted alike), quantities in units of the asset, rates as fractions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data.compiled import compiled

LONG, SHORT = 0, 1
FUNDING, BASIS, FEES, SLIPPAGE, TRANSFERS = range(5)
"""Columns of the P&L split. BASIS counts what is realised; `unrealised_basis` adds the rest."""
EMPTY = -1
"""In `instrument`: the slot is free."""
LIQUIDATION_FEE = 0.01
"""Share of notional that a liquidation costs on top of the price, of the order of the venues' clearance fees."""


class Books(NamedTuple):
    """B accounts as arrays, changed in place by the compiled functions of this module."""

    cash: NDArray[np.float64]
    """[B, V]."""
    in_transit: NDArray[np.float64]
    """[B, V] on its way to the venue, there at the next settlement of the tick."""
    instrument: NDArray[np.int64]
    """[B, S, 2] column of the panel, kept until the slot is cleared; EMPTY in a free slot."""
    quantity: NDArray[np.float64]
    """[B, S, 2] signed: long above zero."""
    entry_price: NDArray[np.float64]
    """[B, S, 2] average price paid."""
    entry_mid: NDArray[np.float64]
    """[B, S, 2] average mid at those fills."""
    mark: NDArray[np.float64]
    """[B, S, 2] last known price."""
    opened_at: NDArray[np.int64]
    """[B, S] tick of the first fill, ms; 0 for a free slot."""
    notional: NDArray[np.float64]
    """[B, S] the larger leg's notional at its entry."""
    slot_pnl: NDArray[np.float64]
    """[B, S, 5] P&L split of the position in the slot."""
    pnl: NDArray[np.float64]
    """[B, 5] P&L split of the account since the start."""
    peak: NDArray[np.float64]
    """[B] highest equity at any tick."""

    def copy(self) -> "Books":
        """Books of their own, equal to these."""
        return Books(*(array.copy() for array in self))  # type: ignore[arg-type] # each field keeps its own dtype


def new_books(accounts: int, venues: int, slots: int, capital: float) -> Books:
    """Flat books: `capital` per account, spread evenly over the venues."""
    legs = accounts, slots, 2
    return Books(
        cash=np.full((accounts, venues), capital / venues),
        in_transit=np.zeros((accounts, venues)),
        instrument=np.full(legs, EMPTY, dtype=np.int64),
        quantity=np.zeros(legs),
        entry_price=np.zeros(legs),
        entry_mid=np.zeros(legs),
        mark=np.zeros(legs),
        opened_at=np.zeros((accounts, slots), dtype=np.int64),
        notional=np.zeros((accounts, slots)),
        slot_pnl=np.zeros((accounts, slots, 5)),
        pnl=np.zeros((accounts, 5)),
        peak=np.full(accounts, capital),
    )


@compiled
def fill(
    books: Books, b: int, slot: int, leg: int, instrument: int, venue: int,
    quantity: float, price: float, mid: float, fee_rate: float, tick: int,
) -> None:  # fmt: skip
    """Trade signed `quantity` at `price` while the mid was `mid`: open, add to, reduce, or turn over a leg."""
    held = books.quantity[b, slot, leg]
    if books.opened_at[b, slot] == 0:
        books.opened_at[b, slot] = tick
    closing = 0.0
    if held * quantity < 0.0:
        closing = -min(abs(held), abs(quantity)) * np.sign(held)
    opening = quantity - closing
    if closing != 0.0:
        books.cash[b, venue] += -closing * (price - books.entry_price[b, slot, leg])
        _book(books, b, slot, BASIS, -closing * (mid - books.entry_mid[b, slot, leg]))
    rest = held + closing
    if abs(rest) * price < 1e-9:  # what division into lots left over
        rest = 0.0
    total = rest + opening
    if opening != 0.0:
        books.entry_price[b, slot, leg] = (rest * books.entry_price[b, slot, leg] + opening * price) / total
        books.entry_mid[b, slot, leg] = (rest * books.entry_mid[b, slot, leg] + opening * mid) / total
        books.notional[b, slot] = max(books.notional[b, slot], abs(total) * price)
    books.quantity[b, slot, leg] = total
    books.instrument[b, slot, leg] = instrument
    books.mark[b, slot, leg] = mid
    fee = abs(quantity) * price * fee_rate
    books.cash[b, venue] -= fee
    _book(books, b, slot, FEES, -fee)
    _book(books, b, slot, SLIPPAGE, quantity * (mid - price))


@compiled
def _book(books: Books, b: int, slot: int, column: int, amount: float) -> None:
    books.slot_pnl[b, slot, column] += amount
    books.pnl[b, column] += amount


@compiled
def pay_funding(books: Books, b: int, slot: int, leg: int, venue: int, rate: float, price: float) -> float:
    """Settle funding on what the leg holds, valued at `price`; returns what was received (negative: paid)."""
    amount = -books.quantity[b, slot, leg] * price * rate
    books.cash[b, venue] += amount
    _book(books, b, slot, FUNDING, amount)
    return amount


@compiled
def transfer(books: Books, b: int, source: int, target: int, amount: float, cost: float) -> None:
    """Send `amount` from one venue to another; `cost` is paid by the source, the rest arrives with `arrive`."""
    books.cash[b, source] -= amount + cost
    books.in_transit[b, target] += amount
    books.pnl[b, TRANSFERS] -= cost


@compiled
def arrive(books: Books, b: int) -> None:
    """Everything in transit reaches its venue."""
    for venue in range(books.cash.shape[1]):
        books.cash[b, venue] += books.in_transit[b, venue]
        books.in_transit[b, venue] = 0.0


@compiled
def clear_slot(books: Books, b: int, slot: int) -> None:
    """Make a slot whose legs are both closed free again."""
    books.opened_at[b, slot] = 0
    books.notional[b, slot] = 0.0
    for column in range(books.slot_pnl.shape[2]):
        books.slot_pnl[b, slot, column] = 0.0
    for leg in range(2):
        books.instrument[b, slot, leg] = EMPTY
        books.entry_price[b, slot, leg] = 0.0
        books.entry_mid[b, slot, leg] = 0.0
        books.mark[b, slot, leg] = 0.0


@compiled
def slot_unrealised(books: Books, b: int, slot: int) -> float:
    """What closing both legs at their marks would add to cash."""
    total = 0.0
    for leg in range(2):
        total += books.quantity[b, slot, leg] * (books.mark[b, slot, leg] - books.entry_price[b, slot, leg])
    return total


@compiled
def slot_unrealised_basis(books: Books, b: int, slot: int) -> float:
    """The part of it that prices made, measured from the mids at entry."""
    total = 0.0
    for leg in range(2):
        total += books.quantity[b, slot, leg] * (books.mark[b, slot, leg] - books.entry_mid[b, slot, leg])
    return total


@compiled
def slot_total(books: Books, b: int, slot: int) -> float:
    """P&L of the position in a slot, net of everything so far and marked to market."""
    total = slot_unrealised_basis(books, b, slot)
    for column in range(books.slot_pnl.shape[2]):
        total += books.slot_pnl[b, slot, column]
    return total


@compiled
def equity(books: Books, b: int) -> float:
    """Cash, cash in transit and unrealised P&L of an account."""
    total = 0.0
    for venue in range(books.cash.shape[1]):
        total += books.cash[b, venue] + books.in_transit[b, venue]
    for slot in range(books.quantity.shape[1]):
        total += slot_unrealised(books, b, slot)
    return total


@compiled
def venue_equity(books: Books, b: int, venue: int, venue_of: NDArray[np.int64]) -> float:
    """What the account is worth on one venue: its cash there and its legs there, marked to market."""
    total = books.cash[b, venue]
    for slot in range(books.quantity.shape[1]):
        for leg in range(2):
            held = books.instrument[b, slot, leg]
            if held != EMPTY and venue_of[held] == venue:
                total += books.quantity[b, slot, leg] * (books.mark[b, slot, leg] - books.entry_price[b, slot, leg])
    return total


@compiled
def venue_gross(books: Books, b: int, venue: int, venue_of: NDArray[np.int64]) -> float:
    """Gross notional of the legs on one venue, at their marks."""
    total = 0.0
    for slot in range(books.quantity.shape[1]):
        for leg in range(2):
            held = books.instrument[b, slot, leg]
            if held != EMPTY and venue_of[held] == venue:
                total += abs(books.quantity[b, slot, leg]) * books.mark[b, slot, leg]
    return total


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
    tick: int


@dataclass(frozen=True)
class FundingPayment:
    """Funding settled on one leg at `rate` of its value at `price`."""

    slot: int
    leg: int
    venue: int
    rate: float
    price: float


@dataclass(frozen=True)
class Mark:
    """A new price of one leg."""

    slot: int
    leg: int
    price: float


@dataclass(frozen=True)
class Transfer:
    """Money sent from one venue to another; it stays in transit until `Arrival`."""

    source: int
    target: int
    amount: float
    cost: float


@dataclass(frozen=True)
class Arrival:
    """Everything in transit arrives."""


@dataclass(frozen=True)
class SlotCleared:
    """A closed position leaves its slot."""

    slot: int


Event = Fill | FundingPayment | Mark | Transfer | Arrival | SlotCleared


def apply(books: Books, event: Event) -> Books:
    """New books of one account after `event`; the old ones are untouched. Raises ValueError for numbers that are not
    finite, before anything is changed."""
    numbers = [value for value in vars(event).values() if isinstance(value, float)]
    if not np.all(np.isfinite(numbers)):
        raise ValueError(f"not a finite number in {event}")
    after = books.copy()
    match event:
        case Fill():
            fill(after, 0, *vars(event).values())
        case FundingPayment():
            pay_funding(after, 0, *vars(event).values())
        case Mark(slot, leg, price):
            after.mark[0, slot, leg] = price
        case Transfer():
            transfer(after, 0, *vars(event).values())
        case Arrival():
            arrive(after, 0)
        case SlotCleared(slot):
            clear_slot(after, 0, slot)
    return after
