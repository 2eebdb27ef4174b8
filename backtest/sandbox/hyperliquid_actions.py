"""What a signed action asks of the sandbox's Hyperliquid: how its fields are written, and what is refused unseen.

Used by `hyperliquid_exchange`. Fields: hyperliquid.gitbook.io, exchange endpoint. A wire number is a string of at most
8 decimals without sign or exponent. Prices (tick and lot size): at most 5 significant figures unless whole, at most
6 - szDecimals decimals. A field that is missing or of another form makes the whole request 422; what only the number
makes impossible refuses the whole batch in one sentence, before anything of it is done (error responses).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import exact
from backtest.sandbox.hyperliquid_request import (
    MalformedError,
    Request,
    address,
    client_id,
    fields,
    flag,
    rows,
    text,
    whole,
)
from backtest.sandbox.hyperliquid_universe import Universe
from backtest.sandbox.text import decimals
from data.types import Instrument

WIRE_NUMBER = re.compile(r"\d+(\.\d{1,8}0*)?")
FORCES = ("Alo", "Ioc", "Gtc")
FIGURES = 5
PRICE_DECIMALS = 6
FARTHEST = Decimal(5)
"""A limit is between the mark divided by this and the mark times this."""
MOST_AT_ONCE = 200


@dataclass(frozen=True)
class Wanted:
    """One order of an action."""

    asset: int
    """Place of the contract in the universe."""
    buys: bool
    price: Decimal
    size: Decimal
    reduce_only: bool
    force: str
    client_id: str
    """0x and 32 digits in lower case; empty where none is given."""


@dataclass(frozen=True)
class Cancelled:
    """One cancel of an action: by number, or by client id."""

    asset: int
    number: int | None = None
    client_id: str | None = None


class ActionRefusedError(Exception):
    """The venue refuses an action as a whole, in these words."""


Doing = Callable[[Account, int], object]
"""(account, wall time in ms) -> what is answered; raises ActionRefusedError."""
Doings = dict[str, Callable[[Request], Doing]]
"""By type of action: reads it, and gives what it does; raises MalformedError."""


def orders_of(action: Request) -> list[Wanted]:
    """The orders of an `order`; raises MalformedError, also for triggers and groups, which are not here."""
    if action.get("grouping") != "na":
        raise MalformedError
    return [_wanted(order) for order in rows(action, "orders")]


def builder_of(action: Request) -> tuple[str, int] | None:
    """(address in lower case, fee in tenths of a basis point) of whom an `order` pays besides."""
    if action.get("builder") is None:
        return None
    told = fields(action, "builder")
    return address(told, "b"), whole(told, "f")


def cancels_of(action: Request) -> list[Cancelled]:
    """What a `cancel` or a `cancelByCloid` names."""
    told = rows(action, "cancels")
    if action["type"] == "cancel":
        return [Cancelled(whole(cancel, "a"), number=whole(cancel, "o")) for cancel in told]
    return [Cancelled(whole(cancel, "asset"), client_id=client_id(cancel, "cloid")) for cancel in told]


def refused_unseen(wanted: Sequence[Wanted], lots: Mapping[int, float], marks: Mapping[int, Decimal]) -> str:
    """The venue's words for a batch of which some order is impossible as it is written; empty where none is. The
    steps of sizes and the marks are by asset."""
    if not wanted:
        return "Orders are empty."
    words = (_impossible(order, lots[order.asset], marks[order.asset]) for order in wanted)
    return next(filter(None, words), "")


def contract_at(universe: Universe, asset: int, now_ms: int) -> Instrument:
    """The contract that an action names; raises ActionRefusedError, in words of the sandbox's own, for none."""
    if (instrument := universe.at(asset, now_ms)) is None:
        raise ActionRefusedError(f"Unknown asset {asset}")
    return instrument


def fits_tick(price: Decimal, size_decimals: int) -> bool:
    """Whether the venue has this price."""
    digits = price.normalize().as_tuple()
    after_point = max(0, -int(digits.exponent))
    return not after_point or (len(digits.digits) <= FIGURES and after_point <= PRICE_DECIMALS - size_decimals)


def _wanted(told: Request) -> Wanted:
    force = text(fields(fields(told, "t"), "limit"), "tif")
    if force not in FORCES:
        raise MalformedError
    return Wanted(
        asset=whole(told, "a"),
        buys=flag(told, "b"),
        price=_wire_number(told, "p"),
        size=_wire_number(told, "s"),
        reduce_only=flag(told, "r"),
        force=force,
        client_id="" if told.get("c") is None else client_id(told, "c"),
    )


def _wire_number(asked: Request, name: str) -> Decimal:
    if not WIRE_NUMBER.fullmatch(value := text(asked, name)):
        raise MalformedError
    return Decimal(value)


def _impossible(wanted: Wanted, lot: float, mark: Decimal) -> str:
    if not wanted.size:
        return "Order has zero size."
    if wanted.size % exact(lot):
        return "Order has invalid size."
    if not wanted.price:
        return "Order has invalid price."
    if not fits_tick(wanted.price, decimals(lot)):
        return f"Price must be divisible by tick size. asset={wanted.asset}"
    if not mark / FARTHEST < wanted.price <= mark * FARTHEST:
        return "Order price cannot be more than 80% away from the reference price"
    return ""
