"""How an account is set up: leverage, margin mode, position mode. Used by the dialects."""

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal


def set_leverage(account: Account, symbol: str, leverage: int) -> None:
    """Notional over initial margin of a contract. Raises OrderRefused NO_LEVERAGE, or MARGIN_SHORT where what is held
    would tie up more than there is."""
    if not 1 <= leverage <= account.most_leverage:
        raise OrderRefused(Refusal.NO_LEVERAGE, str(leverage))
    before = account.leverage(symbol)
    account.state.leverage[symbol] = leverage
    if leverage < before and account.position_margin() + account.order_margin() > account.equity():
        account.state.leverage[symbol] = before
        raise OrderRefused(Refusal.MARGIN_SHORT)


def set_isolated(account: Account, symbol: str, *, isolated: bool) -> None:
    """Margin mode of a contract; liquidation goes by all money in either. Raises OrderRefused MARGIN_MODE_SAME,
    HOLDS_ORDER or HOLDS_POSITION."""
    if account.is_isolated(symbol) == isolated:
        raise OrderRefused(Refusal.MARGIN_MODE_SAME, symbol)
    if any(order.ticket.symbol == symbol for order in account.live_orders()):
        raise OrderRefused(Refusal.HOLDS_ORDER, symbol)
    if any(position.symbol == symbol for position in account.positions):
        raise OrderRefused(Refusal.HOLDS_POSITION, symbol)
    if isolated:
        account.state.isolated.append(symbol)
    else:
        account.state.isolated.remove(symbol)


def set_hedge(account: Account, *, hedge: bool) -> None:
    """Whether long and short of one contract are held side by side. Raises OrderRefused MODE_SAME, HOLDS_ORDER or
    HOLDS_POSITION."""
    if account.state.hedge == hedge:
        raise OrderRefused(Refusal.MODE_SAME)
    if account.live_orders():
        raise OrderRefused(Refusal.HOLDS_ORDER)
    if account.positions:
        raise OrderRefused(Refusal.HOLDS_POSITION)
    account.state.hedge = hedge
