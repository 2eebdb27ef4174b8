"""The venue takes positions away: liquidation, auto-deleveraging, delisting. Used by `passage` and `control`."""

from decimal import ROUND_DOWN, Decimal

from backtest.sandbox.accounts import positions as held
from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.records import CENT, ZERO, Kind, Origin
from backtest.sandbox.accounts.state import Position
from backtest.sandbox.accounts.trades import venue_closes

CLEARANCE_FEE = Decimal("0.01")
"""Share of notional that a liquidation costs beside the taker fee, of the order of the venues' own."""


def liquidate(account: Account) -> None:
    """Cancel every order and close every position at its mark, for fees that leave nothing below zero; what was lost
    beyond all there was, the venue's insurance pays."""
    account.cancel_all()
    gross = held.gross(account.state.positions, account.mark)
    left = max(ZERO, account.equity())
    rate = min(account.taker_fee + CLEARANCE_FEE, (left / gross).quantize(CENT, ROUND_DOWN)) if gross else ZERO
    for position in account.positions:
        venue_closes(account, position, Origin.LIQUIDATION, abs(position.quantity), account.mark(position.symbol), rate)
    if account.cash < 0:
        account.pay(Kind.INSURANCE, -account.cash)


def deleverage(account: Account, position: Position, share: Decimal) -> None:
    """The venue closes a share of a position at the mark, at least one lot, to match others' liquidation."""
    lot = account.prices.terms(position.symbol).lot
    lots = max(Decimal(1), (abs(position.quantity) * share / lot).to_integral_value(ROUND_DOWN))
    size = min(abs(position.quantity), lots * lot)
    venue_closes(account, position, Origin.DELEVERAGING, size, account.mark(position.symbol), account.taker_fee)


def delist(account: Account, symbol: str) -> None:
    """The contract ends: its orders are cancelled, and positions settle at the last price for a taker fee."""
    account.cancel_all({symbol})
    for position in (p for p in account.positions if p.symbol == symbol):
        size, price = abs(position.quantity), account.mark(symbol)
        venue_closes(account, position, Origin.DELISTING, size, price, account.taker_fee)
