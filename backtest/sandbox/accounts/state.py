"""What an account is at an instant, apart from its histories: small, and written anew at every change by `store`."""

from dataclasses import dataclass, field
from decimal import Decimal

from backtest.sandbox.accounts.records import ZERO, Side


@dataclass
class Position:
    """What is held of one contract; gone once it is flat."""

    symbol: str
    side: Side
    quantity: Decimal = ZERO
    """Signed."""
    entry: Decimal = ZERO
    """Average price of what is held."""
    changed_ms: int = 0


@dataclass
class Script:
    """What goes wrong with the next orders, as it was told over HTTP."""

    reject: int = 0
    """So many orders are rejected."""
    reject_code: str = ""
    reject_words: str = ""
    hide: int = 0
    """So many orders are not found by queries."""
    hide_s: float = 0.0
    """For so many real seconds each."""
    partial: int = 0
    """So many orders fill in part."""
    share: Decimal = ZERO
    """Of what they would have filled."""


@dataclass
class State:
    """An account without its orders, fills and payments."""

    cash: Decimal
    """The wallet: without what open positions are worth."""
    now_ms: int
    """Everything until then has happened to it."""
    positions: list[Position] = field(default_factory=list)
    leverage: dict[str, int] = field(default_factory=dict)
    isolated: list[str] = field(default_factory=list)
    """Contracts in isolated margin mode; all money backs every position all the same."""
    hedge: bool = False
    may_trade: bool = True
    may_withdraw: bool = False
    dead_man: dict[str, int] = field(default_factory=dict)
    """When resting orders of a contract are cancelled, ms; that of the empty name is for all of them."""
    numbers: int = 1000
    """The last number that was given to an order, a fill or a payment."""
    script: Script = field(default_factory=Script)
