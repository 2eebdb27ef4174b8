"""What a trade does to a position and to the wallet, and what positions are worth. Used by `account` and `trades`."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from backtest.sandbox.accounts.records import ZERO, money
from backtest.sandbox.accounts.state import Position

Marks = Callable[[str], Decimal]
"""Symbol -> mark price."""


def trade(position: Position, quantity: Decimal, price: Decimal) -> Decimal:
    """Change `position` by a trade of signed `quantity`, turning it over where that is more than is held; gives what
    it realised. The entry price is the average of what opened what is held."""
    held = position.quantity
    closed = -held if abs(quantity) > abs(held) else quantity
    closed = closed if held * quantity < 0 else ZERO
    realised = money(-closed * (price - position.entry))
    opened = quantity - closed
    rest = held + closed
    if opened:
        position.entry = money((abs(rest) * position.entry + abs(opened) * price) / (abs(rest) + abs(opened)))
    position.quantity = rest + opened
    return realised


def unrealised(position: Position, mark: Decimal) -> Decimal:
    """What closing it at `mark` would realise."""
    return money(position.quantity * (mark - position.entry))


def equity(cash: Decimal, positions: Iterable[Position], marks: Marks) -> Decimal:
    """The wallet with what positions are worth."""
    return cash + sum((unrealised(position, marks(position.symbol)) for position in positions), ZERO)


def gross(positions: Iterable[Position], marks: Marks) -> Decimal:
    """Notional of all positions."""
    return sum((money(abs(position.quantity) * marks(position.symbol)) for position in positions), ZERO)


def liquidation_price(
    position: Position, positions: Iterable[Position], cash: Decimal, marks: Marks, maintenance: Decimal
) -> Decimal:
    """The mark of this contract at which equity is its maintenance margin, the other marks standing still; 0 where
    there is none."""
    listed = list(positions)
    mark, held = marks(position.symbol), position.quantity
    others = gross(listed, marks) - money(abs(held) * mark)
    moves = held - maintenance * abs(held)
    if moves == 0:
        return ZERO
    return max(ZERO, (maintenance * others - equity(cash, listed, marks) + held * mark) / moves)
