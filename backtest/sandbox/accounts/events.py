"""What can be made to happen to an account from outside, over HTTP: by hand, by the venue, by a script of what goes
wrong with the next orders. Used by `control`."""

from decimal import ROUND_UP, Decimal
from typing import Annotated, Literal

from pydantic import Field

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.liquidation import deleverage, liquidate
from backtest.sandbox.accounts.placing import execute
from backtest.sandbox.accounts.records import Force, Kind, Origin, Side, Status, Ticket
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.accounts.trades import fill, own_order, settle_rest, size_left
from data.settings import Frozen


class Trade(Frozen):
    """Somebody trades by hand: at the book, or at `price` whatever the book says."""

    kind: Literal["trade"]
    symbol: str
    quantity: Decimal
    price: Decimal | None = Field(None, gt=0)
    side: Side = Side.BOTH

    def happen(self, account: Account) -> None:
        """Trade. Raises OrderRefused for nothing, and for a contract that does not trade."""
        if not self.quantity:
            raise OrderRefused(Refusal.QUANTITY_ZERO)
        if not account.prices.is_listed(self.symbol, account.now_ms):
            raise OrderRefused(Refusal.UNKNOWN_SYMBOL, self.symbol)
        ticket = Ticket(self.symbol, self.quantity, self.price, Force.IOC, side=self.side)
        order = own_order(account, ticket, Origin.HAND)
        if self.price is None:
            execute(account, order)
        else:
            fill(account, order, abs(self.quantity), self.price, maker=False, fee_rate=account.taker_fee)


class Hit(Frozen):
    """Others trade with what rests: a share of each order of a contract, rounded up to lots."""

    kind: Literal["hit"]
    symbol: str
    percent: Decimal = Field(gt=0, le=100)

    def happen(self, account: Account) -> None:
        """Fill it at the price at which it rests. Raises OrderRefused where nothing does."""
        mine = (order for order in account.live_orders() if order.ticket.symbol == self.symbol)
        resting = [order for order in mine if order.status is not Status.WAITING]
        if not resting:
            raise OrderRefused(Refusal.UNKNOWN_ORDER, self.symbol)
        lot = account.prices.terms(self.symbol).lot
        for order in resting:
            size = (size_left(account, order) * self.percent / 100 / lot).to_integral_value(ROUND_UP) * lot
            if size and order.ticket.limit is not None:
                fill(account, order, size, order.ticket.limit, maker=True, fee_rate=account.maker_fee)
            settle_rest(account, order)


class Deleverage(Frozen):
    """The venue closes a share of a position (auto-deleveraging)."""

    kind: Literal["deleverage"]
    symbol: str
    percent: Decimal = Field(gt=0, le=100)
    side: Side = Side.BOTH

    def happen(self, account: Account) -> None:
        """Close it. Raises OrderRefused where nothing is held."""
        position = account.position(self.symbol, self.side)
        if position is None:
            raise OrderRefused(Refusal.WOULD_NOT_REDUCE, self.symbol)
        deleverage(account, position, self.percent / 100)


class Liquidate(Frozen):
    """The venue liquidates the account."""

    kind: Literal["liquidate"]

    def happen(self, account: Account) -> None:
        """Close everything."""
        liquidate(account)


class Hide(Frozen):
    """The next orders are not found by queries, nor are their fills, for so many real seconds."""

    kind: Literal["hide"]
    seconds: float = Field(gt=0)
    orders: int = Field(1, ge=1)

    def happen(self, account: Account) -> None:
        """Script it."""
        account.state.script.hide, account.state.script.hide_s = self.orders, self.seconds


class Partial(Frozen):
    """The next orders fill only a share of what they would have, rounded down to lots."""

    kind: Literal["partial"]
    percent: Decimal = Field(ge=0, lt=100)
    orders: int = Field(1, ge=1)

    def happen(self, account: Account) -> None:
        """Script it."""
        account.state.script.partial, account.state.script.share = self.orders, self.percent / 100


class Reject(Frozen):
    """The next orders are rejected with the venue's own code and these words."""

    kind: Literal["reject"]
    code: str
    words: str = "Rejected."
    orders: int = Field(1, ge=1)

    def happen(self, account: Account) -> None:
        """Script it."""
        script = account.state.script
        script.reject, script.reject_code, script.reject_words = self.orders, self.code, self.words


class Permit(Frozen):
    """What the key may do."""

    kind: Literal["permit"]
    trade: bool | None = None
    withdraw: bool | None = None

    def happen(self, account: Account) -> None:
        """Change what is named."""
        account.state.may_trade = account.state.may_trade if self.trade is None else self.trade
        account.state.may_withdraw = account.state.may_withdraw if self.withdraw is None else self.withdraw


class Modes(Frozen):
    """Somebody changes the account's modes by hand."""

    kind: Literal["modes"]
    hedge: bool | None = None
    isolated: tuple[str, ...] | None = None

    def happen(self, account: Account) -> None:
        """Change what is named. Raises OrderRefused HOLDS_POSITION for hedge mode while anything is held."""
        if self.hedge not in (None, account.state.hedge) and account.positions:
            raise OrderRefused(Refusal.HOLDS_POSITION)
        account.state.hedge = account.state.hedge if self.hedge is None else self.hedge
        account.state.isolated = account.state.isolated if self.isolated is None else list(self.isolated)


class Transfer(Frozen):
    """Money arrives, or leaves."""

    kind: Literal["transfer"]
    amount: Decimal

    def happen(self, account: Account) -> None:
        """Pay it."""
        account.pay(Kind.TRANSFER, self.amount)


Event = Annotated[
    Trade | Hit | Deleverage | Liquidate | Hide | Partial | Reject | Permit | Modes | Transfer,
    Field(discriminator="kind"),
]
"""One event; `kind` says which."""
