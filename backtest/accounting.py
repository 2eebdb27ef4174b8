"""The books: the one place in the product that computes money.

The books of one account are a record: cash on V venues and S slots; a slot is a pair position of two legs (0 long,
1 short). Many accounts are an array of such records. The environment steps them side by side, the paper and live
executors hold one, and all of them change books through the compiled functions here, in place:

    equity = cash + cash in transit + unrealised            unrealised = quantity x (mark - entry price)
    P&L    = funding + basis + fees + slippage + transfers  basis is priced at mids, slippage is what fills lost to them

Both hold after every event. At one instant the order of events is: funding on what was held, marks, liquidation, fills;
events of one kind may come in any order. Money is in quote currency (USDT and USDC counted alike), quantities in units
of the asset, rates as fractions.
"""

import numpy as np
from numpy.typing import NDArray

from data.compiled import as_python, compiled, record

LONG, SHORT = 0, 1
FUNDING, BASIS, FEES, SLIPPAGE, TRANSFERS = range(5)
"""Columns of the P&L split. BASIS counts what is realised; `unrealised_basis` adds the rest."""
EMPTY = -1
"""In `instrument`: the slot is free."""
OPEN = -1
"""In `closing`: the position is not being closed."""
LIQUIDATION_FEE = 0.01
"""Share of notional that a liquidation costs on top of the price, of the order of the venues' clearance fees."""

Books = np.record
"""One account; its fields are those of `books_layout`. `books.copy()` is an account of its own."""


def books_layout(venues: int, slots: int) -> np.dtype[np.record]:
    """The fields of one account's books, with their shapes."""
    per_leg = (slots, 2)
    fields = [
        ("cash", np.float64, (venues,)),
        # On its way to the venue, and the tick (ms) at which it arrives.
        ("in_transit", np.float64, (venues,)),
        ("arrives_at", np.int64, (venues,)),
        # Column of the panel and its venue, kept until the slot is cleared; EMPTY in a free slot.
        ("instrument", np.int64, per_leg),
        ("venue", np.int64, per_leg),
        # Signed: long above zero.
        ("quantity", np.float64, per_leg),
        # Average prices paid, and the average mids at those fills.
        ("entry_price", np.float64, per_leg),
        ("entry_mid", np.float64, per_leg),
        # What was closed so far, and at which average price.
        ("closed_quantity", np.float64, per_leg),
        ("exit_price", np.float64, per_leg),
        # Last known price.
        ("mark", np.float64, per_leg),
        # Part of the venue's cash that only this leg may lose; 0 under cross margin.
        ("margin", np.float64, per_leg),
        # Funding received at the last settlement.
        ("paid", np.float64, per_leg),
        # Tick of the first fill, ms; 0 for a free slot.
        ("opened_at", np.int64, (slots,)),
        # Why the position is being closed, once part of it is; OPEN before.
        ("closing", np.int64, (slots,)),
        # The larger leg's notional at its entry.
        ("notional", np.float64, (slots,)),
        # P&L split of the position in the slot, and of the account since the start.
        ("slot_pnl", np.float64, (slots, 5)),
        # What the fills of the position in the slot cost less than taking at taker fees at the same mids would have.
        ("saved", np.float64, (slots,)),
        ("pnl", np.float64, (5,)),
        # Equity and gross notional by venue, as `revalue` last found them.
        ("worth", np.float64, (venues,)),
        ("gross", np.float64, (venues,)),
        # Highest equity at any tick.
        ("peak", np.float64),
    ]
    return record(fields)


def new_accounts(accounts: int, venues: int, slots: int, capital: float) -> NDArray[np.record]:
    """[B] flat books: `capital` per account, spread evenly over the venues."""
    books = np.zeros(accounts, dtype=books_layout(venues, slots))
    books["cash"] = books["worth"] = capital / venues
    books["instrument"] = books["venue"] = EMPTY
    books["closing"] = OPEN
    books["peak"] = capital
    return books


def new_books(venues: int, slots: int, capital: float) -> Books:
    """Flat books of one account."""
    return new_accounts(1, venues, slots, capital)[0].copy()


@compiled
def fill(
    books: Books, slot: int, leg: int, instrument: int, venue: int,
    quantity: float, price: float, mid: float, fee_rate: float, leverage: float, tick: int,
) -> None:  # fmt: skip
    """Trade signed `quantity` at `price` while the mid was `mid`: open, add to, reduce, or turn over a leg.

    `leverage` above zero sets notional / leverage of the venue's cash aside as the leg's isolated margin; 0 is cross
    margin. A negative `fee_rate` is a maker's rebate.
    """
    held = books.quantity[slot, leg]
    if books.opened_at[slot] == 0:
        books.opened_at[slot] = tick
    closing = 0.0
    if held * quantity < 0.0:
        closing = -min(abs(held), abs(quantity)) * np.sign(held)
        _close(books, slot, leg, venue, closing, price, mid)
    rest, opening = held + closing, quantity - closing
    if abs(rest) * price < 1e-9:  # what division into lots left over
        rest = 0.0
        books.margin[slot, leg] = 0.0
    books.quantity[slot, leg] = rest
    if opening != 0.0:
        _open(books, slot, leg, opening, price, mid)
        if leverage > 0.0:
            books.margin[slot, leg] += abs(opening) * price / leverage
    books.instrument[slot, leg] = instrument
    books.venue[slot, leg] = venue
    books.mark[slot, leg] = mid
    fee = abs(quantity) * price * fee_rate
    books.cash[venue] -= fee
    _book(books, slot, FEES, -fee)
    _book(books, slot, SLIPPAGE, quantity * (mid - price))


@compiled
def _close(books: Books, slot: int, leg: int, venue: int, closing: float, price: float, mid: float) -> None:
    books.cash[venue] += -closing * (price - books.entry_price[slot, leg])
    _book(books, slot, BASIS, -closing * (mid - books.entry_mid[slot, leg]))
    books.margin[slot, leg] *= 1.0 - abs(closing / books.quantity[slot, leg])
    before = books.closed_quantity[slot, leg]
    books.closed_quantity[slot, leg] = before + abs(closing)
    books.exit_price[slot, leg] = _average(before, books.exit_price[slot, leg], abs(closing), price)


@compiled
def _open(books: Books, slot: int, leg: int, opening: float, price: float, mid: float) -> None:
    rest = books.quantity[slot, leg]
    books.entry_price[slot, leg] = _average(rest, books.entry_price[slot, leg], opening, price)
    books.entry_mid[slot, leg] = _average(rest, books.entry_mid[slot, leg], opening, mid)
    books.quantity[slot, leg] = rest + opening
    books.notional[slot] = max(books.notional[slot], abs(rest + opening) * price)


@compiled
def _average(quantity: float, price: float, more: float, at: float) -> float:
    return at if quantity == 0.0 else (quantity * price + more * at) / (quantity + more)


@compiled
def _book(books: Books, slot: int, column: int, amount: float) -> None:
    books.slot_pnl[slot, column] += amount
    books.pnl[column] += amount


@compiled
def pay_funding(books: Books, slot: int, leg: int, venue: int, rate: float, price: float) -> float:
    """Settle funding on what the leg holds, valued at `price`; returns what was received (negative: paid)."""
    amount = -books.quantity[slot, leg] * price * rate
    books.cash[venue] += amount
    _book(books, slot, FUNDING, amount)
    return amount


@compiled
def receive_funding(books: Books, slot: int, venue: int, amount: float) -> None:
    """Funding as a venue has paid it (negative: taken), whatever it made it of; slot -1: of a position that is closed
    since."""
    books.cash[venue] += amount
    if slot >= 0:
        books.slot_pnl[slot, FUNDING] += amount
    books.pnl[FUNDING] += amount


@compiled
def liquidate(
    books: Books, slot: int, leg: int, venue: int, fee_rate: float, equity_share: float, leverage: float
) -> None:
    """The venue closes a leg at its mark. `equity_share` is what is left behind it, as a share of notional: the fee
    takes no more than that, and what the price has lost beyond it is the venue's, not the account's: the leg is closed
    at the price that leaves nothing behind it, and the difference to the mark is booked as slippage gained."""
    held, mark = books.quantity[slot, leg], books.mark[slot, leg]
    beyond = min(equity_share, 0.0) * np.sign(held)
    fee = max(0.0, min(fee_rate + LIQUIDATION_FEE, equity_share))
    instrument = books.instrument[slot, leg]
    fill(books, slot, leg, instrument, venue, -held, mark * (1.0 - beyond), mark, fee, leverage, 0)


@compiled
def transfer(books: Books, source: int, target: int, amount: float, cost: float, arrives_at: int) -> None:
    """Send `amount` from one venue to another; `cost` is paid by the source, the rest arrives with `arrive`."""
    books.cash[source] -= amount + cost
    books.in_transit[target] += amount
    books.arrives_at[target] = max(books.arrives_at[target], arrives_at)
    books.pnl[TRANSFERS] -= cost


@compiled
def arrive(books: Books, tick: int) -> None:
    """What is due by `tick` reaches its venue."""
    for venue in range(books.cash.shape[0]):
        if books.arrives_at[venue] != 0 and books.arrives_at[venue] <= tick:
            books.cash[venue] += books.in_transit[venue]
            books.in_transit[venue] = 0.0
            books.arrives_at[venue] = 0


@compiled
def clear_slot(books: Books, slot: int) -> None:
    """Make a slot whose legs are both closed free again."""
    books.opened_at[slot] = 0
    books.closing[slot] = OPEN
    books.notional[slot] = 0.0
    books.saved[slot] = 0.0
    for column in range(books.slot_pnl.shape[1]):
        books.slot_pnl[slot, column] = 0.0
    for leg in range(2):
        books.instrument[slot, leg] = EMPTY
        books.venue[slot, leg] = EMPTY
        books.entry_price[slot, leg] = 0.0
        books.entry_mid[slot, leg] = 0.0
        books.closed_quantity[slot, leg] = 0.0
        books.exit_price[slot, leg] = 0.0
        books.mark[slot, leg] = 0.0
        books.paid[slot, leg] = 0.0


@compiled
def leg_unrealised(books: Books, slot: int, leg: int) -> float:
    """What closing a leg at its mark would add to cash."""
    return books.quantity[slot, leg] * (books.mark[slot, leg] - books.entry_price[slot, leg])


@compiled
def slot_unrealised_basis(books: Books, slot: int) -> float:
    """The part of unrealised P&L that prices made, measured from the mids at entry."""
    total = 0.0
    for leg in range(2):
        total += books.quantity[slot, leg] * (books.mark[slot, leg] - books.entry_mid[slot, leg])
    return total


@compiled
def slot_total(books: Books, slot: int) -> float:
    """P&L of the position in a slot, net of everything so far and marked to market."""
    total = slot_unrealised_basis(books, slot)
    for column in range(books.slot_pnl.shape[1]):
        total += books.slot_pnl[slot, column]
    return total


@compiled
def equity(books: Books) -> float:
    """Cash, cash in transit and unrealised P&L of an account."""
    total = 0.0
    for venue in range(books.cash.shape[0]):
        total += books.cash[venue] + books.in_transit[venue]
    for slot in range(books.quantity.shape[0]):
        total += leg_unrealised(books, slot, LONG) + leg_unrealised(books, slot, SHORT)
    return total


@compiled
def venue_equity(books: Books, venue: int) -> float:
    """What the account is worth on one venue: its cash there and its legs there, marked to market."""
    total = books.cash[venue]
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if is_on(books, slot, leg, venue):
                total += leg_unrealised(books, slot, leg)
    return total


@compiled
def venue_gross(books: Books, venue: int) -> float:
    """Gross notional of the legs on one venue, at their marks."""
    total = 0.0
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if is_on(books, slot, leg, venue):
                total += abs(books.quantity[slot, leg]) * books.mark[slot, leg]
    return total


@compiled
def revalue(books: Books) -> None:
    """Write equity and gross notional by venue into `worth` and `gross`, at the marks of now."""
    for venue in range(books.cash.shape[0]):
        books.worth[venue] = books.cash[venue]
        books.gross[venue] = 0.0
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if books.quantity[slot, leg] != 0.0:
                venue = books.venue[slot, leg]
                books.worth[venue] += leg_unrealised(books, slot, leg)
                books.gross[venue] += abs(books.quantity[slot, leg]) * books.mark[slot, leg]


@compiled
def free_cash(books: Books, venue: int) -> float:
    """Cash on a venue that is not set aside as the isolated margin of a leg."""
    total = books.cash[venue]
    for slot in range(books.quantity.shape[0]):
        for leg in range(2):
            if is_on(books, slot, leg, venue):
                total -= books.margin[slot, leg]
    return total


@compiled
def is_on(books: Books, slot: int, leg: int, venue: int) -> bool:
    """Whether a leg is open and on `venue`."""
    return books.quantity[slot, leg] != 0.0 and books.venue[slot, leg] == venue


def pnl_split(books: Books) -> dict[str, float]:
    """P&L of an account by cause, open positions included at their marks; sums to equity minus initial capital."""
    funding, basis, fees, slippage, transfers = (float(amount) for amount in books.pnl)
    basis += sum(float(as_python(slot_unrealised_basis)(books, slot)) for slot in range(len(books.opened_at)))
    split = {"funding": funding, "basis": basis, "fees": fees, "slippage": slippage, "transfers": transfers}
    return split | {"total": sum(split.values())}
