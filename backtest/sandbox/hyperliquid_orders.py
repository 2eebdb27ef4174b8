"""The signed actions of Hyperliquid that place and cancel orders.

Used by `hyperliquid_exchange`. Words and states: hyperliquid.gitbook.io, error responses and order statuses. As seen
on testnet (MarcosACH/tickwright; riftresearch/hypercore-simulator, docs/observations.md): words end with the asset; an
order that only the book refuses has a number and is found by it; an IOC that fills in part is filled, its rest gone
without a word; a reduce-only order is cut down to what there is to reduce. Assumed, for want of a source: the words for
a client id that an open order has and for a contract that does not trade, and that a builder's fee of zero needs no
approval. Left out: triggers and groups of orders; a builder's fee is checked, but not charged.
"""

from backtest.sandbox.accounts.account import Account
from backtest.sandbox.accounts.placing import place
from backtest.sandbox.accounts.records import Force, Order, Status, Ticket
from backtest.sandbox.accounts.refusals import OrderRefused, Refusal
from backtest.sandbox.hyperliquid_actions import (
    MOST_AT_ONCE,
    ActionRefusedError,
    Cancelled,
    Doing,
    Doings,
    Wanted,
    builder_of,
    cancels_of,
    contract_at,
    orders_of,
    refused_unseen,
)
from backtest.sandbox.hyperliquid_memory import Memory
from backtest.sandbox.hyperliquid_request import Request
from backtest.sandbox.hyperliquid_rows import Row, plain, status_row
from backtest.sandbox.hyperliquid_universe import Universe

FORCE = {"Gtc": Force.GTC, "Ioc": Force.IOC, "Alo": Force.POST_ONLY}
NO_MATCH = "Order could not immediately match against any resting orders."
GONE = "Order was never placed, already canceled, or filled."
UNAPPROVED = "Builder fee has not been approved."
REFUSED: dict[Refusal, tuple[str, str]] = {
    Refusal.MARGIN_SHORT: ("Insufficient margin to place order.", "perpMarginRejected"),
    Refusal.WOULD_NOT_REDUCE: ("Reduce only order would increase position.", "reduceOnlyRejected"),
    Refusal.NOTIONAL_SMALL: ("Order must have minimum value of ${least}.", "minTradeNtlRejected"),
    Refusal.WOULD_TAKE: ("Post only order would have immediately matched, bbo was {bbo}.", "badAloPxRejected"),
    Refusal.PRICE_STEP: ("Price must be divisible by tick size.", "tickRejected"),
    Refusal.QUANTITY_SMALL: ("Order has invalid size.", "rejected"),
    Refusal.UNKNOWN_SYMBOL: ("Trading is halted.", "rejected"),
    Refusal.DUPLICATE_ID: ("Duplicate cloid.", "rejected"),
}
"""(words, state) of what the book refuses."""


class HyperliquidOrders:
    """Orders of one account."""

    def __init__(self, universe: Universe, memory: Memory) -> None:
        """`memory` learns which orders are refused."""
        self._universe = universe
        self._memory = memory

    def doings(self) -> Doings:
        """By type of action."""
        return {"order": self._order, "cancel": self._cancel, "cancelByCloid": self._cancel}

    def _order(self, action: Request) -> Doing:
        wanted, builder = orders_of(action), builder_of(action)

        def do(account: Account, wall_ms: int) -> object:
            contracts = {order.asset: contract_at(self._universe, order.asset, account.now_ms) for order in wanted}
            lots = {asset: contract.lot_step for asset, contract in contracts.items()}
            marks = {asset: account.mark(contract.symbol) for asset, contract in contracts.items()}
            if builder is not None and builder[1] > self._memory.approved(builder[0]):
                statuses: list[object] = [{"error": UNAPPROVED}]
            elif words := refused_unseen(wanted, lots, marks):
                statuses = [{"error": words}]
            else:
                statuses = [self._placed(account, order) for order in wanted]
            return {"type": "order", "data": {"statuses": statuses}}

        return do

    def _placed(self, account: Account, wanted: Wanted) -> Row:
        ticket = Ticket(
            symbol=contract_at(self._universe, wanted.asset, account.now_ms).symbol,
            quantity=wanted.size if wanted.buys else -wanted.size,
            limit=wanted.price,
            force=FORCE[wanted.force],
            reduce_only=wanted.reduce_only,
            client_id=wanted.client_id,
        )
        try:
            order = place(account, ticket)
        except OrderRefused as refusal:
            return {"error": self._refused(account, ticket, wanted.asset, refusal)}
        named = {"oid": order.number} | ({"cloid": ticket.client_id} if ticket.client_id else {})
        if order.live:
            return {"resting": named}
        if not order.filled:
            return {"error": f"{NO_MATCH} asset={wanted.asset}"}
        return {"filled": {"totalSz": plain(abs(order.filled)), "avgPx": plain(order.average)} | named}

    def _refused(self, account: Account, ticket: Ticket, asset: int, refusal: OrderRefused) -> str:
        """The words; the order is remembered, with a number."""
        least = account.prices.terms(ticket.symbol).least_notional.normalize()
        words, state = REFUSED.get(refusal.reason, ("{told}", "rejected"))
        told = refusal.detail or refusal.reason.value
        words = words.format(told=told, least=f"{least:f}", bbo=_bbo(account, ticket.symbol))
        number = account.next_number()
        order = Order(number, ticket, Status.EXPIRED, account.now_ms, account.now_ms)
        self._memory.refused.append(status_row(account, order, self._universe.coins[ticket.symbol], state))
        return f"{words} asset={asset}"

    def _cancel(self, action: Request) -> Doing:
        cancels = cancels_of(action)

        def do(account: Account, wall_ms: int) -> object:
            if len(cancels) > MOST_AT_ONCE:
                raise ActionRefusedError(f"Signed action over weight limit of {MOST_AT_ONCE}.")
            statuses = [self._cancelled(account, cancel) for cancel in cancels]
            return {"type": "cancel", "data": {"statuses": statuses}}

        return do

    def _cancelled(self, account: Account, cancel: Cancelled) -> object:
        symbol = contract_at(self._universe, cancel.asset, account.now_ms).symbol
        try:
            account.cancel(account.find(symbol=symbol, number=cancel.number, client_id=cancel.client_id))
        except OrderRefused:
            return {"error": f"{GONE} asset={cancel.asset}"}
        return "success"


def _bbo(account: Account, symbol: str) -> str:
    bids, asks = account.prices.book(symbol, account.now_ms)
    return "@".join(plain(side[0][0]) if side else "None" for side in (bids, asks))
